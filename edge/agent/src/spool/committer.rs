//! Group commit: everybody who waits when a sync begins is served by it.
//!
//! One `syncfs` makes durable what any number of associations have written, directory entries included: since Linux 5.8
//! it also reports failed writes. A single association then pays one sync an image, as much as the disk can give it;
//! eight share theirs. Whoever finds none running runs it, so that who comes alone waits for no other thread.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// One sync, and what came of it.
type Round = Arc<OnceLock<Result<(), Arc<io::Error>>>>;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Committer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    directory: File,
    rounds: Mutex<Rounds>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Rounds {
    is_one_running: bool,
    /// The one that has not begun: it serves who comes now.
    next: Round,
}

impl Committer {
    /// For everything on the file system `directory` is on.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub(super) fn new(directory: &Path) -> io::Result<Self> {
        Ok(Self {
            inner: Arc::new(Inner {
                directory: File::open(directory)?,
                rounds: Mutex::default(),
                ended: Condvar::new(),
            }),
        })
    }

    /// Returns once everything that was written before the call would survive a power cut. Blocks.
    ///
    /// # Errors
    /// When the disk refuses: what was written may be there or not.
    pub(super) fn commit(&self) -> io::Result<()> {
        let mut rounds = self.lock();
        let mine = Arc::clone(&rounds.next);
        loop {
            if let Some(outcome) = mine.get() {
                return match outcome {
                    Ok(()) => Ok(()),
                    Err(error) => Err(io::Error::new(error.kind(), Arc::clone(error))),
                };
            }
            if rounds.is_one_running {
                let ended = self.inner.ended.wait(rounds);
                rounds = ended.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            // None runs, and mine has not: so it is the next.
            rounds.is_one_running = true;
            rounds.next = Round::default();
            drop(rounds);
            let outcome = rustix::fs::syncfs(&self.inner.directory);
            rounds = self.lock();
            rounds.is_one_running = false;
            let _ = mine.set(outcome.map_err(|error| Arc::new(io::Error::from(error))));
            self.inner.ended.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Rounds> {
        self.inner.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_come_at_once_are_served_and_the_next_ones_too() {
        let folder = tempfile::tempdir().unwrap();
        let committer = Committer::new(folder.path()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..20).for_each(|_| committer.commit().unwrap()));
            }
        });
        assert!(!committer.lock().is_one_running);
    }
}
