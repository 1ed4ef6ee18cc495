//! The small files that keys lie in, each sealed with the key above them: `<id>.<ending>`, the ending says what for.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{BoxKeys, Cipher, Key, KeyId, Scope};

#[must_use]
pub fn key_file(folder: &Path, id: KeyId, ending: &str) -> PathBuf {
    folder.join(format!("{id}.{ending}"))
}

/// The names of the keys in a folder that have one of the endings; none where there is no folder.
///
/// # Errors
/// When the folder cannot be read.
pub fn list_keys<E: Copy + AsRef<str>>(folder: &Path, endings: &[E]) -> io::Result<Vec<(KeyId, E)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let id: Option<KeyId> = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        let known = path.extension().and_then(|ending| {
            let ending = ending.to_str()?;
            endings.iter().copied().find(|one| one.as_ref() == ending)
        });
        found.extend(id.zip(known));
    }
    found.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.as_ref().cmp(y.as_ref())));
    Ok(found)
}

/// # Errors
/// When the file cannot be read, or is not this key for this scope.
pub fn load_key(path: &Path, id: KeyId, with: &BoxKeys, scope: Scope) -> io::Result<Key> {
    Ok(Key::unwrap(&fs::read(path)?, with, id, scope)?)
}

/// Writes a key under its name. Without `synced` it does not survive a power cut before the file system's next sync.
///
/// # Errors
/// When the disk fails.
pub fn save_key(
    folder: &Path,
    key: &Key,
    ending: &str,
    (cipher, with, scope): (Cipher, &BoxKeys, Scope),
    synced: bool,
) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let path = key_file(folder, key.id(), ending);
    let part = path.with_extension("part");
    let mut written = File::create(&part)?;
    written.write_all(&key.wrap(cipher, with, scope)?)?;
    if synced {
        written.sync_all()?;
    }
    fs::rename(&part, &path)?;
    if synced {
        File::open(folder)?.sync_all()?;
        folder
            .parent()
            .map_or(Ok(()), |above| File::open(above)?.sync_all())?;
    }
    Ok(())
}
