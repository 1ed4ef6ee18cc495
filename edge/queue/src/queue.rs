use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::watch;

use crate::committer::{Command, Committer, INBOX, Shared};
use crate::draft::{Action, NO_RECORD};
use crate::layout::{self, Place, Whole};
use crate::opening::{self, Foundation};
use crate::survey::{Damage, DamagedRecord, Flaw};
use crate::{Config, Depth, Error, Lane, Record, SetAside, reading};

/// A handle on the queue; cheap to clone, usable from every thread. Calls block on the disk: an async caller puts them
/// on a blocking thread. The store is closed when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Queue {
    inner: Arc<Inner>,
}

/// How [`Queue::open_or_set_aside`] found the queue.
#[derive(Debug)]
pub enum Opened {
    /// As it was left, or new. [`Queue::damage`] says what is missing all the same.
    Kept(Queue),
    /// Empty, because the old one was damaged and is kept elsewhere: queue again what was not receipted.
    Fresh {
        queue: Queue,
        set_aside: PathBuf,
        reason: Error,
    },
}

impl Opened {
    #[must_use]
    pub fn into_queue(self) -> Queue {
        match self {
            Self::Kept(queue) | Self::Fresh { queue, .. } => queue,
        }
    }
}

#[derive(Debug)]
struct Inner {
    max_record_bytes: usize,
    /// Taken when the last handle goes, which ends the committer.
    inbox: Mutex<Option<SyncSender<Command>>>,
    committer: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    /// Declared after the store, so that it is released after the store is closed.
    _lock: Option<File>,
}

impl Queue {
    /// Opens the queue in `directory`, or makes one there. Checks every record.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the store cannot be read; nothing is moved or deleted then.
    pub fn open(directory: &Path, config: Config) -> Result<Self, Error> {
        config.check()?;
        Self::start(opening::open(directory, 0)?, &config)
    }

    /// Like [`Queue::open`], but a damaged store is renamed to `<directory>.damaged-<n>` and an empty queue takes its
    /// place. Sequences go on from where they were.
    ///
    /// # Errors
    /// When the directory is in use, cannot be written, was written by a newer version, or cannot be renamed.
    pub fn open_or_set_aside(directory: &Path, config: Config) -> Result<Opened, Error> {
        config.check()?;
        let reason = match opening::open(directory, 0) {
            Ok(foundation) => return Self::start(foundation, &config).map(Opened::Kept),
            Err(reason @ Error::Damaged { .. }) => reason,
            Err(other) => return Err(other),
        };
        let (set_aside, floor) = opening::move_away(directory)?;
        let queue = Self::start(opening::open(directory, floor)?, &config)?;
        Ok(Opened::Fresh {
            queue,
            set_aside,
            reason,
        })
    }

    pub(crate) fn start(foundation: Foundation, config: &Config) -> Result<Self, Error> {
        let Foundation {
            store,
            mark,
            ledger,
            damage,
            lock,
        } = foundation;
        let shared = Arc::new(Shared::new(store, &ledger, damage));
        let committer = Committer {
            shared: Arc::clone(&shared),
            ledger,
            mark,
            telemetry_limit: config.telemetry_limit,
        };
        let (sender, inbox) = sync_channel(INBOX);
        let thread = thread::Builder::new()
            .name("queue-committer".to_owned())
            .spawn(move || committer.run(inbox))
            .map_err(|source| Error::Thread { source })?;
        Ok(Self {
            inner: Arc::new(Inner {
                max_record_bytes: config.max_record_bytes,
                inbox: Mutex::new(Some(sender)),
                committer: Some(thread),
                shared,
                _lock: lock,
            }),
        })
    }

    /// Stores a record; returns its sequence once it would survive a power cut. An id that is in the queue already,
    /// waiting or set aside, keeps its record and gives that one's sequence.
    ///
    /// # Errors
    /// When the id or the payload has the wrong size, or when the record may not be durable.
    pub fn append(&self, lane: Lane, id: &str, payload: &[u8], now_ms: u64) -> Result<u64, Error> {
        check_id(id)?;
        if self.inner.max_record_bytes < payload.len() {
            return Err(Error::TooLarge {
                bytes: payload.len(),
                limit: self.inner.max_record_bytes,
            });
        }
        self.commit(Action::Append {
            lane,
            id: id.to_owned(),
            payload: payload.to_vec(),
            now_ms,
        })
    }

    /// Up to `limit` records that wait, without those whose sequence `skip` holds back: lane by lane, in sequence.
    ///
    /// # Errors
    /// When the store cannot be read. A damaged record is passed over and reported by [`Queue::damage`].
    pub fn pending(&self, limit: usize, skip: impl Fn(u64) -> bool) -> Result<Vec<Record>, Error> {
        self.pending_of(&Lane::ALL, limit, skip)
    }

