use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_wire::{Receipt, ReceiptOutcome};
use tokio::sync::{mpsc, oneshot};

use super::{Answer, Ingest, Message, Refusal, Submission};
use crate::archive::{Archive, Arrival, Error, Outcome};
use crate::changes::Changes;
use crate::clock::now_ms;
use crate::dispatch::Dispatch;

/// Most messages in one transaction: enough to share a sync, few enough to keep the wait short.
const GROUP: usize = 256;

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
    submissions: mpsc::Receiver<Submission>,
}

/// A submission that passed the checks.
type Accepted = (Arrival, oneshot::Sender<Answer>);

impl Committer {
    pub(crate) fn new(archive: Archive, changes: Changes, dispatch: Dispatch) -> (Ingest, Self) {
        let (ingest, submissions) = Ingest::channel();
        let committer = Self {
            archive,
            changes,
            dispatch,
            submissions,
        };
        (ingest, committer)
    }

    /// Runs until every [`Ingest`] is dropped, and commits all that was submitted before.
    pub(crate) async fn run(mut self) {
        let mut group = Vec::with_capacity(GROUP);
        while self.submissions.recv_many(&mut group, GROUP).await != 0 {
            let mut accepted = Vec::with_capacity(group.len());
            let mut refused = Vec::new();
            for submission in group.drain(..) {
                match submission.checked {
                    Ok(Message::Result(arrival)) => accepted.push((*arrival, submission.answer)),
                    Ok(Message::Receipt(receipt)) => {
                        self.note(&submission.clinic, &receipt, submission.answer).await;
                    }
                    Err(refusal) => {
                        tracing::warn!(clinic = %submission.clinic, reason = refusal.reason, "A message was refused.");
                        refused.push((refusal, submission.answer));
                    }
                }
            }
            if !(accepted.is_empty() && refused.is_empty()) {
                self.commit(accepted, refused).await;
            }
            self.changes.announce();
        }
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

    async fn commit(&self, accepted: Vec<Accepted>, refused: Vec<(Refusal, oneshot::Sender<Answer>)>) {
        let (arrivals, answers): (Vec<Arrival>, Vec<_>) = accepted.into_iter().unzip();
        let now = now_ms();
        match self.archive.commit(&arrivals, refused.len() as u64, now).await {
            Ok(outcomes) => {
                for ((arrival, outcome), answer) in arrivals.iter().zip(outcomes).zip(answers) {
                    tell(arrival, outcome, now, answer);
                }
            }
            Err(error) => {
                report(&error, arrivals.len());
                self.commit_one_by_one(arrivals, answers).await;
            }
        }
        for (refusal, answer) in refused {
            let said = match refusal.envelope_id {
                Some(id) => Answer::Receipt(refusal_receipt(id, refusal.reason, now)),
                None => Answer::Unreadable,
            };
            // A session that ended meanwhile needs no answer: its clinic sends again.
            let _ = answer.send(said);
        }
    }

    /// One message that the database cannot take must not hold up those of the other clinics.
    async fn commit_one_by_one(&self, arrivals: Vec<Arrival>, answers: Vec<oneshot::Sender<Answer>>) {
        let mut failures = 0;
        for (arrival, answer) in arrivals.into_iter().zip(answers) {
            if BROKEN_AFTER <= failures {
                break;
            }
            let now = now_ms();
            match self.archive.commit(std::slice::from_ref(&arrival), 0, now).await {
                Ok(outcomes) => {
                    failures = 0;
                    if let Some(outcome) = outcomes.into_iter().next() {
                        tell(&arrival, outcome, now, answer);
                    }
                }
                Err(_) => failures += 1,
            }
        }
        tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
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

fn tell(arrival: &Arrival, outcome: Outcome, now_ms: i64, answer: oneshot::Sender<Answer>) {
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
    let receipt = match refusal {
        None => Receipt {
            envelope_id: arrival.envelope_id.clone(),
            outcome: ReceiptOutcome::Stored,
            hub_time_ms: now_ms,
        },
        Some(reason) => {
            tracing::warn!(clinic = %arrival.clinic, envelope = arrival.envelope_id, reason, "A message was refused.");
            refusal_receipt(arrival.envelope_id.clone(), reason.to_owned(), now_ms)
        }
    };
    // A session that ended meanwhile needs no answer: its clinic sends again.
    let _ = answer.send(Answer::Receipt(receipt));
}

fn refusal_receipt(envelope_id: String, reason: String, hub_time_ms: i64) -> Receipt {
    Receipt {
        envelope_id,
        outcome: ReceiptOutcome::Refused { reason },
        hub_time_ms,
    }
}
