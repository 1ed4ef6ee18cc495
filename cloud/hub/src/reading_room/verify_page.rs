use askama::Template;
use axum::Form;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use barefoot_trust::{KeyStatement, SignedParts, Signing, verify_report};
use barefoot_wire::{decode_report, decode_signed_report, decode_signer_statement, v1};
use ring::digest::{SHA256, digest};
use serde::Deserialize;

use super::words::{Words, words};
use super::{Room, failed};
use crate::web::{Chosen, html, local_time};

/// As long as a number, or a signed report as text.
const MOST_CHARS: usize = 128 * 1024;

/// Of a whole request, as a file or as text.
pub(super) const MOST_BYTES: usize = 256 * 1024;

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

/// What the code on a printed report begins with.
const PRINTED: &str = "BAREFOOT:R1:";

/// What somebody wants to know of.
enum Question {
    /// A number, or a signed file as text.
    Text(String),
    File(Vec<u8>),
}

/// By a file where there is one, else by what was typed.
pub(super) async fn check(State(room): State<Room>, chosen: Chosen, request: Request) -> Response {
    let words = words(chosen.or(room.look.language));
    let question = match question(request).await {
        Ok(question) => question,
        Err(StatusCode::PAYLOAD_TOO_LARGE) => {
            return answer(
                words,
                "",
                not_held(words.file_too_large),
                StatusCode::PAYLOAD_TOO_LARGE,
            );
        }
        Err(status) => return status.into_response(),
    };
    let (asked, found) = match question {
        Question::File(bytes) => (String::new(), decode_signed_report(&bytes).ok()),
        Question::Text(text) => {
            let text: String = text
                .chars()
                .take(MOST_CHARS)
                .filter(|c| !c.is_whitespace())
                .collect();
            let (id, printed) = from_code(&text);
            let stored = match room.archive.report(&id).await {
                Ok(stored) => stored,
                Err(error) => return failed(&error, words.language),
            };
            let found = stored.map(|report| report.signed).or_else(|| from_text(&text));
            let is_other = |signed: &v1::SignedReport| {
                printed.is_some_and(|printed| !printed.eq_ignore_ascii_case(&hex(&fingerprint(signed))))
            };
            if found.as_ref().is_some_and(is_other) {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                return answer(words, &id, not_held(words.other_content), status);
            }
            (id.chars().take(26).collect(), found)
        }
    };
    let outcome = match found {
        None => not_held(words.no_report),
        Some(signed) => outcome(&room, words, &signed),
    };
    let status = if outcome.holds {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    answer(words, &asked, outcome, status)
}

async fn question(request: Request) -> Result<Question, StatusCode> {
    let is_multipart = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("multipart/form-data"));
    if !is_multipart {
        let form = Form::<Asked>::from_request(request, &()).await;
        let Form(asked) = form.map_err(|refused| refused.into_response().status())?;
        return Ok(Question::Text(asked.report));
    }
    let parts = Multipart::from_request(request, &()).await;
    let mut parts = parts.map_err(|refused| refused.into_response().status())?;
    let mut typed = String::new();
    loop {
        let part = parts.next_field().await.map_err(|error| error.status())?;
        let Some(part) = part else {
            return Ok(Question::Text(typed));
        };
        match part.name() {
            Some("file") => {
                let bytes = part.bytes().await.map_err(|error| error.status())?;
                // Browsers send an empty one where none was chosen.
                if !bytes.is_empty() {
                    return Ok(Question::File(bytes.into()));
                }
            }
            Some("report") => typed = part.text().await.map_err(|error| error.status())?,
            _ => {}
        }
    }
}

fn not_held(text: &str) -> Outcome {
    Outcome {
        holds: false,
        text: text.to_owned(),
        lines: Vec::new(),
    }
}

fn answer(words: &'static Words, asked: &str, outcome: Outcome, status: StatusCode) -> Response {
    let mut response = html(&PageView {
        words,
        asked: asked.to_owned(),
        outcome: Some(outcome),
    });
    *response.status_mut() = status;
    response
}

/// A report's number, and the fingerprint beside it where what was given is the code printed on paper
/// (docs/REPORTS.md): `BAREFOOT:R1:<number>:<SHA-256>`.
fn from_code(text: &str) -> (String, Option<&str>) {
    let code = text
        .get(..PRINTED.len())
        .filter(|start| start.eq_ignore_ascii_case(PRINTED))
        .and_then(|_| text.get(PRINTED.len()..)?.split_once(':'));
    match code {
        Some((id, printed)) => (id.to_ascii_uppercase(), Some(printed)),
        None => (text.to_ascii_uppercase(), None),
    }
}

fn fingerprint(signed: &v1::SignedReport) -> Vec<u8> {
    digest(&SHA256, &signed.content).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As it stands on paper: enough to compare.
fn short(fingerprint: &[u8]) -> String {
    let groups: Vec<String> = fingerprint.chunks(2).take(8).map(hex).collect();
    groups.join(" ")
}

/// A file's bytes as base64.
fn from_text(text: &str) -> Option<v1::SignedReport> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    decode_signed_report(&bytes).ok()
}

fn outcome(room: &Room, words: &'static Words, signed: &v1::SignedReport) -> Outcome {
    let not = |why: String| not_held(&format!("{}{why}", words.not_verified));
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
                format!("{}: {}", words.fingerprint, short(&fingerprint(signed))),
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
