//! When a model beside the active one may answer, when one that answers is good, and when it must go. Pure.

use super::life::{Event, Problem};
use crate::model::Health;

/// Fewer failures than this may be the pictures' fault.
const FAILURES: u64 = 3;

/// Beyond [`FAILURES`], one failure in so many studies is too many.
const ONE_IN: u64 = 20;

/// A 95th percentile of fewer times says nothing.
const TIMES: usize = 20;

/// As often as long as the model before is too long ...
const SLOWER: f64 = 3.0;

/// ... unless it is still this short, milliseconds: nobody waits for it then.
const STILL_SHORT_MS: f64 = 500.0;

/// What is judged by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Terms {
    /// Studies beside the active model before it answers, at least.
    pub(super) shadow_studies: u32,
    /// Studies answered before it counts as good, at least.
    pub(super) trial_studies: u32,
    /// The model before: 95th percentile of its times, milliseconds. `None` where too few were measured.
    pub(super) before_p95_ms: Option<f64>,
}

/// What `health` says about a model that runs beside the active one; `None`: go on.
pub(super) fn beside(health: &Health, terms: &Terms) -> Option<Event> {
    if fails_too_often(health) {
        return Some(Event::Failed(Problem::FailedInShadow));
    }
    if is_too_slow(health, terms) {
        return Some(Event::Failed(Problem::TooSlow));
    }
    (u64::from(terms.shadow_studies) <= health.assessed).then_some(Event::Quiet)
}

/// What `health` says about a model that answers on trial; `None`: go on.
pub(super) fn on_trial(health: &Health, terms: &Terms) -> Option<Event> {
    if fails_too_often(health) {
        return Some(Event::Failed(Problem::Failing));
    }
    if is_too_slow(health, terms) {
        return Some(Event::Failed(Problem::TooSlow));
    }
    (u64::from(terms.trial_studies) <= health.assessed).then_some(Event::Proven)
}

/// The 95th percentile, where it says something.
pub(super) fn p95_ms(health: &Health) -> Option<f64> {
    (TIMES <= health.times()).then(|| health.within_ms(0.95))
}

fn fails_too_often(health: &Health) -> bool {
    FAILURES <= health.failed && health.asked() < health.failed.saturating_mul(ONE_IN)
}

fn is_too_slow(health: &Health, terms: &Terms) -> bool {
    match (p95_ms(health), terms.before_p95_ms) {
        (Some(now), Some(before)) => STILL_SHORT_MS < now && before * SLOWER < now,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StudyCount;

    const TERMS: Terms = Terms {
        shadow_studies: 10,
        trial_studies: 30,
        before_p95_ms: Some(200.0),
    };

    fn health(good: usize, failed: usize, time_ms: f32) -> Health {
        let mut health = Health::default();
        for index in 0..good + failed {
            health.count(&StudyCount {
                failed: good <= index,
                times_ms: vec![time_ms],
                ..StudyCount::default()
            });
        }
        health
    }

    #[test]
    fn enough_quiet_studies_lead_on() {
        assert_eq!(beside(&health(9, 0, 100.0), &TERMS), None);
        assert_eq!(beside(&health(10, 0, 100.0), &TERMS), Some(Event::Quiet));
        assert_eq!(on_trial(&health(29, 0, 100.0), &TERMS), None);
        assert_eq!(on_trial(&health(30, 0, 100.0), &TERMS), Some(Event::Proven));
        // Two bad pictures delay it and no more.
        assert_eq!(on_trial(&health(29, 2, 100.0), &TERMS), None);
        assert_eq!(on_trial(&health(30, 2, 100.0), &TERMS), Some(Event::Proven));
    }

    #[test]
    fn failures_end_it_even_when_it_would_be_done() {
        assert_eq!(
            beside(&health(10, 3, 100.0), &TERMS),
            Some(Event::Failed(Problem::FailedInShadow))
        );
        assert_eq!(
            on_trial(&health(30, 3, 100.0), &TERMS),
            Some(Event::Failed(Problem::Failing))
        );
        assert_eq!(on_trial(&health(100, 3, 100.0), &TERMS), Some(Event::Proven));
    }

    #[test]
    fn slowness_counts_only_where_it_is_measured_and_felt() {
        let slow = Some(Event::Failed(Problem::TooSlow));
        assert_eq!(on_trial(&health(30, 0, 700.0), &TERMS), slow);
        assert_eq!(on_trial(&health(19, 0, 700.0), &TERMS), None);
        let unknown = Terms {
            before_p95_ms: None,
            ..TERMS
        };
        assert_eq!(on_trial(&health(29, 0, 700.0), &unknown), None);
        let quick = Terms {
            before_p95_ms: Some(10.0),
            ..TERMS
        };
        assert_eq!(on_trial(&health(29, 0, 400.0), &quick), None);
    }
}
