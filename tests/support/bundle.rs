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
        &[("urgent", "true"), ("operating_point", "0.0001")],
    )
}

/// It takes CT slices, whatever it makes of them: for the work of reading a whole scan.
///
/// # Errors
/// As [`urgent`].
pub fn of_slices(folder: &Path) -> io::Result<PathBuf> {
    changed(folder, "slices-bundle", &[("modalities", "[\"CT\"]")])
}

/// The shipped bundle under another manifest.
fn changed(folder: &Path, name: &str, changes: &[(&str, &str)]) -> io::Result<PathBuf> {
    let bundle = folder.join(name);
    copy(&workspace().join("edge/inference/bundles/cxr-pneumonia"), &bundle)?;
    let manifest = bundle.join("manifest.toml");
    let mut text = fs::read_to_string(&manifest)?;
    for (key, wanted) in changes {
        text = with(&text, key, wanted)
            .ok_or_else(|| io::Error::other(format!("the manifest has no line of `{key}`")))?;
    }
    fs::write(manifest, text)?;
    Ok(bundle)
}

/// The text with another value on every line of this key.
fn with(text: &str, key: &str, value: &str) -> Option<String> {
    let is_of = |line: &str| line.split_once('=').is_some_and(|(name, _)| name.trim() == key);
    text.lines().any(is_of).then(|| {
        let lines = text.lines().map(|line| match is_of(line) {
            true => format!("{key} = {value}\n"),
            false => format!("{line}\n"),
        });
        lines.collect()
    })
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
