//! The chunks of parameters, updates and test sets: files named by the SHA-256 of their content.
//!
//! `<state>/chunks/ab/<64 hex digits>`. A file gets its name only when its content is on disk, so what has a name is
//! whole; what was being written at a power cut lies in `new/` and is thrown away at the next start. Writing the same
//! chunk again changes nothing. Several chunks share their syncs: a [`Batch`].
//!
//! Who stores a chunk and then writes down that it needs it takes a [`Hold`] over both, because
//! [`ChunkStore::sweep`] removes what nobody needs.

mod batch;
mod lately;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use barefoot_federation::chunk::ChunkId;
use bytes::Bytes;
use tokio::sync::{OwnedRwLockReadGuard, RwLock};
use tokio::task::spawn_blocking;

pub(crate) use batch::Batch;
use lately::Lately;

/// The largest chunk: 262144 values of four bytes.
pub(crate) const MAX_CHUNK_BYTES: usize = 1024 * 1024;

/// Why the chunk store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot use the chunk store {path}: check its rights and the free space")]
    Open { path: String, source: io::Error },
    #[error("cannot write a chunk: check the free space of the state directory")]
    Write { source: io::Error },
    #[error("cannot read chunk {id}")]
    Read { id: ChunkId, source: io::Error },
    #[error("chunk {id} is damaged on disk: it does not have its own hash any more")]
    Damaged { id: ChunkId },
    #[error("a chunk has 1 to {MAX_CHUNK_BYTES} bytes")]
    Size,
    #[error("the chunk store has reached its limit of {limit} bytes")]
    Full { limit: u64 },
    #[error("the chunk store's work was cut off")]
    Cut,
}

/// A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ChunkStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    /// Bytes of all chunks there are.
    stored: AtomicU64,
    /// Most bytes of all chunks.
    limit: u64,
    /// Names of files being written.
    next: AtomicU64,
    /// Read: chunks are being stored and written down. Written: unneeded ones are removed.
    holds: Arc<RwLock<()>>,
    /// For those who read the same soon after each other.
    lately: Lately,
}

/// While it lives no chunk is removed.
#[derive(Debug)]
pub(crate) struct Hold {
    _guard: OwnedRwLockReadGuard<()>,
}

impl ChunkStore {
    /// Opens or makes the store in `directory`, which holds at most `limit` bytes of chunks.
    pub(crate) fn open(directory: &Path, limit: u64) -> Result<Self, Error> {
        let failed = |source| Error::Open {
            path: directory.display().to_string(),
            source,
        };
        let unfinished = directory.join(UNFINISHED);
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        fs::create_dir_all(&unfinished).map_err(failed)?;
        let mut stored = 0;
        for (_, path) in list(directory).map_err(failed)? {
            stored += fs::metadata(path).map_err(failed)?.len();
        }
        Ok(Self(Arc::new(Inner {
            directory: directory.to_owned(),
            stored: AtomicU64::new(stored),
            limit,
            next: AtomicU64::new(0),
            holds: Arc::default(),
            lately: Lately::default(),
        })))
    }

    /// Waits while unneeded chunks are being removed.
    pub(crate) async fn hold(&self) -> Hold {
        Hold {
            _guard: Arc::clone(&self.0.holds).read_owned().await,
        }
    }

    pub(crate) fn has(&self, id: &ChunkId) -> bool {
        self.path(id).exists()
    }

    /// For chunks that shall share their syncs.
    pub(crate) fn batch(&self) -> Batch {
        Batch::new(Arc::clone(&self.0))
    }

    /// The content, compared with its name: now, or when it was read for somebody else a little while ago.
    pub(crate) async fn read(&self, id: ChunkId) -> Result<Bytes, Error> {
        let place = self.0.lately.place(&id);
        let read = || {
            let this = self.clone();
            blocking(move || this.read_blocking(&id).map(Bytes::from))
        };
        place.get_or_try_init(read).await.cloned()
    }

