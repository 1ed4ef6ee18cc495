//! How callers reach the committer. Who comes alone commits on its own thread: two changes of threads take as long as the
//! disk. Who comes while a group is under way waits in an inbox, and all in it share the next group, on a thread that also
//! tidies up while nobody waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, TryLockError};
use std::thread::{self, JoinHandle};

use crate::Error;
use crate::committer::Committer;
use crate::group::{Action, Answer};

/// A group beyond either is split; both leave room in a segment for what compaction adds.
const MAX_COMMANDS: usize = 512;
const MAX_BYTES: usize = 1024 * 1024;

/// Commands that wait for the committer. When full, callers block: they wait for a disk anyway.
const INBOX: usize = 64;

#[derive(Debug)]
struct Command {
    action: Action,
    /// Room for the one answer, so that answering never blocks.
    answer: SyncSender<Result<Answer, Error>>,
}

#[derive(Debug)]
enum Message {
    Command(Command),
    /// A caller's own commit left something to tidy up.
    Untidy,
}

/// The committer's door. Closes the queue when dropped.
#[derive(Debug)]
pub(crate) struct Commits {
    committer: Arc<Mutex<Committer>>,
    callers: AtomicUsize,
    /// Taken at the end, which ends the thread.
    inbox: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Commits {
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(committer: Committer) -> Result<Self, Error> {
        let committer = Arc::new(Mutex::new(committer));
        let (sender, inbox) = sync_channel(INBOX);
        let work = Arc::clone(&committer);
        let thread = thread::Builder::new()
            .name("queue-committer".to_owned())
            .spawn(move || run(&work, &inbox))
            .map_err(|source| Error::Thread { source })?;
        Ok(Self {
            committer,
            callers: AtomicUsize::new(0),
            inbox: Some(sender),
            thread: Some(thread),
        })
    }

    /// Returns when it is durable.
    pub(crate) fn commit(&self, action: Action) -> Result<Answer, Error> {
        let is_alone = self.callers.fetch_add(1, Ordering::Relaxed) == 0;
        let answer = match is_alone {
            true => self.at_once(action),
            false => self.in_turn(action),
        };
        self.callers.fetch_sub(1, Ordering::Relaxed);
        answer
    }

    fn at_once(&self, action: Action) -> Result<Answer, Error> {
        let mut committer = match self.committer.try_lock() {
            Ok(committer) => committer,
            Err(TryLockError::WouldBlock) => return self.in_turn(action),
            // It broke off in the middle of something.
            Err(TryLockError::Poisoned(_)) => return Err(Error::Stopped),
        };
        let answer = committer.answer(std::slice::from_ref(&action)).pop();
        let is_tidy = committer.is_tidy();
        drop(committer);
        if let Some(inbox) = self.inbox.as_ref().filter(|_| !is_tidy) {
            // Where there is no room the thread is awake.
            let _ = inbox.try_send(Message::Untidy);
        }
        answer.unwrap_or(Err(Error::Stopped))
    }

    fn in_turn(&self, action: Action) -> Result<Answer, Error> {
        let inbox = self.inbox.as_ref().ok_or(Error::Stopped)?;
        let (answer, answered) = sync_channel(1);
        inbox
            .send(Message::Command(Command { action, answer }))
            .map_err(|_| Error::Stopped)?;
        answered.recv().unwrap_or(Err(Error::Stopped))
    }
}

impl Drop for Commits {
    fn drop(&mut self) {
        self.inbox.take();
        if let Some(thread) = self.thread.take() {
            // One that broke off has nothing left to lose: its callers were told.
            let _ = thread.join();
        }
    }
}

/// Until the door is closed, or a caller's commit broke off.
fn run(committer: &Mutex<Committer>, inbox: &Receiver<Message>) {
    let mut held_over = None;
    while let Some(first) = held_over.take().or_else(|| next(committer, inbox)) {
        let Ok(mut committer) = committer.lock() else {
            return;
        };
        // Only now: whoever came while another's commit was under way comes along.
        let (batch, next) = gather(first, inbox);
        held_over = next;
        let (actions, answers): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|command| (command.action, command.answer))
            .unzip();
        let results = committer.answer(&actions);
        drop(committer);
        for (answer, result) in answers.iter().zip(results) {
            // Whoever asked may have gone.
            let _ = answer.send(result);
        }
    }
    if let Ok(mut committer) = committer.lock() {
        committer.close();
    }
}

/// What is asked next; tidies up until then.
fn next(committer: &Mutex<Committer>, inbox: &Receiver<Message>) -> Option<Command> {
    loop {
        let message = match inbox.try_recv() {
            Ok(message) => message,
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {
                let mut committer = committer.lock().ok()?;
                if !committer.is_tidy() {
                    committer.tidy_up();
                    continue;
                }
                drop(committer);
                inbox.recv().ok()?
            }
        };
        if let Message::Command(command) = message {
            return Some(command);
        }
    }
}

/// What waits, up to the size of one group; and the command that did not fit.
fn gather(first: Command, inbox: &Receiver<Message>) -> (Vec<Command>, Option<Command>) {
    let mut bytes = first.action.weight();
    let mut batch = vec![first];
    while batch.len() < MAX_COMMANDS {
        let command = match inbox.try_recv() {
            Ok(Message::Command(command)) => command,
            Ok(Message::Untidy) => continue,
            Err(_) => break,
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
    use crate::group::OwnedDraft;

    fn command(payload_bytes: usize) -> Command {
        Command {
            action: Action::Append(vec![OwnedDraft {
                lane: Lane::Results,
                id: "01".to_owned(),
                payload: vec![0; payload_bytes],
                now_ms: 0,
            }]),
            answer: sync_channel(1).0,
        }
    }

    /// How many commands each group takes when all of them wait already.
    fn check(payloads: &[usize], expected: &[usize]) {
        let (sender, inbox) = sync_channel(INBOX);
        for bytes in payloads {
            sender.send(Message::Command(command(*bytes))).unwrap();
        }
        let mut sizes = Vec::new();
        let mut held_over = None;
        let next = |inbox: &Receiver<Message>| match inbox.try_recv() {
            Ok(Message::Command(command)) => Some(command),
            _ => None,
        };
        while let Some(first) = held_over.take().or_else(|| next(&inbox)) {
            let (batch, behind) = gather(first, &inbox);
            held_over = behind;
            sizes.push(batch.len());
        }
        assert_eq!(sizes, expected);
    }

    #[test]
    fn waiting_actions_share_a_group_up_to_its_limits() {
        check(&[100], &[1]);
        check(&[100; 40], &[40]);
        check(&[400_000; 5], &[2, 2, 1]);
        check(&[1_048_576, 1, 1_048_576, 1_048_576], &[1, 1, 1, 1]);
    }
}
