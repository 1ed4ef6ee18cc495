//! The hub's pages: one server for `results_page` and `models_page`, and what both share.
//!
//! A page is plain HTML; its one script listens to `/events` and swaps in what has changed. Everything comes from
//! this process, no request leaves it, and the policy header forbids any. There is no sign-in yet.

mod events;
mod headers;
mod language;
mod times;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use time::UtcOffset;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::Shutdown;
use crate::changes::Changes;
use crate::config::{Language, Page};
use crate::viewer_assets;

pub(crate) use language::Chosen;
pub(crate) use times::{iso_time, local_time};

/// Pages that follow live at once; one more is told to reload by itself.
const MOST_FOLLOWERS: usize = 256;

/// On shutdown: time for answers on their way.
const FAREWELL: Duration = Duration::from_secs(3);

/// Why the pages cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen for the pages on {address}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("the pages stopped")]
    Serve { source: std::io::Error },
}

/// How pages look until the reader chooses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) language: Language,
    pub(crate) offset: UtcOffset,
}

/// The pages' server.
#[derive(Debug)]
pub(crate) struct Web {
    listener: TcpListener,
    address: SocketAddr,
    look: Look,
    followers: Followers,
}

/// Who follows live; cheap to clone.
#[derive(Debug, Clone)]
struct Followers {
    changes: Changes,
    places: Arc<Semaphore>,
    shutdown: Shutdown,
}

impl Web {
    pub(crate) async fn bind(config: &Page, changes: Changes, shutdown: Shutdown) -> Result<Self, Error> {
        let failed = |source| Error::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        Ok(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            look: Look {
                language: config.language,
                // The configuration allows less than a day either way.
                offset: UtcOffset::from_whole_seconds(config.utc_offset_minutes * 60)
                    .unwrap_or(UtcOffset::UTC),
            },
            followers: Followers {
                changes,
                places: Arc::new(Semaphore::new(MOST_FOLLOWERS)),
                shutdown,
            },
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn look(&self) -> Look {
        self.look
    }

    /// Serves `pages` until the shutdown.
    pub(crate) async fn run(self, pages: Router) -> Result<(), Error> {
        let shutdown = self.followers.shutdown.clone();
        let stopping = shutdown.clone();
        let router = pages
            .merge(shared(self.followers))
            .merge(viewer_assets::router())
            .layer(middleware::map_response(headers::protect));
        let server = axum::serve(self.listener, router)
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

fn shared(followers: Followers) -> Router {
    Router::new()
        .route("/events", get(events::events))
        .route(
            "/assets/page.css",
            get(|| asset("text/css; charset=utf-8", include_str!("assets/page.css"))),
        )
        .route(
            "/assets/models.css",
            get(|| asset("text/css; charset=utf-8", include_str!("assets/models.css"))),
        )
        .route(
            "/assets/page.js",
            get(|| asset("text/javascript; charset=utf-8", include_str!("assets/page.js"))),
        )
        .route(
            "/assets/icon.svg",
            get(|| asset("image/svg+xml", include_str!("assets/icon.svg"))),
        )
        .with_state(followers)
}

async fn asset(kind: &'static str, content: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], content)
}

pub(crate) fn html(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "The page could not be drawn.");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
