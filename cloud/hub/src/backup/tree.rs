//! What lies in a state directory that belongs into a backup.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Error, FILE_SYSTEMS_OWN, KEY};

/// Of one process or one moment, or copied in another way (the database). Everything else is copied, also what a later version
/// of the hub puts there.
const LEFT_OUT: [&str; 10] = [
    "lock",
    "backup.lock",
    "restoring",
    "addresses.json",
    "addresses.json.new",
    "barefoot.db",
    "barefoot.db-wal",
    "barefoot.db-shm",
    KEY,
    FILE_SYSTEMS_OWN,
];

/// Files below that get a name of their own once they are whole; the rest is begun anew by who sends it.
fn is_unfinished(path: &Path) -> bool {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    match parts.as_slice() {
        ["chunks", "new", ..] | ["releases", "staging", ..] | ["releases", "current.new"] => true,
        ["images", _, "open" | "together" | "incoming", ..] => true,
        ["keys" | "identity", name] => name.ends_with(".part"),
        _ => false,
    }
}

/// Never written again once they have their name.
pub(super) fn is_for_ever(path: &str) -> bool {
    ["images/", "chunks/", "releases/published/"]
        .iter()
        .any(|folder| path.starts_with(folder))
}

#[derive(Debug, Default)]
pub(super) struct Found {
    /// By path, with length and time of writing.
    pub(super) files: BTreeMap<String, (u64, i64)>,
    pub(super) links: BTreeMap<String, String>,
}

/// What is there now. What goes meanwhile is as if it had gone before.
pub(super) fn look(state: &Path) -> Result<Found, Error> {
    let mut found = Found::default();
    walk(state, Path::new(""), &mut found)?;
    Ok(found)
}

fn walk(state: &Path, below: &Path, found: &mut Found) -> Result<(), Error> {
    let folder = state.join(below);
    let Some(entries) = unless_gone(fs::read_dir(&folder)).map_err(Error::disk(&folder))? else {
        return Ok(());
    };
    for entry in entries {
        let path = below.join(entry.map_err(Error::disk(&folder))?.file_name());
        let Some(name) = path.to_str() else {
            tracing::warn!(path = %path.display(), "A file whose name is no text is in no backup.");
            continue;
        };
        if LEFT_OUT.contains(&name) || is_unfinished(&path) {
            continue;
        }
        let whole = state.join(&path);
        let Some(data) = unless_gone(fs::symlink_metadata(&whole)).map_err(Error::disk(&whole))? else {
            continue;
        };
        if data.is_dir() {
            walk(state, &path, found)?;
        } else if data.is_symlink() {
            let target: Option<PathBuf> = unless_gone(fs::read_link(&whole)).map_err(Error::disk(&whole))?;
            if let Some(target) = target.as_deref().and_then(Path::to_str) {
                found.links.insert(name.to_owned(), target.to_owned());
            }
        } else if data.is_file() {
            let modified = data
                .mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(data.mtime_nsec());
            found.files.insert(name.to_owned(), (data.len(), modified));
        }
    }
    Ok(())
}

pub(super) fn unless_gone<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
