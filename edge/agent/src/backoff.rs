//! How long to wait before the next attempt at something far away.

use std::time::Duration;

use rand::RngExt;

/// Doubles from one second, up to `max_s`, then takes a random part of between half and all: a region's boxes must not
/// return in step.
pub(crate) fn pause(failures: u32, max_s: u64) -> Duration {
    let ceiling = 1u64
        .checked_shl(failures.saturating_sub(1))
        .unwrap_or(u64::MAX)
        .min(max_s);
    Duration::from_secs(ceiling).mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_limit() {
        for (failures, ceiling) in [(0, 1), (1, 1), (2, 2), (5, 16), (10, 300), (200, 300)] {
            let pause = pause(failures, 300).as_secs_f64();
            let ceiling = f64::from(ceiling);
            assert!((ceiling / 2.0..=ceiling).contains(&pause), "{failures}: {pause}");
        }
    }
}
