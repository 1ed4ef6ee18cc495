//! Records that the hub could not read: tried again some times, in case the hub or the line was at fault, then set aside
//! with the reason so that they hold up nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A record is sent this often before it is given up.
const ATTEMPTS: u32 = 3;

/// Before a refused record is sent again; each time longer.
const PAUSE: Duration = if cfg!(test) {
    Duration::from_millis(20)
} else {
    Duration::from_secs(2)
};

/// How often each record was refused, over all sessions of this run. A start counts anew.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<String, u32>>);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Again { pause: Duration },
    GivenUp,
}

impl Refusals {
    pub(super) fn count(&self, envelope_id: &str) -> Verdict {
        let mut counts = self.lock();
        let count = counts.entry(envelope_id.to_owned()).or_default();
        *count += 1;
        if *count < ATTEMPTS {
            return Verdict::Again {
                pause: PAUSE * *count,
            };
        }
        counts.remove(envelope_id);
        Verdict::GivenUp
    }

    pub(super) fn forget(&self, envelope_id: &str) {
        self.lock().remove(envelope_id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_given_up_after_some_refusals_in_a_row() {
        let refusals = Refusals::default();
        assert_eq!(refusals.count("a"), Verdict::Again { pause: PAUSE });
        refusals.forget("a");
        assert_eq!(refusals.count("a"), Verdict::Again { pause: PAUSE });
        assert_eq!(refusals.count("b"), Verdict::Again { pause: PAUSE });
        assert_eq!(refusals.count("a"), Verdict::Again { pause: 2 * PAUSE });
        assert_eq!(refusals.count("a"), Verdict::GivenUp);
    }
}
