use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_wire::{Receipt, ReceiptOutcome, Receipts, v1};
use tokio::sync::{mpsc, oneshot};

use super::{Answer, Came, Checked, Ingest, Message, Refusal, Submission, frame_refused, unreadable};
use crate::archive::{Archive, Arrival, ClinicWord, Error, Outcome};
use crate::audit::{Action, Actor, Entry, Object};
use crate::box_starts::{Told, Verdict};
use crate::changes::Changes;
use crate::clock::now_ms;
use crate::dispatch::Dispatch;
use crate::presence::Presence;
use crate::revocation::Revocations;
use crate::worklist::Worklist;

/// Most messages looked at together, and most results in one transaction (one message more may stand above it): enough
/// to share a sync, few enough to keep the wait short.
const GROUP: usize = 256;
const RESULTS: usize = 1024;

/// After this many failures in a row the database is taken for broken, not the messages.
const BROKEN_AFTER: usize = 3;

/// Clinics reconnect at once when a commit failed; this keeps a broken disk from being hammered.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The one task that writes.
#[derive(Debug)]
pub(crate) struct Committer {
    archive: Archive,
    changes: Changes,
    dispatch: Dispatch,
    presence: Presence,
    worklist: Option<Worklist>,
    /// Whoever cuts what two machines of one identity have open; absent where nobody can connect.
    revocations: Option<Revocations>,
    submissions: mpsc::Receiver<Submission>,
}

/// A message between its check and its answer.
struct Open {
    correlation: Vec<u8>,
    is_batch: bool,
    words: Vec<Word>,
    answer: oneshot::Sender<Answer>,
}

/// What is to be said of one envelope.
enum Word {
    Said(Receipt),
    Unreadable(String),
    /// Of the result with this place in the transaction.
    Waits(usize),
    /// It could not be written down: nothing may be said.
    Nothing,
}

impl Committer {
    pub(crate) fn new(
        archive: Archive,
        changes: Changes,
        dispatch: Dispatch,
        presence: Presence,
    ) -> (Ingest, Self) {
        let (ingest, submissions) = Ingest::channel();
        let committer = Self {
            archive,
            changes,
            dispatch,
            presence,
            worklist: None,
            revocations: None,
            submissions,
        };
        (ingest, committer)
    }

    /// Takes what clinics say of cases as well, and tells the list of new results.
    pub(crate) fn with_worklist(self, worklist: Option<Worklist>) -> Self {
        Self { worklist, ..self }
    }

    /// Cuts at once what it finds to be two machines with one identity.
    pub(crate) fn with_revocations(self, revocations: Revocations) -> Self {
        Self {
            revocations: Some(revocations),
            ..self
        }
    }

    /// Runs until every [`Ingest`] is dropped, and commits all that was submitted before.
    pub(crate) async fn run(mut self) {
        let mut group = Vec::with_capacity(GROUP);
        while self.submissions.recv_many(&mut group, GROUP).await != 0 {
            let (mut open, mut arrivals, mut refused) = (Vec::new(), Vec::new(), 0);
            for submission in group.drain(..) {
                if let Some(message) = self.take(submission, &mut arrivals, &mut refused).await {
                    open.push(message);
                }
                if RESULTS <= arrivals.len() {
                    self.commit(&mut open, &mut arrivals, &mut refused).await;
                }
            }
            self.commit(&mut open, &mut arrivals, &mut refused).await;
            self.changes.announce();
            if let Some(worklist) = &self.worklist {
                worklist.look();
            }
        }
    }

