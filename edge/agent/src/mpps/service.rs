//! N-CREATE and N-SET of performed steps.

use std::fmt;
use std::sync::Arc;

use barefoot_domain::StudyUid;
use barefoot_imaging::data_set;

use super::step::Performed;
use super::store::{Error, Steps};
use crate::audit::Action;
use crate::clock::now_ms;
use crate::dimse::{Answering, Call, Command, MESSAGE_SYNTAXES, Service, element, field, status};
use crate::upper_layer::{Ended, Offered, Roles};

/// Modality Performed Procedure Step SOP Class.
const PERFORMED_STEP: &str = "1.2.840.10008.3.1.2.3.3";
/// PS3.7 annex C.
const INVALID_INSTANCE: u16 = 0x0117;
const MISSING_ATTRIBUTE: u16 = 0x0120;

/// Hears of every change that is written down.
pub(crate) type Heard = Arc<dyn Fn(Performed) + Send + Sync>;

/// Answers scanners.
pub(crate) struct MppsScp {
    steps: Steps,
    heard: Heard,
}

impl fmt::Debug for MppsScp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MppsScp").finish_non_exhaustive()
    }
}

impl MppsScp {
    pub(crate) fn new(steps: Steps, heard: Heard) -> Self {
        Self { steps, heard }
    }

    async fn answer(&self, mut call: Call<'_>) -> Result<(), Ended> {
        let bytes = match call.command.has_data_set() {
            true => call.data_set().await?,
            false => Vec::new(),
        };
        call.caller.acts.asked(Action::ProcedureStep, 0);
        // Written down before it is answered.
        let response = tokio::task::block_in_place(|| self.response(&call, &bytes));
        call.respond(response, None).await
    }

    fn response(&self, call: &Call<'_>, bytes: &[u8]) -> Command {
        let command = &call.command;
        let is_new = command.field() == field::N_CREATE;
        let named = match is_new {
            true => element::AFFECTED_SOP_INSTANCE_UID,
            false => element::REQUESTED_SOP_INSTANCE_UID,
        };
        let Some(uid) = command.text(named) else {
            let response = command.response(MISSING_ATTRIBUTE);
            return response.with_comment("The request names no SOP instance");
        };
        if StudyUid::new(uid.as_str()).is_err() {
            return command.response(INVALID_INSTANCE).with_comment("That is no UID");
        }
        let limits = data_set::Limits::default();
        let Ok(said) = data_set::read(bytes, &call.context.transfer_syntax, &limits) else {
            let response = command.response(status::PROCESSING_FAILURE);
            return response.with_comment("The attributes cannot be read");
        };
        let outcome = match is_new {
            true => self.steps.begin(&uid, &said, now_ms()),
            false => self.steps.change(&uid, &said, now_ms()),
        };
        match outcome {
            Ok(step) => {
                (self.heard)(step);
                command.response(status::SUCCESS)
            }
            Err(Error::Refused(refused)) => {
                let response = command
                    .response(refused.status())
                    .with_comment(&refused.to_string());
                match refused.error_id() {
                    Some(id) => response.with_number(element::ERROR_ID, id),
                    None => response,
                }
            }
            Err(Error::Disk { source }) => {
                tracing::error!(error = %source, "A performed step cannot be written down; the scanner was told.");
                let response = command.response(status::PROCESSING_FAILURE);
                response.with_comment("The step cannot be written down")
            }
        }
    }
}

impl Service for MppsScp {
    fn offer(&self, abstract_syntax: &str) -> Option<Offered> {
        (abstract_syntax == PERFORMED_STEP).then_some(Offered {
            transfer_syntaxes: MESSAGE_SYNTAXES,
            roles: Roles::DEFAULT,
        })
    }

    fn answers(&self, field: u16) -> bool {
        matches!(field, field::N_CREATE | field::N_SET)
    }

    fn call<'a>(&'a self, call: Call<'a>) -> Answering<'a> {
        Box::pin(self.answer(call))
    }
}
