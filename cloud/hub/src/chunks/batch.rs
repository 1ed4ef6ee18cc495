use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use barefoot_federation::chunk::ChunkId;

use super::{Error, Inner, MAX_CHUNK_BYTES, UNFINISHED};

/// Files synced at a time: the file system's journal takes up together what waits for it together.
const SYNCS_ABREAST: usize = 8;

/// Chunks that become durable together. Works on the calling thread: it writes and syncs. What is dropped without
/// [`Batch::commit`] was never stored.
#[derive(Debug)]
pub(crate) struct Batch {
    store: Arc<Inner>,
    waiting: BTreeMap<ChunkId, Draft>,
}

/// A chunk written, not yet synced nor named.
#[derive(Debug)]
struct Draft {
    path: PathBuf,
    bytes: u64,
}

impl Batch {
    pub(super) fn new(store: Arc<Inner>) -> Self {
        Self {
            store,
            waiting: BTreeMap::new(),
        }
    }

    /// Writes a chunk under a passing name.
    pub(crate) fn add(&mut self, content: &[u8]) -> Result<ChunkId, Error> {
        if content.is_empty() || MAX_CHUNK_BYTES < content.len() {
            return Err(Error::Size);
        }
        let id = ChunkId::of(content);
        if self.waiting.contains_key(&id) || self.store.path(&id).exists() {
            return Ok(id);
        }
        let bytes = content.len() as u64;
        let before = self.store.stored.fetch_add(bytes, Ordering::Relaxed);
        if self.store.limit < before.saturating_add(bytes) {
            self.store.stored.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Error::Full {
                limit: self.store.limit,
            });
        }
        let number = self.store.next.fetch_add(1, Ordering::Relaxed);
        let path = self.store.directory.join(UNFINISHED).join(number.to_string());
        match write(&path, content) {
            Ok(()) => {
                self.waiting.insert(id, Draft { path, bytes });
                Ok(id)
            }
            Err(source) => {
                let _ = fs::remove_file(&path);
                self.store.stored.fetch_sub(bytes, Ordering::Relaxed);
                Err(Error::Write { source })
            }
        }
    }

    /// Syncs contents, then names, then folders. Afterwards every chunk added is on disk under its name.
    ///
    /// # Errors
    /// [`Error::Write`]; some of the chunks may then be there.
    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        self.try_commit().map_err(|source| Error::Write { source })
    }

    fn try_commit(&mut self) -> io::Result<()> {
        let drafts: Vec<&Path> = self.waiting.values().map(|draft| &*draft.path).collect();
        sync_each(&drafts, File::sync_data)?;
        let mut folders = BTreeSet::new();
        let mut new_folder = false;
        while let Some((id, draft)) = self.waiting.pop_first() {
            let path = self.store.path(&id);
            if let Some(folder) = path.parent() {
                if !folder.exists() {
                    fs::create_dir_all(folder)?;
                    new_folder = true;
                }
                folders.insert(folder.to_owned());
            }
            // Two batches may write the same chunk: the second finds it there.
            let twice = path.exists();
            fs::rename(&draft.path, &path)?;
            if twice {
                self.store.stored.fetch_sub(draft.bytes, Ordering::Relaxed);
            }
        }
        let folders: Vec<&Path> = folders.iter().map(|folder| &**folder).collect();
        sync_each(&folders, File::sync_all)?;
        if new_folder {
            File::open(&self.store.directory)?.sync_all()?;
        }
        Ok(())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for draft in self.waiting.values() {
            let _ = fs::remove_file(&draft.path);
            self.store.stored.fetch_sub(draft.bytes, Ordering::Relaxed);
        }
    }
}

/// Syncs everything that is listed. Opened again: a batch may be larger than the number of files a process may have open.
fn sync_each(paths: &[&Path], sync: fn(&File) -> io::Result<()>) -> io::Result<()> {
    let each = move |paths: &[&Path]| paths.iter().try_for_each(|path| sync(&File::open(path)?));
    let mut shares = paths.chunks(paths.len().div_ceil(SYNCS_ABREAST).max(1));
    let own = shares.next().unwrap_or_default();
    thread::scope(|scope| {
        let others = shares.map(|share| thread::Builder::new().spawn_scoped(scope, move || each(share)));
        let others = others.collect::<io::Result<Vec<_>>>()?;
        each(own)?;
        others.into_iter().try_for_each(|other| {
            let cut = || io::Error::other("a sync was cut off");
            other.join().unwrap_or_else(|_| Err(cut()))
        })
    })
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    File::create_new(path)?.write_all(content)
}
