//! What people and programs see of the results: a page that follows them live, and JSON.

mod json;
mod view;
mod words;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use barefoot_domain::{CaseId, ClinicId};
use barefoot_wire::images::decode_quick_look;
use serde::Deserialize;

use self::words::words;
use crate::archive::{self, Archive};
use crate::config::Language;
use crate::image_store::ImageStore;
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
    images: Option<ImageStore>,
    presence: Presence,
    look: Look,
}

/// The results' addresses.
pub(crate) fn router(archive: Archive, images: Option<ImageStore>, presence: Presence, look: Look) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/list", get(list))
        .route("/api/results", get(api_results))
        .route("/api/status", get(api_status))
        .route("/quick-look/{clinic}/{case}/{version}", get(quick_look))
        .with_state(Site {
            archive,
            images,
            presence,
            look,
        })
}

async fn page(State(site): State<Site>, chosen: Chosen) -> Response {
    let language = chosen.or(site.look.language);
    let answer = match site.list(language).await {
        Ok(list) => html(&view::PageView {
            words: words(language),
            accounts: site.look.accounts,
            cases: site.look.cases,
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
    let read = async {
        let images = site.archive.images_of_results(limit).await?;
        Ok(json::results(&site.archive.results(limit).await?, &images))
    };
    match read.await {
        Ok(results) => Json(results).into_response(),
        Err(error) => failed(&error, site.look.language),
    }
}

/// The key image of a case's quick look.
async fn quick_look(
    State(site): State<Site>,
    Path((clinic, case, version)): Path<(String, String, u32)>,
) -> Response {
    let not_here = || StatusCode::NOT_FOUND.into_response();
    let (Some(images), Ok(clinic), Ok(case)) = (&site.images, ClinicId::new(clinic), CaseId::new(case))
    else {
        return not_here();
    };
    let look = match site.archive.quick_look(&clinic, &case, version).await {
        Ok(look) => look,
        Err(error) => return failed(&error, site.look.language),
    };
    let look = look.and_then(|bytes| decode_quick_look(&bytes).ok());
    let Some(key) = look.and_then(|look| look.pictures.into_iter().next()) else {
        return not_here();
    };
    match images.read(&clinic, key.object.id).await {
        Ok(picture) => ([(header::CONTENT_TYPE, "image/jpeg")], picture).into_response(),
        Err(error) => {
            tracing::error!(%error, %clinic, %case, "A quick look cannot be read.");
            not_here()
        }
    }
}

async fn api_status(State(site): State<Site>) -> Response {
    let read = async {
        let copied = site.archive.copied_clinics().await?;
        Ok(json::status(
            site.archive.counts().await?,
            site.presence.snapshot(),
            &copied,
        ))
    };
    match read.await {
        Ok(status) => Json(status).into_response(),
        Err(error) => failed(&error, site.look.language),
    }
}

impl Site {
    async fn list(&self, language: Language) -> Result<view::ListView, archive::Error> {
        let stored = self.archive.results(SHOWN).await?;
        let images = self.archive.images_of_results(SHOWN).await?;
        let counts = self.archive.counts().await?;
        let copied = self.archive.copied_clinics().await?;
        Ok(view::list(
            words(language),
            self.look.offset,
            (self.presence.snapshot(), &copied),
            &stored,
            &images,
            counts.results,
        ))
    }
}

fn failed(error: &archive::Error, language: Language) -> Response {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, cause, "The results could not be read.");
    (StatusCode::INTERNAL_SERVER_ERROR, words(language).failed).into_response()
}
