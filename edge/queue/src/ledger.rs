//! What the queue holds and where it lies: made from the log at opening, kept in step with it by the committer.
//!
//! In memory, about 200 bytes a record beside its id. Payloads stay on disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::fair_share::FairShare;
use crate::log::Log;
use crate::log::frame::{Aside, Entry};
use crate::record::PerLane;
use crate::{Depth, Lane};

/// Where a record's entry lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u32,
    pub(crate) bytes: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) id: Arc<str>,
    pub(crate) lane: Lane,
    pub(crate) queued_at_ms: u64,
    pub(crate) payload_bytes: u32,
    pub(crate) place: Place,
    pub(crate) refusals: u16,
    pub(crate) aside: Option<Box<Aside>>,
}

/// A version of what the index says about one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) bytes: u32,
    pub(crate) checksum: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The number of its first entry; 0 when its header is damaged.
    pub(crate) first_entry: u64,
    /// Of all its entries and its header.
    pub(crate) bytes: u64,
    /// Of the entries of records that it still holds.
    pub(crate) live_bytes: u64,
    pub(crate) live: BTreeSet<u64>,
    /// None when the index does not have its present state.
    pub(crate) summary: Option<Summary>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    ids: HashMap<Arc<str>, u64>,
    records: BTreeMap<u64, Kept>,
    lanes: PerLane<BTreeSet<u64>>,
    aside: BTreeSet<u64>,
    /// Payloads by lane, what was set aside included.
    held: PerLane<Tally>,
    pending_bytes: u64,
    pub(crate) segments: BTreeMap<u64, Segment>,
    pub(crate) share: FairShare,
    pub(crate) telemetry_dropped: u64,
}

impl Ledger {
    pub(crate) fn find(&self, id: &str) -> Option<(u64, &Kept)> {
        let sequence = *self.ids.get(id)?;
        Some((sequence, self.records.get(&sequence)?))
    }

    pub(crate) fn get(&self, sequence: u64) -> Option<&Kept> {
        self.records.get(&sequence)
    }

    /// The records of a lane, in sequence.
    pub(crate) fn waiting(&self, lane: Lane) -> &BTreeSet<u64> {
        self.lanes.of(lane)
    }

    pub(crate) fn set_aside(&self) -> &BTreeSet<u64> {
        &self.aside
    }

    pub(crate) fn held(&self, lane: Lane) -> Tally {
        *self.held.of(lane)
    }

    /// Bytes of the log, and those of them that records need.
    pub(crate) fn log_bytes(&self) -> (u64, u64) {
        let segments = self.segments.values();
        segments.fold((0, 0), |(all, live), segment| {
            (all + segment.bytes, live + segment.live_bytes)
        })
    }

    /// What an entry at this place says. True when it changed something.
    pub(crate) fn apply(&mut self, entry: &Entry<'_>, place: Place) -> bool {
        match entry {
            Entry::Record(record) => self.put(
                record.sequence,
                Kept {
                    id: record.id.into(),
                    lane: record.lane,
                    queued_at_ms: record.queued_at_ms,
                    // The limit on payloads keeps the length within its field.
                    payload_bytes: u32::try_from(record.payload.len()).unwrap_or(u32::MAX),
                    place,
                    refusals: record.refusals,
                    aside: record.aside.clone().map(Box::new),
                },
            ),
            Entry::Gone(sequences) => {
                for sequence in sequences {
                    self.remove(*sequence);
                }
            }
            Entry::Refused {
                sequence, refusals, ..
            } => self.change(*sequence, |kept| kept.refusals = *refusals),
            Entry::SetAside { sequence, aside } => {
                self.change(*sequence, |kept| kept.aside = Some(Box::new(aside.clone())));
            }
            Entry::Back { sequence } => self.change(*sequence, |kept| {
                kept.aside = None;
                kept.refusals = 0;
            }),
            Entry::Lost { .. } => return false,
        }
        true
    }