    /// The same of some lanes only, for senders that share the queue.
    ///
    /// # Errors
    /// As [`Queue::pending`].
    pub fn pending_of(
        &self,
        lanes: &[Lane],
        limit: usize,
        skip: impl Fn(u64) -> bool,
    ) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        for lane in lanes {
            if limit <= records.len() {
                break;
            }
            let room = limit - records.len();
            let found = self.read(Place::Lane(*lane), room, &|sequence| !skip(sequence))?;
            records.extend(found.into_iter().map(|whole| whole.record));
        }
        Ok(records)
    }

    /// The other side has it: deletes the record, durably. Also one that was set aside. False when the id is unknown.
    ///
    /// # Errors
    /// When the deletion may not be durable.
    pub fn receipt(&self, id: &str) -> Result<bool, Error> {
        if check_id(id).is_err() {
            return Ok(false);
        }
        let sequence = self.commit(Action::Receipt { id: id.to_owned() })?;
        Ok(sequence != NO_RECORD)
    }

    /// Takes a record that cannot be delivered out of its lane and keeps it with the reason, durably. A reason over 512
    /// bytes is cut. False when the id is unknown.
    ///
    /// # Errors
    /// When the change may not be durable.
    pub fn set_aside(&self, id: &str, reason: &str) -> Result<bool, Error> {
        if check_id(id).is_err() {
            return Ok(false);
        }
        let sequence = self.commit(Action::SetAside {
            id: id.to_owned(),
            reason: reason.to_owned(),
        })?;
        Ok(sequence != NO_RECORD)
    }

    /// Up to `limit` records that were set aside, in sequence.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn set_aside_records(&self, limit: usize) -> Result<Vec<SetAside>, Error> {
        let found = self.read(Place::Aside, limit, &|_| true)?;
        Ok(found
            .into_iter()
            .map(|whole| SetAside {
                record: whole.record,
                reason: whole.reason,
            })
            .collect())
    }

    /// Whether a record with this id waits or was set aside.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn contains(&self, id: &str) -> Result<bool, Error> {
        self.check_running()?;
        let found = self.inner.shared.store.get(&layout::index_key(id));
        Ok(found.map_err(|source| Error::Read { source })?.is_some())
    }

    /// How full the queue is; from memory.
    #[must_use]
    pub fn depth(&self) -> Depth {
        self.inner.shared.depth().clone()
    }

    /// What was found damaged or missing at opening and since.
    #[must_use]
    pub fn damage(&self) -> Damage {
        self.inner.shared.damage().clone()
    }

    /// The newest sequence; changes after every append that stored something. What was there before is not announced:
    /// look at [`Queue::pending`] first, then wait.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.inner.shared.changed.subscribe()
    }

    fn commit(&self, action: Action) -> Result<u64, Error> {
        self.check_running()?;
        let inbox = self
            .inner
            .inbox
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or(Error::Stopped)?;
        let (answer, answered) = sync_channel(1);
        inbox
            .send(Command { action, answer })
            .map_err(|_| Error::Stopped)?;
        answered.recv().unwrap_or(Err(Error::Stopped))
    }

    fn read(&self, place: Place, limit: usize, wanted: &dyn Fn(u64) -> bool) -> Result<Vec<Whole>, Error> {
        self.check_running()?;
        let mut found = Vec::new();
        let mut flawed = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        let store = &*self.inner.shared.store;
        reading::each_record(store, place, wanted, &mut |sequence, parts| {
            match layout::assemble(place, sequence, parts) {
                Ok(whole) => found.push(whole),
                Err(_) => flawed.push(sequence),
            }
            if found.len() < limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })
        .map_err(|source| Error::Read { source })?;
        for sequence in flawed {
            // Most likely it was receipted while it was read: look again.
            let again = reading::record(store, place, sequence).map_err(|source| Error::Read { source })?;
            if let Some(Err(flaw)) = again {
                self.report(sequence, flaw);
            }
        }
        Ok(found)
    }

    fn report(&self, sequence: u64, flaw: Flaw) {
        let mut damage = self.inner.shared.damage();
        if damage.records.iter().all(|known| known.sequence != sequence) {
            damage.records.push(DamagedRecord {
                sequence,
                id: None,
                flaw,
            });
        }
    }

    fn check_running(&self) -> Result<(), Error> {
        match self.inner.shared.is_stopped() {
            true => Err(Error::Stopped),
            false => Ok(()),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(committer) = self.committer.take() {
            // A committer that broke off has nothing left to lose: its callers were told.
            let _ = committer.join();
        }
    }
}

fn check_id(id: &str) -> Result<(), Error> {
    match (1..=layout::MAX_ID).contains(&id.len()) {
        true => Ok(()),
        false => Err(Error::Id {
            bytes: id.len(),
            limit: layout::MAX_ID,
        }),
    }
}
