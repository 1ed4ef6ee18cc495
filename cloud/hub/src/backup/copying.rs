//! Files from one place to another, with their sums, on the disk when it is said that they are.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use ring::digest::{Context, SHA256};

const PIECE: usize = 1 << 20;

/// What was copied.
pub(super) struct Copied {
    pub(super) bytes: u64,
    pub(super) sha256: Vec<u8>,
}

/// Readable by its owner only, as all the hub keeps.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Copies and syncs; the folder of `to` is made, and not synced. `to` must not be there.
pub(super) fn copy(from: &mut impl Read, to: &Path) -> io::Result<Copied> {
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    let mut file = create(to)?;
    let mut context = Context::new(&SHA256);
    let (mut piece, mut bytes) = (vec![0; PIECE], 0);
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let read = piece.get(..read).unwrap_or_default();
        context.update(read);
        file.write_all(read)?;
        bytes += read.len() as u64;
    }
    file.sync_all()?;
    Ok(Copied {
        bytes,
        sha256: context.finish().as_ref().to_vec(),
    })
}

/// The sum of a file that is there already.
pub(super) fn sum(path: &Path) -> io::Result<Copied> {
    let mut file = File::open(path)?;
    let mut context = Context::new(&SHA256);
    let (mut piece, mut bytes) = (vec![0; PIECE], 0);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        context.update(piece.get(..read).unwrap_or_default());
        bytes += read as u64;
    }
    Ok(Copied {
        bytes,
        sha256: context.finish().as_ref().to_vec(),
    })
}

/// A small file, synced.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// That a file was written then.
pub(super) fn set_modified(path: &Path, modified_ns: i64) -> io::Result<()> {
    let since = Duration::from_nanos(u64::try_from(modified_ns).unwrap_or_default());
    File::open(path)?.set_modified(SystemTime::UNIX_EPOCH + since)
}

pub(super) fn sync_file(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// All folders from here down.
pub(super) fn sync_folders(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    sync_file(path)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}
