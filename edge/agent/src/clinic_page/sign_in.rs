//! Who reads the page, and what they may do on it. Stands behind `guard` and before every route.
//!
//! Where nobody signs in, everybody may do everything, as the site has decided. Programs on the box itself (`/api`) need no
//! PIN; the wall shows no names and needs none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Form, Request, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::acts::{self, Told};
use super::moment::Moment;
use super::pages::{self, Frame, SignInPage};
use super::request_language::RequestLanguage;
use super::server::App;
use super::texts::{Texts, fill};
use crate::clock;
use crate::users::{self, NotSignedIn, Roles, Sessions, User};

/// Cookies are shared by all ports of a host: the hub's page on the same machine has its own name.
const COOKIE_NAME: &str = "barefoot-edge-session";

/// Whether readers sign in, and who has.
#[derive(Debug, Clone)]
pub(super) struct SignedIn {
    pub(super) is_wanted: bool,
    pub(super) sessions: Sessions,
}

impl SignedIn {
    pub(super) fn new(is_wanted: bool, idle_minutes: u32) -> Self {
        Self {
            is_wanted,
            sessions: Sessions::new(Duration::from_secs(u64::from(idle_minutes) * 60)),
        }
    }
}

/// Who a request is of.
#[derive(Debug, Clone)]
pub(super) enum Who {
    /// This page asks nobody who they are.
    Everybody,
    Nobody,
    User(Arc<User>),
}

tokio::task_local! {
    static WHO: Who;
}

/// Who the request under way is of.
pub(super) fn who() -> Who {
    WHO.try_with(Clone::clone).unwrap_or(Who::Nobody)
}

impl Who {
    pub(super) fn may(&self) -> Roles {
        match self {
            Self::Everybody => Roles {
                doctor: true,
                technician: true,
                manager: true,
            },
            Self::Nobody => Roles::default(),
            Self::User(user) => user.roles,
        }
    }

    /// For the log of a case; empty where nobody signs in.
    pub(super) fn name(&self) -> String {
        match self {
            Self::User(user) => user.name.clone(),
            Self::Everybody | Self::Nobody => String::new(),
        }
    }
}

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// The box itself, or a manager.
    Box,
    SomebodySignedIn,
    Doctor,
    /// Technician or manager.
    Handling,
    Manager,
}

fn needs(method: &Method, path: &str) -> Needs {
    let is_reading = method.is_safe();
    let open = ["/assets/", "/sign-in", "/sign-out", "/wall", "/events"];
    if open.iter().any(|prefix| path.starts_with(prefix)) {
        return Needs::Nothing;
    }
    if path.starts_with("/api/") {
        return Needs::Box;
    }
    if path == "/people/own-pin" {
        return Needs::SomebodySignedIn;
    }
    if path.starts_with("/people") {
        return Needs::Manager;
    }
    if path == "/policy" && !is_reading {
        return Needs::Manager;
    }
    let is_of_case = path.starts_with("/case/");
    if is_of_case && (!is_reading || path.contains("/report/") || path.ends_with("/ask")) {
        return Needs::Doctor;
    }
    if path == "/aside/clear" {
        return Needs::Doctor;
    }
    if is_reading || path == "/search" || path == "/fault" {
        return Needs::SomebodySignedIn;
    }
    if path.starts_with("/orders") {
        return Needs::SomebodySignedIn;
    }
    // Scanners, sticks, nodes.
    Needs::Handling
}

fn is_enough(needs: Needs, who: &Who, is_here: bool) -> bool {
    let may = who.may();
    match needs {
        Needs::Nothing => true,
        Needs::Box => is_here || may.manager,
        Needs::SomebodySignedIn => may != Roles::default(),
        Needs::Doctor => may.doctor,
        Needs::Handling => may.technician || may.manager,
        Needs::Manager => may.manager,
    }
}

