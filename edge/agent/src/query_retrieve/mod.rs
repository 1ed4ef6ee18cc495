//! The small archive's door: C-FIND, C-MOVE and C-GET over the Patient Root and Study Root models (PS3.4 annex C).

mod answering;
mod destination;
mod sending;
mod source;

use crate::archive::Archive;
use crate::dimse::{Answering, Call, MESSAGE_SYNTAXES, Service, field, status};
use crate::nodes::FindRoute;
use crate::upper_layer::{Offered, Roles};
use barefoot_imaging::query::Model;

/// What one SOP class asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Find,
    Move,
    Get,
}

/// PS3.4 table C.6.1-2 and C.6.2-2.
const CLASSES: &[(&str, Model, Operation)] = &[
    ("1.2.840.10008.5.1.4.1.2.1.1", Model::PatientRoot, Operation::Find),
    ("1.2.840.10008.5.1.4.1.2.1.2", Model::PatientRoot, Operation::Move),
    ("1.2.840.10008.5.1.4.1.2.1.3", Model::PatientRoot, Operation::Get),
    ("1.2.840.10008.5.1.4.1.2.2.1", Model::StudyRoot, Operation::Find),
    ("1.2.840.10008.5.1.4.1.2.2.2", Model::StudyRoot, Operation::Move),
    ("1.2.840.10008.5.1.4.1.2.2.3", Model::StudyRoot, Operation::Get),
];

/// Answers and sends.
pub(crate) struct QueryRetrieve {
    archive: Archive,
    /// Ours: who can be asked to send what was found.
    ae_title: String,
    max_pdu: u32,
    find: FindRoute,
}

impl QueryRetrieve {
    pub(crate) fn new(archive: Archive, ae_title: String, max_pdu: u32, find: FindRoute) -> Self {
        Self {
            archive,
            ae_title,
            max_pdu,
            find,
        }
    }
}

impl Service for QueryRetrieve {
    fn offer(&self, abstract_syntax: &str) -> Option<Offered> {
        CLASSES
            .iter()
            .any(|(uid, ..)| *uid == abstract_syntax)
            .then_some(Offered {
                transfer_syntaxes: MESSAGE_SYNTAXES,
                roles: Roles::DEFAULT,
            })
    }

    fn answers(&self, field: u16) -> bool {
        matches!(field, field::C_FIND | field::C_MOVE | field::C_GET)
    }

    fn call<'a>(&'a self, mut call: Call<'a>) -> Answering<'a> {
        let class = CLASSES
            .iter()
            .find(|(uid, ..)| *uid == call.context.abstract_syntax);
        let asked = match call.command.field() {
            field::C_FIND => Operation::Find,
            field::C_MOVE => Operation::Move,
            _ => Operation::Get,
        };
        match class {
            Some((_, model, Operation::Find)) if asked == Operation::Find => {
                Box::pin(self.find(*model, call))
            }
            Some((_, model, Operation::Move)) if asked == Operation::Move => {
                Box::pin(self.send_on(*model, call))
            }
            Some((_, model, Operation::Get)) if asked == Operation::Get => {
                Box::pin(self.send_back(*model, call))
            }
            _ => Box::pin(async move {
                let response = call.command.response(status::UNRECOGNIZED_OPERATION);
                let response = response.with_comment("This SOP class has no such operation");
                call.respond(response, None).await
            }),
        }
    }
}
