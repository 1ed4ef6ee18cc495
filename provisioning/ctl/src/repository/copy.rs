//! A published repository, file by file.

use std::fs::{self, File};
use std::path::Path;

use anyhow::Context;
use barefoot_trust::release::RepositoryEditor;

/// The timestamp last: a copy broken off is then never taken for whole.
pub(super) fn export(editor: &RepositoryEditor, directory: &Path, to: &Path) -> anyhow::Result<String> {
    let paths = editor.published_files()?;
    for path in &paths {
        let target = to.join(path);
        let copy = || {
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::copy(directory.join(path), &target)?;
            File::open(&target)?.sync_all()
        };
        copy().with_context(|| format!("cannot copy {path} to {}", to.display()))?;
    }
    Ok(format!(
        "Copied {} files to {}. A box whose site file names it under [releases] usb takes them from there.",
        paths.len(),
        to.display()
    ))
}
