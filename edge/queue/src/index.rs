//! The ledger kept beside the log, so that opening reads a few megabytes instead of everything that waits.
//!
//! The index can be made again from the log at any time and decides nothing: it is believed only where every piece carries
//! the checksum that its table of contents says, and only up to where it ends; the log is read from there on. It is
//! written by a thread of its own whenever a segment is full, and at closing. A store that is slow is left behind, one
//! that fails or grows out of proportion is thrown away, one that does not answer at opening is not waited for.

pub(crate) mod summary;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::StoreError;
use crate::ledger::Ledger;
use crate::log::Log;
use summary::Contents;
use tree::Tree;

/// Then the log is read instead, or the index is left as it is.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the store held at opening, unchecked.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) contents: Vec<u8>,
    pub(crate) summaries: BTreeMap<u64, Vec<u8>>,
}

/// What is to be stored: the table of contents, and the summaries that changed.
#[derive(Debug)]
pub(crate) struct Snapshot {
    contents: Contents,
    changed: Vec<(u64, Vec<u8>)>,
}

#[derive(Debug)]
pub(crate) struct Index {
    snapshots: SyncSender<Snapshot>,
    /// Whether the last snapshot was stored.
    stored: Receiver<bool>,
    under_way: bool,
    /// The store holds nothing of use: the next snapshot is of everything.
    empty: bool,
}

impl Index {
    /// Opens the newest index in `directory`, or begins one. Also gives what it holds.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn open(directory: &Path) -> Result<(Self, Option<Stored>), std::io::Error> {
        let (answer, answered) = sync_channel(1);
        let (mut index, keeper) = Self::prepare(directory);
        let old = directory.to_owned();
        spawn(move || {
            let mut keeper = keeper;
            if let Ok((tree, stored)) = Tree::open_newest(&old) {
                // Nobody waits for it any more when it took too long.
                if answer.send(stored).is_ok() {
                    keeper.run(Some(tree));
                }
            }
        })?;
        if let Ok(stored) = answered.recv_timeout(PATIENCE) {
            index.empty = stored.is_none();
            return Ok((index, stored));
        }
        let (index, mut keeper) = Self::prepare(directory);
        spawn(move || keeper.run(None))?;
        Ok((index, None))
    }

    fn prepare(directory: &Path) -> (Self, Keeper) {
        let (snapshots, ordered) = sync_channel(1);
        let (said, stored) = sync_channel(1);
        let index = Self {
            snapshots,
            stored,
            under_way: false,
            empty: true,
        };
        let keeper = Keeper {
            directory: directory.to_owned(),
            ordered,
            said,
        };
        (index, keeper)
    }

    /// What was read could not be used.
    pub(crate) fn forget(&mut self) {
        self.empty = true;
    }

    /// Has the present state stored, unless the last one still is under way. All that the ledger says must be durable.
    pub(crate) fn offer(&mut self, ledger: &mut Ledger, log: &Log, next_sequence: u64) {
        if self.under_way {
            match self.stored.try_recv() {
                Ok(stored) => self.ended(stored),
                // Slow, or gone.
                Err(_) => return,
            }
        }
        if std::mem::take(&mut self.empty) {
            for segment in ledger.segments.values_mut() {
                segment.summary = None;
            }
        }
        let (contents, changed) = summary::take(ledger, log, next_sequence);
        // There is room: nothing is under way. A keeper that is gone stores nothing, and the log is read instead.
        self.under_way = self.snapshots.try_send(Snapshot { contents, changed }).is_ok();
    }

    /// Stores the last state and closes the store.
    pub(crate) fn close(mut self, ledger: &mut Ledger, log: &Log, next_sequence: u64) {
        if self.under_way
            && let Ok(stored) = self.stored.recv_timeout(PATIENCE)
        {
            self.under_way = false;
            self.ended(stored);
        }
        if !self.under_way {
            self.offer(ledger, log, next_sequence);
        }
        drop(self.snapshots);
        // The keeper's end of the channel goes when the store is closed.
        while self.stored.recv_timeout(PATIENCE).is_ok() {}
    }

    fn ended(&mut self, stored: bool) {
        self.under_way = false;
        self.empty |= !stored;
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<(), std::io::Error> {
    // Not joined: a store that hangs must not keep anybody.
    thread::Builder::new()
        .name("queue-index".to_owned())
        .spawn(work)
        .map(drop)
}

/// The thread that alone touches the store.
#[derive(Debug)]
struct Keeper {
    directory: PathBuf,
    ordered: Receiver<Snapshot>,
    said: SyncSender<bool>,
}

impl Keeper {
    fn run(&mut self, mut tree: Option<Tree>) {
        while let Ok(snapshot) = self.ordered.recv() {
            let stored = self.store(&mut tree, &snapshot);
            if stored.is_err() {
                // Whatever it holds is not believed any more.
                tree = None;
            }
            if self.said.send(stored.is_ok()).is_err() {
                break;
            }
        }
    }

    fn store(&self, tree: &mut Option<Tree>, snapshot: &Snapshot) -> Result<(), StoreError> {
        if tree.is_none() {
            *tree = Some(Tree::begin(&self.directory)?);
        }
        let Some(current) = tree else { return Ok(()) };
        current.save(&snapshot.contents, &snapshot.changed)?;
        if current.is_bloated() {
            *tree = Some(current.copied(&self.directory)?);
        }
        if let Some(current) = tree {
            current.remove_others(&self.directory);
        }
        Ok(())
    }
}
