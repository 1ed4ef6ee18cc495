//! Receipts for a whole message: short for what was stored, a sentence for what was refused.

use barefoot_domain::ClinicId;
use prost::Message;
use ulid::Ulid;

use crate::batch::MAX_BATCH_ENVELOPES;
use crate::convert::{envelope, receipt_from_wire, receipt_to_wire};
use crate::{DecodeError, Receipt, ReceiptOutcome, v1};

/// What correlation data is longer than is none of ours.
pub const MAX_CORRELATION_BYTES: usize = 16;

const ID_BYTES: usize = 16;

/// The hub's word on one message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipts {
    pub receipts: Vec<Receipt>,
    /// Places in the message, each with why it could not be read.
    pub unreadable: Vec<(u32, String)>,
    /// Empty where the message had none.
    pub correlation: Vec<u8>,
    /// None of it could be read.
    pub refused: Option<(v1::FrameRefusal, String)>,
    pub hub_time_ms: i64,
}

#[must_use]
pub fn receipts_envelope(id: String, clinic: &ClinicId, receipts: &Receipts) -> v1::Envelope {
    let body = receipts_to_wire(receipts).encode_to_vec();
    envelope(id, clinic, v1::Kind::Receipts, body)
}

/// # Errors
/// When the body is no list of receipts, or a field is outside its range.
pub fn decode_receipts(body: &[u8]) -> Result<Receipts, DecodeError> {
    let receipts = v1::Receipts::decode(body).map_err(|source| DecodeError::Protobuf {
        message: "Receipts",
        source,
    })?;
    receipts_from_wire(receipts)
}

pub(crate) fn receipts_to_wire(receipts: &Receipts) -> v1::Receipts {
    let (mut stored, mut rest) = (Vec::new(), Vec::new());
    for receipt in &receipts.receipts {
        match id_bytes(receipt) {
            Some(bytes) if receipt.hub_time_ms == receipts.hub_time_ms => stored.extend(bytes),
            _ => rest.push(receipt_to_wire(receipt)),
        }
    }
    let (refusal, reason) = receipts
        .refused
        .clone()
        .unwrap_or((v1::FrameRefusal::Unspecified, String::new()));
    v1::Receipts {
        stored,
        receipt: rest,
        unreadable: receipts
            .unreadable
            .iter()
            .map(|(index, reason)| v1::Unreadable {
                index: *index,
                reason: reason.clone(),
            })
            .collect(),
        correlation: receipts.correlation.clone(),
        frame_refused: refusal.into(),
        reason,
        hub_time_ms: receipts.hub_time_ms,
    }
}

pub(crate) fn receipts_from_wire(receipts: v1::Receipts) -> Result<Receipts, DecodeError> {
    let field = |field| DecodeError::Field { field };
    if !receipts.stored.len().is_multiple_of(ID_BYTES) {
        return Err(field("stored"));
    }
    let count = receipts.stored.len() / ID_BYTES + receipts.receipt.len();
    if MAX_BATCH_ENVELOPES < count.max(receipts.unreadable.len()) {
        return Err(field("receipts (too many items)"));
    }
    if MAX_CORRELATION_BYTES < receipts.correlation.len() {
        return Err(field("correlation"));
    }
    let refused = match receipts.frame_refused() {
        v1::FrameRefusal::Unspecified if receipts.frame_refused == 0 => None,
        // A refusal that is newer than this program is still one.
        v1::FrameRefusal::Unspecified => Some((v1::FrameRefusal::Unreadable, receipts.reason)),
        known => Some((known, receipts.reason)),
    };
    let hub_time_ms = receipts.hub_time_ms;
    let stored = receipts.stored.chunks_exact(ID_BYTES).map(|bytes| Receipt {
        envelope_id: Ulid::from_bytes(bytes.try_into().unwrap_or_default()).to_string(),
        outcome: ReceiptOutcome::Stored,
        hub_time_ms,
    });
    let mut all: Vec<Receipt> = stored.collect();
    for receipt in receipts.receipt {
        all.push(receipt_from_wire(receipt)?);
    }
    Ok(Receipts {
        receipts: all,
        unreadable: receipts
            .unreadable
            .into_iter()
            .map(|unreadable| (unreadable.index, unreadable.reason))
            .collect(),
        correlation: receipts.correlation,
        refused,
        hub_time_ms,
    })
}

/// The short form, for a stored envelope whose id has one.
fn id_bytes(receipt: &Receipt) -> Option<[u8; ID_BYTES]> {
    if receipt.outcome != ReceiptOutcome::Stored {
        return None;
    }
    let id: Ulid = receipt.envelope_id.parse().ok()?;
    (id.to_string() == receipt.envelope_id).then(|| id.to_bytes())
}
