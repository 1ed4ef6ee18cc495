//! What clinics send is checked here, committed, and answered.
//!
//! [`check`] is pure. [`Ingest`] is the handle every session holds: it checks in the caller's task and hands over to
//! the one `committer`, which commits whatever waits in one transaction (one sync for many messages) and only then
//! answers. Nothing is answered when the database fails: the session must end, and the clinic sends again.
//!
//! Every message gets an answer that its sender understands, also one that nobody can read: the box finds it by the
//! correlation data of its message, and sets aside what is refused again and again.

mod check;
mod committer;
mod detection;
mod retention;

use barefoot_domain::ClinicId;
use barefoot_wire::topics::{self, Topic};
use barefoot_wire::{MAX_CORRELATION_BYTES, Receipt, Receipts, v1};
use tokio::sync::{mpsc, oneshot};

use crate::archive::Restoration;
use crate::clock::now_ms;

pub(crate) use check::{Came, Checked, Message, Refusal, check};
pub(crate) use committer::Committer;
pub(crate) use retention::forget_duplicates;

/// Messages waiting for the committer, all sessions together. When full, sessions stop reading from their sockets
/// until there is room: TCP then holds the clinics back.
const WAITING: usize = 1024;

/// The way into the archive; cheap to clone. The committer ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Ingest(mpsc::Sender<Submission>);

#[derive(Debug)]
struct Submission {
    clinic: ClinicId,
    checked: Checked,
    /// Empty where the message had none.
    correlation: Vec<u8>,
    came: Came,
    answer: oneshot::Sender<Answer>,
}

/// The answer to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Committed or refused for good; this goes back to the clinic.
    Receipt(Receipt),
    /// The same for a batch, or for a message that could not be read but has correlation data.
    Receipts(Receipts),
    /// The clinic has told that it is there.
    Hello {
        presence_id: String,
        received_at_ms: i64,
        /// There is a list of cases here: what clinics say of them is taken.
        takes_words: bool,
        /// What boxes are asked to send again.
        restorations: Vec<Restoration>,
    },
    /// The clinic's own word was taken; nothing goes back.
    Noted,
    /// Refused, and nothing could be read that an answer could name.
    Unreadable,
}

impl Answer {
    /// Whether no part of the message could be read.
    pub(crate) fn is_unreadable(&self) -> bool {
        match self {
            Self::Unreadable => true,
            Self::Receipts(receipts) => {
                receipts.receipts.is_empty()
                    && (receipts.refused.is_some() || !receipts.unreadable.is_empty())
            }
            Self::Receipt(_) | Self::Hello { .. } | Self::Noted => false,
        }
    }
}

/// The database failed or the hub is stopping: the message was not taken, and must not be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message was not taken")]
pub(crate) struct NotTaken;

/// An answer to come, after the commit.
pub(crate) type Pending = oneshot::Receiver<Answer>;

impl Ingest {
    /// A handle and the receiving end for the [`Committer`].
    fn channel() -> (Self, mpsc::Receiver<Submission>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Checks `payload`, received on `topic` with this correlation data, and queues it; waits while the queue is full.
    pub(crate) async fn submit(
        &self,
        topic: &Topic,
        payload: &[u8],
        correlation: Option<&[u8]>,
    ) -> Result<Pending, NotTaken> {
        let came = Came {
            at_ms: now_ms(),
            by_line: true,
        };
        // Longer than a box's own: not one of ours, and not to be carried around.
        let correlation = correlation.filter(|data| data.len() <= MAX_CORRELATION_BYTES);
        self.hand_over(topic, payload, correlation.unwrap_or_default(), came)
            .await
    }

    /// The same for a batch that was carried here by hand; who wrote it was proven by its signature.
    pub(crate) async fn submit_carried(&self, clinic: &ClinicId, frame: &[u8]) -> Result<Pending, NotTaken> {
        let came = Came {
            at_ms: now_ms(),
            by_line: false,
        };
        let topic = topics::parse(&topics::up_batch(clinic)).ok_or(NotTaken)?;
        self.hand_over(&topic, frame, &[], came).await
    }

    async fn hand_over(
        &self,
        topic: &Topic,
        payload: &[u8],
        correlation: &[u8],
        came: Came,
    ) -> Result<Pending, NotTaken> {
        let (answer, pending) = oneshot::channel();
        let submission = Submission {
            clinic: topic.clinic.clone(),
            checked: check(topic, payload, came),
            correlation: correlation.to_vec(),
            came,
            answer,
        };
        self.0.send(submission).await.map_err(|_| NotTaken)?;
        Ok(pending)
    }
}

/// The answer to a message of which nothing can be read.
fn unreadable(correlation: Vec<u8>, reason: String, hub_time_ms: i64) -> Answer {
    if correlation.is_empty() {
        return Answer::Unreadable;
    }
    Answer::Receipts(Receipts {
        unreadable: vec![(0, reason)],
        correlation,
        hub_time_ms,
        ..Receipts::default()
    })
}

/// The answer to a batch whose frame is refused.
fn frame_refused(
    correlation: Vec<u8>,
    refusal: v1::FrameRefusal,
    reason: String,
    hub_time_ms: i64,
) -> Answer {
    Answer::Receipts(Receipts {
        refused: Some((refusal, reason)),
        correlation,
        hub_time_ms,
        ..Receipts::default()
    })
}

#[cfg(test)]
mod tests;
