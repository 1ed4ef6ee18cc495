//! The only page of a box that belongs to no clinic yet: the hub's address and a code.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Form, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use barefoot_http::{Limits, serve};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::assets::{self, Addresses};
use super::guard::{FIXED, from_this_page, names_this_machine};
use super::pages::{Frame, render};
use super::request_language::RequestLanguage;
use super::texts::{Library, Texts, fill};
use super::{Config, Language};
use crate::set_up::{Problem, SetUpDesk};
use crate::users::Roles;

/// How long answers under way may take once the box is set up: the one that says so among them.
const GRACE: Duration = Duration::from_secs(2);

/// Bound and ready to run.
#[derive(Debug)]
pub(crate) struct FirstBootPage {
    listener: TcpListener,
    shared: Shared,
}

#[derive(Debug)]
struct Shared {
    library: Library,
    language: Language,
    assets: Addresses,
    loopback: bool,
}

#[derive(Debug)]
struct App {
    shared: Shared,
    desk: SetUpDesk,
}

#[derive(Template)]
#[template(path = "first_boot.html")]
struct FirstBootTemplate<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    hub: &'a str,
    code: &'a str,
    problem: Option<String>,
    of_a_stick: Option<String>,
    is_done: bool,
}

#[derive(Debug, Deserialize)]
struct Typed {
    #[serde(default)]
    hub: String,
    #[serde(default)]
    code: String,
}

impl FirstBootPage {
    /// # Errors
    /// When the address is taken or not ours.
    pub(crate) async fn bind(config: &Config) -> io::Result<Self> {
        let library = Library::load()?;
        let listener = TcpListener::bind(config.listen).await?;
        let loopback = listener.local_addr()?.ip().is_loopback();
        Ok(Self {
            listener,
            shared: Shared {
                library,
                language: config.language,
                assets: Addresses::new(),
                loopback,
            },
        })
    }

    /// # Errors
    /// When the operating system cannot say.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`.
    pub(crate) async fn run(self, desk: SetUpDesk, stop: CancellationToken) {
        let app = Arc::new(App {
            shared: self.shared,
            desk,
        });
        let router = Router::new()
            .route("/", get(show))
            .route("/set-up", post(set_up).get(show))
            .route("/assets/page.css", get(assets::style))
            .route("/assets/page.js", get(assets::script))
            .route("/assets/icon.svg", get(assets::icon))
            .fallback(show)
            .layer(middleware::from_fn_with_state(Arc::clone(&app), guard))
            .with_state(app);
        tokio::select! {
            () = serve(self.listener, router, Limits::for_pages(), stop.clone()) => {}
            () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => {}
        }
    }
}

async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = if app.shared.loopback && !names_this_machine(request.headers()) {
        StatusCode::MISDIRECTED_REQUEST.into_response()
    } else if !request.method().is_safe() && !from_this_page(request.headers()) {
        StatusCode::FORBIDDEN.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.extend(FIXED);
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn show(State(app): State<Arc<App>>, request: Request) -> Response {
    let asked = RequestLanguage::of(request.uri(), request.headers(), app.shared.language);
    app.page(asked, ("", ""), None)
}

async fn set_up(
    State(app): State<Arc<App>>,
    uri: axum::http::Uri,
    headers: axum::http::HeaderMap,
    Form(typed): Form<Typed>,
) -> Response {
    let asked = RequestLanguage::of(&uri, &headers, app.shared.language);
    let outcome = app.desk.enrol(typed.hub.clone(), typed.code.clone()).await;
    app.page(asked, (&typed.hub, &typed.code), Some(outcome))
}

impl App {
    fn page(
        &self,
        asked: RequestLanguage,
        (hub, code): (&str, &str),
        outcome: Option<Result<(), Problem>>,
    ) -> Response {
        let t = self.shared.library.of(asked.language);
        let is_done = matches!(outcome, Some(Ok(())));
        let problem = outcome.and_then(Result::err);
        let refused = problem.is_some();
        let template = FirstBootTemplate {
            frame: Frame {
                language_tag: asked.language.tag(),
                language_code: asked.language.code(),
                clinic: "",
                version: env!("CARGO_PKG_VERSION"),
                assets: &self.shared.assets,
                reader: None,
                signs_in: true,
                may: Roles::default(),
                certificate: None,
            },
            t,
            hub,
            code,
            problem: problem.map(|problem| words(&problem, t)),
            of_a_stick: self.desk.of_a_stick().map(|problem| words(&problem, t)),
            is_done,
        };
        let mut response = render(&template);
        if refused {
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        }
        if let Some(cookie) = asked
            .cookie()
            .and_then(|cookie| HeaderValue::from_str(&cookie).ok())
        {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

/// In the reader's language.
fn words(problem: &Problem, t: &Texts) -> String {
    let t = &t.first_boot;
    let text = match problem {
        Problem::Address => &t.address,
        Problem::Code => &t.code_wrong,
        Problem::Unreachable { why } => return fill(&t.unreachable, &[("why", why)]),
        Problem::NotTheHub => &t.not_the_hub,
        Problem::UnknownCode => &t.unknown_code,
        Problem::ExpiredCode => &t.expired_code,
        Problem::CancelledCode => &t.cancelled_code,
        Problem::UsedCode => &t.used_code,
        Problem::ShutOut => &t.shut_out,
        Problem::Refused { words } => return fill(&t.refused, &[("words", words)]),
        Problem::Answer => &t.answer,
        Problem::Store { why } => return fill(&t.store, &[("why", why)]),
    };
    text.clone()
}
