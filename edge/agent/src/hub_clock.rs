//! What time it is at the hub, as far as this box can know. Its own clock is never set: a result carries the box's time
//! and what that lacked to the hub's.
//!
//! As in NTP, an exchange says that the hub's answer was given between two moments here. Between exchanges the monotonic
//! clock counts on, so that a step of the box's clock changes nothing, and the doubt grows with the time since.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Exchanges remembered; the least doubtful one counts.
const SAMPLES: usize = 8;

/// A cheap crystal's error, and some more: milliseconds of doubt in a million.
const DRIFT_PPM: i64 = 200;

/// Known worse than this is not known.
const MOST_DOUBT_MS: i64 = 5 * 60 * 1000;

/// A question to the hub and its answer, by a clock that never steps, and what the hub said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange {
    pub asked: Duration,
    pub answered: Duration,
    pub hub_received_ms: i64,
    pub hub_answered_ms: i64,
}

/// The hub's time and how far it may be wrong either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HubTime {
    pub ms: i64,
    pub doubt_ms: i64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    hub: HubTime,
}

impl Sample {
    fn at(&self, now: Duration) -> HubTime {
        let elapsed = millis(now.saturating_sub(self.at));
        HubTime {
            ms: self.hub.ms.saturating_add(elapsed),
            doubt_ms: self.hub.doubt_ms + elapsed / (1_000_000 / DRIFT_PPM) + 1,
        }
    }
}

/// The decision: pure, time comes in as a value.
#[derive(Debug, Default)]
struct Estimate {
    samples: VecDeque<Sample>,
}

impl Estimate {
    fn take(&mut self, exchange: &Exchange) {
        let there = exchange.hub_answered_ms.saturating_sub(exchange.hub_received_ms);
        let Some(round_trip) = exchange.answered.checked_sub(exchange.asked) else {
            return;
        };
        // Both clocks tick in milliseconds: the hub may seem to have taken one more than there was.
        if there < 0 || millis(round_trip) + 2 < there {
            return;
        }
        let underway = (millis(round_trip) - there).max(0);
        let sample = Sample {
            at: exchange.answered,
            hub: HubTime {
                ms: exchange.hub_answered_ms.saturating_add(underway / 2),
                doubt_ms: underway / 2 + 1,
            },
        };
        let agrees = |known: &Sample| {
            let known = known.at(sample.at);
            known.ms.abs_diff(sample.hub.ms) <= (known.doubt_ms + sample.hub.doubt_ms).unsigned_abs()
        };
        // The hub's clock was set, or this box slept: what was known before is known no more.
        if !self.samples.iter().all(agrees) {
            self.samples.clear();
        }
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    fn now(&self, now: Duration) -> Option<HubTime> {
        self.samples
            .iter()
            .map(|sample| sample.at(now))
            .min_by_key(|time| time.doubt_ms)
            .filter(|time| time.doubt_ms <= MOST_DOUBT_MS)
    }
}

/// Shared by the link, which learns the time, and whoever writes it down; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct HubClock {
    start: Instant,
    estimate: Arc<Mutex<Estimate>>,
}

impl Default for HubClock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            estimate: Arc::default(),
        }
    }
}

