use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::set_up::grouped;
use super::square::square;
use super::words::{Words, words};
use super::{Frame, Site};
use crate::people::caller::Signed;
use crate::people::guard::failed;
use crate::people::password::Password;
use crate::people::{AccountError, PersonView, Verified};
use crate::web::{Chosen, html, local_time};

struct SessionView {
    here: bool,
    began: String,
    seen: String,
    address: String,
    agent: String,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountView {
    frame: Frame,
    person: PersonView,
    roles: String,
    tier: &'static str,
    sessions: Vec<SessionView>,
    /// How it stands with the sign-in provider, where there is one.
    provider: Option<&'static str>,
    mistake: Option<&'static str>,
    done: bool,
}

#[derive(Template)]
#[template(path = "authenticator.html")]
struct AuthenticatorView {
    frame: Frame,
    secret: String,
    spoken: String,
    square: String,
    mistake: Option<&'static str>,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    done: bool,
}

#[derive(Deserialize)]
pub(super) struct TypedPassword {
    old: Password,
    code: String,
    password: Password,
    repeated: Password,
}

#[derive(Deserialize)]
pub(super) struct TypedAuthenticator {
    password: Password,
    code: String,
    secret: String,
    new_code: String,
}

pub(super) async fn page(
    State(site): State<Site>,
    signed: Signed,
    Query(asked): Query<Asked>,
    chosen: Chosen,
) -> Response {
    let words = words(site.language(chosen, Some(&signed)));
    chosen.remember(show(&site, words, &signed, None, asked.done).await)
}

async fn show(
    site: &Site,
    words: &'static Words,
    signed: &Signed,
    mistake: Option<&'static str>,
    done: bool,
) -> Response {
    let sessions = match site.people.sessions(signed).await {
        Ok(sessions) => sessions,
        Err(error) => return failed(&error),
    };
    let identity = match site.people.identity_of(&signed.person.id).await {
        Ok(identity) => identity,
        Err(error) => return failed(&error),
    };
    let provider = site.people.provider_label();
    let time = |ms| local_time(ms, site.look.offset);
    html(&AccountView {
        frame: Frame::of(words, signed).and_cases(site.look, signed),
        person: signed.person.as_ref().clone(),
        roles: words.roles(&signed.person.roles),
        tier: words.tier(signed.person.tier),
        provider: provider.map(|_| words.link_state(identity.as_ref())),
        sessions: sessions
            .into_iter()
            .map(|session| SessionView {
                here: session.id == signed.session.as_str(),
                began: time(session.made_at_ms),
                seen: time(session.seen_at_ms),
                address: session.address,
                agent: session.agent,
            })
            .collect(),
        mistake,
        done,
    })
}

pub(super) async fn password(
    State(site): State<Site>,
    signed: Signed,
    chosen: Chosen,
    Verified(Form(typed)): Verified<Form<TypedPassword>>,
) -> Response {
    let new = (&typed.password, &typed.repeated);
    let changed = site
        .people
        .change_password(&signed, &typed.old, &typed.code, new)
        .await;
    let words = words(site.language(chosen, Some(&signed)));
    let Err(error) = changed else {
        return Redirect::to("/account?done=true").into_response();
    };
    match mistake_of(words, error) {
        Ok(mistake) => {
            let mut answer = show(&site, words, &signed, Some(mistake), false).await;
            *answer.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            answer
        }
        Err(answer) => *answer,
    }
}

/// What the page says, or an answer that is no page.
fn mistake_of(words: &'static Words, error: AccountError) -> Result<&'static str, Box<Response>> {
    match error {
        AccountError::Password(mistake) => Ok(words.password_mistake(mistake)),
        AccountError::NewCode => Ok(words.new_code_wrong),
        AccountError::TooMany => Ok(words.too_many),
        AccountError::Failed(error) => Err(failed(&error).into()),
        _ => Ok(words.wrong),
    }
}

pub(super) async fn authenticator(State(site): State<Site>, signed: Signed, chosen: Chosen) -> Response {
    let words = words(site.language(chosen, Some(&signed)));
    match site.people.new_code_secret() {
        Ok(secret) => chosen.remember(show_authenticator(&site, words, &signed, secret, None)),
        Err(error) => failed(&error),
    }
}

fn show_authenticator(
    site: &Site,
    words: &'static Words,
    signed: &Signed,
    secret: String,
    mistake: Option<&'static str>,
) -> Response {
    let address = site
        .people
        .code_address(&secret, &signed.person)
        .unwrap_or_default();
    html(&AuthenticatorView {
        frame: Frame::of(words, signed).and_cases(site.look, signed),
        square: square(&address, words.square).unwrap_or_default(),
        spoken: grouped(&secret),
        secret,
        mistake,
    })
}

pub(super) async fn change_authenticator(
    State(site): State<Site>,
    signed: Signed,
    chosen: Chosen,
    Verified(Form(typed)): Verified<Form<TypedAuthenticator>>,
) -> Response {
    let new = (typed.secret.as_str(), typed.new_code.as_str());
    let people = &site.people;
    let changed = people
        .change_authenticator(&signed, &typed.password, &typed.code, new)
        .await;
    let words = words(site.language(chosen, Some(&signed)));
    let Err(error) = changed else {
        return Redirect::to("/account?done=true").into_response();
    };
    match mistake_of(words, error) {
        Ok(mistake) => {
            let mut answer = show_authenticator(&site, words, &signed, typed.secret, Some(mistake));
            *answer.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            answer
        }
        Err(answer) => *answer,
    }
}
