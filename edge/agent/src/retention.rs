//! Which studies' images may leave the box, and when. Results are never removed.
//!
//! Nothing is removed that somebody still needs: a result the hub has not receipted, a study that waits for an expert's
//! report, one a person must look at, one that is still to be sent to another node.

use std::time::Duration;

use barefoot_domain::Urgency;
use serde::Deserialize;

use crate::case_index::{CaseState, CaseView, Delivery};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// When images may be removed. Without the table they never are.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Days after its first image came in which a study's images are never removed; at least 1. Required.
    pub keep_days: u32,
    /// `low_space`: only while less than `storage.warn_free_mib` is free, the oldest first; `always`: as soon as they are
    /// old enough. Default `low_space`.
    #[serde(default)]
    pub remove: Removal,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    #[default]
    LowSpace,
    Always,
}

impl Config {
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.keep_days == 0 {
            return Err(
                "[retention] keep_days must be at least 1; leave the table out to keep images for ever"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// Whether the box is done with a study's images.
#[must_use]
pub(crate) fn may_go(config: &Config, case: &CaseView, now_ms: i64) -> bool {
    let old_enough = u128::from(now_ms.saturating_sub(case.received_at_ms).max(0).unsigned_abs())
        >= (DAY * config.keep_days).as_millis();
    let routine = case
        .assessment
        .as_ref()
        .is_some_and(|assessment| assessment.urgency == Urgency::Routine);
    old_enough
        && 0 < case.instances
        && case.conflicts == 0
        && case.state == CaseState::Assessed
        && routine
        && matches!(case.delivery, Delivery::Receipted { .. })
        && !case.reading.is_under_way()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case_index::samples::assessed;

    const DAY_MS: i64 = 24 * 60 * 60 * 1000;

    const CONFIG: Config = Config {
        keep_days: 30,
        remove: Removal::Always,
    };

    #[test]
    fn what_an_expert_still_reads_stays() {
        use crate::reading::tests::state;
        use barefoot_domain::Progress;

        assert!(!goes(
            |case| _ = case.reading.set_state(state(1, Progress::Waiting)),
            31 * DAY_MS
        ));
        assert!(goes(
            |case| _ = case.reading.set_state(state(1, Progress::Reported)),
            31 * DAY_MS
        ));
    }

    fn goes(change: impl FnOnce(&mut CaseView), age_ms: i64) -> bool {
        let mut case = assessed("1.2.3");
        change(&mut case);
        may_go(&CONFIG, &case, case.received_at_ms + age_ms)
    }

    #[test]
    fn only_old_enough_images_go() {
        assert!(!goes(|_| {}, 30 * DAY_MS - 1));
        assert!(goes(|_| {}, 30 * DAY_MS));
        assert!(
            !goes(|_| {}, -DAY_MS),
            "a clock that was set back removes nothing"
        );
    }

    #[test]
    fn what_somebody_needs_stays_however_old_it_is() {
        let envelope_id = || "01".to_owned();
        let needed: [fn(&mut CaseView); 6] = [
            |case| case.delivery = Delivery::None,
            |case| case.conflicts = 1,
            |case| case.state = CaseState::Receiving,
            |case| case.assessment = None,
            |case| {
                if let Some(assessment) = &mut case.assessment {
                    assessment.urgency = Urgency::Review;
                }
            },
            |case| case.instances = 0,
        ];
        for change in needed {
            assert!(!goes(change, 10_000 * DAY_MS));
        }
        let queued = Delivery::Queued {
            envelope_id: envelope_id(),
        };
        assert!(!goes(|case| case.delivery = queued, 10_000 * DAY_MS));
        let refused = Delivery::Refused {
            envelope_id: envelope_id(),
            reason: "unknown".to_owned(),
        };
        assert!(!goes(|case| case.delivery = refused, 10_000 * DAY_MS));
    }
}