    /// The content, compared with its name, on the calling thread.
    pub(crate) fn read_blocking(&self, id: &ChunkId) -> Result<Vec<u8>, Error> {
        let mut content = Vec::with_capacity(MAX_CHUNK_BYTES);
        self.read_over(id, &mut content)?;
        Ok(content)
    }

    /// As [`Self::read_blocking`], in the place of what is in `content`; after an error it holds anything.
    pub(crate) fn read_over(&self, id: &ChunkId, content: &mut Vec<u8>) -> Result<(), Error> {
        let failed = |source| Error::Read { id: *id, source };
        let file = File::open(self.path(id)).map_err(failed)?;
        content.clear();
        // One byte more than a chunk can have, so that a file that has grown shows.
        file.take(MAX_CHUNK_BYTES as u64 + 1)
            .read_to_end(content)
            .map_err(failed)?;
        if ChunkId::of(content) == *id {
            Ok(())
        } else {
            Err(Error::Damaged { id: *id })
        }
    }

    /// The file of a chunk, for reading piece by piece on the calling thread. Its content is not compared again.
    pub(crate) fn open_blocking(&self, id: &ChunkId) -> Result<File, Error> {
        File::open(self.path(id)).map_err(|source| Error::Read { id: *id, source })
    }

    /// Removes every chunk that `needed` does not name, unless somebody holds the store; then `None`, and the next
    /// sweep does it. `needed` is asked once nobody can store any more.
    pub(crate) async fn sweep<E>(
        &self,
        needed: impl Future<Output = Result<HashSet<ChunkId>, E>>,
    ) -> Option<Result<u64, E>> {
        let _alone = Arc::clone(&self.0.holds).try_write_owned().ok()?;
        let needed = match needed.await {
            Ok(needed) => needed,
            Err(error) => return Some(Err(error)),
        };
        // What nobody asks for any more does not stay in memory either.
        self.0.lately.forget();
        let inner = Arc::clone(&self.0);
        let removed = spawn_blocking(move || inner.remove_all_but(&needed)).await;
        Some(Ok(removed.unwrap_or_default()))
    }

    fn path(&self, id: &ChunkId) -> PathBuf {
        self.0.path(id)
    }
}

/// Beside the chunks' folders; no chunk's folder has this name.
const UNFINISHED: &str = "new";

impl Inner {
    fn path(&self, id: &ChunkId) -> PathBuf {
        let name = id.to_string();
        let folder = name.get(..2).unwrap_or_default();
        self.directory.join(folder).join(&name)
    }

    fn remove_all_but(&self, needed: &HashSet<ChunkId>) -> u64 {
        let Ok(all) = list(&self.directory) else {
            return 0;
        };
        let mut removed = 0;
        for (id, path) in all.into_iter().filter(|(id, _)| !needed.contains(id)) {
            let size = fs::metadata(&path).map_or(0, |data| data.len());
            match fs::remove_file(&path) {
                Ok(()) => {
                    self.stored.fetch_sub(size, Ordering::Relaxed);
                    removed += 1;
                }
                Err(error) => tracing::warn!(chunk = %id, %error, "An unneeded chunk was not removed."),
            }
        }
        removed
    }
}

/// All chunks there are. Files of other names are not ours.
fn list(directory: &Path) -> io::Result<Vec<(ChunkId, PathBuf)>> {
    let mut chunks = Vec::new();
    for folder in fs::read_dir(directory)? {
        let folder = folder?;
        if folder.file_name() == UNFINISHED || !folder.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(folder.path())? {
            let file = file?;
            if let Some(id) = file.file_name().to_str().and_then(|name| name.parse().ok()) {
                chunks.push((id, file.path()));
            }
        }
    }
    Ok(chunks)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    // The runtime only drops work when it ends.
    spawn_blocking(work).await.unwrap_or(Err(Error::Cut))
}

#[cfg(test)]
mod tests;
