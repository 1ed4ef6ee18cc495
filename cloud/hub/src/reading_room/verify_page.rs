use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use barefoot_trust::{KeyStatement, SignedParts, Signing, verify_report};
use barefoot_wire::{decode_report, decode_signed_report, decode_signer_statement, v1};
use serde::Deserialize;

use super::words::{Words, words};
use super::{Room, failed};
use crate::web::{Chosen, html, local_time};

/// As long as a number, or a signed report as text.
const MOST_CHARS: usize = 128 * 1024;

#[derive(Template)]
#[template(path = "verify.html")]
struct PageView {
    words: &'static Words,
    asked: String,
    outcome: Option<Outcome>,
}

struct Outcome {
    holds: bool,
    text: String,
    /// Only what stands on the report's own last line: never what it says of a patient.
    lines: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    report: String,
}

/// Anybody may ask; nothing of a report's content is told.
pub(super) async fn page(State(room): State<Room>, chosen: Chosen) -> Response {
    let words = words(chosen.or(room.look.language));
    chosen.remember(html(&PageView {
        words,
        asked: String::new(),
        outcome: None,
    }))
}

pub(super) async fn check(State(room): State<Room>, chosen: Chosen, Form(asked): Form<Asked>) -> Response {
    let words = words(chosen.or(room.look.language));
    let text: String = asked
        .report
        .chars()
        .take(MOST_CHARS)
        .filter(|c| !c.is_whitespace())
        .collect();
    let id = text.to_ascii_uppercase();
    let stored = match room.archive.report(&id).await {
        Ok(stored) => stored,
        Err(error) => return failed(&error, words.language),
    };
    let signed = match stored {
        Some(report) => Some(report.signed),
        None => from_text(&text),
    };
    let outcome = match signed {
        None => Outcome {
            holds: false,
            text: words.not_found.to_owned(),
            lines: Vec::new(),
        },
        Some(signed) => outcome(&room, words, &signed),
    };
    let holds = outcome.holds;
    let mut response = html(&PageView {
        words,
        asked: id.chars().take(26).collect(),
        outcome: Some(outcome),
    });
    if !holds {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}

/// A file's bytes as hex or base64.
fn from_text(text: &str) -> Option<v1::SignedReport> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    decode_signed_report(&bytes).ok()
}

fn outcome(room: &Room, words: &'static Words, signed: &v1::SignedReport) -> Outcome {
    let not = |why: String| Outcome {
        holds: false,
        text: format!("{}{why}", words.not_verified),
        lines: Vec::new(),
    };
    let (report, statement) = match (
        decode_report(&signed.content),
        decode_signer_statement(&signed.signer),
    ) {
        (Ok(report), Ok(statement)) => (report, statement),
        (Err(error), _) | (_, Err(error)) => return not(error.to_string()),
    };
    let Some(signer) = report.readers.last() else {
        return not(String::new());
    };
    let parts = SignedParts {
        content: &signed.content,
        signature: &signed.signature,
        signer: &signed.signer,
        signer_signature: &signed.signer_signature,
        certificate: &signed.certificate,
    };
    let key = KeyStatement {
        person: &statement.person,
        public_key: &statement.public_key,
        from_ms: statement.from_ms,
    };
    let signing = Signing {
        person: &signer.person,
        at_ms: report.signed_at_ms,
    };
    match verify_report(&room.identity.authorities(), &parts, &key, &signing) {
        Err(error) => not(error.to_string()),
        Ok(()) => Outcome {
            holds: true,
            text: words.verified.to_owned(),
            lines: vec![
                format!("{}: {}", words.report, report.id),
                format!(
                    "{}: {} {} {}",
                    words.signed_by, signer.name, signer.title, signer.institution
                ),
                format!(
                    "{}: {}",
                    words.signed_at,
                    local_time(report.signed_at_ms, room.look.offset)
                ),
            ],
        },
    }
}
