//! One line in the log for a look at a case, not one for each of its thousand frames.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use barefoot_domain::ClinicId;
use tokio::time::Instant;

use super::access::{Act, Audit, Caller, Entry, NotWritten};

/// What the same caller does with the same case within this time is one act.
const ONE_ACT: Duration = Duration::from_secs(300);

/// Acts remembered; with more everything is simply written.
const MOST: usize = 10_000;

type Key = (String, Act, String);

#[derive(Debug, Clone)]
pub(super) struct Audited {
    audit: Arc<dyn Audit>,
    written: Arc<Mutex<HashMap<Key, Instant>>>,
}

impl Audited {
    pub(super) fn new(audit: Arc<dyn Audit>) -> Self {
        Self {
            audit,
            written: Arc::default(),
        }
    }

    /// Before anything is given out.
    pub(super) async fn record(
        &self,
        caller: &Caller,
        act: Act,
        clinic: &ClinicId,
        case: &str,
    ) -> Result<(), NotWritten> {
        let key = (caller.id.clone(), act, case.to_owned());
        if self.is_written(&key) {
            return Ok(());
        }
        let entry = Entry {
            caller,
            act,
            clinic,
            case,
        };
        self.audit.record(entry).await?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if MOST <= written.len() {
            written.retain(|_, at| at.elapsed() < ONE_ACT);
        }
        if written.len() < MOST {
            written.insert(key, Instant::now());
        }
        Ok(())
    }

    fn is_written(&self, key: &Key) -> bool {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.get(key).is_some_and(|at| at.elapsed() < ONE_ACT)
    }
}
