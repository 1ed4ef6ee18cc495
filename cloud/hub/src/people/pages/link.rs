//! For operators: which account at the sign-in provider is whose.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::people::Nothing;
use super::words::words;
use super::{Frame, Site};
use crate::people::caller::Signed;
use crate::people::guard::failed;
use crate::people::{AccountError, Right, Verified};
use crate::web::{Chosen, html};

#[derive(Template)]
#[template(path = "link.html")]
struct LinkView {
    frame: Frame,
    id: String,
    name: String,
    provider: String,
    state: &'static str,
    linked: bool,
    /// As it is, or as it was typed.
    subject: String,
    mistake: Option<&'static str>,
}

#[derive(Deserialize)]
pub(super) struct Typed {
    subject: String,
}

pub(super) async fn page(
    State(site): State<Site>,
    signed: Signed,
    Path(id): Path<String>,
    chosen: Chosen,
) -> Response {
    chosen.remember(show(&site, &signed, id, chosen, None).await)
}

async fn show(
    site: &Site,
    signed: &Signed,
    id: String,
    chosen: Chosen,
    again: Option<(String, &'static str)>,
) -> Response {
    let words = words(site.language(chosen, Some(signed)));
    let found = async {
        let person = site.people.person(&id).await?;
        Ok((person, site.people.identity_of(&id).await?))
    };
    let (person, identity) = match found.await {
        Ok(found) => found,
        Err(error) => return failed(&error),
    };
    let (Some(person), Some(provider)) = (person, site.people.provider_label()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let state = words.link_state(identity.as_ref());
    let linked = identity.is_some();
    let as_it_is = identity.map(|identity| identity.subject).unwrap_or_default();
    let (subject, mistake) = match again {
        Some((typed, mistake)) => (typed, Some(mistake)),
        None => (as_it_is, None),
    };
    html(&LinkView {
        frame: Frame::of(words, signed),
        id,
        name: person.name,
        provider: provider.to_owned(),
        state,
        linked,
        subject,
        mistake,
    })
}

pub(super) async fn link(
    State(site): State<Site>,
    signed: Signed,
    Path(id): Path<String>,
    chosen: Chosen,
    Verified(Form(typed)): Verified<Form<Typed>>,
) -> Response {
    if let Err(forbidden) = signed.allow(Right::KeepPeople) {
        return forbidden.into_response();
    }
    let words = words(site.language(chosen, Some(&signed)));
    let mistake = match site.people.link(signed.actor(), &id, &typed.subject).await {
        Ok(()) => return Redirect::to(&format!("/people/{id}/link")).into_response(),
        Err(AccountError::Subject) => words.mistake_subject,
        Err(AccountError::SubjectTaken) => words.subject_taken,
        Err(AccountError::Failed(error)) => return failed(&error),
        Err(_) => return StatusCode::NOT_FOUND.into_response(),
    };
    let mut answer = show(&site, &signed, id, chosen, Some((typed.subject, mistake))).await;
    *answer.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    answer
}

pub(super) async fn unlink(
    State(site): State<Site>,
    signed: Signed,
    Path(id): Path<String>,
    Verified(Form(Nothing {})): Verified<Form<Nothing>>,
) -> Response {
    if let Err(forbidden) = signed.allow(Right::KeepPeople) {
        return forbidden.into_response();
    }
    match site.people.unlink(signed.actor(), &id).await {
        Ok(()) => Redirect::to(&format!("/people/{id}/link")).into_response(),
        Err(AccountError::Failed(error)) => failed(&error),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
