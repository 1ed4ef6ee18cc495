//! What lies on somebody else's medium, without an import: for `tests/fuzz`.

use std::path::{Path, PathBuf};

use super::config::Config;
use super::medium;

/// The files of a folder in the order in which they would be read, and how many its directory names that are not there.
pub(crate) fn list(folder: &Path, max_files: usize) -> Option<(Vec<PathBuf>, usize)> {
    let config = Config {
        directory: folder.to_owned(),
        max_files,
        max_depth: 4,
    };
    let found = medium::list(folder, &config).ok()?;
    Some((found.files, found.missing))
}
