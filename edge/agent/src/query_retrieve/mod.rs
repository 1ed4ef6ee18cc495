//! The small archive's door: C-FIND, C-MOVE and C-GET over the Patient Root and Study Root models (PS3.4 annex C).

mod answering;
mod destination;
mod sending;
mod source;

use std::sync::Arc;

use barefoot_imaging::query::Model;
use serde::Deserialize;

use crate::archive::Archive;
use crate::dimse::{Answering, Call, MESSAGE_SYNTAXES, Service, field, status};
use crate::upper_layer::{Offered, Roles, is_ae_title};

/// Where images may be sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The nodes that C-MOVE may name. Default none.
    #[serde(default, rename = "destination")]
    pub destinations: Vec<Destination>,
}

/// A node that takes images.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// The AE title that C-MOVE names and that we call, 1 to 16 characters. Required.
    pub ae_title: String,
    /// `host:port`. Required.
    pub address: String,
}

impl Config {
    /// What the types cannot say.
    ///
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        for destination in &self.destinations {
            let title = &destination.ae_title;
            if !is_ae_title(title) || title.trim() != title {
                return Err(format!(
                    "[archive] \"{title}\" is no AE title: use 1 to 16 printable characters without backslash or outer spaces"
                ));
            }
            let port = destination
                .address
                .rsplit_once(':')
                .map(|(_, port)| port.parse::<u16>());
            if !matches!(port, Some(Ok(1..))) {
                return Err(format!("[archive] the address of {title} must be host:port"));
            }
        }
        Ok(())
    }
}

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
#[derive(Debug)]
pub(crate) struct QueryRetrieve {
    archive: Archive,
    /// Ours: who can be asked to send what was found.
    ae_title: String,
    max_pdu: u32,
    destinations: Arc<[Destination]>,
}

impl QueryRetrieve {
    pub(crate) fn new(config: &Config, archive: Archive, ae_title: String, max_pdu: u32) -> Self {
        Self {
            archive,
            ae_title,
            max_pdu,
            destinations: config.destinations.clone().into(),
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