impl HubClock {
    /// The moment `at` as exchanges name it.
    pub(crate) fn moment(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.start)
    }

    pub(crate) fn take(&self, exchange: &Exchange) {
        self.lock().take(exchange);
    }

    /// What the box's clock, which says `box_ms` now, lacks to the hub's; `None` while that is not known.
    pub(crate) fn offset_ms(&self, box_ms: i64) -> Option<i64> {
        let now = self.moment(Instant::now());
        self.lock().now(now).map(|time| time.ms.saturating_sub(box_ms))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Estimate> {
        self.estimate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HUB_START: i64 = 1_790_000_000_000;

    fn exchange(asked_ms: u64, up_ms: u64, there_ms: u64, down_ms: u64, hub_start: i64) -> Exchange {
        let received = asked_ms + up_ms;
        Exchange {
            asked: Duration::from_millis(asked_ms),
            answered: Duration::from_millis(received + there_ms + down_ms),
            hub_received_ms: hub_start + received as i64,
            hub_answered_ms: hub_start + (received + there_ms) as i64,
        }
    }

    proptest! {
        /// However lopsided the line is, the truth lies within the doubt, also hours later.
        #[test]
        fn the_truth_lies_within_the_doubt(
            ways in proptest::collection::vec((0u64..100_000, 0u64..5_000, 0u64..2_000, 0u64..5_000), 1..20),
            later in 0u64..50_000_000,
        ) {
            let mut estimate = Estimate::default();
            let mut at = 0;
            for (pause, up, there, down) in ways {
                let one = exchange(at + pause, up, there, down, HUB_START);
                estimate.take(&one);
                at = millis(one.answered) as u64;
            }
            let now = at + later;
            let known = estimate.now(Duration::from_millis(now)).unwrap();
            let truth = HUB_START + now as i64;
            prop_assert!(known.ms.abs_diff(truth) <= known.doubt_ms.unsigned_abs(), "{:?} {}", known, truth);
        }

        /// Of several exchanges the quickest counts.
        #[test]
        fn a_quick_exchange_is_not_spoilt_by_slow_ones(slow in proptest::collection::vec((0u64..60_000, 0u64..60_000), 0..7)) {
            let mut estimate = Estimate::default();
            estimate.take(&exchange(10, 20, 5, 20, HUB_START));
            let mut at = 100;
            for (up, down) in slow {
                let one = exchange(at, up, 0, down, HUB_START);
                estimate.take(&one);
                at = millis(one.answered) as u64;
            }
            let known = estimate.now(Duration::from_millis(at)).unwrap();
            prop_assert!(known.doubt_ms <= 30 + at as i64 / 5_000, "{:?}", known);
        }

        #[test]
        fn a_hub_whose_clock_was_set_is_believed_again(step in prop_oneof![-4_000_000_000i64..-10_000, 10_000i64..4_000_000_000]) {
            let mut estimate = Estimate::default();
            for number in 0..8 {
                estimate.take(&exchange(number * 1_000, 20, 5, 20, HUB_START));
            }
            estimate.take(&exchange(10_000, 20, 5, 20, HUB_START + step));
            let known = estimate.now(Duration::from_millis(10_045)).unwrap();
            prop_assert!(known.ms.abs_diff(HUB_START + step + 10_045) <= 30, "{:?}", known);
        }

        #[test]
        fn no_answer_makes_it_panic(asked in any::<u32>(), answered in any::<u32>(), received in any::<i64>(), said in any::<i64>(), now in any::<u64>()) {
            let mut estimate = Estimate::default();
            estimate.take(&Exchange {
                asked: Duration::from_millis(asked.into()),
                answered: Duration::from_millis(answered.into()),
                hub_received_ms: received,
                hub_answered_ms: said,
            });
            let _ = estimate.now(Duration::from_millis(now));
        }
    }

    #[test]
    fn an_answer_that_cannot_be_is_no_news() {
        let mut estimate = Estimate::default();
        let possible = exchange(10, 20, 5, 20, HUB_START);
        estimate.take(&Exchange {
            hub_answered_ms: possible.hub_received_ms - 1,
            ..possible
        });
        estimate.take(&Exchange {
            hub_answered_ms: possible.hub_received_ms + 1_000,
            ..possible
        });
        estimate.take(&Exchange {
            answered: Duration::from_millis(5),
            ..possible
        });
        assert_eq!(estimate.now(Duration::from_secs(1)), None);
        estimate.take(&possible);
        assert!(estimate.now(Duration::from_secs(1)).is_some());
        let month = Duration::from_secs(40 * 24 * 3600);
        assert_eq!(estimate.now(month), None, "known worse than is of use");
    }

    #[test]
    fn the_offset_follows_the_own_clock() {
        let clock = HubClock::default();
        assert_eq!(clock.offset_ms(5), None);
        let now = clock.moment(Instant::now());
        clock.take(&Exchange {
            asked: now,
            answered: now,
            hub_received_ms: HUB_START,
            hub_answered_ms: HUB_START,
        });
        let before = clock.offset_ms(HUB_START - 3_000).unwrap();
        let stepped = clock.offset_ms(HUB_START + 7_000_000).unwrap();
        assert!((3_000..63_000).contains(&before), "{before}");
        assert!((-7_000_000..-6_940_000).contains(&stepped), "{stepped}");
    }
}
