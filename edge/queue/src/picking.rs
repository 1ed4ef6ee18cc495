//! The records that wait, one after the other in the order of sending.

use std::collections::VecDeque;
use std::ops::Bound;

use crate::Lane;
use crate::committer::Shared;
use crate::fair_share::FairShare;
use crate::ledger::Kept;
use crate::record::PerLane;

/// Looked up at once in a lane, so that the ledger is held for moments only.
const LOOKED_UP: usize = 64;

#[derive(Debug)]
pub(crate) struct Picking<'a> {
    shared: &'a Shared,
    lanes: PerLane<Ahead>,
    share: FairShare,
}

/// What of a lane was looked up and not yet passed.
#[derive(Debug, Default)]
struct Ahead {
    wanted: bool,
    records: VecDeque<(u64, Kept)>,
    after: u64,
}

impl<'a> Picking<'a> {
    pub(crate) fn new(shared: &'a Shared, lanes: &[Lane]) -> Self {
        let mut picking = Self {
            shared,
            lanes: PerLane::default(),
            share: shared.ledger().share,
        };
        for lane in lanes {
            picking.lanes.of_mut(*lane).wanted = true;
        }
        picking
    }

    /// The next record that is not skipped. What is skipped is on its way: it counts as served.
    pub(crate) fn next(&mut self, skip: &impl Fn(u64) -> bool) -> Option<(u64, Kept)> {
        loop {
            for lane in Lane::ALL {
                self.look_up(lane);
            }
            let lanes = &self.lanes;
            let lane = self.share.next(|lane| !lanes.of(lane).records.is_empty())?;
            let (sequence, kept) = self.lanes.of_mut(lane).records.pop_front()?;
            self.share.serve(lane, u64::from(kept.payload_bytes));
            if !skip(sequence) {
                return Some((sequence, kept));
            }
        }
    }

    fn look_up(&mut self, lane: Lane) {
        let ahead = self.lanes.of_mut(lane);
        if !ahead.wanted || !ahead.records.is_empty() {
            return;
        }
        let ledger = self.shared.ledger();
        let behind = (Bound::Excluded(ahead.after), Bound::Unbounded);
        let next = ledger.waiting(lane).range(behind).take(LOOKED_UP);
        let found = next.filter_map(|sequence| Some((*sequence, ledger.get(*sequence)?.clone())));
        ahead.records.extend(found);
        match ahead.records.back() {
            Some((last, _)) => ahead.after = *last,
            // Nothing more: what comes meanwhile is for the next time.
            None => ahead.wanted = false,
        }
    }
}
