//! What a sealed file holds that is carried by hand where there is no line.

use prost::Message;

use crate::presence::check_restorations;
use crate::receipts::{Receipts, receipts_from_wire, receipts_to_wire};
use crate::{DecodeError, v1};

/// The only version so far.
const VERSION: u32 = 1;

/// Batches in one file, at most.
pub const MAX_CARRIED_FRAMES: usize = 1024;

/// The content of a file with these batches.
#[must_use]
pub fn encode_carried_results(frames: Vec<Vec<u8>>, exported_at_ms: i64) -> Vec<u8> {
    v1::CarriedResults {
        version: VERSION,
        exported_at_ms,
        frame: frames,
    }
    .encode_to_vec()
}

/// The batches of a file, still encoded, and when it was written by the box's clock.
///
/// # Errors
/// When the content is none of this version, or beyond its limits.
pub fn decode_carried_results(content: &[u8]) -> Result<(Vec<Vec<u8>>, i64), DecodeError> {
    let carried = v1::CarriedResults::decode(content).map_err(|source| DecodeError::Protobuf {
        message: "CarriedResults",
        source,
    })?;
    check(carried.version, carried.frame.len())?;
    Ok((carried.frame, carried.exported_at_ms))
}

/// `restorations`: as in a hello.
#[must_use]
pub fn encode_carried_receipts(receipts: &[Receipts], restorations: Vec<v1::Restoration>) -> Vec<u8> {
    v1::CarriedReceipts {
        version: VERSION,
        receipts: receipts.iter().map(receipts_to_wire).collect(),
        restoration: restorations,
    }
    .encode_to_vec()
}

/// # Errors
/// When the content is none of this version, or beyond its limits.
pub fn decode_carried_receipts(content: &[u8]) -> Result<(Vec<Receipts>, Vec<v1::Restoration>), DecodeError> {
    let carried = v1::CarriedReceipts::decode(content).map_err(|source| DecodeError::Protobuf {
        message: "CarriedReceipts",
        source,
    })?;
    check(carried.version, carried.receipts.len())?;
    check_restorations(&carried.restoration)?;
    let receipts: Result<_, _> = carried.receipts.into_iter().map(receipts_from_wire).collect();
    Ok((receipts?, carried.restoration))
}

fn check(version: u32, frames: usize) -> Result<(), DecodeError> {
    if version != VERSION {
        return Err(DecodeError::Schema { found: version });
    }
    if MAX_CARRIED_FRAMES < frames {
        return Err(DecodeError::Field {
            field: "frame (too many)",
        });
    }
    Ok(())
}
