use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use barefoot_audit::{Standing, View};
use barefoot_trust::audit::AuditEntry;
use futures_util::StreamExt;
use serde::Deserialize;

use super::words::{Words, words};
use super::{Action, Audit, Entry, Error, Form, Object, export};
use crate::archive::AuditFilter;
use crate::people::{Right, Signed};
use crate::web::{Chosen, Look, html, iso_time, local_time};

/// Entries on a page.
const SHOWN: u32 = 200;

/// What the handlers share; cheap to clone.
#[derive(Clone)]
struct Site {
    audit: Audit,
    look: Look,
    /// Where a repository is told of the log.
    repository: Option<Standing>,
}

/// The audit log's addresses, for auditors.
pub(crate) fn router(audit: Audit, look: Look, repository: Option<Standing>) -> Router {
    Router::new()
        .route("/audit", get(page))
        .route("/audit/export", get(download))
        .route("/audit/export/dicom", get(download_messages))
        .with_state(Site {
            audit,
            look,
            repository,
        })
}

struct Row {
    number: u64,
    time: String,
    iso: String,
    clock_went_back: bool,
    actor: String,
    actor_id: String,
    action: String,
    object: String,
    details: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditView {
    words: &'static Words,
    actions: Vec<(&'static str, bool)>,
    actor: String,
    case: String,
    rows: Vec<Row>,
    /// The address of what comes before.
    older: Option<String>,
    repository: Option<View>,
}

#[derive(Deserialize, Default)]
struct Asked {
    #[serde(default)]
    actor: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    case: String,
    #[serde(default)]
    before: String,
}

impl Asked {
    fn filter(&self) -> AuditFilter {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        AuditFilter {
            actor: given(&self.actor),
            action: given(&self.action),
            case: given(&self.case),
            before: self.before.parse().ok(),
        }
    }
}

async fn page(
    State(site): State<Site>,
    signed: Signed,
    Query(asked): Query<Asked>,
    chosen: Chosen,
) -> Response {
    if let Err(forbidden) = signed.allow(Right::ReadAudit) {
        return forbidden.into_response();
    }
    let words = words(chosen.or(signed.person.language));
    let filter = asked.filter();
    let read = async {
        let entry = Entry::new(signed.actor(), Action::ReadAudit, Object::none());
        let said = [&asked.actor, &asked.action, &asked.case, &asked.before];
        let said = said.map(String::as_str).join(" ");
        site.audit.record(entry.details(said.trim())).await?;
        Ok::<_, Error>(site.audit.archive.audit_entries(&filter, SHOWN).await?)
    };
    let entries = match read.await {
        Ok(entries) => entries,
        Err(error) => return failed(&error, words),
    };
    let older = entries
        .last()
        .filter(|last| {
            1 < last.entry.number && usize::try_from(SHOWN).is_ok_and(|most| most <= entries.len())
        })
        .and_then(|last| {
            let before = last.entry.number.to_string();
            let (actor, action, case) = (&asked.actor, &asked.action, &asked.case);
            let query = [
                ("actor", actor),
                ("action", action),
                ("case", case),
                ("before", &before),
            ];
            serde_urlencoded::to_string(query).ok()
        })
        .map(|query| format!("/audit?{query}"));
    let view = AuditView {
        words,
        actions: Action::ALL
            .iter()
            .map(|action| (action.word(), action.word() == asked.action))
            .collect(),
        rows: entries
            .into_iter()
            .map(|stored| row(words, site.look, stored.entry))
            .collect(),
        actor: asked.actor,
        case: asked.case,
        older,
        repository: site.repository.as_ref().map(Standing::view),
    };
    chosen.remember(html(&view))
}

fn row(words: &Words, look: Look, entry: AuditEntry) -> Row {
    let object: Vec<&str> = [&entry.clinic, &entry.case, &entry.subject]
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    Row {
        number: entry.number,
        time: local_time(entry.at_ms, look.offset),
        iso: iso_time(entry.at_ms),
        clock_went_back: entry.clock_went_back,
        object: object.join(" · "),
        actor: match (entry.actor_kind.as_str(), entry.actor_name.as_str()) {
            ("console", _) => words.console.to_owned(),
            (_, "") => entry.actor.clone(),
            (_, name) => name.to_owned(),
        },
        actor_id: entry.actor,
        action: entry.action,
        details: entry.details,
    }
}

async fn download(site: State<Site>, signed: Signed) -> Response {
    give(site, signed, Form::Signed).await
}

async fn download_messages(site: State<Site>, signed: Signed) -> Response {
    give(site, signed, Form::Dicom).await
}

async fn give(State(site): State<Site>, signed: Signed, form: Form) -> Response {
    if let Err(forbidden) = signed.allow(Right::ReadAudit) {
        return forbidden.into_response();
    }
    let begun = async {
        let entry = Entry::new(signed.actor(), Action::Export, Object::subject("audit"));
        site.audit.record(entry).await?;
        export(site.audit.clone(), form).await
    };
    let (kind, name) = match form {
        Form::Signed => (
            "application/jsonl; charset=utf-8",
            "attachment; filename=\"audit.jsonl\"",
        ),
        Form::Dicom => (
            "application/xml; charset=utf-8",
            "attachment; filename=\"audit.xml\"",
        ),
    };
    match begun.await {
        Ok(pieces) => {
            let pieces = pieces.map(|piece| {
                piece.inspect_err(|error| tracing::error!(%error, "A copy of the audit log broke off."))
            });
            let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)];
            (headers, Body::from_stream(pieces)).into_response()
        }
        Err(error) => failed(&error, words(signed.person.language)),
    }
}

fn failed(error: &Error, words: &Words) -> Response {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, cause, "The audit log could not be read.");
    (StatusCode::INTERNAL_SERVER_ERROR, words.failed).into_response()
}
