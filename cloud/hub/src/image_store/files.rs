//! The files of a clinic, below its folder.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use barefoot_wire::images::ObjectId;

/// The rename survives a power cut before anybody hears of it.
pub(super) fn keep(partial: &Path, whole: &Path) -> io::Result<()> {
    let folder = whole.parent().unwrap_or(whole);
    fs::create_dir_all(folder)?;
    fs::rename(partial, whole)?;
    // The folder itself, and those that may have been made with it.
    for directory in folder.ancestors().take(3) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

pub(super) fn whole(folder: &Path) -> io::Result<Vec<(ObjectId, PathBuf)>> {
    let mut found = Vec::new();
    for part in entries(&folder.join("objects"))? {
        for path in entries(&part)? {
            if let Some(id) = name_of(&path).and_then(|name| name.parse().ok()) {
                found.push((id, path));
            }
        }
    }
    Ok(found)
}

pub(super) fn open(folder: &Path) -> io::Result<Vec<(ObjectId, u64, PathBuf)>> {
    let named = |path: PathBuf| {
        let (id, length) = name_of(&path)?.split_once('.')?;
        Some((id.parse().ok()?, length.parse().ok()?, path.clone()))
    };
    Ok(entries(&folder.join("open"))?
        .into_iter()
        .filter_map(named)
        .collect())
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

pub(super) fn is_older(path: &Path, than: Duration) -> io::Result<bool> {
    Ok(is_past(fs::metadata(path)?.modified()?, than))
}

/// A clock that was set back makes nothing older.
pub(super) fn is_past(moment: SystemTime, than: Duration) -> bool {
    let age = SystemTime::now().duration_since(moment);
    age.is_ok_and(|age| than < age)
}
