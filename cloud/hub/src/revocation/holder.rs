use std::fmt;

use barefoot_domain::ClinicId;
use barefoot_trust::{Fingerprint, Peer, Person, Role};
use barefoot_wire::v1;
use barefoot_wire::v1::holder::Who;

use crate::audit::Object;

const CLINIC: &str = "clinic";
const CERTIFICATE: &str = "certificate";

/// Whose certificates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    /// All of a clinic's box.
    Clinic(ClinicId),
    /// All of a person.
    Person(Person),
    /// One.
    Certificate(Fingerprint),
}

/// Why a message names no holder.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unnamed {
    #[error("name a clinic, a person or a certificate")]
    Nobody,
    #[error("{0}")]
    Clinic(barefoot_domain::InvalidId),
    #[error("a person's role is maintainer, expert, operator or listener")]
    Role,
    #[error("{0}")]
    Person(barefoot_trust::Error),
    #[error("a certificate is named by the 32 bytes of its SHA-256")]
    Certificate,
}

impl Holder {
    pub(super) fn of_peer(peer: &Peer) -> Self {
        match peer {
            Peer::Clinic(clinic) => Self::Clinic(clinic.clone()),
            Peer::Person(person) => Self::Person(person.clone()),
        }
    }

    pub(crate) fn of_message(message: Option<v1::Holder>) -> Result<Self, Unnamed> {
        match message.and_then(|holder| holder.who).ok_or(Unnamed::Nobody)? {
            Who::Clinic(clinic) => ClinicId::new(clinic).map(Self::Clinic).map_err(Unnamed::Clinic),
            Who::Person(person) => {
                let role = Role::parse(&person.role).ok_or(Unnamed::Role)?;
                let person = Person::new(role, &person.name);
                person.map(Self::Person).map_err(Unnamed::Person)
            }
            Who::CertificateSha256(hash) => {
                let hash = hash.as_slice().try_into();
                hash.map(|hash| Self::Certificate(Fingerprint(hash)))
                    .map_err(|_| Unnamed::Certificate)
            }
        }
    }

    pub(crate) fn to_message(&self) -> v1::Holder {
        let who = match self {
            Self::Clinic(clinic) => Who::Clinic(clinic.to_string()),
            Self::Person(person) => Who::Person(v1::CertifiedPerson {
                role: person.role.unit().to_owned(),
                name: person.name.clone(),
            }),
            Self::Certificate(Fingerprint(hash)) => Who::CertificateSha256(hash.to_vec()),
        };
        v1::Holder { who: Some(who) }
    }

    /// Its kind and its name, as they are stored.
    pub(crate) fn words(&self) -> (&'static str, String) {
        match self {
            Self::Clinic(clinic) => (CLINIC, clinic.to_string()),
            Self::Person(person) => (person.role.unit(), person.name.clone()),
            Self::Certificate(fingerprint) => (CERTIFICATE, fingerprint.to_string()),
        }
    }

    pub(crate) fn of_words(kind: &str, name: &str) -> Option<Self> {
        match kind {
            CLINIC => ClinicId::new(name).ok().map(Self::Clinic),
            CERTIFICATE => Fingerprint::parse(name).map(Self::Certificate),
            role => Person::new(Role::parse(role)?, name).ok().map(Self::Person),
        }
    }

    /// As the audit log names it.
    pub(super) fn object(&self) -> Object {
        let object = Object::subject(&self.to_string());
        match self {
            Self::Clinic(clinic) => Object {
                clinic: Some(clinic.clone()),
                ..object
            },
            Self::Person(_) | Self::Certificate(_) => object,
        }
    }
}

/// For instance "clinic clinic-7".
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = self.words();
        write!(f, "{kind} {name}")
    }
}
