use std::collections::BTreeMap;

use crate::layout::{Meta, Place};
use crate::{Depth, Lane};

/// What is known about the queue without looking into the store: rebuilt at opening, kept by the committer.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) commit: u64,
    pub(crate) next_sequence: u64,
    lanes: [Tally; 5],
    aside: u64,
    /// Sequence and id of what the telemetry lane holds, to find its oldest; as bounded as the lane.
    telemetry: BTreeMap<u64, String>,
    telemetry_dropped: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    records: u64,
    bytes: u64,
    /// Sequence and time of the first record; unknown for the moment after it was removed.
    first: Option<(u64, u64)>,
}

impl Ledger {
    pub(crate) fn added(
        &mut self,
        place: Place,
        sequence: u64,
        id: &str,
        queued_at_ms: u64,
        payload_bytes: u64,
    ) {
        let Place::Lane(lane) = place else {
            self.aside += 1;
            return;
        };
        if lane == Lane::Telemetry {
            self.telemetry.insert(sequence, id.to_owned());
        }
        let tally = self.lane(lane);
        if tally.records == 0 {
            tally.first = Some((sequence, queued_at_ms));
        }
        tally.records += 1;
        tally.bytes += payload_bytes;
    }

    pub(crate) fn removed(&mut self, place: Place, sequence: u64, payload_bytes: u64) {
        let Place::Lane(lane) = place else {
            self.aside = self.aside.saturating_sub(1);
            return;
        };
        self.telemetry.remove(&sequence);
        let tally = self.lane(lane);
        tally.records = tally.records.saturating_sub(1);
        tally.bytes = tally.bytes.saturating_sub(payload_bytes);
        if tally.first.is_some_and(|(first, _)| first == sequence) {
            tally.first = None;
        }
    }

    /// The oldest telemetry record once there are more than `limit`; counted as dropped.
    pub(crate) fn drop_telemetry_over(&mut self, limit: usize) -> Option<String> {
        if self.telemetry.len() <= limit {
            return None;
        }
        let (_, id) = self.telemetry.pop_first()?;
        self.telemetry_dropped += 1;
        Some(id)
    }

    /// Lanes that hold records of which the first is not known.
    pub(crate) fn lanes_without_first(&self) -> Vec<Lane> {
        Lane::ALL
            .into_iter()
            .zip(&self.lanes)
            .filter(|(_, tally)| 0 < tally.records && tally.first.is_none())
            .map(|(lane, _)| lane)
            .collect()
    }

    pub(crate) fn set_first(&mut self, lane: Lane, sequence: u64, queued_at_ms: u64) {
        self.lane(lane).first = Some((sequence, queued_at_ms));
    }

    pub(crate) fn meta(&self) -> Meta {
        Meta {
            commit: self.commit,
            next_sequence: self.next_sequence,
            pending: self.lanes.iter().map(|tally| tally.records).sum(),
            aside: self.aside,
        }
    }

    pub(crate) fn depth(&self) -> Depth {
        Depth {
            lanes: self.lanes.map(|tally| tally.records),
            pending: self.lanes.iter().map(|tally| tally.records).sum(),
            pending_bytes: self.lanes.iter().map(|tally| tally.bytes).sum(),
            oldest_queued_at_ms: self
                .lanes
                .iter()
                .filter_map(|tally| tally.first.map(|(_, queued_at_ms)| queued_at_ms))
                .min(),
            set_aside: self.aside,
            telemetry_dropped: self.telemetry_dropped,
        }
    }

    #[expect(clippy::indexing_slicing, reason = "there are as many tallies as lanes")]
    fn lane(&mut self, lane: Lane) -> &mut Tally {
        &mut self.lanes[usize::from(lane.number())]
    }
}
