//! The small files that keys lie in, each sealed with the box's key.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use barefoot_trust::at_rest::{BoxKeys, Cipher, Key, KeyId, Scope};

use crate::durable;
use crate::study_folder::sync_directory;

/// What a key is for; the ending of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Record,
    Images,
    /// Of images that are to go: seals nothing new.
    Retired,
}

impl Kind {
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Record => "key",
            Self::Images => "images",
            Self::Retired => "retired",
        }
    }

    fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?;
        [Self::Record, Self::Images, Self::Retired]
            .into_iter()
            .find(|kind| kind.ending() == ending)
    }
}

pub(super) fn file(folder: &Path, id: KeyId, kind: Kind) -> PathBuf {
    folder.join(format!("{id}.{}", kind.ending()))
}

/// The names of the keys in a folder; none where there is no folder.
pub(super) fn list(folder: &Path) -> io::Result<Vec<(KeyId, Kind)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let id = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        found.extend(id.zip(Kind::of(&path)));
    }
    found.sort();
    Ok(found)
}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.ending().cmp(other.ending())
    }
}

/// # Errors
/// When the file cannot be read, or is not this key for this scope and this box.
pub(super) fn load(folder: &Path, id: KeyId, kind: Kind, with: &BoxKeys, scope: Scope) -> io::Result<Key> {
    let bytes = fs::read(file(folder, id, kind))?;
    Ok(Key::unwrap(&bytes, with, id, scope)?)
}

/// Writes a key under its name. Without `synced` it does not survive a power cut before the file system's next sync.
pub(super) fn save(
    folder: &Path,
    key: &Key,
    kind: Kind,
    (cipher, with, scope): (Cipher, &BoxKeys, Scope),
    synced: bool,
) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let path = file(folder, key.id(), kind);
    let part = path.with_extension("part");
    let mut written = File::create(&part)?;
    written.write_all(&key.wrap(cipher, with, scope)?)?;
    if synced {
        written.sync_all()?;
    }
    fs::rename(&part, &path)?;
    if synced {
        sync_directory(folder)?;
        folder.parent().map_or(Ok(()), sync_directory)?;
    }
    Ok(())
}

/// Overwrites and removes a key, with what an interrupted rotation left of it: what it sealed is noise from then on.
pub(super) fn destroy(folder: &Path, id: KeyId, kind: Kind) -> io::Result<()> {
    let path = file(folder, id, kind);
    for left in ["part", "key.part", "images.part", "retired.part"] {
        durable::destroy(&path.with_extension(left))?;
    }
    durable::destroy(&path)
}
