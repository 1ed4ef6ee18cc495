use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Releases for the boxes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Releases {
    /// The trusted root metadata (TUF `root.json`) that published repositories are checked against.
    pub root: PathBuf,
}

impl Releases {
    pub(super) fn below(self, base: &Path) -> Self {
        Self {
            root: base.join(self.root),
        }
    }
}
