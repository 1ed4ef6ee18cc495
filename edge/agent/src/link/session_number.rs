//! A number for every session, rising for as long as the box lives: by it the hub tells news of this session from the late
//! Last Will of an older one.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::clock::now_ms;
use crate::durable;

const FILE: &str = "link.session";

/// The numbers given so far.
#[derive(Debug, Default)]
pub(super) struct SessionNumbers(Mutex<u64>);

impl SessionNumbers {
    /// The next number, written down in `state`. Where that fails it is still higher than any before while the daemon
    /// runs. Waits for the disk.
    pub(super) fn next(&self, state: &Path) -> u64 {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let path = state.join(FILE);
        let stored = durable::read(&path)
            .ok()
            .flatten()
            .and_then(|bytes| Some(u64::from_le_bytes(bytes.as_slice().try_into().ok()?)));
        let number = after(stored.unwrap_or(0).max(*last), now_ms());
        if let Err(error) = durable::replace(&path, &number.to_le_bytes()) {
            tracing::warn!(%error, "The session's number could not be written down.");
        }
        *last = number;
        number
    }
}

/// One more than the last; and where the file was lost, the clock makes it higher than those before. A clock that was set
/// back changes nothing. Within what databases take as an integer.
fn after(last: u64, now_ms: i64) -> u64 {
    let clock = u64::try_from(now_ms).unwrap_or_default();
    last.saturating_add(1).max(clock).min(i64::MAX.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_over_restarts_lost_files_and_clocks_set_back() {
        assert_eq!(after(0, 1_000), 1_000);
        assert_eq!(after(1_000, 1_000), 1_001);
        assert_eq!(after(5_000, 1_000), 5_001, "the clock was set back");
        assert_eq!(after(7, -1), 8);
        let dir = tempfile::tempdir().unwrap();
        let numbers = SessionNumbers::default();
        let (first, second) = (numbers.next(dir.path()), numbers.next(dir.path()));
        let third = SessionNumbers::default().next(dir.path());
        assert!(first < second && second < third);
        std::fs::remove_file(dir.path().join(FILE)).unwrap();
        let without_file = SessionNumbers::default().next(dir.path());
        assert!(first <= without_file, "the clock stands in for the file");
    }
}
