//! How fast images may go, and when: decided from the clock and what has been sent, with nothing asked of either.

use std::time::Duration;

use super::config::{Config, Window};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const HOUR_MS: i64 = 60 * 60 * 1000;
const MIB: u64 = 1024 * 1024;

/// Whether images may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// At most so many bytes a second, where there is a limit.
    Open { bytes_per_s: Option<u64> },
    /// Ask again after this long.
    Closed { wait: Duration },
}

/// What the site allows at this time (Unix milliseconds), when so many bytes were sent on the clinic's day already.
pub(super) fn opening(config: &Config, now_ms: i64, sent_today: u64) -> Opening {
    let local = now_ms.saturating_add(i64::from(config.utc_offset_minutes) * 60_000);
    let until = |at_ms: i64| Opening::Closed {
        wait: Duration::from_millis(u64::try_from(at_ms - local).unwrap_or_default().max(1)),
    };
    if config
        .daily_mib
        .is_some_and(|mib| u64::from(mib) * MIB <= sent_today)
    {
        return until((local.div_euclid(DAY_MS) + 1) * DAY_MS);
    }
    let rate = |kbit_s: u32| u64::from(kbit_s) * 1000 / 8;
    if config.windows.is_empty() {
        return Opening::Open {
            bytes_per_s: config.max_kbit_s.map(rate),
        };
    }
    let hour = local.div_euclid(HOUR_MS).rem_euclid(24);
    match config.windows.iter().find(|window| contains(window, hour)) {
        Some(window) => Opening::Open {
            bytes_per_s: window.max_kbit_s.or(config.max_kbit_s).map(rate),
        },
        None => until((local.div_euclid(HOUR_MS) + 1) * HOUR_MS),
    }
}

/// The clinic's day, to count by.
pub(super) fn day_of(config: &Config, now_ms: i64) -> i64 {
    let local = now_ms.saturating_add(i64::from(config.utc_offset_minutes) * 60_000);
    local.div_euclid(DAY_MS)
}

fn contains(window: &Window, hour: i64) -> bool {
    let (from, to) = (i64::from(window.from), i64::from(window.to));
    if from < to {
        (from..to).contains(&hour)
    } else {
        from <= hour || hour < to
    }
}

/// A token bucket: what is sent is paid for afterwards, so that a piece of any size passes and the next one waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    /// When everything sent is paid for.
    free_at_ms: f64,
}

impl Bucket {
    /// As much as this may go at once after a pause.
    const BURST_MS: f64 = 250.0;

    pub(super) fn new() -> Self {
        Self { free_at_ms: 0.0 }
    }

    /// How long a piece that is sent now must wait first. `now_ms`: of a clock that never goes back.
    pub(super) fn wait(&mut self, bytes: usize, bytes_per_s: u64, now_ms: f64) -> Duration {
        let cost = bytes as f64 * 1000.0 / bytes_per_s.max(1) as f64;
        let start = self.free_at_ms.max(now_ms - Self::BURST_MS);
        self.free_at_ms = start + cost;
        Duration::from_secs_f64(((start - now_ms) / 1000.0).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config(more: &str) -> Config {
        toml::from_str(&format!("hub = \"h:1\"\nutc_offset_minutes = 480\n{more}")).unwrap()
    }

    #[test]
    fn windows_are_the_clinics_hours() {
        let nights = config("[[window]]\nfrom = 20\nto = 6\n[[window]]\nfrom = 12\nto = 14\nmax_kbit_s = 64");
        let utc = |hour: i64| hour * HOUR_MS;
        let free = Opening::Open { bytes_per_s: None };
        assert_eq!(opening(&nights, utc(13), 0), free, "21 in the clinic");
        assert_eq!(opening(&nights, utc(21), 0), free, "5 in the clinic");
        assert_eq!(
            opening(&nights, utc(4), 0),
            Opening::Open {
                bytes_per_s: Some(8000)
            },
            "noon in the clinic"
        );
        assert_eq!(
            opening(&nights, utc(2) + 1, 0),
            Opening::Closed {
                wait: Duration::from_millis(3_599_999)
            },
            "10 in the clinic"
        );
    }

    #[test]
    fn a_days_allowance_ends_with_the_clinics_day() {
        let metered = config("daily_mib = 1\nmax_kbit_s = 80");
        assert_eq!(
            opening(&metered, 15 * HOUR_MS, MIB - 1),
            Opening::Open {
                bytes_per_s: Some(10_000)
            }
        );
        assert_eq!(
            opening(&metered, 15 * HOUR_MS, MIB),
            Opening::Closed {
                wait: Duration::from_secs(3600)
            },
            "23 in the clinic"
        );
        assert_eq!(day_of(&metered, 15 * HOUR_MS) + 1, day_of(&metered, 16 * HOUR_MS));
    }

    proptest! {
        /// Whatever the pieces and pauses: over any time, what went is what the rate allows and one burst and one piece.
        #[test]
        fn no_rate_is_exceeded(
            pieces in proptest::collection::vec((1usize..20_000, 0.0f64..500.0), 1..100),
            rate in 1000u64..1_000_000,
        ) {
            let (mut bucket, mut now, mut sent) = (Bucket::new(), 1_000_000.0, 0);
            let begun = now;
            for (bytes, pause) in pieces {
                now += pause;
                now += bucket.wait(bytes, rate, now).as_secs_f64() * 1000.0;
                let allowed = rate as f64 * (now - begun + Bucket::BURST_MS + 1.0) / 1000.0;
                prop_assert!(sent as f64 <= allowed, "{sent} of {allowed}");
                sent += bytes;
            }
        }
    }
}
