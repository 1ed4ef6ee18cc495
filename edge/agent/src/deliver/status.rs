//! What people see of a node's line, between two looks at its outbox.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What changes between two looks.
#[derive(Debug, Default)]
pub(super) struct Pulse(Mutex<(Option<i64>, Option<String>)>);

impl Pulse {
    fn lock(&self) -> MutexGuard<'_, (Option<i64>, Option<String>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sent(&self, now_ms: i64) {
        *self.lock() = (Some(now_ms), None);
    }

    pub(super) fn failed(&self, why: String) {
        self.lock().1 = Some(why);
    }

    pub(super) fn read(&self) -> (Option<i64>, Option<String>) {
        self.lock().clone()
    }
}
