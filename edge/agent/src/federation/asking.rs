//! How long to wait before the hub is asked again.

use std::time::Duration;

use rand::RngExt;

/// Between two tasks, and after the first failure, where the site's poll is longer.
const SHORTEST: Duration = Duration::from_secs(1);

/// Waits are spread by this part, so that clinics that started together do not ask together.
const SPREAD: f64 = 0.2;

#[derive(Debug)]
pub(super) struct Pace {
    poll: Duration,
    failures: u32,
}

impl Pace {
    pub(super) fn new(poll: Duration) -> Self {
        Self { poll, failures: 0 }
    }

    /// The hub has nothing to do: as soon as it says, but no later than the site asks, and never in a rush.
    pub(super) fn idle(&mut self, retry_after: Duration) -> Duration {
        self.failures = 0;
        let wanted = if retry_after.is_zero() {
            self.poll
        } else {
            retry_after
        };
        spread(wanted.clamp(self.shortest(), self.poll))
    }

    pub(super) fn answered(&mut self) -> Duration {
        self.failures = 0;
        spread(self.shortest())
    }

    /// Twice as long each time, up to the site's poll.
    pub(super) fn failed(&mut self) -> Duration {
        let factor = 1_u32 << self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        spread(self.shortest().saturating_mul(factor).min(self.poll))
    }

    /// Only the first of a series is worth a line in the log.
    pub(super) fn is_first_failure(&self) -> bool {
        self.failures == 1
    }

    fn shortest(&self) -> Duration {
        SHORTEST.min(self.poll)
    }
}

fn spread(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(1.0 - SPREAD..1.0 + SPREAD))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(found: Duration, wanted: Duration) {
        let ratio = found.as_secs_f64() / wanted.as_secs_f64();
        assert!((0.79..1.21).contains(&ratio), "{found:?} is not about {wanted:?}");
    }

    #[test]
    fn the_hub_may_hurry_a_clinic_but_not_drive_or_forget_it() {
        let minute = Duration::from_secs(60);
        let mut pace = Pace::new(minute);
        about(pace.idle(Duration::from_secs(5)), Duration::from_secs(5));
        about(pace.idle(Duration::ZERO), minute);
        about(pace.idle(Duration::from_millis(1)), SHORTEST);
        about(pace.idle(Duration::from_secs(1 << 30)), minute);
        let quick = Duration::from_millis(5);
        about(Pace::new(quick).idle(minute), quick);
    }

    #[test]
    fn failures_slow_down_and_success_forgets_them() {
        let mut pace = Pace::new(Duration::from_secs(60));
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            about(pace.failed(), Duration::from_secs(seconds));
        }
        assert!(!pace.is_first_failure());
        about(pace.answered(), SHORTEST);
        pace.failed();
        assert!(pace.is_first_failure());
    }
}
