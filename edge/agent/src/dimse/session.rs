//! Messages on an established association (PS3.7 section 6.3): a command set, and where it says so a data set.

use std::io::Read;

use super::command::{Command, MAX_COMMAND_BYTES, field};
use crate::upper_layer::{AbortReason, Connection, Contexts, Ended, Piece, Received};

/// What is read of a stored data set before it is sent on.
const READ_BYTES: usize = 256 * 1024;

/// A command that came, and in which presentation context.
#[derive(Debug)]
pub(crate) struct Message {
    pub context: u8,
    pub command: Command,
}

/// Why a stored instance could not be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The association was aborted: half a data set was on its way.
    #[error("the stored data set cannot be read")]
    Read { source: std::io::Error },
}

pub(crate) struct Session {
    connection: Connection,
    contexts: Contexts,
    /// A command set that is not complete yet, and its context.
    command: Vec<u8>,
    command_context: Option<u8>,
    /// The context in which the data set of the last command comes; `None` once it has ended.
    data_set: Option<u8>,
}

impl Session {
    #[must_use]
    pub(crate) fn new(connection: Connection, contexts: Contexts) -> Self {
        Self {
            connection,
            contexts,
            command: Vec::new(),
            command_context: None,
            data_set: None,
        }
    }

    #[must_use]
    pub(crate) fn contexts(&self) -> &Contexts {
        &self.contexts
    }

    /// For the association's end.
    #[must_use]
    pub(crate) fn into_connection(self) -> Connection {
        self.connection
    }

    /// The next command; a data set of the one before that was not asked for is passed over.
    ///
    /// # Errors
    /// [`Ended::Released`] when the peer wished to release, which was granted.
    pub(crate) async fn next(&mut self) -> Result<Message, Ended> {
        self.drain().await?;
        loop {
            let piece = match self.connection.receive().await? {
                Received::Data(piece) => piece,
                Received::ReleaseAsked if self.command_context.is_some() => {
                    return Err(self.violation("a release in the middle of a command").await);
                }
                Received::ReleaseAsked => {
                    self.connection.answer_release().await?;
                    return Err(Ended::Released);
                }
            };
            let (context, last) = (piece.context, piece.last);
            if !piece.command || self.command_context.is_some_and(|begun| begun != context) {
                return Err(self.violation("a data set that no command announced").await);
            }
            if MAX_COMMAND_BYTES < self.command.len() + piece.bytes.len() {
                return Err(self.violation("an absurdly long command").await);
            }
            self.command.extend_from_slice(piece.bytes);
            self.command_context = Some(context);
            if !last {
                continue;
            }
            self.command_context = None;
            let parsed = Command::parse(&self.command);
            self.command.clear();
            let Ok(command) = parsed else {
                return Err(self.violation("a command that cannot be read").await);
            };
            if !self.contexts.contains_key(&context) {
                return Err(self
                    .violation("a presentation context that was not agreed on")
                    .await);
            }
            self.data_set = command.has_data_set().then_some(context);
            return Ok(Message { context, command });
        }
    }

