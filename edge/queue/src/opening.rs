//! Directories, the lock, the mark, the log and its index: what must stand before records move.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::damage::Damage;
use crate::disk::{Disk, Folder, sync_directory};
use crate::index::{Index, Stored};
use crate::ledger::Ledger;
use crate::log::Log;
use crate::log::frame::Entry;
use crate::log::segment::Header;
use crate::mark::Mark;
use crate::{Error, StoreError, recovery, takeover};

const LOCK: &str = "lock";
const MARK: &str = "mark";
const LOG: &str = "log";

/// Everything the queue runs on.
#[derive(Debug)]
pub(crate) struct Foundation {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) log: Log,
    pub(crate) mark: Mark,
    pub(crate) ledger: Ledger,
    pub(crate) next_sequence: u64,
    pub(crate) damage: Damage,
    pub(crate) index: Option<Index>,
    /// Held while the queue is open.
    pub(crate) lock: Option<File>,
}

impl Foundation {
    /// Adds a group to the log before anybody else does.
    pub(crate) fn append(&mut self, entries: &[Entry<'_>], next_sequence: u64) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.next_sequence = self.next_sequence.max(next_sequence);
        self.mark.reserve(self.next_sequence).map_err(StoreError::Io)?;
        let (segment, first_entry) = (self.log.active(), self.log.next_entry());
        let places = self
            .log
            .append(entries, self.next_sequence)
            .map_err(|failure| match failure {
                crate::log::Failure::NotStored(error) | crate::log::Failure::Unknown(error) => error,
            })?;
        self.mark
            .note_entry(self.log.next_entry() - 1)
            .map_err(StoreError::Io)?;
        for (entry, place) in entries.iter().zip(places) {
            self.ledger.apply(entry, place);
        }
        self.ledger.wrote(&self.log, segment, first_entry);
        Ok(())
    }
}

/// Opens what lies in `directory`, or makes it. Sequences start at `floor` at least.
pub(crate) fn open(directory: &Path, floor: u64) -> Result<Foundation, Error> {
    let prepared = |source| Error::Directory {
        path: directory.to_owned(),
        source,
    };
    let folder = directory.join(LOG);
    let made = make_directory(&folder).map_err(prepared)?;
    let lock = lock(directory)?;
    let mark = Mark::open(&directory.join(MARK)).map_err(prepared)?;
    let opening = |source: StoreError| match source.is_damage() {
        true => Error::Damaged {
            path: directory.to_owned(),
            source,
        },
        false => Error::Open {
            path: directory.to_owned(),
            source,
        },
    };
    // The way to the log must be durable before anything in it is.
    for made in made.iter().map(PathBuf::as_path).chain([directory]) {
        sync_directory(made)
            .and_then(|()| sync_directory(parent_of(made)))
            .map_err(prepared)?;
    }
    let (index, stored) = Index::open(directory).map_err(|source| Error::Thread { source })?;
    let disk = Arc::new(Folder::new(&folder));
    let mut foundation = lay(disk, mark, floor, Some(index), stored).map_err(opening)?;
    takeover::take_over(directory, &mut foundation).map_err(opening)?;
    foundation.lock = Some(lock);
    // The mark may be new.
    sync_directory(directory).map_err(prepared)?;
    Ok(foundation)
}

/// Reads the log, brings the mark in line with it, and notes what is missing, so that it is reported once.
pub(crate) fn lay(
    disk: Arc<dyn Disk>,
    mut mark: Mark,
    floor: u64,
    mut index: Option<Index>,
    stored: Option<Stored>,
) -> Result<Foundation, StoreError> {
    let recovered = recovery::recover(&*disk, &mark, stored)?;
    if let (false, Some(index)) = (recovered.by_index, &mut index) {
        index.forget();
    }
    let replayed = recovered.replayed;
    let next_sequence = replayed.next_sequence.max(mark.ceiling()).max(floor);
    let mut ledger = replayed.ledger;
    let log = match recovered.last {
        Some(last) => {
            let log = Log::resume(Arc::clone(&disk), last, replayed.next_entry)?;
            ledger.wrote(&log, last.segment, 0);
            log
        }
        None => {
            let header = Header {
                first_entry: replayed.next_entry,
                next_sequence,
            };
            let log = Log::begin(Arc::clone(&disk), 1, header)?;
            ledger.wrote(&log, 0, replayed.next_entry);
            log
        }
    };
    let first = ledger.segments.values().map(|segment| segment.first_entry).next();
    mark.reset(next_sequence, log.next_entry() - 1, first.unwrap_or_default())
        .map_err(StoreError::Io)?;
    let mut entries: Vec<_> = replayed
        .lost
        .iter()
        .map(|(first, last)| Entry::Lost {
            first: *first,
            last: *last,
        })
        .collect();
    if !replayed.damaged.is_empty() {
        let damaged = replayed.damaged.iter();
        entries.push(Entry::Gone(damaged.map(|damaged| damaged.sequence).collect()));
    }
    let lost = replayed.lost.iter().map(|(first, last)| last - first + 1);
    let mut foundation = Foundation {
        disk,
        log,
        mark,
        ledger,
        next_sequence,
        damage: Damage {
            lost_entries: lost.sum(),
            records: replayed.damaged,
        },
        index,
        lock: None,
    };
    foundation.append(&entries, next_sequence)?;
    Ok(foundation)
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
