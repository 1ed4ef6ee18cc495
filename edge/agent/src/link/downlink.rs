//! From the hub: receipts, its hello, corrections, and what it says of cases. Whatever else arrives is not for this version of the box and is left
//! alone.

use barefoot_wire::{
    DecodeError, Receipt, ReceiptOutcome, Receipts, decode_correction, decode_envelope, decode_hello,
    decode_receipt, decode_receipts, receipt_envelope, v1,
};
use prost::Message;
use ulid::Ulid;

use super::Link;
use crate::clock::now_ms;
use crate::handoff::{Acknowledgement, HubCorrection, HubWord};

/// What the hub says.
#[derive(Debug)]
pub(super) enum Word {
    Receipts(Receipts),
    Hello(v1::Hello),
    Correction(HubCorrection),
    Case(HubWord),
}

/// `None` for everything this box does not understand, with a line in the log.
pub(super) fn read(link: &Link, payload: &[u8]) -> Option<Word> {
    let envelope = match decode_envelope(payload) {
        Ok(envelope) => envelope,
        Err(error) => {
            tracing::warn!(%error, "The hub sent something this box does not understand.");
            return None;
        }
    };
    if envelope.clinic != link.clinic.as_str() {
        tracing::warn!("The hub sent something that is not for this box.");
        return None;
    }
    let read = match envelope.kind() {
        v1::Kind::Receipt => decode_receipt(&envelope.body).map(|receipt| {
            Word::Receipts(Receipts {
                hub_time_ms: receipt.hub_time_ms,
                receipts: vec![receipt],
                ..Receipts::default()
            })
        }),
        v1::Kind::Receipts => decode_receipts(&envelope.body).map(Word::Receipts),
        v1::Kind::Hello => decode_hello(&envelope.body).map(Word::Hello),
        v1::Kind::Correction => correction(&envelope),
        // Read by whoever writes it down: what cannot be read gets an answer too.
        kind @ (v1::Kind::Report | v1::Kind::CaseState | v1::Kind::Message) => Ok(Word::Case(HubWord {
            envelope_id: envelope.id,
            kind,
            body: envelope.body,
        })),
        v1::Kind::Result
        | v1::Kind::Presence
        | v1::Kind::Health
        | v1::Kind::Opinion
        | v1::Kind::ReportRead
        | v1::Kind::Unspecified => {
            tracing::warn!("The hub sent something of an unknown kind.");
            return None;
        }
    };
    match read {
        Ok(word) => Some(word),
        Err(error) => {
            tracing::warn!(%error, "The hub sent a message that cannot be read.");
            None
        }
    }
}

fn correction(envelope: &v1::Envelope) -> Result<Word, DecodeError> {
    Ok(Word::Correction(HubCorrection {
        envelope_id: envelope.id.clone(),
        correction: decode_correction(&envelope.body)?,
    }))
}

/// Our receipt for something the hub sent, ready to publish.
pub(super) fn receipt_for(link: &Link, acknowledgement: &Acknowledgement) -> Vec<u8> {
    let receipt = Receipt {
        envelope_id: acknowledgement.envelope_id.clone(),
        outcome: match &acknowledgement.refused {
            None => ReceiptOutcome::Stored,
            Some(reason) => ReceiptOutcome::Refused {
                reason: reason.clone(),
            },
        },
        // The field is the hub's clock; the box does not claim to know it.
        hub_time_ms: 0,
    };
    let mut envelope = receipt_envelope(Ulid::generate().to_string(), &link.clinic, &receipt);
    envelope.sent_at_ms = now_ms();
    envelope.encode_to_vec()
}