    /// Answers at once what needs no transaction with others; `None` then.
    async fn take(
        &self,
        submission: Submission,
        arrivals: &mut Vec<Arrival>,
        refused: &mut u64,
    ) -> Option<Open> {
        let Submission {
            clinic,
            checked,
            correlation,
            came,
            answer,
        } = submission;
        let (is_batch, envelopes) = match checked {
            Checked::Frame(refusal, reason) => {
                tracing::warn!(%clinic, reason, "A batch was refused.");
                *refused += 1;
                let _ = answer.send(frame_refused(correlation, refusal, reason, now_ms()));
                return None;
            }
            Checked::One(Ok(Message::Receipt(receipt))) => {
                self.note(&clinic, &receipt, answer).await;
                return None;
            }
            Checked::One(Ok(Message::Presence {
                envelope_id,
                presence,
            })) => {
                self.note_presence(&clinic, envelope_id, &presence, came, answer)
                    .await;
                return None;
            }
            Checked::One(one) => (false, vec![one]),
            Checked::Batch(envelopes) => (true, envelopes),
        };
        let mut words = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            words.push(match envelope {
                Ok(Message::Result(arrival)) => {
                    arrivals.push(*arrival);
                    Word::Waits(arrivals.len() - 1)
                }
                Ok(Message::Health { envelope_id, health }) => {
                    self.note_health(&clinic, envelope_id, &health).await
                }
                Ok(Message::Word { envelope_id, word }) => self.hear(&clinic, envelope_id, &word).await,
                // Neither passes the check on a batch's topic, nor is one alone without its own way above.
                Ok(Message::Receipt(_) | Message::Presence { .. }) => {
                    Word::Unreadable("this envelope does not travel in batches".to_owned())
                }
                Err(Refusal { envelope_id, reason }) => {
                    tracing::warn!(%clinic, reason, "A message was refused.");
                    *refused += 1;
                    match envelope_id {
                        Some(id) => Word::Said(refusal_receipt(id, reason, now_ms())),
                        None => Word::Unreadable(reason),
                    }
                }
            });
        }
        Some(Open {
            correlation,
            is_batch,
            words,
            answer,
        })
    }

    /// A receipt that cannot be written down is not acknowledged: the clinic is told again, and receipts again.
    async fn note(&self, clinic: &ClinicId, receipt: &Receipt, answer: oneshot::Sender<Answer>) {
        match self.dispatch.settle(clinic, receipt).await {
            Ok(()) => {
                let _ = answer.send(Answer::Noted);
            }
            Err(error) => report(&error, 1),
        }
    }

    async fn note_presence(
        &self,
        clinic: &ClinicId,
        envelope_id: String,
        presence: &v1::Presence,
        came: Came,
        answer: oneshot::Sender<Answer>,
    ) {
        let up = presence.state() == v1::PresenceState::Up;
        match self.compare(clinic, presence, came.at_ms).await {
            Ok(true) => {}
            // Not answered: its session is cut.
            Ok(false) => return,
            Err(error) => {
                report(&error, 1);
                return;
            }
        }
        if self.presence.told(clinic, presence) {
            if let Err(error) = self.archive.note_presence(clinic, presence, came.at_ms).await {
                report(&error, 1);
                return;
            }
        } else {
            tracing::debug!(%clinic, session = presence.session, "Word of an older session came late.");
        }
        if !up {
            let _ = answer.send(Answer::Noted);
            return;
        }
        let restorations = match self.archive.restorations().await {
            Ok(restorations) => restorations,
            Err(error) => {
                report(&error, 1);
                return;
            }
        };
        let _ = answer.send(Answer::Hello {
            presence_id: envelope_id,
            received_at_ms: came.at_ms,
            takes_words: self.worklist.is_some(),
            restorations,
        });
    }

    /// Whether it is the box that came before, as far as it says.
    async fn compare(&self, clinic: &ClinicId, presence: &v1::Presence, at_ms: i64) -> Result<bool, Error> {
        let Some(told) = Told::of(presence) else {
            return Ok(true);
        };
        let entry = |verdict| {
            let action = match verdict {
                Verdict::Itself | Verdict::Late => return None,
                Verdict::Restored => Action::BoxRestored,
                Verdict::Copied => Action::BoxCopied,
            };
            let object = Object {
                clinic: Some(clinic.clone()),
                ..Object::none()
            };
            Some(Entry::new(Actor::Hub("line"), action, object))
        };
        match self.archive.note_start(clinic, &told, entry, at_ms).await? {
            Verdict::Itself | Verdict::Late => Ok(true),
            Verdict::Restored => {
                tracing::warn!(%clinic, "A box came back with an older state of its disk.");
                Ok(true)
            }
            Verdict::Copied => {
                tracing::error!(%clinic, "Two machines use one box's identity: both are shut out. Enrol the real one again (barefootctl site add), or restore the clinic where its certificate was made by hand (barefootctl access restore).");
                if let Some(revocations) = &self.revocations {
                    revocations.reread().await?;
                }
                self.changes.announce();
                Ok(false)
            }
        }
    }

    /// What a clinic says of a case, in a transaction of its own: there are few of them.
    async fn hear(&self, clinic: &ClinicId, envelope_id: String, word: &ClinicWord) -> Word {
        let Some(worklist) = &self.worklist else {
            let reason = "nobody reads cases at this hub: what is said of them is not taken";
            return Word::Said(refusal_receipt(envelope_id, reason.to_owned(), now_ms()));
        };
        match worklist.hear(clinic, word).await {
            Ok(said) => match said.outcome {
                Outcome::Stored | Outcome::Duplicate => Word::Said(stored_receipt(envelope_id, now_ms())),
                Outcome::IdReused | Outcome::VersionTaken => {
                    tracing::warn!(%clinic, envelope = envelope_id, "A word on a case was refused: its id was used before.");
                    let reason = "this id was used before with other content";
                    Word::Said(refusal_receipt(envelope_id, reason.to_owned(), now_ms()))
                }
            },
            Err(error) => {
                report(&error, 1);
                Word::Nothing
            }
        }
    }

    async fn note_health(&self, clinic: &ClinicId, envelope_id: String, health: &v1::BoxHealth) -> Word {
        let now = now_ms();
        match self.archive.note_health(clinic, health, now).await {
            Ok(()) => {
                self.presence.note_health(clinic, health, now);
                Word::Said(stored_receipt(envelope_id, now))
            }
            Err(error) => {
                report(&error, 1);
                Word::Nothing
            }
        }
    }

    /// Writes what was gathered and answers it; leaves nothing behind.
    async fn commit(&self, open: &mut Vec<Open>, arrivals: &mut Vec<Arrival>, refused: &mut u64) {
        let (open, arrivals) = (std::mem::take(open), std::mem::take(arrivals));
        let refused = std::mem::take(refused);
        let now = now_ms();
        let outcomes = if arrivals.is_empty() && refused == 0 {
            Vec::new()
        } else {
            match self.archive.commit(&arrivals, refused, now).await {
                Ok(outcomes) => outcomes.into_iter().map(Some).collect(),
                Err(error) => {
                    report(&error, arrivals.len());
                    self.commit_one_by_one(&arrivals).await
                }
            }
        };
        for message in open {
            message.close(&arrivals, &outcomes, now);
        }
    }

    /// One message that the database cannot take must not hold up those of the other clinics.
    async fn commit_one_by_one(&self, arrivals: &[Arrival]) -> Vec<Option<Outcome>> {
        let (mut outcomes, mut failures) = (Vec::with_capacity(arrivals.len()), 0);
        for arrival in arrivals {
            if BROKEN_AFTER <= failures {
                outcomes.push(None);
                continue;
            }
            match self
                .archive
                .commit(std::slice::from_ref(arrival), 0, now_ms())
                .await
            {
                Ok(stored) => {
                    failures = 0;
                    outcomes.push(stored.into_iter().next());
                }
                Err(_) => {
                    failures += 1;
                    outcomes.push(None);
                }
            }
        }
        tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
        outcomes
    }
}

