use std::time::Instant;

/// Clocks drift, and are led back to the right time by small steps; this is none.
const JUMP_MS: i64 = 10_000;

/// Holds the wall's clock against one that only runs.
#[derive(Debug)]
pub(super) struct ClockWatch {
    wall_ms: i64,
    at: Instant,
}

impl ClockWatch {
    pub(super) fn new(wall_ms: i64, at: Instant) -> Self {
        Self { wall_ms, at }
    }

    /// How far the wall's clock was set since the last look, in milliseconds; `None` where it only ran.
    pub(super) fn look(&mut self, wall_ms: i64, at: Instant) -> Option<i64> {
        let ran = i64::try_from(at.saturating_duration_since(self.at).as_millis()).unwrap_or(i64::MAX);
        let jumped = wall_ms.saturating_sub(self.wall_ms).saturating_sub(ran);
        *self = Self { wall_ms, at };
        (JUMP_MS <= jumped.saturating_abs()).then_some(jumped)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_that_is_set_is_seen_once_and_one_that_drifts_is_not() {
        let begun = Instant::now();
        let after = |seconds: u64| begun + Duration::from_secs(seconds);
        let mut watch = ClockWatch::new(1_000_000, begun);
        assert_eq!(watch.look(1_005_200, after(5)), None, "it drifts");
        assert_eq!(watch.look(4_610_200, after(10)), Some(3_600_000));
        assert_eq!(watch.look(4_615_200, after(15)), None, "told once");
        assert_eq!(watch.look(1_020_200, after(20)), Some(-3_600_000));
    }
}
