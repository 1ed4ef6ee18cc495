//! What people and programs see of the results: a page that follows them live, and JSON.

mod json;
mod view;
mod words;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;

use self::words::words;
use crate::archive::{self, Archive};
use crate::config::Language;
use crate::presence::Presence;
use crate::web::{Chosen, Look, html};

/// Results on the page; the JSON reaches further back.
const SHOWN: u32 = 100;

/// Default and most of `/api/results?limit=`.
const DEFAULT_LIMIT: u32 = 200;
const MOST_LIMIT: u32 = 10_000;

/// What the handlers share; cheap to clone.
#[derive(Clone)]
struct Site {
    archive: Archive,
    presence: Presence,
    look: Look,
}

/// The results' addresses.
pub(crate) fn router(archive: Archive, presence: Presence, look: Look) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/list", get(list))
        .route("/api/results", get(api_results))
        .route("/api/status", get(api_status))
        .with_state(Site {
            archive,
            presence,
            look,
        })
}

async fn page(State(site): State<Site>, chosen: Chosen) -> Response {
    let language = chosen.or(site.look.language);
    let answer = match site.list(language).await {
        Ok(list) => html(&view::PageView {
            words: words(language),
            list,
        }),
        Err(error) => failed(&error, language),
    };
    chosen.remember(answer)
}

async fn list(State(site): State<Site>, chosen: Chosen) -> Response {
    let language = chosen.or(site.look.language);
    match site.list(language).await {
        Ok(list) => html(&list),
        Err(error) => failed(&error, language),
    }
}

#[derive(Deserialize)]
struct Limit {
    limit: Option<u32>,
}

async fn api_results(State(site): State<Site>, Query(asked): Query<Limit>) -> Response {
    let limit = asked.limit.unwrap_or(DEFAULT_LIMIT).min(MOST_LIMIT);
    match site.archive.results(limit).await {
        Ok(stored) => Json(json::results(&stored)).into_response(),
        Err(error) => failed(&error, site.look.language),
    }
}

async fn api_status(State(site): State<Site>) -> Response {
    match site.archive.counts().await {
        Ok(counts) => Json(json::status(counts, site.presence.snapshot())).into_response(),
        Err(error) => failed(&error, site.look.language),
    }
}

impl Site {
    async fn list(&self, language: Language) -> Result<view::ListView, archive::Error> {
        let stored = self.archive.results(SHOWN).await?;
        let counts = self.archive.counts().await?;
        Ok(view::list(
            words(language),
            self.look.offset,
            self.presence.snapshot(),
            &stored,
            counts.results,
        ))
    }
}

fn failed(error: &archive::Error, language: Language) -> Response {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, cause, "The results could not be read.");
    (StatusCode::INTERNAL_SERVER_ERROR, words(language).failed).into_response()
}
