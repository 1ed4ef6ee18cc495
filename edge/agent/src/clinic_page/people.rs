//! The list of those who may sign in, kept by a manager.

use std::sync::Arc;

use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::acts::Told;
use super::pages::{self, Frame, OwnPinPage, PeoplePage};
use super::request_language::RequestLanguage;
use super::server::App;
use super::sign_in::{self, Who};
use crate::users::{Error, Roles, User, Users};

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    notice: Option<String>,
}

/// `GET /people`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Query(query): Query<Asked>,
) -> Response {
    show(&app, asked, None, query.notice.as_deref() == Some("done"))
}

fn show(app: &App, asked: RequestLanguage, problem: Option<String>, done: bool) -> Response {
    let t = app.library.of(asked.language);
    let listed: Result<Vec<User>, Error> = tokio::task::block_in_place(|| app.sources.users.all());
    let problem = problem.or_else(|| listed.as_ref().err().map(|error| sign_in::said(error, t)));
    let page = PeoplePage {
        frame: Frame::of(app, asked.language),
        t,
        users: listed.unwrap_or_default(),
        is_off: !app.signed_in.is_wanted,
        problem,
        done,
    };
    pages::page(&page, asked)
}

async fn change(
    app: Arc<App>,
    asked: RequestLanguage,
    next: &'static str,
    work: impl FnOnce(&Users) -> Result<Told, Error> + Send + 'static,
) -> Response {
    let users = app.sources.users.clone();
    match tokio::task::spawn_blocking(move || work(&users)).await {
        Ok(Ok(told)) => told.beside(Redirect::to(next).into_response()),
        Ok(Err(error)) => refused(&app, asked, sign_in::said(&error, app.library.of(asked.language))),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn refused(app: &App, asked: RequestLanguage, problem: String) -> Response {
    if sign_in::who().may().manager {
        let page = show(app, asked, Some(problem), false);
        return (StatusCode::UNPROCESSABLE_ENTITY, page).into_response();
    }
    let t = app.library.of(asked.language);
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    pages::message(app, asked.language, status, &t.error.failed_heading, &problem)
}

fn with_roles(user: &str, roles: Roles) -> Told {
    Told {
        details: roles.words().join(" "),
        ..Told::of(user)
    }
}

const DONE: &str = "/people?notice=done";

fn roles(doctor: Option<String>, technician: Option<String>, manager: Option<String>) -> Roles {
    Roles {
        doctor: doctor.is_some(),
        technician: technician.is_some(),
        manager: manager.is_some(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddForm {
    name: String,
    pin: String,
    again: String,
    doctor: Option<String>,
    technician: Option<String>,
    manager: Option<String>,
}

/// `POST /people/add`.
pub(super) async fn add(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Form(form): Form<AddForm>,
) -> Response {
    if form.pin != form.again {
        return refused(&app, asked, app.library.of(asked.language).people.differ.clone());
    }
    let roles = roles(form.doctor, form.technician, form.manager);
    change(app, asked, DONE, move |users| {
        let id = users.add(&form.name, roles, form.pin.trim())?;
        tracing::info!(user = id, ?roles, "Somebody may sign in to the clinic page now.");
        Ok(with_roles(&id, roles))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PinForm {
    user: String,
    pin: String,
    again: String,
}

/// `POST /people/pin`: a new PIN, also for who was locked out.
pub(super) async fn pin(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Form(form): Form<PinForm>,
) -> Response {
    if form.pin != form.again {
        return refused(&app, asked, app.library.of(asked.language).people.differ.clone());
    }
    let sessions = app.signed_in.sessions.clone();
    change(app, asked, DONE, move |users| {
        users.set_pin(&form.user, form.pin.trim())?;
        sessions.end_all_of(&form.user);
        Ok(Told::of(&form.user))
    })
    .await
}

/// `GET /people/own-pin`.
pub(super) async fn own_pin_page(State(app): State<Arc<App>>, asked: RequestLanguage) -> Response {
    let page = OwnPinPage {
        frame: Frame::of(&app, asked.language),
        t: app.library.of(asked.language),
    };
    pages::page(&page, asked)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnPinForm {
    pin: String,
    again: String,
}

/// `POST /people/own-pin`; everybody signs in anew with it.
pub(super) async fn own_pin(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Form(form): Form<OwnPinForm>,
) -> Response {
    let Who::User(user) = sign_in::who() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if form.pin != form.again {
        return refused(&app, asked, app.library.of(asked.language).people.differ.clone());
    }
    let sessions = app.signed_in.sessions.clone();
    change(app, asked, "/sign-in", move |users| {
        users.set_pin(&user.id, form.pin.trim())?;
        sessions.end_all_of(&user.id);
        Ok(Told::of(&user.id))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RolesForm {
    user: String,
    doctor: Option<String>,
    technician: Option<String>,
    manager: Option<String>,
}

/// `POST /people/roles`.
pub(super) async fn set_roles(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Form(form): Form<RolesForm>,
) -> Response {
    let roles = roles(form.doctor, form.technician, form.manager);
    change(app, asked, DONE, move |users| {
        users.set_roles(&form.user, roles)?;
        Ok(with_roles(&form.user, roles))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveForm {
    user: String,
}

/// `POST /people/remove`.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Form(form): Form<RemoveForm>,
) -> Response {
    let sessions = app.signed_in.sessions.clone();
    change(app, asked, DONE, move |users| {
        users.remove(&form.user)?;
        sessions.end_all_of(&form.user);
        Ok(Told::of(&form.user))
    })
    .await
}
