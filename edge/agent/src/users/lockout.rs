use serde::{Deserialize, Serialize};

/// Wrong PINs before the first pause.
const TRIES: u32 = 5;
const FIRST_PAUSE_MS: i64 = 60_000;
const LONGEST_PAUSE_MS: i64 = 60 * 60_000;

/// How often somebody's PIN was wrong in a row, and what follows. Pure.
///
/// After five a minute's pause, after each further one twice as long, up to an hour: a four-digit PIN then lasts for
/// months against somebody who guesses, and whoever mistyped waits a minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lockout {
    wrong: u32,
    last_ms: i64,
}

impl Lockout {
    /// When the PIN is taken again; 0 where nothing stands in the way.
    pub(super) fn until_ms(self) -> i64 {
        match self.wrong.checked_sub(TRIES) {
            None => 0,
            Some(more) => {
                let pause = FIRST_PAUSE_MS
                    .checked_shl(more.min(20))
                    .unwrap_or(LONGEST_PAUSE_MS)
                    .min(LONGEST_PAUSE_MS);
                self.last_ms.saturating_add(pause)
            }
        }
    }

    /// Until when, while it lasts. A clock that was set back ends no pause early and makes none longer than the longest.
    pub(super) fn locked(self, now_ms: i64) -> Option<i64> {
        let until_ms = self.until_ms().min(now_ms.saturating_add(LONGEST_PAUSE_MS));
        (now_ms < until_ms).then_some(until_ms)
    }

    pub(super) fn wrong(&mut self, now_ms: i64) {
        self.wrong = self.wrong.saturating_add(1);
        self.last_ms = now_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_begin_after_five_and_grow_to_an_hour() {
        let mut lockout = Lockout::default();
        for _ in 0..TRIES {
            assert_eq!(lockout.locked(1_000), None);
            lockout.wrong(1_000);
        }
        assert_eq!(lockout.locked(1_000), Some(61_000));
        assert_eq!(lockout.locked(61_000), None);
        lockout.wrong(61_000);
        assert_eq!(lockout.locked(61_000), Some(181_000));
        for _ in 0..40 {
            lockout.wrong(61_000);
        }
        assert_eq!(lockout.locked(61_000), Some(61_000 + LONGEST_PAUSE_MS));
    }
}
