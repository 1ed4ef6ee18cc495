use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What the same caller does with the same case within this time is one act.
const ONE_ACT: Duration = Duration::from_secs(300);

/// Acts remembered; with more everything is simply written.
const MOST: usize = 10_000;

/// What stands in the log already: one line for a look at a case, not one for each of its thousand images.
#[derive(Debug)]
pub(crate) struct OneAct<K>(Mutex<HashMap<K, Instant>>);

impl<K> Default for OneAct<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> OneAct<K> {
    pub(crate) fn is_written(&self, act: &K) -> bool {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.get(act).is_some_and(|at| at.elapsed() < ONE_ACT)
    }

    /// Only once the line is in the log.
    pub(crate) fn wrote(&self, act: K) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if MOST <= written.len() {
            written.retain(|_, at| at.elapsed() < ONE_ACT);
        }
        if written.len() < MOST {
            written.insert(act, Instant::now());
        }
    }
}
