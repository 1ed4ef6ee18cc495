//! What people and programs see of runs, models and releases: rounds as they happen, what the gate found, which box
//! runs what. Clinics stand here by name only where an operator must act: a refused update, a box in the rollout.

mod curve;
mod json;
mod runs_view;
mod view;
mod words;

use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use barefoot_wire::v1;
use serde::Deserialize;

use self::words::words;
use crate::config::Language;
use crate::federation::Runs;
use crate::model_registry::{Error, Registry};
use crate::rollout::Rollouts;
use crate::web::{Chosen, Look, html};

/// Runs and versions on the page; the JSON lists all.
const SHOWN: usize = 12;

/// What the handlers share; cheap to clone.
#[derive(Clone)]
struct Site {
    registry: Registry,
    runs: Runs,
    rollouts: Rollouts,
    look: Look,
}

/// The addresses of runs, models and releases.
pub(crate) fn router(registry: Registry, runs: Runs, rollouts: Rollouts, look: Look) -> Router {
    Router::new()
        .route("/models", get(page))
        .route("/models/list", get(list))
        .route("/models/report", get(report))
        .route("/api/runs", get(api_runs))
        .route("/api/models", get(api_models))
        .with_state(Site {
            registry,
            runs,
            rollouts,
            look,
        })
}

async fn page(State(site): State<Site>, chosen: Chosen) -> Response {
    let language = chosen.or(site.look.language);
    let answer = match site.list(language).await {
        Ok(list) => html(&view::PageView {
            words: words(language),
            accounts: site.look.accounts,
            list,
        }),
        Err(failure) => failure.answer(language),
    };
    chosen.remember(answer)
}

async fn list(State(site): State<Site>, chosen: Chosen) -> Response {
    let language = chosen.or(site.look.language);
    match site.list(language).await {
        Ok(list) => html(&list),
        Err(failure) => failure.answer(language),
    }
}

#[derive(Deserialize)]
struct Asked {
    id: String,
    version: String,
}

/// The report as it was stored. It has its own style inside, which the page's policy would not let through.
async fn report(State(site): State<Site>, Query(asked): Query<Asked>) -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                          frame-ancestors 'none'; sandbox";
    let name = v1::ModelName {
        id: asked.id,
        version: asked.version,
    };
    match site.registry.report(&name).await {
        Ok(report) => {
            let policy = [(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))];
            (policy, Html(report.html)).into_response()
        }
        Err(Error::Unknown { .. }) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => Failure::new(error).answer(site.look.language),
    }
}

async fn api_runs(State(site): State<Site>) -> Response {
    match site.runs.list().await {
        Ok(runs) => Json(json::runs(&runs)).into_response(),
        Err(error) => Failure::new(error).answer(site.look.language),
    }
}

async fn api_models(State(site): State<Site>) -> Response {
    match site.registry.overview().await {
        Ok(versions) => Json(json::models(&versions)).into_response(),
        Err(error) => Failure::new(error).answer(site.look.language),
    }
}

impl Site {
    async fn list(&self, language: Language) -> Result<view::ListView, Failure> {
        let runs = self.runs.list().await.map_err(Failure::new)?;
        let versions = self.registry.overview().await.map_err(Failure::new)?;
        let rollouts = self.rollouts.views().await.map_err(Failure::new)?;
        let boxes = self.rollouts.boxes_per_version().await.map_err(Failure::new)?;
        let shown = view::Shown {
            runs: runs.get(..runs.len().min(SHOWN)).unwrap_or_default(),
            versions: versions.get(..versions.len().min(SHOWN)).unwrap_or_default(),
            rollouts: &rollouts,
            boxes: &boxes,
        };
        Ok(view::list(words(language), self.look.offset, &shown))
    }
}

/// Why there is nothing to show.
struct Failure(Box<dyn std::error::Error + Send + Sync>);

impl Failure {
    fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }

    fn answer(self, language: Language) -> Response {
        let cause = self.0.source().map(ToString::to_string);
        tracing::error!(error = %self.0, cause, "Runs and models could not be read.");
        (StatusCode::INTERNAL_SERVER_ERROR, words(language).failed).into_response()
    }
}

#[cfg(test)]
mod tests;
