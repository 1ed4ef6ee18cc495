//! What writes: one group after the other, each on disk before it counts.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::damage::{Damage, DamagedRecord, Flaw};
use crate::disk::Disk;
use crate::group::{Action, Answer, Group, Plan};
use crate::index::Index;
use crate::ledger::{Kept, Ledger};
use crate::log::frame::{Entry, StoredRecord};
use crate::log::{Failure, Log};
use crate::mark::Mark;
use crate::reading::{self, Reading};
use crate::{Config, Error, Lane, StoreError, compaction};

/// What the committer shares with the handles.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) changed: watch::Sender<u64>,
    ledger: Mutex<Ledger>,
    damage: Mutex<Damage>,
    stopped: AtomicBool,
}

impl Shared {
    pub(crate) fn new(disk: Arc<dyn Disk>, ledger: Ledger, damage: Damage, newest: u64) -> Self {
        Self {
            disk,
            changed: watch::Sender::new(newest),
            ledger: Mutex::new(ledger),
            damage: Mutex::new(damage),
            stopped: AtomicBool::new(false),
        }
    }

    /// Held for moments, never while the disk is waited for.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn damage(&self) -> MutexGuard<'_, Damage> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn report(&self, sequence: u64, id: &str, flaw: Flaw) {
        let mut damage = self.damage();
        if damage.records.iter().all(|known| known.sequence != sequence) {
            damage.records.push(DamagedRecord {
                sequence,
                id: Some(id.to_owned()),
                flaw,
            });
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: Log,
    pub(crate) mark: Mark,
    pub(crate) config: Config,
    pub(crate) next_sequence: u64,
    pub(crate) index: Option<Index>,
    /// Nothing more can be moved before something changes.
    pub(crate) tidy: bool,
}

/// Records on their way to the end of the log.
#[derive(Debug, Default)]
struct Moving {
    records: Vec<(u64, Kept, Vec<u8>)>,
    /// Not readable any more.
    lost: Vec<u64>,
}

impl Committer {
    /// The answers, each once what it says is durable.
    pub(crate) fn answer(&mut self, actions: &[Action]) -> Vec<Result<Answer, Error>> {
        let mut answers = Vec::with_capacity(actions.len());
        while let Some(rest) = actions.get(answers.len()..)
            && !rest.is_empty()
        {
            if self.shared.is_stopped() {
                answers.push(Err(Error::Stopped));
                continue;
            }
            answers.extend(self.commit(rest));
        }
        answers
    }

    /// As many of the actions as one group can hold, at least one; their answers once all of it is durable.
    fn commit(&mut self, actions: &[Action]) -> Vec<Result<Answer, Error>> {
        let mut answers = Vec::with_capacity(actions.len());
        let shared = Arc::clone(&self.shared);
        let (plan, moves) = {
            let ledger = shared.ledger();
            let mut group = Group::new(&ledger, &self.config, self.next_sequence);
            for action in actions {
                match group.perform(action) {
                    Some(answer) => answers.push(answer),
                    None => break,
                }
            }
            let plan = group.finish();
            // What changes nothing costs nothing.
            let moves = match plan.entries.is_empty() {
                true => Vec::new(),
                false => self.choose(&ledger, &plan.touched),
            };
            (plan, moves)
        };
        match self.write(plan, moves) {
            Ok(()) => {
                self.trim_telemetry();
                answers
            }
            Err(failure) => failed(answers, &failure),
        }
    }

    fn write(&mut self, plan: Plan<'_>, moves: Vec<(u64, Kept)>) -> Result<(), Error> {
        let moving = self.fetch(moves);
        let mut entries = moved(&moving);
        let carried = entries.len();
        entries.extend(plan.entries);
        if entries.is_empty() {
            return Ok(());
        }
        // Sequences are reserved before use, and the mark follows what is durable.
        self.mark
            .reserve(plan.next_sequence)
            .map_err(|error| self.stop(StoreError::Io(error)))?;
        let (segment, first_entry) = (self.log.active(), self.log.next_entry());
        let mut written = self.log.append(&entries, plan.next_sequence);
        if matches!(written, Err(Failure::NotStored(_))) && (1..entries.len()).contains(&carried) {
            // What is asked may fit where what is moved along does not: receipts are what makes room.
            entries.drain(..carried);
            written = self.log.append(&entries, plan.next_sequence);
        }
        let places = match written {
            Ok(places) => places,
            Err(Failure::NotStored(source)) => {
                return Err(Error::NotStored {
                    source: Arc::new(source),
                });
            }
            Err(Failure::Unknown(source)) => return Err(self.stop(source)),
        };
        self.next_sequence = plan.next_sequence;
        // A mark that is behind is no harm.
        let _ = self.mark.note_entry(self.log.next_entry() - 1);
        {
            let mut ledger = self.shared.ledger();
            for (entry, place) in entries.iter().zip(places) {
                ledger.apply(entry, place);
            }
            ledger.wrote(&self.log, segment, first_entry);
            for (lane, bytes) in plan.served {
                ledger.share.serve(lane, bytes);
            }
            ledger.telemetry_dropped += plan.telemetry_dropped;
        }
        if plan.announces {
            self.shared.changed.send_replace(self.next_sequence - 1);
        }
        self.remove_dead_segments();
        if self.log.active() != segment {
            self.offer_index();
        }
        self.tidy = self.excess() == 0;
        Ok(())
    }

