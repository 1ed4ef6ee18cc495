//! The one thread that writes. Everyone who waits while a commit is under way shares the next one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::draft::{Action, Draft};
use crate::ledger::Ledger;
use crate::mark::Mark;
use crate::store::Store;
use crate::survey::Damage;
use crate::{Depth, Error, StoreError, reading};

/// Larger commits were not seen to survive a power cut.
const MAX_ACTIONS: usize = 16;
const MAX_BYTES: usize = 128 * 1024;

/// Actions that wait for the committer. When full, callers block: they wait for a disk anyway.
pub(crate) const INBOX: usize = 64;

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) action: Action,
    /// Room for the one answer, so that answering never blocks.
    pub(crate) answer: SyncSender<Result<u64, Error>>,
}

/// What the committer shares with the handles.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) changed: watch::Sender<u64>,
    depth: Mutex<Depth>,
    damage: Mutex<Damage>,
    stopped: AtomicBool,
}

impl Shared {
    pub(crate) fn new(store: Arc<dyn Store>, ledger: &Ledger, damage: Damage) -> Self {
        Self {
            store,
            changed: watch::Sender::new(ledger.next_sequence.saturating_sub(1)),
            depth: Mutex::new(ledger.depth()),
            damage: Mutex::new(damage),
            stopped: AtomicBool::new(false),
        }
    }

    pub(crate) fn depth(&self) -> MutexGuard<'_, Depth> {
        self.depth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn damage(&self) -> MutexGuard<'_, Damage> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ledger: Ledger,
    pub(crate) mark: Mark,
    pub(crate) telemetry_limit: usize,
}

impl Committer {
    /// Runs until the last handle is gone.
    pub(crate) fn run(mut self, inbox: Receiver<Command>) {
        let mut held_over = None;
        while let Some(first) = held_over.take().or_else(|| inbox.recv().ok()) {
            let (batch, next) = gather(first, &inbox);
            held_over = next;
            let (actions, answers): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|command| (command.action, command.answer))
                .unzip();
            for (answer, result) in answers.iter().zip(self.answer(actions)) {
                // Whoever asked may have gone.
                let _ = answer.send(result);
            }
        }
    }

    fn answer(&mut self, actions: Vec<Action>) -> Vec<Result<u64, Error>> {
        let asked = actions.len();
        if self.shared.is_stopped() {
            return (0..asked).map(|_| Err(Error::Stopped)).collect();
        }
        let before = self.ledger.next_sequence;
        match self.commit(actions) {
            Ok(sequences) => {
                *self.shared.depth() = self.ledger.depth();
                if before < self.ledger.next_sequence {
                    self.shared.changed.send_replace(self.ledger.next_sequence - 1);
                }
                sequences.into_iter().map(Ok).collect()
            }
            Err(source) => {
                self.shared.stopped.store(true, Ordering::Release);
                let source = Arc::new(source);
                (0..asked)
                    .map(|_| {
                        Err(Error::Commit {
                            source: Arc::clone(&source),
                        })
                    })
                    .collect()
            }
        }
    }

    /// The order matters: sequences are reserved before use, and the mark follows what is durable.
    fn commit(&mut self, actions: Vec<Action>) -> Result<Vec<u64>, StoreError> {
        let store = Arc::clone(&self.shared.store);
        let mut draft = Draft::new(&*store, &mut self.ledger, self.telemetry_limit);
        let sequences = actions
            .into_iter()
            .map(|action| draft.perform(action))
            .collect::<Result<_, _>>()?;
        if let Some(writes) = draft.into_writes() {
            self.mark
                .reserve(self.ledger.next_sequence)
                .map_err(StoreError::Io)?;
            store.apply(&writes)?;
            store.sync()?;
            self.mark
                .note_commit(self.ledger.commit)
                .map_err(StoreError::Io)?;
            self.find_firsts()?;
        }
        Ok(sequences)
    }

    fn find_firsts(&mut self) -> Result<(), StoreError> {
        for lane in self.ledger.lanes_without_first() {
            if let Some(whole) = reading::first_of(&*self.shared.store, lane)? {
                self.ledger
                    .set_first(lane, whole.record.sequence, whole.record.queued_at_ms);
            }
        }
        Ok(())
    }
}

/// What waits, up to the size of one commit; and the command that did not fit.
fn gather(first: Command, inbox: &Receiver<Command>) -> (Vec<Command>, Option<Command>) {
    let mut bytes = first.action.weight();
    let mut batch = vec![first];
    while batch.len() < MAX_ACTIONS {
        let Ok(command) = inbox.try_recv() else {
            break;
        };
        bytes += command.action.weight();
        if MAX_BYTES < bytes {
            return (batch, Some(command));
        }
        batch.push(command);
    }
    (batch, None)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::Lane;

    fn command(payload_bytes: usize) -> Command {
        Command {
            action: Action::Append {
                lane: Lane::Results,
                id: "01".to_owned(),
                payload: vec![0; payload_bytes],
                now_ms: 0,
            },
            answer: sync_channel(1).0,
        }
    }

    /// How many commands each commit takes when all of them wait already.
    fn check(payloads: &[usize], expected: &[usize]) {
        let (sender, inbox) = sync_channel(INBOX);
        for bytes in payloads {
            sender.send(command(*bytes)).unwrap();
        }
        let mut sizes = Vec::new();
        let mut held_over = None;
        while let Some(first) = held_over.take().or_else(|| inbox.try_recv().ok()) {
            let (batch, next) = gather(first, &inbox);
            held_over = next;
            sizes.push(batch.len());
        }
        assert_eq!(sizes, expected);
    }

    #[test]
    fn waiting_actions_share_a_commit_up_to_its_limits() {
        check(&[100], &[1]);
        check(&[100; 16], &[16]);
        check(&[100; 40], &[16, 16, 8]);
        check(&[60_000; 5], &[2, 2, 1]);
        check(&[131_072, 1, 131_072, 131_072], &[1, 1, 1, 1]);
        check(&[1, 131_071, 1], &[2, 1]);
    }
}
