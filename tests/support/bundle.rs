//! The demonstration's model with other manners, for tests of what lies behind it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::daemons::workspace;

/// Every radiograph is urgent to it: what is tested is the way of a critical result, not the model.
///
/// # Errors
/// When it cannot be copied into `folder`, or its manifest has changed.
pub fn urgent(folder: &Path) -> io::Result<PathBuf> {
    changed(
        folder,
        "urgent-bundle",
        &[
            ("urgent = false", "urgent = true"),
            ("operating_point = 0.68", "operating_point = 0.0001"),
        ],
    )
}

/// It takes CT slices, whatever it makes of them: for the work of reading a whole scan.
///
/// # Errors
/// As [`urgent`].
pub fn of_slices(folder: &Path) -> io::Result<PathBuf> {
    changed(
        folder,
        "slices-bundle",
        &[("modalities = [\"DX\", \"CR\"]", "modalities = [\"CT\"]")],
    )
}

/// The shipped bundle under another manifest.
fn changed(folder: &Path, name: &str, changes: &[(&str, &str)]) -> io::Result<PathBuf> {
    let bundle = folder.join(name);
    copy(&workspace().join("edge/inference/bundles/cxr-pneumonia"), &bundle)?;
    let manifest = bundle.join("manifest.toml");
    let mut text = fs::read_to_string(&manifest)?;
    for (ours, wanted) in changes {
        if !text.contains(ours) {
            return Err(io::Error::other(format!("the manifest does not say `{ours}`")));
        }
        text = text.replace(ours, wanted);
    }
    fs::write(manifest, text)?;
    Ok(bundle)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let there = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &there)?;
        } else {
            fs::copy(entry.path(), there)?;
        }
    }
    Ok(())
}
