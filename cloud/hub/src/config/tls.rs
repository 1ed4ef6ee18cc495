use std::path::{Path, PathBuf};

use barefoot_trust::TlsPaths;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Table {
    pub(super) fn below(self, base: &Path) -> TlsPaths {
        TlsPaths {
            authority: base.join(self.authority),
            certificate: base.join(self.certificate),
            key: base.join(self.key),
        }
    }
}