    /// The next piece of the data set that belongs to the last command, up to the one that says `last`.
    pub(crate) async fn data(&mut self) -> Result<Piece<'_>, Ended> {
        let Some(context) = self.data_set else {
            return Err(self.violation("a command without its data set").await);
        };
        // Decided before the piece is given away: it borrows the connection.
        match self.connection.receive().await? {
            Received::Data(piece) if !piece.command && piece.context == context => {
                if piece.last {
                    self.data_set = None;
                }
                Ok(piece)
            }
            Received::Data(_) => Err(Ended::Violation("a command in the middle of a data set")),
            Received::ReleaseAsked => Err(Ended::Violation("a release in the middle of a data set")),
        }
    }

    /// The whole data set, at most `limit` bytes.
    pub(crate) async fn whole_data_set(&mut self, limit: usize) -> Result<Vec<u8>, Ended> {
        let mut whole = Vec::new();
        loop {
            let piece = self.data().await?;
            if limit < whole.len() + piece.bytes.len() {
                return Err(self.violation("a data set longer than this service takes").await);
            }
            whole.extend_from_slice(piece.bytes);
            if piece.last {
                return Ok(whole);
            }
        }
    }

    async fn drain(&mut self) -> Result<(), Ended> {
        while self.data_set.is_some() {
            self.data().await?;
        }
        Ok(())
    }

    async fn violation(&mut self, what: &'static str) -> Ended {
        self.connection
            .abort(AbortReason::UnexpectedPduParameter, what)
            .await
    }

    /// Sends a message in one write, where it is not larger than a PDU or two.
    pub(crate) async fn send(
        &mut self,
        context: u8,
        command: &Command,
        data_set: Option<&[u8]>,
    ) -> Result<(), Ended> {
        self.put(context, true, &command.encode(data_set.is_some()), true)
            .await?;
        if let Some(bytes) = data_set {
            self.put(context, false, bytes, true).await?;
        }
        self.connection.push().await
    }

    async fn put(&mut self, context: u8, command: bool, bytes: &[u8], last: bool) -> Result<(), Ended> {
        self.connection
            .put(Piece {
                context,
                command,
                bytes,
                last,
            })
            .await
    }

    /// Sends a message whose data set is read while it is sent, and waits for the answer.
    pub(crate) async fn send_stored(
        &mut self,
        context: u8,
        command: &Command,
        mut data_set: impl Read + Send,
    ) -> Result<Command, SendError> {
        self.put(context, true, &command.encode(true), true).await?;
        let mut buffer = vec![0; READ_BYTES];
        // One block ahead, to know which is the last.
        let mut read = tokio::task::block_in_place(|| fill(&mut data_set, &mut buffer));
        loop {
            let count = match read {
                Ok(count) => count,
                Err(source) => {
                    self.violation("our own data set cannot be read").await;
                    return Err(SendError::Read { source });
                }
            };
            let last = count < buffer.len();
            let bytes = buffer.get(..count).unwrap_or_default();
            self.put(context, false, bytes, last).await?;
            if last {
                break;
            }
            read = tokio::task::block_in_place(|| fill(&mut data_set, &mut buffer));
        }
        self.connection.push().await?;
        Ok(self.answer(command.message_id()).await?.command)
    }

    /// Sends a request and waits for its one answer, with its data set of at most `limit` bytes.
    pub(crate) async fn ask(
        &mut self,
        context: u8,
        command: &Command,
        data_set: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Command, Option<Vec<u8>>), Ended> {
        self.send(context, command, data_set).await?;
        let answer = self.answer(command.message_id()).await?;
        let data_set = match answer.command.has_data_set() {
            true => Some(self.whole_data_set(limit).await?),
            false => None,
        };
        Ok((answer.command, data_set))
    }

    async fn answer(&mut self, message_id: u16) -> Result<Message, Ended> {
        let message = self.next().await?;
        let answered = message.command.number(super::element::MESSAGE_ID_RESPONDED_TO);
        if message.command.field() & field::RESPONSE == 0 || answered != Some(message_id) {
            return Err(self.violation("something else than the answer").await);
        }
        Ok(message)
    }

    /// Whether the peer has taken its request back meanwhile; does not wait.
    pub(crate) async fn cancelled(&mut self, message_id: u16) -> Result<bool, Ended> {
        if !self.connection.has_news().await {
            return Ok(false);
        }
        let message = self.next().await?;
        let meant = message.command.number(super::element::MESSAGE_ID_RESPONDED_TO);
        if message.command.field() != field::C_CANCEL {
            return Err(self
                .violation("a second request before the answer to the first")
                .await);
        }
        Ok(meant == Some(message_id))
    }

    /// Releases an association we asked for.
    pub(crate) async fn release(&mut self) -> Result<(), Ended> {
        self.connection.release().await
    }
}

/// Reads until the buffer is full or the source ends.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
