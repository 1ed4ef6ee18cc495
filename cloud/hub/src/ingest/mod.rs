//! What clinics send is checked here, committed, and answered.
//!
//! [`check`] is pure. [`Ingest`] is the handle every session holds: it checks in the caller's task and hands over to
//! the one `committer`, which commits whatever waits in one transaction (one sync for many messages) and only then
//! answers. Nothing is answered when the database fails: the session must end, and the clinic sends again.

mod check;
mod committer;

use barefoot_domain::ClinicId;
use barefoot_wire::Receipt;
use barefoot_wire::topics::Topic;
use tokio::sync::{mpsc, oneshot};

pub(crate) use check::{Message, Refusal, check};
pub(crate) use committer::Committer;

/// Messages waiting for the committer, all sessions together. When full, sessions stop reading from their sockets
/// until there is room: TCP then holds the clinics back.
const WAITING: usize = 1024;

/// The way into the archive; cheap to clone. The committer ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Ingest(mpsc::Sender<Submission>);

#[derive(Debug)]
struct Submission {
    clinic: ClinicId,
    checked: Result<Message, Refusal>,
    answer: oneshot::Sender<Answer>,
}

/// The answer to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Committed or refused for good; this goes back to the clinic.
    Receipt(Receipt),
    /// The clinic's own receipt was taken; nothing goes back.
    Noted,
    /// Refused, and no envelope id could be read that a receipt could name.
    Unreadable,
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

    /// Checks `payload`, received on `topic`, and queues it; waits while the queue is full.
    pub(crate) async fn submit(&self, topic: &Topic, payload: &[u8]) -> Result<Pending, NotTaken> {
        let (answer, pending) = oneshot::channel();
        let submission = Submission {
            clinic: topic.clinic.clone(),
            checked: check(topic, payload),
            answer,
        };
        self.0.send(submission).await.map_err(|_| NotTaken)?;
        Ok(pending)
    }
}

#[cfg(test)]
mod tests;
