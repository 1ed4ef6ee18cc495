//! What an entry tells of: the study and whom it is of, the log, the query, the entry itself.

use barefoot_trust::audit::{AuditEntry, Hash};

use super::codes::{self, Code};
use super::kinds::{Event, Kind};
use super::xml::{Content, Object};
use super::{Source, SourceKind};

const PERSON: &str = "1";
const SYSTEM_OBJECT: &str = "2";
/// Of objects, RFC 3881: patient, report, user, security resource, query.
const PATIENT: &str = "1";
const REPORT: &str = "3";
const USER: &str = "6";
const SECURITY_RESOURCE: &str = "13";

pub(super) fn objects(entry: &AuditEntry, hash: &Hash, kind: &Kind, source: &Source) -> Vec<Object> {
    let object = |id: String, id_kind: Code, name: &str, kind: &'static str, role: &'static str| Object {
        id,
        id_kind,
        content: Content::Name(name.to_owned()),
        kind,
        role,
        details: Vec::new(),
        instances: None,
        is_anonymous: false,
    };
    let mut all = Vec::new();
    match kind.event {
        Event::AuditLogUsed => all.push(object(
            source.log(),
            codes::URI,
            "Security Audit Log",
            SYSTEM_OBJECT,
            SECURITY_RESOURCE,
        )),
        Event::Query { sop_class } => all.push(Object {
            // What was asked for may hold a name: it is not told.
            content: Content::Query(String::new()),
            ..object(
                match sop_class {
                    "" => "page".to_owned(),
                    uid => uid.to_owned(),
                },
                codes::SOP_CLASS_UID,
                "",
                SYSTEM_OBJECT,
                REPORT,
            )
        }),
        Event::Alert if !entry.subject.is_empty() => {
            let (kind, role, id_kind) = match entry.action.as_str() {
                "association_refused" | "scanner_allowed" => {
                    (SYSTEM_OBJECT, SECURITY_RESOURCE, codes::NODE_ID)
                }
                word if word.starts_with("account") || word.starts_with("pin") => {
                    (PERSON, USER, codes::USER_IDENTIFIER)
                }
                _ => (SYSTEM_OBJECT, SECURITY_RESOURCE, codes::URI),
            };
            let mut subject = object(entry.subject.clone(), id_kind, &entry.subject, kind, role);
            if !entry.details.is_empty() {
                subject.details.push(("Alert Description", entry.details.clone()));
            }
            all.push(subject);
        }
        _ => {}
    }
    if !entry.case.is_empty() {
        let is_transfer = matches!(
            kind.event,
            Event::SendingBegins | Event::ReceivingBegins | Event::Sent | Event::Received
        );
        all.push(Object {
            instances: is_transfer.then(|| leading_number(&entry.details)).flatten(),
            is_anonymous: kind.is_anonymous || source.kind == SourceKind::Hub,
            ..object(
                entry.case.clone(),
                codes::STUDY_UID,
                "pseudonym of the study",
                SYSTEM_OBJECT,
                REPORT,
            )
        });
        all.push(object(
            format!("{}/{}", entry.clinic, entry.case),
            codes::PATIENT_NUMBER,
            "whom the study is of",
            PERSON,
            PATIENT,
        ));
    }
    all.push(Object {
        details: of_entry(entry, hash),
        ..object(
            format!("{}:{}", source.log(), entry.number),
            codes::URI,
            "entry of the log",
            SYSTEM_OBJECT,
            SECURITY_RESOURCE,
        )
    });
    all
}

/// All that the entry says, as it says it.
fn of_entry(entry: &AuditEntry, hash: &Hash) -> Vec<(&'static str, String)> {
    let mut details = vec![("SHA-256", data_encoding::HEXLOWER.encode(hash))];
    for (name, said) in [
        ("clinic", &entry.clinic),
        ("subject", &entry.subject),
        ("details", &entry.details),
    ] {
        if !said.is_empty() {
            details.push((name, said.clone()));
        }
    }
    if entry.clock_went_back {
        details.push(("clock", "it was set back before this entry".to_owned()));
    }
    details
}

/// "3 images, 1 refused" are three.
fn leading_number(details: &str) -> Option<u64> {
    details.split(' ').next()?.parse().ok()
}