    /// Reads what is to be moved. What cannot be read any more is reported and forgotten; when the disk fails to read,
    /// nothing is moved.
    fn fetch(&self, moves: Vec<(u64, Kept)>) -> Moving {
        let mut moving = Moving::default();
        let mut reading = Reading::new(&*self.shared.disk);
        for (sequence, kept) in moves {
            let bytes = match reading.bytes(kept.place) {
                Ok(bytes) => bytes,
                Err(_) => break,
            };
            let checked = bytes.and_then(|bytes| {
                reading::stored(&bytes, sequence, &kept)?;
                Ok(bytes)
            });
            match checked {
                Ok(bytes) => moving.records.push((sequence, kept, bytes)),
                Err(flaw) => {
                    self.shared.report(sequence, &kept.id, flaw);
                    moving.lost.push(sequence);
                }
            }
        }
        moving
    }

    fn choose(&self, ledger: &Ledger, touched: &BTreeSet<u64>) -> Vec<(u64, Kept)> {
        let segment_bytes = self.shared.disk.segment_bytes();
        compaction::choose(ledger, self.log.active(), segment_bytes, touched)
    }

    fn excess(&self) -> u64 {
        compaction::excess(&self.shared.ledger(), self.shared.disk.segment_bytes())
    }

    fn remove_dead_segments(&mut self) {
        loop {
            let active = self.log.active();
            let Some(segment) = compaction::removable(&self.shared.ledger(), active) else {
                return;
            };
            // Tried again with the next group; until then the file is only in the way.
            if self.mark_second(segment).is_err() || self.log.remove(segment).is_err() {
                return;
            }
            self.shared.ledger().segments.remove(&segment);
        }
    }

    /// What begins behind this segment is the first that must be there from now on.
    fn mark_second(&mut self, segment: u64) -> std::io::Result<()> {
        let first = {
            let ledger = self.shared.ledger();
            let mut behind = ledger.segments.range(segment + 1..);
            behind.next().map(|(_, second)| second.first_entry)
        };
        // 0 when its header is damaged: then nothing is known.
        self.mark.note_first(first.unwrap_or_default())
    }

    /// Whether nothing is to be done until somebody asks for something.
    pub(crate) fn is_tidy(&self) -> bool {
        self.tidy || self.shared.is_stopped()
    }

    /// Moves some records while nobody waits.
    pub(crate) fn tidy_up(&mut self) {
        let moves = self.choose(&self.shared.ledger(), &BTreeSet::new());
        let before = self.log.next_entry();
        let plan = Group::new(&Ledger::default(), &self.config, self.next_sequence).finish();
        let written = self.write(plan, moves);
        // Without progress it waits for the next command instead of trying for ever.
        self.tidy = written.is_err() || self.excess() == 0 || self.log.next_entry() == before;
    }

    fn trim_telemetry(&mut self) {
        let over = {
            let ledger = self.shared.ledger();
            self.config.telemetry_limit < ledger.waiting(Lane::Telemetry).len()
        };
        if over {
            self.commit(&[Action::Trim]);
        }
    }

    fn offer_index(&mut self) {
        if let Some(index) = &mut self.index {
            index.offer(&mut self.shared.ledger(), &self.log, self.next_sequence);
        }
    }

    /// Stores what makes the next opening quick.
    pub(crate) fn close(&mut self) {
        if let Some(index) = self.index.take()
            && !self.shared.is_stopped()
        {
            index.close(&mut self.shared.ledger(), &self.log, self.next_sequence);
        }
    }

    fn stop(&self, source: StoreError) -> Error {
        self.shared.stopped.store(true, Ordering::Release);
        Error::Commit {
            source: Arc::new(source),
        }
    }
}

fn moved(moving: &Moving) -> Vec<Entry<'_>> {
    let mut entries: Vec<_> = moving
        .records
        .iter()
        .filter_map(|(sequence, kept, bytes)| {
            // Checked when they were read. Its state is what the ledger says, not what was true when it was written.
            let stored = reading::stored(bytes, *sequence, kept).ok()?;
            Some(Entry::Record(StoredRecord {
                refusals: kept.refusals,
                aside: kept.aside.as_deref().cloned(),
                ..stored
            }))
        })
        .collect();
    if !moving.lost.is_empty() {
        entries.push(Entry::Gone(moving.lost.clone()));
    }
    entries
}

/// Whoever was to hear of success hears of the failure.
fn failed(answers: Vec<Result<Answer, Error>>, failure: &Error) -> Vec<Result<Answer, Error>> {
    let said = || match failure {
        Error::NotStored { source } => Error::NotStored {
            source: Arc::clone(source),
        },
        Error::Commit { source } => Error::Commit {
            source: Arc::clone(source),
        },
        _ => Error::Stopped,
    };
    answers
        .into_iter()
        .map(|answer| answer.and_then(|_| Err(said())))
        .collect()
}
