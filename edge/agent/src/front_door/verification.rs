//! C-ECHO: the Verification service (PS3.4 annex A).

use crate::dimse::{Answering, Call, MESSAGE_SYNTAXES, Service, field, status};
use crate::upper_layer::{Offered, Roles};

/// Verification SOP Class.
const VERIFICATION: &str = "1.2.840.10008.1.1";

pub(super) struct Verification;

impl Service for Verification {
    fn offer(&self, abstract_syntax: &str) -> Option<Offered> {
        (abstract_syntax == VERIFICATION).then_some(Offered {
            transfer_syntaxes: MESSAGE_SYNTAXES,
            roles: Roles::DEFAULT,
        })
    }

    fn answers(&self, field: u16) -> bool {
        field == field::C_ECHO
    }

    fn call<'a>(&'a self, mut call: Call<'a>) -> Answering<'a> {
        Box::pin(async move {
            let response = call.command.response(status::SUCCESS);
            call.respond(response, None).await
        })
    }
}
