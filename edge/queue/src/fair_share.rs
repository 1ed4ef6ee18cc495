//! Whose turn it is on the line. Pure.
//!
//! [`Lane::Critical`] comes before everything. The other lanes share the line by start-time fair queueing (Goyal, Vin and
//! Cheng, 1996): each lane has a virtual time, the cost of what it was served divided by its weight, and the lane with the
//! least is next; where they are level, the higher rank. A lane that was empty does not save up: it starts where the
//! least of those that wait stands, or where the last one stood when none waits. So lanes that all wait get the line in the ratio of their weights, and none waits
//! longer than it takes the others to catch up with one record of its own.
//!
//! What was shown to a sender and not yet receipted counts as served, and nothing else is remembered: asking twice gives
//! the same answer.

use crate::Lane;
use crate::record::PerLane;

/// What a record costs beside its payload: envelope, packet, TLS record, receipt.
const OVERHEAD_BYTES: u64 = 256;

/// Divided by each weight without a rest.
const SCALE: u64 = 24;

/// Of 20 parts: what a doctor waits for first, images in between, the box's own health last.
const fn weight(lane: Lane) -> u64 {
    match lane {
        Lane::Critical | Lane::Reports | Lane::Results => 8,
        Lane::Images => 3,
        Lane::Telemetry => 1,
    }
}

fn cost(lane: Lane, payload_bytes: u64) -> u64 {
    payload_bytes
        .saturating_add(OVERHEAD_BYTES)
        .saturating_mul(SCALE / weight(lane))
}

/// What each lane was served so far, and from there on the turns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FairShare {
    virtual_time: PerLane<u64>,
    /// Where the furthest lane stood when it was served.
    reached: u64,
}

impl FairShare {
    /// Records wait in a lane that was empty; `waiting` says which others have some.
    pub(crate) fn begins_to_wait(&mut self, lane: Lane, waiting: impl Fn(Lane) -> bool) {
        let others = Lane::ALL
            .into_iter()
            .filter(|other| *other != lane && *other != Lane::Critical && waiting(*other));
        let least = others.map(|other| *self.virtual_time.of(other)).min();
        let own = self.virtual_time.of_mut(lane);
        *own = least.unwrap_or(self.reached).max(*own);
    }

    /// A record of this lane has the line, or had it.
    pub(crate) fn serve(&mut self, lane: Lane, payload_bytes: u64) {
        let own = self.virtual_time.of_mut(lane);
        if lane != Lane::Critical {
            self.reached = self.reached.max(*own);
        }
        *own = own.saturating_add(cost(lane, payload_bytes));
    }

    /// The lane whose turn it is among those that wait.
    pub(crate) fn next(&self, waiting: impl Fn(Lane) -> bool) -> Option<Lane> {
        if waiting(Lane::Critical) {
            return Some(Lane::Critical);
        }
        Lane::ALL
            .into_iter()
            .filter(|lane| waiting(*lane))
            .min_by_key(|lane| (*self.virtual_time.of(*lane), *lane))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// Lanes of payload sizes, served one after the other.
    #[derive(Debug, Default)]
    struct Line {
        lanes: PerLane<VecDeque<u64>>,
        share: FairShare,
    }

    impl Line {
        fn arrive(&mut self, lane: Lane, bytes: u64) {
            if self.lanes.of(lane).is_empty() {
                let lanes = &self.lanes;
                self.share
                    .begins_to_wait(lane, |other| !lanes.of(other).is_empty());
            }
            self.lanes.of_mut(lane).push_back(bytes);
        }

        fn send(&mut self) -> Option<(Lane, u64)> {
            let lane = self.share.next(|lane| !self.lanes.of(lane).is_empty())?;
            let bytes = self.lanes.of_mut(lane).pop_front().unwrap();
            self.share.serve(lane, bytes);
            Some((lane, bytes))
        }
    }

    fn lanes() -> impl Strategy<Value = Lane> {
        prop::sample::select(Lane::ALL.to_vec())
    }

    const LARGEST: u64 = 64 * 1024;

    proptest! {
        /// The bound that starvation would break: while a lane waits, each other lane gets no more than its weight's
        /// share of what this lane's next record costs, and one record beyond.
        #[test]
        fn nobody_waits_without_bound(
            steps in prop::collection::vec(prop::option::weighted(0.6, (lanes(), 0..LARGEST)), 1..400),
        ) {
            let mut line = Line::default();
            // What each lane was sent since the head of each other lane became its head.
            let mut meanwhile: [[u64; 5]; 5] = [[0; 5]; 5];
            for step in steps {
                let Some((lane, bytes)) = step else {
                    let critical = !line.lanes.of(Lane::Critical).is_empty();
                    let Some((lane, bytes)) = line.send() else { continue };
                    prop_assert!(!critical || lane == Lane::Critical);
                    meanwhile[lane as usize] = [0; 5];
                    if lane == Lane::Critical {
                        continue;
                    }
                    for other in &Lane::ALL[1..] {
                        if *other != lane && !line.lanes.of(*other).is_empty() {
                            let seen = &mut meanwhile[*other as usize][lane as usize];
                            *seen += cost(lane, bytes);
                            let bound = cost(*other, LARGEST) + cost(lane, LARGEST);
                            prop_assert!(*seen <= bound, "{other:?} waits while {lane:?} got {seen}");
                        }
                    }
                    continue;
                };
                if line.lanes.of(lane).is_empty() {
                    meanwhile[lane as usize] = [0; 5];
                }
                line.arrive(lane, bytes);
            }
        }

        #[test]
        fn everything_is_sent_in_the_end_and_each_lane_in_its_order(
            arrivals in prop::collection::vec((lanes(), 0..LARGEST), 0..200),
        ) {
            let mut line = Line::default();
            for (lane, bytes) in &arrivals {
                line.arrive(*lane, *bytes);
            }
            let sent: Vec<_> = std::iter::from_fn(|| line.send()).collect();
            prop_assert_eq!(sent.len(), arrivals.len());
            for lane in Lane::ALL {
                let of = |all: &[(Lane, u64)]| -> Vec<u64> {
                    all.iter().filter(|(of, _)| *of == lane).map(|(_, bytes)| *bytes).collect()
                };
                prop_assert_eq!(of(&sent), of(&arrivals));
            }
            let urgent = arrivals.iter().filter(|(lane, _)| *lane == Lane::Critical).count();
            prop_assert!(sent.iter().take(urgent).all(|(lane, _)| *lane == Lane::Critical));
        }
    }

    #[test]
    fn lanes_that_all_wait_share_by_weight() {
        let mut line = Line::default();
        for lane in &Lane::ALL[1..] {
            for _ in 0..1000 {
                line.arrive(*lane, 744);
            }
        }
        let mut sent = [0; 5];
        for _ in 0..1000 {
            sent[line.send().unwrap().0 as usize] += 1;
        }
        assert_eq!(sent, [0, 400, 400, 150, 50]);
    }

    #[test]
    fn a_lane_that_was_empty_saves_nothing_up() {
        let mut line = Line::default();
        for _ in 0..1000 {
            line.arrive(Lane::Images, 1000);
        }
        for _ in 0..500 {
            assert_eq!(line.send().unwrap().0, Lane::Images);
        }
        for _ in 0..100 {
            line.arrive(Lane::Results, 1000);
        }
        let first: Vec<_> = (0..22).map(|_| line.send().unwrap().0).collect();
        let images = first.iter().filter(|lane| **lane == Lane::Images).count();
        assert_eq!(images, 6, "{first:?}");
    }
}
