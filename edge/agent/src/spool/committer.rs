//! Group commit: everybody who waits when a sync begins is served by it.
//!
//! One `syncfs` makes durable what any number of associations have written, directory entries included: since Linux 5.8
//! it also reports failed writes. A single association then pays one sync an image, as much as the disk can give it;
//! eight share theirs.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Waiters that can queue up while a sync runs. When full, the association waits here instead.
const WAITING: usize = 1024;

type Outcome = Result<(), Arc<io::Error>>;

/// Cheap to clone. The thread ends with the last clone.
#[derive(Debug, Clone)]
pub(super) struct Committer {
    waiting: SyncSender<SyncSender<Outcome>>,
}

impl Committer {
    /// For everything on the file system `directory` is on.
    ///
    /// # Errors
    /// When the directory cannot be opened or the thread not started.
    pub(super) fn start(directory: &Path) -> io::Result<Self> {
        let directory = File::open(directory)?;
        let (waiting, waiters) = sync_channel(WAITING);
        thread::Builder::new()
            .name("group-commit".to_owned())
            .spawn(move || serve(&directory, &waiters))?;
        Ok(Self { waiting })
    }

    /// Returns once everything that was written before the call would survive a power cut. Blocks.
    ///
    /// # Errors
    /// When the disk refuses: what was written may be there or not.
    pub(super) fn commit(&self) -> io::Result<()> {
        let (answer, outcome) = sync_channel(1);
        let gone = || io::Error::other("the commit thread ended");
        self.waiting.send(answer).map_err(|_| gone())?;
        let outcome = outcome.recv().map_err(|_| gone())?;
        outcome.map_err(|error| io::Error::new(error.kind(), error))
    }
}

fn serve(directory: &File, waiters: &Receiver<SyncSender<Outcome>>) {
    while let Ok(first) = waiters.recv() {
        let mut group = vec![first];
        group.extend(waiters.try_iter());
        let outcome: Outcome =
            rustix::fs::syncfs(directory).map_err(|error| Arc::new(io::Error::from(error)));
        for waiter in group {
            // An association that is gone does not ask any more.
            let _ = waiter.send(outcome.clone());
        }
    }
}