pub(super) async fn require(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let is_fragment = path.ends_with("/fragment") || path == "/events";
    let who = if app.signed_in.is_wanted {
        let headers = request.headers().clone();
        let at_work = Arc::clone(&app);
        // The list of users is looked at on the disk.
        let found = tokio::task::spawn_blocking(move || user_of(&at_work, &headers, !is_fragment)).await;
        found.ok().flatten().map_or(Who::Nobody, Who::User)
    } else {
        Who::Everybody
    };
    let needed = needs(request.method(), &path);
    if is_enough(needed, &who, peer.ip().is_loopback()) {
        return WHO.scope(who, next.run(request)).await;
    }
    let is_page = request.method() == Method::GET && needed != Needs::Box && !is_fragment;
    match who {
        Who::Nobody if is_page => Redirect::to("/sign-in").into_response(),
        Who::Nobody => StatusCode::UNAUTHORIZED.into_response(),
        who => {
            let asked = RequestLanguage::of(request.uri(), request.headers(), app.language);
            let texts = &app.library.of(asked.language).sign_in;
            let status = StatusCode::FORBIDDEN;
            acts::denied(&app, &who, &path, status).await;
            let answer = async {
                pages::message(
                    &app,
                    asked.language,
                    status,
                    &texts.not_allowed_heading,
                    &texts.not_allowed,
                )
            };
            WHO.scope(who, answer).await
        }
    }
}

fn token_of(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, token)| token.to_owned())
}

fn user_of(app: &App, headers: &HeaderMap, is_used: bool) -> Option<Arc<User>> {
    let token = token_of(headers)?;
    let id = app.signed_in.sessions.user(&token, Instant::now(), is_used)?;
    app.sources.users.get(&id).map(Arc::new)
}

