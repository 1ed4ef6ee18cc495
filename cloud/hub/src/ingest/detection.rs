//! When an assessment was made by the hub's clock, whatever the box's clock says. Pure.

use crate::archive::{Detected, DetectedBy};

/// What the box said of time, and when it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// By the box's clock.
    pub(super) assessed_at_ms: i64,
    /// Hub's clock minus the box's then.
    pub(super) offset_at_assessment_ms: Option<i64>,
    /// By the box's clock; 0 where it did not say.
    pub(super) sent_at_ms: i64,
    /// Hub's clock minus the box's then.
    pub(super) offset_at_sending_ms: Option<i64>,
    /// By the hub's clock.
    pub(super) received_at_ms: i64,
    /// It came at once, not by a stick.
    pub(super) by_line: bool,
}

/// Nothing is detected after it arrived: what a wrong clock or a wrong offset puts into the future is detected on arrival.
pub(super) fn detected(times: &Times) -> Detected {
    let age_ms = times.sent_at_ms.saturating_sub(times.assessed_at_ms);
    let aged = times.by_line && 0 < times.sent_at_ms && 0 <= age_ms;
    let (at_ms, by) = match (times.offset_at_assessment_ms, times.offset_at_sending_ms) {
        (Some(offset), _) => (
            times.assessed_at_ms.saturating_add(offset),
            DetectedBy::Assessment,
        ),
        (None, Some(offset)) => (times.assessed_at_ms.saturating_add(offset), DetectedBy::Sending),
        (None, None) if aged => (times.received_at_ms.saturating_sub(age_ms), DetectedBy::Age),
        (None, None) => (times.assessed_at_ms, DetectedBy::Box),
    };
    Detected {
        at_ms: at_ms.clamp(1, times.received_at_ms.max(1)),
        by,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A year and a bit: clocks without a battery start in 1970 or 2000.
    const SKEW: std::ops::Range<i64> = -40_000_000_000..40_000_000_000;
    const TRUE_DETECTION: i64 = 1_790_000_000_000;

    proptest! {
        /// The box's clock is off by `skew`, steps by `step` between assessment and sending, and knows what it lacks.
        #[test]
        fn neither_skew_nor_a_step_moves_a_deadline(
            skew in SKEW, step in SKEW, waited in 0i64..1_000_000_000, way in 0i64..60_000, knew_when_sent in any::<bool>(),
        ) {
            let sent = TRUE_DETECTION + waited;
            let times = Times {
                assessed_at_ms: TRUE_DETECTION + skew,
                offset_at_assessment_ms: Some(-skew),
                sent_at_ms: sent + skew + step,
                offset_at_sending_ms: knew_when_sent.then_some(-skew - step),
                received_at_ms: sent + way,
                by_line: true,
            };
            prop_assert_eq!(detected(&times), Detected { at_ms: TRUE_DETECTION, by: DetectedBy::Assessment });
        }

        /// A box that never heard the hub's time is late by no more than the way of its message.
        #[test]
        fn a_box_that_knows_nothing_is_dated_by_its_age(
            skew in SKEW, waited in 0i64..1_000_000_000, way in 0i64..60_000, knew_when_sent in any::<bool>(),
        ) {
            let sent = TRUE_DETECTION + waited;
            let times = Times {
                assessed_at_ms: TRUE_DETECTION + skew,
                offset_at_assessment_ms: None,
                sent_at_ms: sent + skew,
                offset_at_sending_ms: knew_when_sent.then_some(-skew),
                received_at_ms: sent + way,
                by_line: true,
            };
            let found = detected(&times).at_ms;
            prop_assert!((TRUE_DETECTION..=TRUE_DETECTION + way).contains(&found));
        }

        #[test]
        fn whatever_a_box_claims_nothing_is_detected_after_it_arrived(
            assessed in any::<i64>(), at in proptest::option::of(any::<i64>()), sent in any::<i64>(),
            at_sending in proptest::option::of(any::<i64>()), received in 1i64.., by_line in any::<bool>(),
        ) {
            let found = detected(&Times {
                assessed_at_ms: assessed,
                offset_at_assessment_ms: at,
                sent_at_ms: sent,
                offset_at_sending_ms: at_sending,
                received_at_ms: received,
                by_line,
            });
            prop_assert!(1 <= found.at_ms && found.at_ms <= received);
        }
    }

    #[test]
    fn a_stick_takes_weeks_which_are_no_age() {
        let times = Times {
            assessed_at_ms: 1_000_000,
            offset_at_assessment_ms: None,
            sent_at_ms: 1_060_000,
            offset_at_sending_ms: None,
            received_at_ms: 900_000_000,
            by_line: false,
        };
        let expected = Detected {
            at_ms: 1_000_000,
            by: DetectedBy::Box,
        };
        assert_eq!(detected(&times), expected);
    }
}
