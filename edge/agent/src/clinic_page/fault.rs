//! The page that makes a fault report: a note, perhaps a recorded one, and a file to hand on.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::multipart::Multipart;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::api;
use super::pages::{self, FaultPage, Frame};
use super::request_language::RequestLanguage;
use super::saying;
use super::server::App;
use super::talk;
use crate::case_log::PatientText;
use crate::clock;
use crate::fault_report::{Part, Voice, bundle};
use crate::identity_check::Text;
use crate::speech::NotKept;
use crate::{metrics, recent_log};

/// A minute of speech, generously.
pub(super) const MAX_BODY: usize = 8 * 1024 * 1024;
const MAX_NOTE_CHARS: usize = 2000;

/// `GET /fault`.
pub(super) async fn page(State(app): State<Arc<App>>, asked: RequestLanguage) -> Response {
    show(&app, asked, String::new(), Vec::new())
}

fn show(app: &App, asked: RequestLanguage, note: String, problems: Vec<String>) -> Response {
    let page = FaultPage {
        frame: Frame::of(app, asked.language),
        t: app.library.of(asked.language),
        note,
        problems,
    };
    pages::page(&page, asked)
}

/// `POST /fault`: answers with the file.
pub(super) async fn make(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    mut form: Multipart,
) -> Response {
    let (mut note, mut voice) = (String::new(), None);
    loop {
        let field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => break,
            Err(_) => return StatusCode::BAD_REQUEST.into_response(),
        };
        let (name, kind) = (
            field.name().unwrap_or_default().to_owned(),
            field.content_type().unwrap_or_default().to_owned(),
        );
        let Ok(bytes) = field.bytes().await else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        match name.as_str() {
            "note" => note = String::from_utf8_lossy(&bytes).replace("\r\n", "\n"),
            "voice" if !bytes.is_empty() => match extension(&kind) {
                Some(extension) => {
                    voice = Some(Voice {
                        extension,
                        bytes: bytes.to_vec(),
                    });
                }
                None => {
                    let t = &app.library.of(asked.language).fault;
                    return refused(&app, asked, note, vec![t.no_sound.clone()]);
                }
            },
            _ => {}
        }
    }
    let note: String = note.trim().to_owned();
    if MAX_NOTE_CHARS < note.chars().count() {
        let t = app.library.of(asked.language);
        return refused(&app, asked, note, talk::problems(&NotKept::TooLong, t));
    }
    let at_work = Arc::clone(&app);
    let (made, note) = match tokio::task::spawn_blocking(move || (write(&at_work, &note, voice), note)).await
    {
        Ok(made) => made,
        Err(error) => return saying::failed(&app, asked, &std::io::Error::other(error)),
    };
    match made {
        Ok(Ok(bytes)) => {
            tracing::info!("A fault report was made on the clinic page.");
            let mut answer = ([(CONTENT_TYPE, "application/gzip")], bytes).into_response();
            let name = HeaderValue::from_static("attachment; filename=\"barefoot-fault.tar.gz\"");
            answer.headers_mut().insert(CONTENT_DISPOSITION, name);
            answer
        }
        Ok(Err(reason)) => {
            let problems = talk::problems(&reason, app.library.of(asked.language));
            refused(&app, asked, note, problems)
        }
        Err(error) => saying::failed(&app, asked, &error),
    }
}

fn refused(app: &App, asked: RequestLanguage, note: String, problems: Vec<String>) -> Response {
    let page = show(app, asked, note, problems);
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

/// What browsers record in.
fn extension(kind: &str) -> Option<&'static str> {
    match kind.split(';').next().unwrap_or_default().trim() {
        "audio/webm" | "video/webm" => Some("webm"),
        "audio/ogg" | "application/ogg" => Some("ogg"),
        "audio/mp4" | "audio/x-m4a" | "audio/m4a" | "video/mp4" => Some("m4a"),
        "audio/mpeg" => Some("mp3"),
        "audio/wav" | "audio/x-wav" | "audio/wave" => Some("wav"),
        "audio/aac" => Some("aac"),
        "audio/amr" | "audio/3gpp" | "video/3gpp" => Some("3gp"),
        _ => None,
    }
}

/// Blocking: looks through every patient's words.
fn write(app: &App, note: &str, voice: Option<Voice>) -> std::io::Result<Result<Vec<u8>, NotKept>> {
    let sources = &app.sources;
    let patients: Vec<PatientText> = sources
        .cases
        .all()
        .iter()
        .map(|case| case.patient.clone())
        .collect();
    let typed = Text::new(note);
    if let Some(names) = patients
        .iter()
        .map(|patient| typed.names_any(patient))
        .chain([typed.names_any(&PatientText::default())])
        .find(|names| !names.is_empty())
    {
        return Ok(Err(NotKept::Names(names)));
    }
    let now_ms = clock::now_ms();
    let status = serde_json::to_string_pretty(&api::status_of(app))?;
    let numbers = metrics::text(
        &sources.status,
        &sources.state,
        &sources.picture_quality.totals(),
        now_ms,
    )
    .map_err(std::io::Error::other)?;
    let disk = rustix::fs::statvfs(sources.state.root())?;
    let about = serde_json::json!({
        "made_by": concat!("barefoot-edge ", env!("CARGO_PKG_VERSION")),
        "made_at_ms": now_ms,
        "clinic": sources.clinic.as_str(),
        "cases": patients.len(),
        "voice_note": voice.is_some(),
        "disk_free_bytes": disk.f_bavail.saturating_mul(disk.f_frsize),
        "disk_bytes": disk.f_blocks.saturating_mul(disk.f_frsize),
        "reports_aside": sources.aside.open_ones().len(),
    });
    let part = |name, text: String| Part { name, text };
    let parts = vec![
        part("note.txt", note.to_owned()),
        part("about.json", serde_json::to_string_pretty(&about)?),
        part("site.json", sources.for_fault_reports.clone()),
        part("status.json", status),
        part("metrics.txt", numbers),
        part("log.txt", recent_log::recent().join("\n")),
    ];
    bundle(parts, voice, &patients, now_ms).map(Ok)
}