fn with_cookie(mut response: Response, token: &str, is_over: bool) -> Response {
    let age = if is_over { "; Max-Age=0" } else { "" };
    let cookie = format!("{COOKIE_NAME}={token}; Path=/; SameSite=Strict; HttpOnly{age}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// `GET /sign-in`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Response {
    if !app.signed_in.is_wanted {
        return Redirect::to("/").into_response();
    }
    show(&app, asked, peer, None)
}

fn show(app: &App, asked: RequestLanguage, peer: SocketAddr, problem: Option<String>) -> Response {
    let t = app.library.of(asked.language);
    let listed = tokio::task::block_in_place(|| app.sources.users.all());
    let (problem, users) = match listed {
        Ok(users) => (problem, Some(users)),
        Err(_) => (Some(t.sign_in.trouble.clone()), None),
    };
    let is_first = users.as_ref().is_some_and(Vec::is_empty);
    let page = SignInPage {
        frame: Frame::of(app, asked.language),
        t,
        users: users
            .unwrap_or_default()
            .into_iter()
            .map(|user| (user.id, user.name))
            .collect(),
        is_first,
        is_here: peer.ip().is_loopback(),
        problem,
    };
    pages::page(&page, asked)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignInForm {
    user: String,
    pin: String,
}

/// `POST /sign-in`.
pub(super) async fn sign_in(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Form(form): Form<SignInForm>,
) -> Response {
    let users = app.sources.users.clone();
    let now_ms = clock::now_ms();
    let checked = tokio::task::spawn_blocking(move || {
        let known = users.get(&form.user).map(|user| user.id);
        (users.sign_in(&form.user, form.pin.trim(), now_ms), known)
    })
    .await;
    // Who is none of the users may have typed anything, a name too.
    let (checked, known) = match checked {
        Ok((checked, known)) => (Ok(checked), known.unwrap_or_default()),
        Err(error) => (Err(error), String::new()),
    };
    let mut told = Told::of(&known);
    let t = &app.library.of(asked.language).sign_in;
    let problem = match checked {
        Ok(Ok(user)) => {
            told.is_actor = true;
            return told.beside(let_in(&app, &user.id));
        }
        Ok(Err(NotSignedIn::Wrong)) => t.wrong.clone(),
        Ok(Err(NotSignedIn::Locked { until_ms })) => {
            "locked".clone_into(&mut told.details);
            let at = Moment::here(until_ms, now_ms, app.utc_offset_minutes);
            fill(&t.locked, &[("time", &at.map(|at| at.text).unwrap_or_default())])
        }
        Ok(Err(NotSignedIn::Trouble)) | Err(_) => t.trouble.clone(),
    };
    let page = show(&app, asked, peer, Some(problem));
    told.beside((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

fn let_in(app: &App, user: &str) -> Response {
    match app.signed_in.sessions.begin(user, Instant::now()) {
        Some(token) => with_cookie(Redirect::to("/").into_response(), &token, false),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FirstForm {
    name: String,
    pin: String,
    again: String,
}

/// `POST /sign-in/first`: the first manager, only on the box itself and only while there is nobody.
pub(super) async fn first(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Form(form): Form<FirstForm>,
) -> Response {
    if !app.signed_in.is_wanted || !peer.ip().is_loopback() {
        return StatusCode::FORBIDDEN.into_response();
    }
    let t = app.library.of(asked.language);
    let refused = |problem: String| {
        let page = show(&app, asked, peer, Some(problem));
        (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
    };
    if form.pin != form.again {
        return refused(t.people.differ.clone());
    }
    let users = app.sources.users.clone();
    match tokio::task::spawn_blocking(move || users.add_first(&form.name, form.pin.trim())).await {
        Ok(Ok(id)) => {
            tracing::info!(user = id, "The clinic page has its first manager.");
            let told = Told {
                details: "the first manager".to_owned(),
                is_actor: true,
                ..Told::of(&id)
            };
            told.beside(let_in(&app, &id))
        }
        Ok(Err(error)) => refused(said(&error, t)),
        Err(_) => refused(t.sign_in.trouble.clone()),
    }
}

/// `POST /sign-out`.
pub(super) async fn sign_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if let Some(token) = token_of(&headers) {
        app.signed_in.sessions.end(&token);
    }
    with_cookie(Redirect::to("/sign-in").into_response(), "", true)
}

/// Why the list of users was not changed, in words.
pub(super) fn said(error: &users::Error, texts: &Texts) -> String {
    let t = &texts.people;
    match error {
        users::Error::Name => &t.bad_name,
        users::Error::NameTaken => &t.name_taken,
        users::Error::Pin => &t.bad_pin,
        users::Error::NoRole => &t.no_role,
        users::Error::LastManager => &t.last_manager,
        users::Error::TooMany => &t.too_many,
        users::Error::Unknown => &t.unknown,
        users::Error::Damaged { .. } | users::Error::Disk { .. } | users::Error::Hash => {
            &texts.sign_in.trouble
        }
    }
    .clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(doctor: bool, technician: bool, manager: bool) -> Who {
        Who::User(Arc::new(User {
            id: "A".into(),
            name: "Wang".into(),
            roles: Roles {
                doctor,
                technician,
                manager,
            },
            locked_until_ms: 0,
        }))
    }

    #[test]
    fn each_role_does_its_own_work() {
        let key = "0123456789abcdef0123456789abcdef";
        let (doctor, technician, manager) = (
            with(true, false, false),
            with(false, true, false),
            with(false, false, true),
        );
        let check = |method: Method, path: &str, may: [bool; 4]| {
            let needed = needs(&method, path);
            let got = [&Who::Nobody, &doctor, &technician, &manager].map(|who| is_enough(needed, who, false));
            assert_eq!(got, may, "{method} {path}");
        };
        let (get, post) = (Method::GET, Method::POST);
        check(get.clone(), "/", [false, true, true, true]);
        check(get.clone(), &format!("/case/{key}"), [false, true, true, true]);
        check(
            get.clone(),
            &format!("/case/{key}/preview.jpg"),
            [false, true, true, true],
        );
        check(
            get.clone(),
            &format!("/case/{key}/report/R/print"),
            [false, true, false, false],
        );
        check(
            post.clone(),
            &format!("/case/{key}/finding"),
            [false, true, false, false],
        );
        check(
            post.clone(),
            &format!("/case/{key}/message"),
            [false, true, false, false],
        );
        check(post.clone(), "/orders", [false, true, true, true]);
        check(post.clone(), "/search", [false, true, true, true]);
        check(post.clone(), "/scanners/allow", [false, false, true, true]);
        check(post.clone(), "/import/start", [false, false, true, true]);
        check(get.clone(), "/people", [false, false, false, true]);
        check(post.clone(), "/people/add", [false, false, false, true]);
        check(post.clone(), "/people/own-pin", [false, true, true, true]);
        check(get.clone(), "/policy", [false, true, true, true]);
        check(post.clone(), "/policy", [false, false, false, true]);
        check(get.clone(), "/wall", [true; 4]);
        check(get.clone(), "/wall/fragment", [true; 4]);
        check(get.clone(), "/api/cases", [false, false, false, true]);
        assert!(is_enough(needs(&get, "/api/status"), &Who::Nobody, true));
        check(get, "/assets/page.css", [true; 4]);
        check(post, "/anything-new", [false, false, true, true]);
    }
}
