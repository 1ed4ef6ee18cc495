//! An entry of a log as a DICOM audit message (PS3.15 annex A.5).
//!
//! Every message names its entry and the entry's hash, so that who has the messages can tell whether the log was written
//! anew. A study stands in it by the case's id, which is a UID that only the clinic can lead back; where the standard demands
//! the patient, it is "whom the case is of", by the same id. What was asked for in a query is left out: names may stand in it.

mod codes;
mod kinds;
mod objects;
mod xml;

use barefoot_trust::audit::{AuditEntry, Hash};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use codes::Code;
use kinds::{Event, Kind};
use objects::objects;
use xml::{Message, Participant};

/// Whose log it is.
#[derive(Debug, Clone)]
pub struct Source {
    pub kind: SourceKind,
    /// The clinic's id, or the hub's name.
    pub id: String,
    /// Where it stands (AuditEnterpriseSiteID).
    pub site: Option<String>,
    /// The box's own.
    pub ae_title: Option<String>,
    /// This machine's name, as far as it is known.
    pub host: Option<String>,
    /// Of the daemon.
    pub process: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    Box,
    Hub,
}

impl Source {
    /// The log of a clinic's box.
    #[must_use]
    pub fn of_box(clinic: &str, ae_title: &str) -> Self {
        Self {
            ae_title: Some(ae_title.to_owned()),
            ..Self::new(SourceKind::Box, clinic)
        }
    }

    /// The log of the hub.
    #[must_use]
    pub fn of_hub() -> Self {
        Self::new(SourceKind::Hub, "hub")
    }

    fn new(kind: SourceKind, id: &str) -> Self {
        let host = ["/proc/sys/kernel/hostname", "/etc/hostname"]
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok())
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
        Self {
            kind,
            id: id.to_owned(),
            site: None,
            ae_title: None,
            host,
            process: std::process::id(),
        }
    }

    #[must_use]
    pub fn at_site(self, site: Option<String>) -> Self {
        Self { site, ..self }
    }

    /// The program's name.
    #[must_use]
    pub fn program(&self) -> &'static str {
        match self.kind {
            SourceKind::Box => "barefoot-edge",
            SourceKind::Hub => "barefoot-hub",
        }
    }

    fn log(&self) -> String {
        format!("urn:barefoot:audit:{}", self.id)
    }

    /// This program as somebody who takes part.
    fn itself(&self) -> Participant {
        Participant {
            user: format!("{}@{}", self.program(), self.id),
            alternative: self.ae_title.as_ref().map(|title| format!("AETITLES={title}")),
            place: self.host.clone().map(|host| (host, "1")),
            ..Participant::default()
        }
    }
}

/// Whether there is a message of its own for an entry's action.
#[must_use]
pub fn is_known(action: &str) -> bool {
    kinds::of(action).is_some()
}

/// The severity of syslog: something is not as it should be (4), or it is worth noting (5).
pub(crate) fn severity(entry: &AuditEntry) -> u8 {
    match outcome(entry, &kind_of(entry)) {
        "0" => 5,
        _ => 4,
    }
}

/// The entry as XML on one line, without an XML declaration.
#[must_use]
pub fn message(entry: &AuditEntry, hash: &Hash, source: &Source) -> String {
    let kind = kind_of(entry);
    let outcome = outcome(entry, &kind);
    let mut kinds: Vec<_> = kind
        .kind
        .into_iter()
        .map(|code| (code.code.to_owned(), code.system, code.text.to_owned()))
        .collect();
    let meaning = entry.action.replace('_', " ");
    kinds.push((entry.action.clone(), codes::OWN_SCHEME, meaning));
    xml::write(&Message {
        event: kind.event.id(),
        kinds,
        action: kind.action,
        at: rfc3339(entry.at_ms),
        outcome,
        description: (outcome != "0" && !entry.details.is_empty()).then(|| entry.details.clone()),
        participants: participants(entry, &kind, source),
        site: source.site.clone(),
        source: format!("{}@{}", source.program(), source.id),
        // An application server, PS3.15 table A.5.1.2.1.
        source_kind: "4",
        objects: objects(entry, hash, &kind, source),
    })
}

fn kind_of(entry: &AuditEntry) -> Kind {
    let kind = kinds::of(&entry.action).unwrap_or(kinds::UNKNOWN);
    match entry.action.as_str() {
        // The log itself was taken away.
        "export" if entry.subject == "audit" => Kind {
            event: Event::AuditLogUsed,
            ..kind
        },
        // What a program looks at leaves for it.
        "view_images" if entry.actor_kind == "program" => Kind {
            event: Event::Sent,
            is_anonymous: true,
            ..kind
        },
        _ => kind,
    }
}

