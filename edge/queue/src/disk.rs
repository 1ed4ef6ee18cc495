//! What the log needs from a disk: numbered files, writes at an offset, syncs that are ones.
//!
//! The seam is here because here crashes matter: the tests put a disk in its place that fails on demand and knows what a
//! power cut would leave.

#[cfg(test)]
pub(crate) mod memory;

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::StoreError;

/// The segments of one queue.
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// A segment that reaches this size is followed by the next.
    fn segment_bytes(&self) -> u64;

    /// The numbers of all segments, ascending.
    fn segments(&self) -> Result<Vec<u64>, StoreError>;

    /// A new file with room for a segment, filled with zeros.
    fn create(&self, segment: u64) -> Result<Arc<dyn SegmentFile>, StoreError>;

    fn open(&self, segment: u64) -> Result<Arc<dyn SegmentFile>, StoreError>;

    fn remove(&self, segment: u64) -> Result<(), StoreError>;

    /// Returns when all names that were made and removed would survive a power cut.
    fn sync_names(&self) -> Result<(), StoreError>;
}

pub(crate) trait SegmentFile: fmt::Debug + Send + Sync {
    fn bytes(&self) -> Result<u64, StoreError>;

    /// Fills `into`, or fails with `UnexpectedEof`.
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), StoreError>;

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError>;

    /// Makes it this long: what lies behind is gone, what is missing is zeros.
    fn resize(&self, bytes: u64) -> Result<(), StoreError>;

    /// Returns when its bytes and its length would survive a power cut.
    fn sync(&self) -> Result<(), StoreError>;
}

/// A disk's smallest piece: what cannot be read is at least as large.
const SECTOR: usize = 512;

/// Everything in it. Sectors that the disk cannot read any more are zeros, to be found as damage.
pub(crate) fn read_whole(file: &dyn SegmentFile) -> Result<Vec<u8>, StoreError> {
    let bytes = usize::try_from(file.bytes()?).unwrap_or(usize::MAX);
    let mut whole = vec![0; bytes];
    match file.read(0, &mut whole) {
        Err(error) if error.is_bad_sector() => {}
        read => return read.map(|()| whole),
    }
    for (offset, sector) in (0..).step_by(SECTOR).zip(whole.chunks_mut(SECTOR)) {
        match file.read(offset, sector) {
            Err(error) if error.is_bad_sector() => sector.fill(0),
            read => read?,
        }
    }
    Ok(whole)
}

const ENDING: &str = ".seg";

/// Large enough that beginning one (two syncs) does not count, small enough that two of them beside what is pending do not
/// either.
const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;

/// Files in a folder, named by their numbers.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    fn path_of(&self, segment: u64) -> PathBuf {
        self.path.join(format!("{segment:016x}{ENDING}"))
    }
}

impl Disk for Folder {
    fn segment_bytes(&self) -> u64 {
        SEGMENT_BYTES
    }

    fn segments(&self) -> Result<Vec<u64>, StoreError> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(StoreError::Io)? {
            let name = entry.map_err(StoreError::Io)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(ENDING));
            segments.extend(number.and_then(|number| u64::from_str_radix(number, 16).ok()));
        }
        segments.sort_unstable();
        Ok(segments)
    }

    fn create(&self, segment: u64) -> Result<Arc<dyn SegmentFile>, StoreError> {
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(self.path_of(segment))
            .map_err(StoreError::Io)?;
        reserve(&file, SEGMENT_BYTES).map_err(StoreError::Io)?;
        Ok(Arc::new(OnDisk(file)))
    }

    fn open(&self, segment: u64) -> Result<Arc<dyn SegmentFile>, StoreError> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(self.path_of(segment))
            .map_err(StoreError::Io)?;
        Ok(Arc::new(OnDisk(file)))
    }

    fn remove(&self, segment: u64) -> Result<(), StoreError> {
        fs::remove_file(self.path_of(segment)).map_err(StoreError::Io)
    }

    fn sync_names(&self) -> Result<(), StoreError> {
        sync_directory(&self.path).map_err(StoreError::Io)
    }
}

pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Room taken beforehand makes a sync cheaper, and a full disk shows before anything is written. A file system that
/// cannot do it just writes.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[derive(Debug)]
struct OnDisk(File);

impl SegmentFile for OnDisk {
    fn bytes(&self) -> Result<u64, StoreError> {
        Ok(self.0.metadata().map_err(StoreError::Io)?.len())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), StoreError> {
        self.0.read_exact_at(into, offset).map_err(StoreError::Io)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.write_all_at(bytes, offset).map_err(StoreError::Io)
    }

    fn resize(&self, bytes: u64) -> Result<(), StoreError> {
        self.0.set_len(bytes).map_err(StoreError::Io)
    }

    fn sync(&self) -> Result<(), StoreError> {
        // A file without a name syncs without complaint and keeps nothing.
        if self.0.metadata().map_err(StoreError::Io)?.nlink() == 0 {
            return Err(StoreError::SegmentGone);
        }
        self.0.sync_data().map_err(StoreError::Io)
    }
}
