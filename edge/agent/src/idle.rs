//! Whether the processor is free for what can wait: pictures come first, learning afterwards.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
struct Inner {
    busy: Mutex<bool>,
    changed: Condvar,
}

/// Set by who assesses, asked by who learns. Clones share it; a new one is idle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Idle(Arc<Inner>);

impl Idle {
    /// Studies wait, or none does any more.
    pub(crate) fn set_busy(&self, busy: bool) {
        *self.0.busy.lock().unwrap_or_else(PoisonError::into_inner) = busy;
        self.0.changed.notify_all();
    }

    /// Blocks until no study waits, `at_most` as long; whether it is so.
    pub(crate) fn wait(&self, at_most: Duration) -> bool {
        let busy = self.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .0
            .changed
            .wait_timeout_while(busy, at_most, |busy| *busy)
            .unwrap_or_else(PoisonError::into_inner);
        !*waited.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_learns_waits_for_who_assesses() {
        let idle = Idle::default();
        assert!(idle.wait(Duration::ZERO));
        idle.set_busy(true);
        assert!(!idle.wait(Duration::from_millis(1)));
        let other = idle.clone();
        let waiting = std::thread::spawn(move || other.wait(Duration::from_secs(60)));
        idle.set_busy(false);
        assert!(waiting.join().unwrap());
    }
}
