//! From the hub: receipts. Whatever else arrives is not for this version of the box and is left alone.

use barefoot_wire::{ReceiptOutcome, decode_envelope, decode_receipt, v1};

use super::Link;
use crate::handoff::HubReceipt;

/// The hub's word on one of our envelopes; `None` for everything else, with a line in the log.
pub(super) fn receipt(link: &Link, payload: &[u8]) -> Option<HubReceipt> {
    let envelope = match decode_envelope(payload) {
        Ok(envelope) => envelope,
        Err(error) => {
            tracing::warn!(%error, "The hub sent something this box does not understand.");
            return None;
        }
    };
    if envelope.clinic != link.clinic.as_str() || envelope.kind() != v1::Kind::Receipt {
        tracing::warn!("The hub sent something that is not for this box or of an unknown kind.");
        return None;
    }
    match decode_receipt(&envelope.body) {
        Ok(receipt) => Some(HubReceipt {
            envelope_id: receipt.envelope_id,
            refused: match receipt.outcome {
                ReceiptOutcome::Stored => None,
                ReceiptOutcome::Refused { reason } => Some(reason),
            },
            hub_time_ms: receipt.hub_time_ms,
        }),
        Err(error) => {
            tracing::warn!(%error, "The hub sent a receipt that cannot be read.");
            None
        }
    }
}
