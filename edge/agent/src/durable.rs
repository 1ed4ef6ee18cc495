//! Small files that survive a power cut whole or not at all, readable by their owner only.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::at_rest;
use crate::study_folder::sync_directory;

/// Bytes of the checksum in front of the content.
const CHECK: usize = 4;

/// Replaces `path` by `content` with a checksum before it; after `Ok` it survives a power cut.
///
/// # Errors
/// When the disk fails; then the old file or the new one is there, never a mixture.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let written = path.with_extension("part");
    let mut file = at_rest::create(&written, 0o600)?;
    file.write_all(&crc32fast::hash(content).to_le_bytes())?;
    file.write_all(content)?;
    file.finish(&written)?.sync_all()?;
    fs::rename(&written, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// What [`replace`] wrote; `None` where there is nothing, or something damaged.
///
/// # Errors
/// When the file is there but cannot be read.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = match at_rest::read(path) {
        Ok(bytes) => bytes,
        // What was sealed and does not open is damaged.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let Some((check, content)) = bytes.split_first_chunk::<CHECK>() else {
        return Ok(None);
    };
    if u32::from_le_bytes(*check) != crc32fast::hash(content) {
        return Ok(None);
    }
    bytes.drain(..CHECK);
    Ok(Some(bytes))
}

/// Overwrites and removes a file that held a secret. On flash the old block may live on until it is used again; the
/// secret's own short life is what protects it.
///
/// # Errors
/// When the disk fails. A missing file is none.
pub(crate) fn destroy(path: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    io::copy(&mut io::Read::take(io::repeat(0), length), &mut &file)?;
    file.sync_all()?;
    fs::remove_file(path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_written_is_read_by_its_owner_and_damage_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        assert_eq!(read(&path).unwrap(), None);
        replace(&path, b"first").unwrap();
        replace(&path, b"second").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some(&b"second"[..]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut bytes = fs::read(&path).unwrap();
        bytes[CHECK] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path).unwrap(), None);
        fs::write(&path, b"abc").unwrap();
        assert_eq!(read(&path).unwrap(), None);
    }

    #[test]
    fn a_destroyed_file_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        replace(&path, b"secret").unwrap();
        destroy(&path).unwrap();
        destroy(&path).unwrap();
        assert!(!path.exists());
    }
}