fn outcome(entry: &AuditEntry, kind: &Kind) -> &'static str {
    let went_wrong = ["refused", "failed"]
        .iter()
        .any(|word| entry.details.starts_with(word));
    match (kind.outcome, went_wrong) {
        ("0", true) => "4",
        (outcome, _) => outcome,
    }
}

/// RFC 3339, which is a form of `xsd:dateTime`.
pub(crate) fn rfc3339(at_ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000);
    let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(&Rfc3339).unwrap_or_default()
}

/// Who acted.
fn actor(entry: &AuditEntry, source: &Source) -> Participant {
    let user = match (entry.actor_kind.as_str(), entry.actor.as_str()) {
        ("box" | "hub", _) => return source.itself(),
        ("node", node) => return of_node(node, &entry.actor_name),
        (kind, "") => kind.to_owned(),
        (kind, id) => format!("{kind}:{id}"),
    };
    Participant {
        user,
        name: Some(entry.actor_name.clone()).filter(|name| !name.is_empty()),
        ..Participant::default()
    }
}

/// `AE title@address`, and the certificate it came with.
fn of_node(node: &str, certificate: &str) -> Participant {
    let (title, address) = node.rsplit_once('@').unwrap_or((node, ""));
    let kind = match address.parse::<std::net::IpAddr>() {
        Ok(_) => "2",
        Err(_) => "1",
    };
    Participant {
        user: match title {
            "" => "unknown".to_owned(),
            title => title.to_owned(),
        },
        alternative: Some(format!("AETITLES={title}")).filter(|_| !title.is_empty()),
        name: Some(certificate.to_owned()).filter(|name| !name.is_empty()),
        place: Some((address.to_owned(), kind)).filter(|_| !address.is_empty()),
        ..Participant::default()
    }
}

fn participants(entry: &AuditEntry, kind: &Kind, source: &Source) -> Vec<Participant> {
    let with = |participant: Participant, roles: &[Code], is_requestor| Participant {
        roles: roles.to_vec(),
        is_requestor,
        ..participant
    };
    let by = || actor(entry, source);
    let itself = || source.itself();
    let acted_itself = matches!(entry.actor_kind.as_str(), "box" | "hub");
    match kind.event {
        Event::Application => {
            let mut all = vec![with(itself(), &[codes::APPLICATION], false)];
            if !acted_itself {
                all.push(with(by(), &[codes::LAUNCHER], true));
            }
            all
        }
        Event::SendingBegins | Event::Sent => {
            let to = match entry.actor_kind.as_str() {
                "program" => by(),
                _ if entry.subject.is_empty() => by(),
                _ => of_node(&entry.subject, ""),
            };
            let asked_for_itself = !acted_itself && to.user == by().user;
            let mut all = vec![
                with(itself(), &[codes::SOURCE], acted_itself),
                with(to, &[codes::DESTINATION], asked_for_itself),
            ];
            if !acted_itself && !asked_for_itself {
                all.push(with(by(), &[], true));
            }
            all
        }
        Event::Received | Event::ReceivingBegins => vec![
            with(by(), &[codes::SOURCE], true),
            with(itself(), &[codes::DESTINATION], false),
        ],
        Event::Query { .. } => vec![
            with(by(), &[codes::SOURCE], true),
            with(itself(), &[codes::DESTINATION], false),
        ],
        Event::Exported { onto } => vec![
            with(by(), &[codes::SOURCE], true),
            medium(codes::DESTINATION_MEDIA, onto),
        ],
        Event::Imported => vec![
            with(by(), &[codes::DESTINATION], true),
            medium(codes::SOURCE_MEDIA, codes::USB_DISK),
        ],
        Event::Joined => vec![of_clinic(entry)],
        Event::Alert | Event::AuditLogUsed | Event::Authentication if !acted_itself => {
            vec![with(by(), &[], true), with(itself(), &[], false)]
        }
        _ => vec![with(by(), &[], true)],
    }
}

fn of_clinic(entry: &AuditEntry) -> Participant {
    Participant {
        user: format!("barefoot-edge@{}", entry.clinic),
        ..Participant::default()
    }
}

fn medium(role: Code, media: Code) -> Participant {
    Participant {
        user: "medium".to_owned(),
        roles: vec![role],
        media: Some(media),
        ..Participant::default()
    }
}

#[cfg(test)]
mod tests;
