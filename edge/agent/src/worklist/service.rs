//! C-FIND of the Modality Worklist (PS3.4 annex K).

use barefoot_imaging::data_set;
use barefoot_imaging::query::WorklistFind;

use super::store::Worklist;
use crate::audit::{Action, Given};
use crate::dimse::{Answering, Call, MESSAGE_SYNTAXES, Service, field, status};
use crate::upper_layer::{Ended, Offered, Roles};

/// Modality Worklist Information Model - FIND.
const MODALITY_WORKLIST: &str = "1.2.840.10008.5.1.4.31";
const CANCELLED: u16 = 0xFE00;

/// Answers scanners.
#[derive(Debug)]
pub(crate) struct WorklistScp {
    worklist: Worklist,
}

impl WorklistScp {
    pub(crate) fn new(worklist: Worklist) -> Self {
        Self { worklist }
    }

    async fn find(&self, mut call: Call<'_>) -> Result<(), Ended> {
        let bytes = call.data_set().await?;
        let syntax = call.context.transfer_syntax.clone();
        let Ok(request) = data_set::read(&bytes, &syntax, &data_set::Limits::default()) else {
            let response = call.command.response(status::CANNOT_UNDERSTAND);
            return call
                .respond(response.with_comment("The identifier cannot be read"), None)
                .await;
        };
        let find = match WorklistFind::read(&request) {
            Ok(find) => find,
            Err(error) => {
                let response = call.command.response(error.status());
                let response = response.with_offending(error.offending());
                return call
                    .respond(response.with_comment(&error.to_string()), None)
                    .await;
            }
        };
        let pending = find.pending_status();
        // Somebody may be writing an order down meanwhile.
        let answers = tokio::task::block_in_place(|| self.worklist.find(&find, &call.caller.ae_title));
        let mut given = Given::new(call.caller.acts.clone(), Action::WorklistQueried);
        for answer in answers {
            if call.cancelled().await? {
                let response = call.command.response(CANCELLED);
                return call.respond(response, None).await;
            }
            // Our own values fit their elements: what does not is left out rather than the association lost.
            if let Ok(bytes) = data_set::write(&answer, &syntax) {
                let response = call.command.response(pending);
                given.one_more();
                call.respond(response, Some(&bytes)).await?;
            }
        }
        let response = call.command.response(status::SUCCESS);
        call.respond(response, None).await
    }
}

impl Service for WorklistScp {
    fn offer(&self, abstract_syntax: &str) -> Option<Offered> {
        (abstract_syntax == MODALITY_WORKLIST).then_some(Offered {
            transfer_syntaxes: MESSAGE_SYNTAXES,
            roles: Roles::DEFAULT,
        })
    }

    fn answers(&self, field: u16) -> bool {
        field == field::C_FIND
    }

    fn call<'a>(&'a self, call: Call<'a>) -> Answering<'a> {
        Box::pin(self.find(call))
    }
}
