use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How it stands with the repository; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Standing(Arc<Mutex<View>>);

/// As others see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Entries that the repository lacks.
    pub behind: u64,
    /// When the oldest of them was written, Unix milliseconds.
    pub oldest_ms: Option<i64>,
    /// Entries that arrived since the start; those that came twice count twice.
    pub sent: u64,
    /// Connections that broke or never were, since the start.
    pub failures: u64,
    /// Why the last attempt failed; none after one that did not.
    pub trouble: Option<String>,
    /// The settings cannot be used: somebody must mend them.
    pub unusable: bool,
}

impl Standing {
    #[must_use]
    pub fn view(&self) -> View {
        self.inner().clone()
    }

    /// Nothing can be sent before somebody mends it.
    pub fn cannot(&self, why: String) {
        let mut view = self.inner();
        (view.trouble, view.unusable) = (Some(why), true);
    }

    pub(super) fn lacks(&self, behind: u64, oldest_ms: Option<i64>) {
        let mut view = self.inner();
        (view.behind, view.oldest_ms) = (behind, oldest_ms);
    }

    pub(super) fn arrived(&self, entries: u64) {
        let mut view = self.inner();
        view.sent += entries;
        view.trouble = None;
    }

    pub(super) fn failed(&self, why: String) {
        let mut view = self.inner();
        view.failures += 1;
        view.trouble = Some(why);
    }

    fn inner(&self) -> MutexGuard<'_, View> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
