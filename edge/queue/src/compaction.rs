//! When and what to move so that the disk holds little more than what is pending. Pure.
//!
//! Segments go in the order in which they were written, oldest first, each as soon as it holds no record any more. So
//! whatever says that a record is gone lies behind the record itself and outlives it. Where records wait long in an old
//! segment, they are written again at the end.

use std::collections::BTreeSet;

use crate::ledger::{Kept, Ledger};

/// Dead bytes allowed: a part of the live ones, so that the disk is bounded by what is pending, and two segments, so that
/// a queue that is nearly empty moves nothing.
const LIVE_FOR_ONE_DEAD: u64 = 20;
const SEGMENTS_ALLOWED: u64 = 2;

/// Bytes moved in one group: few while the disk is near its bound, so that commits stay short; more when it is far.
const FEW_BYTES: u64 = 256 * 1024;
const MANY_BYTES: u64 = 1024 * 1024;

/// Dead bytes over the bound.
pub(crate) fn excess(ledger: &Ledger, segment_bytes: u64) -> u64 {
    let (all, live) = ledger.log_bytes();
    all.saturating_sub(live)
        .saturating_sub(live / LIVE_FOR_ONE_DEAD + SEGMENTS_ALLOWED * segment_bytes)
}

/// What to move now: records of the oldest segment, but for those that the same group says something about.
pub(crate) fn choose(
    ledger: &Ledger,
    active: u64,
    segment_bytes: u64,
    touched: &BTreeSet<u64>,
) -> Vec<(u64, Kept)> {
    let excess = excess(ledger, segment_bytes);
    let Some((_, oldest)) = ledger.segments.range(..active).next().filter(|_| excess != 0) else {
        return Vec::new();
    };
    let most = match 4 * segment_bytes < excess {
        true => MANY_BYTES,
        false => FEW_BYTES,
    };
    let mut bytes = 0;
    oldest
        .live
        .iter()
        .filter(|sequence| !touched.contains(sequence))
        .filter_map(|sequence| Some((*sequence, ledger.get(*sequence)?.clone())))
        .take_while(|(_, kept)| {
            let room = bytes < most;
            bytes += u64::from(kept.place.bytes);
            room
        })
        .collect()
}

/// The oldest segment, when nothing needs it any more.
pub(crate) fn removable(ledger: &Ledger, active: u64) -> Option<u64> {
    let (number, oldest) = ledger.segments.range(..active).next()?;
    oldest.live.is_empty().then_some(*number)
}
