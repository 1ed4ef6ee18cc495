use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::Error;

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.display().to_string(),
        source,
    })
}

/// Secrets are readable by their owner only from the first moment, and never overwrite what stands there.
pub(crate) fn write_new_secret(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_new(path, bytes, 0o600)
}

pub(crate) fn write_new_public(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_new(path, bytes, 0o644)
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    write_new_linking(path, bytes, mode, |from, to| fs::hard_link(from, to)).map_err(|source| Error::Write {
        path: path.display().to_string(),
        source,
    })
}

/// Whole or not at all: written under another name, synced, then linked, which fails when the name is taken.
fn write_new_linking(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    link: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let _ = fs::remove_file(&temporary);
    fill_new(&temporary, bytes, mode)?;
    let linked = link(&temporary, path);
    fs::remove_file(&temporary)?;
    match linked {
        Err(error) if has_no_links(&error) => fill_new(path, bytes, mode)?,
        other => other?,
    }
    path.parent().map_or(Ok(()), sync_directory)
}

/// As sticks are formatted (vfat, exfat). A power cut may then leave half a file, which is never overwritten either.
fn has_no_links(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported
    )
}

/// A file that must not be there; on failure there is none.
fn fill_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    let filled = file.write_all(bytes).and_then(|()| file.sync_all());
    if filled.is_err() {
        let _ = fs::remove_file(path);
    }
    filled
}

/// Replaces a file whole: after a power cut it is the old or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    if directory.as_os_str().is_empty() {
        return Ok(());
    }
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// What the kernel answers on vfat, and what some file systems in user space do.
    const EPERM: i32 = 1;
    const EOPNOTSUPP: i32 = 95;

    #[test]
    fn a_medium_without_links_takes_a_key() {
        for code in [EPERM, EOPNOTSUPP] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("li.key");
            let write = |bytes: &[u8]| {
                write_new_linking(&path, bytes, 0o600, |_, _| {
                    Err(io::Error::from_raw_os_error(code))
                })
            };
            write(b"secret").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"secret");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            // There as elsewhere nothing is overwritten, and nothing else is left.
            assert_eq!(write(b"other").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&path).unwrap(), b"secret");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn another_failure_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("li.key");
        let full = |_: &Path, _: &Path| Err(io::Error::from(io::ErrorKind::StorageFull));
        write_new_linking(&path, b"secret", 0o600, full).unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
