//! C-FIND.

use barefoot_imaging::data_set::{self, DataSet, Limits};
use barefoot_imaging::query::{Error, Find, Model, Options};
use tokio::sync::mpsc;

use super::QueryRetrieve;
use crate::audit::{Action, Given};
use crate::dimse::{Call, Command, status};
use crate::upper_layer::Ended;

/// Answers between the disk and the network. When full, the search waits.
const AHEAD: usize = 64;
/// PS3.4 table C.4-1: matching ended because it was taken back.
pub(super) const CANCELLED: u16 = 0xFE00;

impl QueryRetrieve {
    pub(super) async fn find(&self, model: Model, mut call: Call<'_>) -> Result<(), Ended> {
        let Some(request) = identifier(&mut call).await? else {
            return Ok(());
        };
        // Both options of the extended negotiation are declined: it is not answered.
        let find = match Find::read(model, &request, Options::default()) {
            Ok(find) => find,
            Err(error) => {
                let response = refused(&call.command, error);
                return call.respond(response, None).await;
            }
        };
        let (into, mut answers) = mpsc::channel::<Vec<u8>>(AHEAD);
        let (archive, ae_title) = (self.archive.clone(), self.ae_title.clone());
        let syntax = call.context.transfer_syntax.clone();
        let pending = find.pending_status();
        let search = tokio::task::spawn_blocking(move || {
            for answer in archive.find(find, &ae_title) {
                // What a file has in it may be too long for its element; that answer is left out.
                if let Ok(bytes) = data_set::write(&answer, &syntax)
                    && into.blocking_send(bytes).is_err()
                {
                    return;
                }
            }
        });
        let mut given = Given::new(call.caller.acts.clone(), Action::Queried);
        while let Some(answer) = answers.recv().await {
            if call.cancelled().await? {
                let response = call.command.response(CANCELLED);
                return call.respond(response, None).await;
            }
            let response = call.command.response(pending);
            given.one_more();
            call.respond(response, Some(&answer)).await?;
        }
        let response = match search.await {
            Ok(()) => call.command.response(status::SUCCESS),
            Err(_) => call
                .command
                .response(status::CANNOT_UNDERSTAND)
                .with_comment("The search failed"),
        };
        call.respond(response, None).await
    }
}

/// The request's identifier; `None` when it cannot be read, which was answered.
pub(super) async fn identifier(call: &mut Call<'_>) -> Result<Option<DataSet>, Ended> {
    let bytes = match call.command.has_data_set() {
        true => call.data_set().await?,
        false => Vec::new(),
    };
    match data_set::read(&bytes, &call.context.transfer_syntax, &Limits::default()) {
        Ok(set) => Ok(Some(set)),
        Err(_) => {
            let response = call.command.response(status::CANNOT_UNDERSTAND);
            call.respond(response.with_comment("The identifier cannot be read"), None)
                .await?;
            Ok(None)
        }
    }
}

pub(super) fn refused(command: &Command, error: Error) -> Command {
    let response = command.response(error.status()).with_offending(error.offending());
    response.with_comment(&error.to_string())
}
