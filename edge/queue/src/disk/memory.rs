use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Disk, SegmentFile};
use crate::StoreError;

/// So small that every test fills some.
pub(crate) const SEGMENT_BYTES: u64 = 4096;

/// A disk in memory that fails when it is told to, and knows what a power cut may leave.
#[derive(Debug, Default, Clone)]
pub(crate) struct MemoryDisk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    names: BTreeMap<u64, usize>,
    durable_names: BTreeMap<u64, usize>,
    files: Vec<Content>,
    syncs: usize,
    faults: Faults,
}

#[derive(Debug, Default, Clone)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// What was done since the last sync.
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Resize(usize),
}

/// What goes wrong from now on.
#[derive(Debug, Default, Clone)]
pub(crate) struct Faults {
    /// The next write writes so many bytes and fails.
    pub(crate) short_write: Option<usize>,
    pub(crate) fail_sync: bool,
    pub(crate) fail_resize: bool,
    pub(crate) fail_reads: bool,
    /// Of every file, these bytes cannot be read.
    pub(crate) bad_sector: Option<Range<u64>>,
    /// The next sync of names fails.
    pub(crate) fail_names: bool,
    /// No byte can be added any more.
    pub(crate) full: bool,
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => {
                bytes.resize(bytes.len().max(offset + data.len()), 0);
                bytes[*offset..offset + data.len()].copy_from_slice(data);
            }
            Self::Resize(length) => bytes.resize(*length, 0),
        }
    }
}

impl MemoryDisk {
    pub(crate) fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.lock().faults);
    }

    pub(crate) fn syncs(&self) -> usize {
        self.lock().syncs
    }

    /// Bytes of all files.
    pub(crate) fn used(&self) -> u64 {
        let inner = self.lock();
        inner
            .names
            .values()
            .map(|file| inner.files[*file].now.len() as u64)
            .sum()
    }

    /// The lowest number that is still there, less one.
    pub(crate) fn segments_removed(&self) -> u64 {
        self.lock().names.keys().next().map_or(0, |first| first - 1)
    }

    /// The disk after the power went: `happens` is asked for everything that no sync covers, piece by piece.
    pub(crate) fn after_power_cut(&self, mut happens: impl FnMut() -> bool) -> Self {
        let inner = self.lock();
        let mut names = inner.durable_names.clone();
        for (number, file) in &inner.names {
            if !names.contains_key(number) && happens() {
                names.insert(*number, *file);
            }
        }
        for number in inner.durable_names.keys() {
            if !inner.names.contains_key(number) && happens() {
                names.remove(number);
            }
        }
        let files: Vec<_> = inner
            .files
            .iter()
            .map(|content| {
                let mut bytes = content.durable.clone();
                for change in &content.unsynced {
                    match change {
                        Change::Write(offset, data) => {
                            for (at, sector) in data.chunks(512).enumerate() {
                                if happens() {
                                    Change::Write(offset + at * 512, sector.to_vec()).apply(&mut bytes);
                                }
                            }
                        }
                        Change::Resize(_) if happens() => change.apply(&mut bytes),
                        Change::Resize(_) => {}
                    }
                }
                Content {
                    now: bytes.clone(),
                    durable: bytes,
                    unsynced: Vec::new(),
                }
            })
            .collect();
        let inner = Inner {
            durable_names: names.clone(),
            names,
            files,
            ..Inner::default()
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Changes a file behind the queue's back.
    pub(crate) fn tamper(&self, segment: u64, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.lock();
        let file = inner.names[&segment];
        let content = &mut inner.files[file];
        change(&mut content.now);
        content.durable = content.now.clone();
        content.unsynced.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics while it holds this")
    }
}

impl Disk for MemoryDisk {
    fn segment_bytes(&self) -> u64 {
        SEGMENT_BYTES
    }

    fn segments(&self) -> Result<Vec<u64>, StoreError> {
        Ok(self.lock().names.keys().copied().collect())
    }

    fn create(&self, segment: u64) -> Result<Arc<dyn SegmentFile>, StoreError> {
        let mut inner = self.lock();
        if inner.faults.full {
            return Err(failure());
        }
        let file = inner.files.len();
        assert!(
            inner.names.insert(segment, file).is_none(),
            "a number was used again"
        );
        inner.files.push(Content::default());
        drop(inner);
        let file = Arc::new(InMemory {
            disk: self.clone(),
            file,
        });
        file.resize(SEGMENT_BYTES)?;
        Ok(file)
    }

    fn open(&self, segment: u64) -> Result<Arc<dyn SegmentFile>, StoreError> {
        let found = self.lock().names.get(&segment).copied();
        let file = found.ok_or_else(|| StoreError::Io(io::Error::from(io::ErrorKind::NotFound)))?;
        Ok(Arc::new(InMemory {
            disk: self.clone(),
            file,
        }))
    }

    fn remove(&self, segment: u64) -> Result<(), StoreError> {
        match self.lock().names.remove(&segment) {
            Some(_) => Ok(()),
            None => Err(StoreError::Io(io::Error::from(io::ErrorKind::NotFound))),
        }
    }

    fn sync_names(&self) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if std::mem::take(&mut inner.faults.fail_names) {
            return Err(failure());
        }
        inner.durable_names = inner.names.clone();
        Ok(())
    }
}

#[derive(Debug)]
struct InMemory {
    disk: MemoryDisk,
    file: usize,
}

impl SegmentFile for InMemory {
    fn bytes(&self) -> Result<u64, StoreError> {
        Ok(self.disk.lock().files[self.file].now.len() as u64)
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), StoreError> {
        let inner = self.disk.lock();
        if inner.faults.fail_reads {
            return Err(failure());
        }
        let end = offset + into.len() as u64;
        let bad = inner.faults.bad_sector.as_ref();
        if bad.is_some_and(|bad| bad.start < end && offset < bad.end) {
            return Err(StoreError::Io(rustix::io::Errno::IO.into()));
        }
        let found = inner.files[self.file]
            .now
            .get(offset as usize..offset as usize + into.len());
        let found = found.ok_or_else(|| StoreError::Io(io::Error::from(io::ErrorKind::UnexpectedEof)))?;
        into.copy_from_slice(found);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let mut inner = self.disk.lock();
        let short = inner.faults.short_write.take();
        let written = bytes[..short.unwrap_or(bytes.len()).min(bytes.len())].to_vec();
        let content = &mut inner.files[self.file];
        let change = Change::Write(offset as usize, written);
        change.apply(&mut content.now);
        content.unsynced.push(change);
        match short {
            Some(_) => Err(failure()),
            None => Ok(()),
        }
    }

    fn resize(&self, bytes: u64) -> Result<(), StoreError> {
        let mut inner = self.disk.lock();
        if inner.faults.fail_resize {
            return Err(failure());
        }
        let change = Change::Resize(bytes as usize);
        let content = &mut inner.files[self.file];
        change.apply(&mut content.now);
        content.unsynced.push(change);
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut inner = self.disk.lock();
        if std::mem::take(&mut inner.faults.fail_sync) {
            return Err(failure());
        }
        inner.syncs += 1;
        let content = &mut inner.files[self.file];
        content.durable = content.now.clone();
        content.unsynced.clear();
        Ok(())
    }
}

fn failure() -> StoreError {
    StoreError::Io(io::Error::other("the disk was told to fail"))
}