impl Open {
    /// Says what is known of each envelope. Where that is nothing at all, nothing is answered.
    fn close(self, arrivals: &[Arrival], outcomes: &[Option<Outcome>], now_ms: i64) {
        let is_empty = self.words.is_empty();
        let mut receipts = Receipts {
            correlation: self.correlation,
            hub_time_ms: now_ms,
            ..Receipts::default()
        };
        for (index, word) in (0u32..).zip(self.words) {
            match word {
                Word::Said(receipt) => receipts.receipts.push(receipt),
                Word::Unreadable(reason) => receipts.unreadable.push((index, reason)),
                Word::Waits(place) => {
                    let outcome = outcomes.get(place).copied().flatten();
                    if let Some((arrival, outcome)) = arrivals.get(place).zip(outcome) {
                        receipts.receipts.push(receipt_for(arrival, outcome, now_ms));
                    }
                }
                Word::Nothing => {}
            }
        }
        let answer = if self.is_batch {
            if !is_empty && receipts.receipts.is_empty() && receipts.unreadable.is_empty() {
                return;
            }
            Answer::Receipts(receipts)
        } else {
            match (receipts.receipts.pop(), receipts.unreadable.pop()) {
                (Some(receipt), _) => Answer::Receipt(receipt),
                (None, Some((_, reason))) => unreadable(receipts.correlation, reason, now_ms),
                (None, None) => return,
            }
        };
        // A session that ended meanwhile needs no answer: its clinic sends again.
        let _ = self.answer.send(answer);
    }
}

fn report(error: &Error, messages: usize) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(
        %error,
        cause,
        messages,
        "A commit failed; what is not committed is not acknowledged and clinics send it again. Check the disk of the state directory."
    );
}

fn receipt_for(arrival: &Arrival, outcome: Outcome, now_ms: i64) -> Receipt {
    let refusal = match outcome {
        Outcome::Stored => {
            tracing::info!(clinic = %arrival.clinic, envelope = arrival.envelope_id, "A result was stored.");
            None
        }
        Outcome::Duplicate => {
            tracing::debug!(clinic = %arrival.clinic, envelope = arrival.envelope_id, "A result was here already.");
            None
        }
        Outcome::IdReused => Some("this envelope id was used before with other content"),
        Outcome::VersionTaken => Some("this version of the case is stored with other content"),
    };
    let envelope_id = arrival.envelope_id.clone();
    match refusal {
        None => stored_receipt(envelope_id, now_ms),
        Some(reason) => {
            tracing::warn!(clinic = %arrival.clinic, envelope = arrival.envelope_id, reason, "A message was refused.");
            refusal_receipt(envelope_id, reason.to_owned(), now_ms)
        }
    }
}

fn stored_receipt(envelope_id: String, hub_time_ms: i64) -> Receipt {
    Receipt {
        envelope_id,
        outcome: ReceiptOutcome::Stored,
        hub_time_ms,
    }
}

fn refusal_receipt(envelope_id: String, reason: String, hub_time_ms: i64) -> Receipt {
    Receipt {
        envelope_id,
        outcome: ReceiptOutcome::Refused { reason },
        hub_time_ms,
    }
}
