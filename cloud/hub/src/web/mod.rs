//! The hub's pages: one server for `results_page` and `models_page`, and what both share.
//!
//! A page is plain HTML; its one script listens to `/events` and swaps in what has changed. Everything comes from
//! this process, no request leaves it, and the policy header forbids any. Who may see what, `people::guard` decides.

mod events;
mod findings;
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
use barefoot_http::{Limits, TlsLines, serve};
use barefoot_trust::BrowserIdentity;
use futures_util::FutureExt;
use rustls::ServerConfig;
use time::UtcOffset;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::Shutdown;
use crate::changes::Changes;
use crate::config::{Language, Page};
use crate::people::{People, guard};

use crate::{openapi, viewer_assets};

pub(crate) use findings::{finding_name, problem_name};
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
    #[error("the certificate settings under [page.tls] are not usable")]
    Tls {
        #[from]
        source: barefoot_trust::Error,
    },
}

/// How pages look until the reader chooses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) language: Language,
    pub(crate) offset: UtcOffset,
    /// There are accounts, so pages lead to one's own.
    pub(crate) accounts: bool,
    /// Cases are read here, so pages lead to their list.
    pub(crate) cases: bool,
}

/// The pages' server.
#[derive(Debug)]
pub(crate) struct Web {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    shown: Option<BrowserIdentity>,
    address: SocketAddr,
    behind_proxy: bool,
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
    /// `accounts`: there is a sign-in. `cases`: there is a list of cases to read.
    pub(crate) async fn bind(
        config: &Page,
        accounts: bool,
        cases: bool,
        changes: Changes,
        shutdown: Shutdown,
    ) -> Result<Self, Error> {
        let shown = config.tls.as_ref();
        let shown = shown
            .map(|tls| BrowserIdentity::load(&tls.certificate, &tls.key))
            .transpose()?;
        let tls = shown.as_ref().map(BrowserIdentity::server_config).transpose()?;
        let failed = |source| Error::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        Ok(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            tls,
            shown,
            behind_proxy: config.behind_proxy,
            look: Look {
                accounts,
                cases,
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

    /// What browsers are shown, where the pages speak HTTPS by themselves.
    pub(crate) fn shown(&self) -> Option<BrowserIdentity> {
        self.shown.clone()
    }

    pub(crate) fn look(&self) -> Look {
        self.look
    }

    /// Serves `pages` until the shutdown; where there are accounts, to whom they let in.
    pub(crate) async fn run(self, pages: Router, people: Option<People>) {
        let shutdown = self.followers.shutdown.clone();
        let pages = pages
            .merge(shared(self.followers))
            .merge(viewer_assets::router())
            .merge(openapi::router());
        let pages = openapi::only_listed(pages);
        let pages = match people {
            Some(people) => guard(pages, people),
            None => pages,
        };
        let by_https = self.tls.is_some() || self.behind_proxy;
        let pages = pages.layer(middleware::map_response(headers::protect));
        let pages = if by_https {
            pages.layer(middleware::map_response(headers::only_https))
        } else {
            pages
        };
        let mut limits = Limits::for_pages();
        if self.behind_proxy {
            limits.per_address = None;
        }
        let stop = shutdown.token();
        let server = match self.tls {
            None => serve(self.listener, pages, limits, stop).boxed(),
            Some(tls) => {
                let lines = TlsLines::new(self.listener, self.address, tls, shutdown.token());
                serve(lines, pages, limits, stop).boxed()
            }
        };
        tokio::pin!(server);
        tokio::select! {
            () = &mut server => return,
            () = shutdown.triggered() => {}
        }
        // A browser that keeps its connection must not keep the hub.
        let _ = timeout(FAREWELL, server).await;
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
            "/assets/room.css",
            get(|| asset("text/css; charset=utf-8", include_str!("assets/room.css"))),
        )
        .route(
            "/assets/room.js",
            get(|| asset("text/javascript; charset=utf-8", include_str!("assets/room.js"))),
        )
        .route(
            "/assets/people.css",
            get(|| asset("text/css; charset=utf-8", include_str!("assets/people.css"))),
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
