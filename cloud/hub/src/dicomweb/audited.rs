//! One line in the log for a look at a case, not one for each of its thousand frames.

use std::sync::Arc;

use barefoot_domain::ClinicId;

use super::access::{Act, Audit, Caller, Entry, NotWritten};
use crate::audit::OneAct;

#[derive(Debug, Clone)]
pub(super) struct Audited {
    audit: Arc<dyn Audit>,
    written: Arc<OneAct<(String, Act, String)>>,
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
        if self.written.is_written(&key) {
            return Ok(());
        }
        let entry = Entry {
            caller,
            act,
            clinic,
            case,
        };
        self.audit.record(entry).await?;
        self.written.wrote(key);
        Ok(())
    }
}
