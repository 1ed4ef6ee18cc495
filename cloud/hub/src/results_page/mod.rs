//! What people and programs see of the results: a page that follows them live, and JSON.
//!
//! The page is plain HTML; its one script listens to `/events` and swaps in `/list`. Everything comes from this
//! process, no request leaves it, and the policy header forbids any. There is no sign-in yet.

mod events;
mod headers;
mod json;
mod language;
mod view;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde::Deserialize;
use time::UtcOffset;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::language::Chosen;
use self::words::words;
use crate::Shutdown;
use crate::archive::{self, Archive};
use crate::changes::Changes;
use crate::config::{Language, Page};
use crate::presence::Presence;

/// Results on the page; the JSON reaches further back.
const SHOWN: u32 = 100;

/// Default and most of `/api/results?limit=`.
const DEFAULT_LIMIT: u32 = 200;
const MOST_LIMIT: u32 = 10_000;

/// Pages that follow live at once; one more is told to reload by itself.
const MOST_FOLLOWERS: usize = 256;

/// On shutdown: time for answers on their way.
const FAREWELL: Duration = Duration::from_secs(3);

/// Why the page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen for the results page on {address}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("the results page stopped")]
    Serve { source: std::io::Error },
}

/// The page's server.
pub(crate) struct ResultsPage {
    listener: TcpListener,
    address: SocketAddr,
    site: Site,
}

/// What the handlers share; cheap to clone.
#[derive(Clone)]
struct Site {
    archive: Archive,
    presence: Presence,
    changes: Changes,
    language: Language,
    offset: UtcOffset,
    followers: Arc<Semaphore>,
    shutdown: Shutdown,
}

impl ResultsPage {
    pub(crate) async fn bind(
        config: &Page,
        archive: Archive,
        presence: Presence,
        changes: Changes,
        shutdown: Shutdown,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        Ok(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            site: Site {
                archive,
                presence,
                changes,
                language: config.language,
                // The configuration allows less than a day either way.
                offset: UtcOffset::from_whole_seconds(config.utc_offset_minutes * 60)
                    .unwrap_or(UtcOffset::UTC),
                followers: Arc::new(Semaphore::new(MOST_FOLLOWERS)),
                shutdown,
            },
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the shutdown.
    pub(crate) async fn run(self) -> Result<(), Error> {
        let shutdown = self.site.shutdown.clone();
        let stopping = shutdown.clone();
        let server = axum::serve(self.listener, router(self.site))
            .with_graceful_shutdown(async move { stopping.triggered().await })
            .into_future();
        tokio::pin!(server);
        tokio::select! {
            served = &mut server => return served.map_err(|source| Error::Serve { source }),
            () = shutdown.triggered() => {}
        }
        // A browser that keeps its connection must not keep the hub.
        let _ = timeout(FAREWELL, server).await;
        Ok(())
    }
}

fn router(site: Site) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/list", get(list))
        .route("/events", get(events::events))
        .route("/api/results", get(api_results))
        .route("/api/status", get(api_status))
        .route(
            "/assets/page.css",
            get(|| asset("text/css; charset=utf-8", include_str!("assets/page.css"))),
        )
        .route(
            "/assets/page.js",
            get(|| asset("text/javascript; charset=utf-8", include_str!("assets/page.js"))),
        )
        .route(
            "/assets/icon.svg",
            get(|| asset("image/svg+xml", include_str!("assets/icon.svg"))),
        )
        .layer(middleware::map_response(headers::protect))
        .with_state(site)
}

async fn page(State(site): State<Site>, chosen: Chosen) -> Response {
    let language = chosen.or(site.language);
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
    let language = chosen.or(site.language);
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
        Err(error) => failed(&error, site.language),
    }
}

async fn api_status(State(site): State<Site>) -> Response {
    match site.archive.counts().await {
        Ok(counts) => Json(json::status(counts, site.presence.snapshot())).into_response(),
        Err(error) => failed(&error, site.language),
    }
}

async fn asset(kind: &'static str, content: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], content)
}

impl Site {
    async fn list(&self, language: Language) -> Result<view::ListView, archive::Error> {
        let stored = self.archive.results(SHOWN).await?;
        let counts = self.archive.counts().await?;
        Ok(view::list(
            words(language),
            self.offset,
            self.presence.snapshot(),
            &stored,
            counts.results,
        ))
    }
}

fn html(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "The page could not be drawn.");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn failed(error: &archive::Error, language: Language) -> Response {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, cause, "The results could not be read.");
    (StatusCode::INTERNAL_SERVER_ERROR, words(language).failed).into_response()
}