    /// A new record, or one that lies elsewhere by now.
    pub(crate) fn put(&mut self, sequence: u64, kept: Kept) {
        if let Some(known) = self.records.get(&sequence)
            && known.id == kept.id
        {
            self.relocate(sequence, known.place, kept);
            return;
        }
        self.remove(sequence);
        // Only a damaged log holds an id twice: the newer one counts.
        if let Some(older) = self.ids.get(&kept.id).copied() {
            if sequence < older {
                return;
            }
            self.remove(older);
        }
        self.ids.insert(Arc::clone(&kept.id), sequence);
        self.lies_at(sequence, kept.place);
        let held = self.held.of_mut(kept.lane);
        held.records += 1;
        held.bytes += u64::from(kept.payload_bytes);
        self.enter(sequence, &kept);
        self.records.insert(sequence, kept);
    }

    fn relocate(&mut self, sequence: u64, from: Place, kept: Kept) {
        self.lay_no_more(sequence, from);
        self.lies_at(sequence, kept.place);
        self.change(sequence, |known| {
            known.place = kept.place;
            known.refusals = kept.refusals;
            known.aside = kept.aside;
        });
    }

    /// The log ends there now. `before` was its active segment; where that changed, the new one begins with `first_entry`.
    pub(crate) fn wrote(&mut self, log: &Log, before: u64, first_entry: u64) {
        let written = self.segments.entry(log.active()).or_default();
        written.bytes = log.end();
        if log.active() != before {
            written.first_entry = first_entry;
        }
    }

    fn lies_at(&mut self, sequence: u64, place: Place) {
        let segment = self.segments.entry(place.segment).or_default();
        segment.live.insert(sequence);
        segment.live_bytes += u64::from(place.bytes);
        segment.summary = None;
    }

    fn lay_no_more(&mut self, sequence: u64, place: Place) {
        if let Some(segment) = self.segments.get_mut(&place.segment) {
            segment.live.remove(&sequence);
            segment.live_bytes = segment.live_bytes.saturating_sub(u64::from(place.bytes));
            segment.summary = None;
        }
    }

    pub(crate) fn remove(&mut self, sequence: u64) {
        let Some(kept) = self.records.remove(&sequence) else {
            return;
        };
        self.leave(sequence, &kept);
        self.ids.remove(&kept.id);
        self.lay_no_more(sequence, kept.place);
        let held = self.held.of_mut(kept.lane);
        held.records = held.records.saturating_sub(1);
        held.bytes = held.bytes.saturating_sub(u64::from(kept.payload_bytes));
    }

    fn change(&mut self, sequence: u64, change: impl FnOnce(&mut Kept)) {
        let Some(mut kept) = self.records.remove(&sequence) else {
            return;
        };
        let before = kept.clone();
        change(&mut kept);
        // A lane that goes on waiting keeps its turn.
        if before.aside.is_some() != kept.aside.is_some() {
            self.leave(sequence, &before);
            self.enter(sequence, &kept);
        }
        if let Some(segment) = self.segments.get_mut(&kept.place.segment) {
            segment.summary = None;
        }
        self.records.insert(sequence, kept);
    }

    fn enter(&mut self, sequence: u64, kept: &Kept) {
        if kept.aside.is_some() {
            self.aside.insert(sequence);
            return;
        }
        if self.lanes.of(kept.lane).is_empty() {
            let lanes = &self.lanes;
            self.share
                .begins_to_wait(kept.lane, |lane| !lanes.of(lane).is_empty());
        }
        self.lanes.of_mut(kept.lane).insert(sequence);
        self.pending_bytes += u64::from(kept.payload_bytes);
    }

    fn leave(&mut self, sequence: u64, kept: &Kept) {
        if kept.aside.is_some() {
            self.aside.remove(&sequence);
            return;
        }
        self.lanes.of_mut(kept.lane).remove(&sequence);
        self.pending_bytes = self.pending_bytes.saturating_sub(u64::from(kept.payload_bytes));
    }

    pub(crate) fn depth(&self) -> Depth {
        let first = |lane: Lane| {
            let sequence = self.lanes.of(lane).first()?;
            Some(self.records.get(sequence)?.queued_at_ms)
        };
        let lanes = Lane::ALL.map(|lane| self.lanes.of(lane).len() as u64);
        let oldest_of_lanes_ms = Lane::ALL.map(first);
        Depth {
            lanes,
            pending: lanes.iter().sum(),
            pending_bytes: self.pending_bytes,
            oldest_of_lanes_ms,
            oldest_queued_at_ms: oldest_of_lanes_ms.into_iter().flatten().min(),
            set_aside: self.aside.len() as u64,
            telemetry_dropped: self.telemetry_dropped,
        }
    }
}
