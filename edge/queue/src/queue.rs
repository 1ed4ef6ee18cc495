mod reads;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::commits::Commits;
use crate::committer::{Committer, Shared};
use crate::group::{Action, Answer, OwnedDraft};
use crate::log::frame::MAX_ID;
use crate::opening::{self, Foundation};
use crate::{Config, Cover, Draft, Error, Lane, Refused};

/// Payloads and ids of one command; what is more goes in several.
const COMMAND_BYTES: usize = 512 * 1024;
const COMMAND_IDS: usize = 4096;

/// A handle on the queue; cheap to clone, usable from every thread. Calls block on the disk: an async caller puts them
/// on a blocking thread. The queue is closed when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Queue {
    inner: Arc<Inner>,
    cover: Option<Arc<dyn Cover>>,
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

pub(crate) type Clock = fn() -> u64;

struct Inner {
    config: Config,
    clock: Clock,
    commits: Commits,
    shared: Arc<Shared>,
    /// Declared last, so that it is released after the log is closed.
    _lock: Option<File>,
}

/// By hand: ids and counts are enough.
impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Queue {
    /// Opens the queue in `directory`, or makes one there.
    ///
    /// # Errors
    /// [`Error::Damaged`] when a store of the time before the log cannot be read; nothing is moved or deleted then.
    /// A damaged log opens: [`Queue::damage`] tells what is missing.
    pub fn open(directory: &Path, config: Config) -> Result<Self, Error> {
        config.check()?;
        Self::start(opening::open(directory, 0)?, &config, system_clock)
    }

    /// Like [`Queue::open`], but what cannot be read is renamed to `<directory>.damaged-<n>` and an empty queue takes its
    /// place. Sequences go on from where they were.
    ///
    /// # Errors
    /// When the directory is in use, cannot be written, was written by a newer version, or cannot be renamed.
    pub fn open_or_set_aside(directory: &Path, config: Config) -> Result<Opened, Error> {
        config.check()?;
        let reason = match opening::open(directory, 0) {
            Ok(foundation) => return Self::start(foundation, &config, system_clock).map(Opened::Kept),
            Err(reason @ Error::Damaged { .. }) => reason,
            Err(other) => return Err(other),
        };
        let (set_aside, floor) = opening::move_away(directory)?;
        let queue = Self::start(opening::open(directory, floor)?, &config, system_clock)?;
        Ok(Opened::Fresh {
            queue,
            set_aside,
            reason,
        })
    }

    pub(crate) fn start(foundation: Foundation, config: &Config, clock: Clock) -> Result<Self, Error> {
        let newest = foundation.next_sequence.saturating_sub(1);
        let (ledger, damage) = (foundation.ledger, foundation.damage);
        let shared = Arc::new(Shared::new(foundation.disk, ledger, damage, newest));
        let committer = Committer {
            shared: Arc::clone(&shared),
            log: foundation.log,
            mark: foundation.mark,
            config: config.clone(),
            next_sequence: foundation.next_sequence,
            index: foundation.index,
            tidy: false,
        };
        let commits = Commits::start(committer)?;
        Ok(Self {
            inner: Arc::new(Inner {
                config: config.clone(),
                clock,
                commits,
                shared,
                _lock: foundation.lock,
            }),
            cover: None,
        })
    }

    /// The same queue, its payloads kept under a cover from now on. Those that are there without one are read as they are.
    #[must_use]
    pub fn covered_by(self, cover: Arc<dyn Cover>) -> Self {
        Self {
            cover: Some(cover),
            ..self
        }
    }

    /// Stores a record; returns its sequence once it would survive a power cut. An id that is in the queue already,
    /// waiting or set aside, keeps its record and gives that one's sequence.
    ///
    /// # Errors
    /// When the id or the payload has the wrong size, when the queue is full, or when the record may not be durable.
    pub fn append(&self, lane: Lane, id: &str, payload: &[u8], now_ms: u64) -> Result<u64, Error> {
        let draft = Draft {
            lane,
            id,
            payload,
            now_ms,
        };
        let sequences = self.append_many(&[draft])?;
        sequences.into_iter().next().ok_or(Error::Stopped)
    }

    /// Stores several records, half a megabyte of them with one sync. Returns their sequences in the same order.
    ///
    /// # Errors
    /// As [`Queue::append`]. Nothing is stored when an id or a payload has the wrong size; of what takes several syncs some
    /// may be stored when a later one fails. Appending all of them again is right in either case.
    pub fn append_many(&self, drafts: &[Draft<'_>]) -> Result<Vec<u64>, Error> {
        for draft in drafts {
            check_id(draft.id)?;
            if self.inner.config.max_record_bytes < draft.payload.len() {
                return Err(Error::TooLarge {
                    bytes: draft.payload.len(),
                    limit: self.inner.config.max_record_bytes,
                });
            }
        }
        let mut sequences = Vec::with_capacity(drafts.len());
        let mut rest = drafts;
        while !rest.is_empty() {
            let mut bytes = 0;
            let some = rest.iter().take_while(|draft| {
                let room = bytes < COMMAND_BYTES;
                bytes += draft.payload.len();
                room
            });
            let (some, behind) = rest.split_at(some.count().min(COMMAND_IDS));
            rest = behind;
            let owned = some.iter().map(|draft| {
                Ok(OwnedDraft {
                    lane: draft.lane,
                    id: draft.id.to_owned(),
                    payload: self.covered(draft)?,
                    now_ms: draft.now_ms,
                })
            });
            match self.commit(Action::Append(owned.collect::<Result<_, Error>>()?))? {
                Answer::Stored(stored) => sequences.extend(stored),
                _ => return Err(Error::Stopped),
            }
        }
        Ok(sequences)
    }

    fn covered(&self, draft: &Draft<'_>) -> Result<Vec<u8>, Error> {
        match &self.cover {
            None => Ok(draft.payload.to_vec()),
            Some(cover) => cover
                .cover(draft.id, draft.payload)
                .map_err(|source| Error::Cover { source }),
        }
    }

    /// The other side has it: deletes the record, durably. Also one that was set aside. False when the id is unknown.
    ///
    /// # Errors
    /// When the deletion may not be durable.
    pub fn receipt(&self, id: &str) -> Result<bool, Error> {
        Ok(self.receipts(&[id])? != 0)
    }

    /// Many receipts with one sync. Returns how many records that deleted; unknown ids are passed over.
    ///
    /// # Errors
    /// When the deletions may not be durable.
    pub fn receipts(&self, ids: &[&str]) -> Result<usize, Error> {
        let known: Vec<_> = ids.iter().filter(|id| check_id(id).is_ok()).collect();
        let mut removed = 0;
        for some in known.chunks(COMMAND_IDS) {
            let ids = some.iter().map(|id| (**id).to_owned()).collect();
            match self.commit(Action::Receipts(ids))? {
                Answer::Removed(some) => removed += some,
                _ => return Err(Error::Stopped),
            }
        }
        Ok(removed)
    }

    /// The other side refused it: counted, durably. What is refused [`Config::refusals`] times is set aside with the last
    /// reason.
    ///
    /// # Errors
    /// When the count may not be durable.
    pub fn refused(&self, id: &str, reason: &str, now_ms: u64) -> Result<Refused, Error> {
        if check_id(id).is_err() {
            return Ok(Refused::Unknown);
        }
        let (id, reason) = (id.to_owned(), reason.to_owned());
        match self.commit(Action::Refused { id, reason, now_ms })? {
            Answer::Refused(refused) => Ok(refused),
            _ => Err(Error::Stopped),
        }
    }

    /// Takes a record that cannot be delivered out of its lane and keeps it with the reason, durably. A reason over 512
    /// bytes is cut. False when the id is unknown.
    ///
    /// # Errors
    /// When the change may not be durable.
    pub fn set_aside(&self, id: &str, reason: &str) -> Result<bool, Error> {
        let (id, reason) = (id.to_owned(), reason.to_owned());
        self.found(Action::SetAside { id, reason })
    }

    /// A person decided that a record that was set aside shall be sent again: it goes back to its place in its lane, and its
    /// refusals are forgotten. False when no such record was set aside.
    ///
    /// # Errors
    /// When the change may not be durable.
    pub fn try_again(&self, id: &str) -> Result<bool, Error> {
        self.found(Action::TryAgain { id: id.to_owned() })
    }

    fn found(&self, action: Action) -> Result<bool, Error> {
        match self.commit(action)? {
            Answer::Found(found) => Ok(found),
            _ => Err(Error::Stopped),
        }
    }

    fn commit(&self, action: Action) -> Result<Answer, Error> {
        self.check_running()?;
        self.inner.commits.commit(action)
    }

    fn check_running(&self) -> Result<(), Error> {
        match self.inner.shared.is_stopped() {
            true => Err(Error::Stopped),
            false => Ok(()),
        }
    }
}

fn system_clock() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

fn check_id(id: &str) -> Result<(), Error> {
    match (1..=MAX_ID).contains(&id.len()) {
        true => Ok(()),
        false => Err(Error::Id {
            bytes: id.len(),
            limit: MAX_ID,
        }),
    }
}
