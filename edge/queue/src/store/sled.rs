use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{Store, Visit, Writes};
use crate::StoreError;

/// Records pass through once; a large cache would only take memory from the model.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// A closed sled may keep its lock for a moment, while its own threads finish.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_RETRY: Duration = Duration::from_millis(20);

pub(crate) struct SledStore {
    db: sled::Db,
    /// The same inode as sled's own handle, for the sync that sled's flush is not.
    data: File,
    data_path: PathBuf,
}

/// By hand: sled's own `Debug` prints everything that it stores.
impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore")
            .field("data_path", &self.data_path)
            .finish_non_exhaustive()
    }
}

impl SledStore {
    /// Opens or makes the store, and syncs what sled writes at opening but never syncs.
    pub(crate) fn open(directory: &Path) -> Result<Self, StoreError> {
        let db = open_sled(directory)?;
        let data_path = directory.join("db");
        let data = File::open(&data_path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::DataFileGone,
            _ => StoreError::Io(error),
        })?;
        let store = Self { db, data, data_path };
        store.sync()?;
        sync_tree(directory).map_err(StoreError::Io)?;
        Ok(store)
    }
}

impl Store for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        guarded(|| Ok(self.db.get(key)?.map(|value| value.to_vec())))
    }

    fn scan(&self, from: &[u8], below: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        guarded(|| {
            for entry in self.db.range(from..below) {
                let (key, value) = entry?;
                if visit(&key, &value).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    fn apply(&self, writes: &Writes) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(key.as_slice(), value.as_slice()),
                None => batch.remove(key.as_slice()),
            }
        }
        guarded(|| self.db.apply_batch(batch))
    }

    fn sync(&self) -> Result<(), StoreError> {
        guarded(|| self.db.flush())?;
        // A deleted file syncs without complaint and keeps nothing.
        let ours = self.data.metadata().map_err(StoreError::Io)?.ino();
        let there = fs::metadata(&self.data_path).map(|data| data.ino());
        if there.ok() != Some(ours) {
            return Err(StoreError::DataFileGone);
        }
        self.data.sync_data().map_err(StoreError::Io)
    }
}

fn open_sled(directory: &Path) -> Result<sled::Db, StoreError> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        let opened = guarded(|| {
            sled::Config::new()
                .path(directory)
                .cache_capacity(CACHE_BYTES)
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

/// Syncs every file and directory below `directory`, then itself.
fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(directory)?.sync_all()
}
