//! What answers requests: each DICOM service of the box is one [`Service`], and the door gives it its calls.

use std::future::Future;
use std::io::Read;
use std::pin::Pin;

use super::command::Command;
use super::session::{SendError, Session};
use crate::audit::Acts;
use crate::handoff::AssociationId;
use crate::upper_layer::{Context, Contexts, Ended, Offered, Piece};

/// Identifiers and attribute lists are a few kilobytes.
const MAX_DATA_SET: usize = 1024 * 1024;

pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Result<(), Ended>> + Send + 'a>>;

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub association: AssociationId,
    pub ae_title: String,
    /// What it does, for the audit log.
    pub acts: Acts,
}

/// One DICOM service.
pub(crate) trait Service: Send + Sync {
    /// What it offers for an abstract syntax; `None`: that is not its own.
    fn offer(&self, abstract_syntax: &str) -> Option<Offered>;

    /// Whether it answers this kind of request (a command field).
    fn answers(&self, field: u16) -> bool;

    /// Answers one request. An error ends the association.
    fn call<'a>(&'a self, call: Call<'a>) -> Answering<'a>;
}

/// A request and the way to its caller.
pub(crate) struct Call<'a> {
    pub caller: &'a Caller,
    pub context_id: u8,
    pub context: Context,
    pub command: Command,
    session: &'a mut Session,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        caller: &'a Caller,
        context_id: u8,
        context: Context,
        command: Command,
        session: &'a mut Session,
    ) -> Self {
        Self {
            caller,
            context_id,
            context,
            command,
            session,
        }
    }

    /// All contexts of the association, for those that send on it (C-GET).
    #[must_use]
    pub(crate) fn contexts(&self) -> &Contexts {
        self.session.contexts()
    }

    /// The request's data set, whole; one larger than a mebibyte ends the association.
    pub(crate) async fn data_set(&mut self) -> Result<Vec<u8>, Ended> {
        self.session.whole_data_set(MAX_DATA_SET).await
    }

    /// The request's data set piece by piece, up to the one that says `last`.
    pub(crate) async fn data(&mut self) -> Result<Piece<'_>, Ended> {
        self.session.data().await
    }

    /// Answers; pending answers (0xFF00) may come before the last.
    pub(crate) async fn respond(&mut self, response: Command, data_set: Option<&[u8]>) -> Result<(), Ended> {
        self.session.send(self.context_id, &response, data_set).await
    }

    /// Whether the caller has taken the request back meanwhile.
    pub(crate) async fn cancelled(&mut self) -> Result<bool, Ended> {
        self.session.cancelled(self.command.message_id()).await
    }

    /// Asks the caller something on the same association: a C-STORE of C-GET, an N-EVENT-REPORT.
    pub(crate) async fn ask(
        &mut self,
        context_id: u8,
        command: &Command,
        data_set: Option<&[u8]>,
    ) -> Result<(Command, Option<Vec<u8>>), Ended> {
        self.session
            .ask(context_id, command, data_set, MAX_DATA_SET)
            .await
    }

    /// As [`Self::ask`], with a stored data set.
    pub(crate) async fn send_stored(
        &mut self,
        context_id: u8,
        command: &Command,
        data_set: impl Read + Send,
    ) -> Result<Command, SendError> {
        self.session.send_stored(context_id, command, data_set).await
    }
}
