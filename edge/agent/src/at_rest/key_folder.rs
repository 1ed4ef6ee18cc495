//! The small files that keys lie in, each sealed with the box's key.

use std::io;
use std::path::{Path, PathBuf};

use barefoot_trust::at_rest::{BoxKeys, Cipher, Key, KeyId, Scope, key_file, list_keys, load_key, save_key};

use crate::durable;

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
}

impl AsRef<str> for Kind {
    fn as_ref(&self) -> &str {
        self.ending()
    }
}

pub(super) fn file(folder: &Path, id: KeyId, kind: Kind) -> PathBuf {
    key_file(folder, id, kind.ending())
}

/// The names of the keys in a folder; none where there is no folder.
pub(super) fn list(folder: &Path) -> io::Result<Vec<(KeyId, Kind)>> {
    list_keys(folder, &[Kind::Record, Kind::Images, Kind::Retired])
}

/// # Errors
/// When the file cannot be read, or is not this key for this scope and this box.
pub(super) fn load(folder: &Path, id: KeyId, kind: Kind, with: &BoxKeys, scope: Scope) -> io::Result<Key> {
    load_key(&file(folder, id, kind), id, with, scope)
}

/// Writes a key under its name. Without `synced` it does not survive a power cut before the file system's next sync.
pub(super) fn save(
    folder: &Path,
    key: &Key,
    kind: Kind,
    with: (Cipher, &BoxKeys, Scope),
    synced: bool,
) -> io::Result<()> {
    save_key(folder, key, kind.ending(), with, synced)
}

/// Overwrites and removes a key, with what an interrupted rotation left of it: what it sealed is noise from then on.
pub(super) fn destroy(folder: &Path, id: KeyId, kind: Kind) -> io::Result<()> {
    let path = file(folder, id, kind);
    for left in ["part", "key.part", "images.part", "retired.part"] {
        durable::destroy(&path.with_extension(left))?;
    }
    durable::destroy(&path)
}
