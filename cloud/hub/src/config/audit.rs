use std::path::Path;

use serde::Deserialize;

use super::Error;
use super::source::Source;

/// Who else is told of the hub's audit log.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// An audit record repository (DICOM PS3.15 annex A.5, syslog over TLS). Default none.
    repository: Option<barefoot_audit::Config>,
}

impl Table {
    pub(super) fn checked(
        self,
        base: &Path,
        source: &Source<'_>,
    ) -> Result<Option<barefoot_audit::Config>, Error> {
        let Some(repository) = self.repository else {
            return Ok(None);
        };
        repository
            .check()
            .map_err(|problem| source.error("audit.repository", "address", &problem))?;
        Ok(Some(repository.below(base)))
    }
}
