//! Directories, the lock, the mark and the store: what must stand before records move.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Error;
use crate::ledger::Ledger;
use crate::mark::Mark;
use crate::store::{SledStore, Store};
use crate::survey::{self, Damage};

const LOCK: &str = "lock";
const MARK: &str = "mark";
const STORE: &str = "store";

/// Everything the queue runs on.
#[derive(Debug)]
pub(crate) struct Foundation {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) mark: Mark,
    pub(crate) ledger: Ledger,
    pub(crate) damage: Damage,
    /// Held while the queue is open.
    pub(crate) lock: Option<File>,
}

/// Opens what lies in `directory`, or makes it. Sequences start at `floor` at least.
pub(crate) fn open(directory: &Path, floor: u64) -> Result<Foundation, Error> {
    let prepared = |source| Error::Directory {
        path: directory.to_owned(),
        source,
    };
    let made = make_directory(directory).map_err(prepared)?;
    let lock = lock(directory)?;
    let mark = Mark::open(&directory.join(MARK)).map_err(prepared)?;
    let opening = |source: crate::StoreError| match source.is_damage() {
        true => Error::Damaged {
            path: directory.to_owned(),
            source,
        },
        false => Error::Open {
            path: directory.to_owned(),
            source,
        },
    };
    let store = SledStore::open(&directory.join(STORE)).map_err(opening)?;
    let foundation = lay(Arc::new(store), mark, floor, Some(lock)).map_err(opening)?;
    for directory in made.iter().map(PathBuf::as_path).chain([directory]) {
        sync_directory(directory)
            .and_then(|()| sync_directory(parent_of(directory)))
            .map_err(prepared)?;
    }
    Ok(foundation)
}

/// Looks through the store and brings the mark in line with it.
pub(crate) fn lay(
    store: Arc<dyn Store>,
    mut mark: Mark,
    floor: u64,
    lock: Option<File>,
) -> Result<Foundation, crate::StoreError> {
    let (mut ledger, damage) = survey::survey(&*store, &mark)?;
    ledger.next_sequence = ledger.next_sequence.max(floor);
    mark.reset(ledger.next_sequence, ledger.commit)
        .map_err(crate::StoreError::Io)?;
    Ok(Foundation {
        store,
        mark,
        ledger,
        damage,
        lock,
    })
}

/// Moves a damaged queue out of the way. Gives its new place, and the sequence from which a fresh one must go on.
pub(crate) fn move_away(directory: &Path) -> Result<(PathBuf, u64), Error> {
    // A mark that cannot be read any more counts for nothing: then sequences start over.
    let floor = Mark::open(&directory.join(MARK)).map_or(0, |mark| mark.ceiling());
    let to = free_name(directory);
    fs::rename(directory, &to)
        .and_then(|()| sync_directory(parent_of(directory)))
        .map_err(|source| Error::MoveAway {
            from: directory.to_owned(),
            to: to.clone(),
            source,
        })?;
    Ok((to, floor))
}

fn free_name(directory: &Path) -> PathBuf {
    let name = directory.file_name().unwrap_or_default();
    let mut number = 1u64;
    loop {
        let mut candidate = name.to_owned();
        candidate.push(format!(".damaged-{number}"));
        let candidate = directory.with_file_name(candidate);
        if !candidate.exists() {
            return candidate;
        }
        number += 1;
    }
}

/// Gives the ancestors that had to be made, so that they can be synced too.
fn make_directory(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let missing = directory
        .ancestors()
        .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.exists())
        .map(Path::to_owned)
        .collect();
    fs::create_dir_all(directory)?;
    Ok(missing)
}

fn lock(directory: &Path) -> Result<File, Error> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join(LOCK))
        .map_err(|source| Error::Directory {
            path: directory.to_owned(),
            source,
        })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse {
            path: directory.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(Error::Directory {
            path: directory.to_owned(),
            source,
        }),
    }
}

fn parent_of(directory: &Path) -> &Path {
    match directory.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => directory,
    }
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
