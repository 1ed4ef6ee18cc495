//! The pages of people: signing in, setting an account up, one's own account, and for operators everybody's.

mod account;
mod link;
mod people;
mod provider;
mod set_up;
mod sign_in;
mod square;
mod words;

use axum::Router;
use axum::extract::FromRef;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use self::words::Words;
use super::{Error, People, Signed, secrets};
use crate::config::Language;
use crate::web::{Chosen, Look};

/// What the handlers share; cheap to clone.
#[derive(Clone)]
struct Site {
    people: People,
    look: Look,
}

impl FromRef<Site> for People {
    fn from_ref(site: &Site) -> Self {
        site.people.clone()
    }
}

/// The addresses of people.
pub(crate) fn router(people: People, look: Look) -> Router {
    Router::new()
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-in/oidc", get(provider::leave))
        .route("/sign-in/oidc/return", get(provider::come_back))
        .route(
            "/sign-in/oidc/second",
            get(provider::second).post(provider::take_second),
        )
        .route("/sign-in/oidc/sign-out", get(provider::sign_out_there))
        .route("/sign-in/oidc/signed-out", post(provider::signed_out_there))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/sign-out/everywhere", post(sign_in::sign_out_everywhere))
        .route("/set-up", get(set_up::page).post(set_up::set_up))
        .route("/account", get(account::page))
        .route("/account/password", post(account::password))
        .route(
            "/account/authenticator",
            get(account::authenticator).post(account::change_authenticator),
        )
        .route("/people", get(people::list))
        .route("/people/new", get(people::new).post(people::add))
        .route("/people/{person}", get(people::person).post(people::change))
        .route("/people/{person}/reset", post(people::reset))
        .route("/people/{person}/link", get(link::page).post(link::link))
        .route("/people/{person}/unlink", post(link::unlink))
        .with_state(Site { people, look })
}

/// What every page of people begins with.
struct Frame {
    words: &'static Words,
    /// Who is signed in; empty when nobody is.
    who: String,
    csrf: String,
    reads_cases: bool,
    keeps_people: bool,
    reads_audit: bool,
}

impl Frame {
    fn of(words: &'static Words, signed: &Signed) -> Self {
        Self {
            words,
            who: signed.person.display_name.clone(),
            csrf: signed.csrf.clone(),
            reads_cases: false,
            keeps_people: signed.person.may(super::Right::KeepPeople),
            reads_audit: signed.person.may(super::Right::ReadAudit),
        }
    }

    /// Leads on to the list of cases, for who sees cases and where there is one.
    fn and_cases(mut self, look: Look, signed: &Signed) -> Self {
        self.reads_cases = look.cases && signed.person.may(super::Right::SeeCases);
        self
    }

    /// Before anybody is signed in.
    fn nobody(words: &'static Words, csrf: String) -> Self {
        Self {
            words,
            who: String::new(),
            csrf,
            reads_cases: false,
            keeps_people: false,
            reads_audit: false,
        }
    }
}

impl Site {
    fn language(&self, chosen: Chosen, signed: Option<&Signed>) -> Language {
        chosen.or(signed.map_or(self.look.language, |signed| signed.person.language))
    }

    /// The token of forms before anybody is signed in; the same one while the browser keeps its cookie.
    fn form_token(&self, headers: &HeaderMap) -> Result<(String, String), Error> {
        let token = match self.people.form_token(headers) {
            Some(token) => token.to_owned(),
            None => secrets::session_token()?,
        };
        Ok((secrets::csrf_of(&token), token))
    }

    fn with_form_cookie(&self, answer: impl IntoResponse, token: &str) -> Response {
        let mut answer = answer.into_response();
        if let Some(cookie) = self.people.form_cookie(token) {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
        answer
    }
}
