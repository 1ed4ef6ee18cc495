use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::Stored;
use super::summary::Contents;
use crate::StoreError;

const CACHE_BYTES: u64 = 4 * 1024 * 1024;

/// A closed sled may keep its lock for a moment, while its own threads finish.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);
const LOCK_RETRY: Duration = Duration::from_millis(20);

const CONTENTS: &[u8] = b"c";
const SUMMARY: u8 = b's';
/// sled takes more than twice what it is given: the less, the better.
const LEVEL: i32 = 3;
/// Of a segment full of the smallest records.
const MOST_SUMMARY_BYTES: usize = 16 * 1024 * 1024;
/// Larger values become files of their own, which sled removes late.
const CHUNK_BYTES: usize = 16 * 1024;
const BATCH_BYTES: usize = 1024 * 1024;

/// sled does not give back what it does not need any more; so much beside three times its content is let pass.
const BLOAT_ALLOWED: u64 = 4 * 1024 * 1024;

const NAME: &str = "index.";

/// The index in sled. Never synced: what a power cut leaves is checked, and thrown away when it does not fit.
pub(super) struct Tree {
    folder: PathBuf,
    db: sled::Db,
    /// Bytes of each segment's summary, as stored.
    held: BTreeMap<u64, usize>,
}

/// By hand: sled's own `Debug` prints everything that it stores.
impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Tree {
    /// The newest that is there, with what it holds; or a new one.
    pub(super) fn open_newest(directory: &Path) -> Result<(Self, Option<Stored>), StoreError> {
        let Some(newest) = numbers(directory).pop() else {
            return Ok((Self::begin(directory)?, None));
        };
        let folder = folder(directory, newest);
        let db = open_sled(&folder)?;
        let mut tree = Self {
            folder,
            db,
            held: BTreeMap::new(),
        };
        let mut stored = tree.load()?;
        tree.held = stored
            .summaries
            .iter()
            .map(|(segment, bytes)| (*segment, bytes.len()))
            .collect();
        // One that is damaged does not fit the table of contents any more, like one that is missing.
        for summary in stored.summaries.values_mut() {
            *summary = zstd::bulk::decompress(summary, MOST_SUMMARY_BYTES).unwrap_or_default();
        }
        Ok((tree, (!stored.contents.is_empty()).then_some(stored)))
    }

    /// An empty one behind those that are there.
    pub(super) fn begin(directory: &Path) -> Result<Self, StoreError> {
        let number = numbers(directory).last().map_or(1, |newest| newest + 1);
        let folder = folder(directory, number);
        let db = open_sled(&folder)?;
        Ok(Self {
            folder,
            db,
            held: BTreeMap::new(),
        })
    }

    /// What was thrown away. One that stays is removed at another time.
    pub(super) fn remove_others(&self, directory: &Path) {
        let others = numbers(directory)
            .into_iter()
            .map(|number| folder(directory, number));
        for other in others.filter(|other| *other != self.folder) {
            let _ = fs::remove_dir_all(&other).or_else(|_| fs::remove_file(&other));
        }
    }

    fn load(&self) -> Result<Stored, StoreError> {
        guarded(|| {
            let mut stored = Stored::default();
            for entry in self.db.iter() {
                let (key, value) = entry?;
                if *key == *CONTENTS {
                    stored.contents = value.to_vec();
                } else if let Some(segment) = segment_of(&key) {
                    stored
                        .summaries
                        .entry(segment)
                        .or_default()
                        .extend_from_slice(&value);
                }
            }
            Ok(stored)
        })
    }

    pub(super) fn save(&mut self, contents: &Contents, changed: &[(u64, Vec<u8>)]) -> Result<(), StoreError> {
        guarded(|| {
            let gone: Vec<u64> = self
                .held
                .keys()
                .copied()
                .filter(|segment| !contents.segments.contains_key(segment))
                .collect();
            for segment in gone {
                self.put(segment, &[])?;
                self.held.remove(&segment);
            }
            for (segment, bytes) in changed {
                let small = zstd::bulk::compress(bytes, LEVEL)?;
                self.put(*segment, &small)?;
                self.held.insert(*segment, small.len());
            }
            self.db.insert(CONTENTS, contents.encode())?;
            self.db.flush().map(drop)
        })
    }

    /// The summary of a segment in the place of the one before it. Crashing in between leaves one whose checksum no table
    /// of contents has.
    fn put(&self, segment: u64, bytes: &[u8]) -> Result<(), sled::Error> {
        let mut batch = sled::Batch::default();
        let mut batched = 0;
        let chunks = bytes.chunks(CHUNK_BYTES).map(Some);
        let before = self
            .held
            .get(&segment)
            .map_or(0, |bytes| bytes.div_ceil(CHUNK_BYTES));
        for (chunk, number) in chunks.chain(std::iter::repeat(None)).zip(0u16..) {
            match chunk {
                Some(chunk) => {
                    batch.insert(key(segment, number), chunk);
                    batched += chunk.len();
                }
                None if usize::from(number) < before => batch.remove(key(segment, number)),
                None => break,
            }
            if BATCH_BYTES < batched {
                self.db.apply_batch(std::mem::take(&mut batch))?;
                batched = 0;
            }
        }
        self.db.apply_batch(batch)
    }

    pub(super) fn is_bloated(&self) -> bool {
        let held: usize = self.held.values().sum();
        3 * held as u64 + BLOAT_ALLOWED < disk_bytes(&self.folder)
    }

    /// The same in a new store.
    pub(super) fn copied(&self, directory: &Path) -> Result<Self, StoreError> {
        let mut fresh = Self::begin(directory)?;
        guarded(|| {
            for entry in self.db.iter() {
                let (key, value) = entry?;
                fresh.db.insert(key, value)?;
            }
            fresh.db.flush().map(drop)
        })?;
        fresh.held.clone_from(&self.held);
        Ok(fresh)
    }
}

fn key(segment: u64, chunk: u16) -> Vec<u8> {
    let mut key = vec![SUMMARY];
    key.extend(segment.to_be_bytes());
    key.extend(chunk.to_be_bytes());
    key
}

fn segment_of(key: &[u8]) -> Option<u64> {
    let (segment, _) = key.strip_prefix(&[SUMMARY])?.split_first_chunk::<8>()?;
    Some(u64::from_be_bytes(*segment))
}

fn folder(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{NAME}{number}"))
}

/// The indexes in a directory, ascending. One that cannot be listed has none.
fn numbers(directory: &Path) -> Vec<u64> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut numbers: Vec<u64> = entries
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix(NAME)?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

fn disk_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

fn open_sled(folder: &Path) -> Result<sled::Db, StoreError> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        let opened = guarded(|| {
            sled::Config::new()
                .path(folder)
                .cache_capacity(CACHE_BYTES)
                .mode(sled::Mode::LowSpace)
                .flush_every_ms(None)
                .open()
        });
        match opened {
            Err(StoreError::Engine(sled::Error::Io(error)))
                if error.to_string().starts_with("could not acquire lock") && Instant::now() < deadline =>
            {
                thread::sleep(LOCK_RETRY);
            }
            other => return other,
        }
    }
}

/// sled panics on some damage; that must end an operation, not the daemon.
fn guarded<T>(operation: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(operation)) {
        Ok(result) => result.map_err(StoreError::Engine),
        Err(_) => Err(StoreError::EngineBrokeOff),
    }
}
