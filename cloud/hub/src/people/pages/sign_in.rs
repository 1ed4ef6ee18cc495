use askama::Template;
use axum::Form;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::words::{Words, words};
use super::{Frame, Site};
use crate::people::caller::{Caller, Signed};
use crate::people::guard::{Address, failed, home_of, local_path};
use crate::people::password::Password;
use crate::people::sign_in::{Attempt, SignInError};
use crate::people::{Anonymous, Verified};
use crate::web::{Chosen, html};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInView {
    frame: Frame,
    next: String,
    name: String,
    mistake: Option<&'static str>,
    subject: Option<String>,
    set_up_done: bool,
    signed_out: bool,
    /// What the sign-in provider is called, where there is one, and the way to it.
    provider: Option<String>,
    leave: String,
}

/// What the page shows beside its form.
#[derive(Default)]
pub(super) struct SignInPage {
    pub(super) next: String,
    pub(super) name: String,
    pub(super) mistake: Option<&'static str>,
    /// The provider's number for somebody who is not linked: an operator needs it.
    pub(super) subject: Option<String>,
    pub(super) set_up_done: bool,
    pub(super) signed_out: bool,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    next: String,
    /// The account was just set up.
    #[serde(default)]
    done: bool,
    /// Somebody who came by the provider just signed out here.
    #[serde(default)]
    out: bool,
}

#[derive(Deserialize)]
pub(super) struct Typed {
    #[serde(default)]
    next: String,
    name: String,
    password: Password,
    code: String,
}

pub(super) async fn page(
    State(site): State<Site>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    chosen: Chosen,
    signed: Option<Extension<Caller>>,
) -> Response {
    if let Some(Extension(caller)) = signed {
        let next = local_path(&asked.next).unwrap_or_else(|| home_of(&caller));
        return Redirect::to(next).into_response();
    }
    let words = words(site.language(chosen, None));
    let page = SignInPage {
        next: asked.next,
        set_up_done: asked.done,
        signed_out: asked.out,
        ..SignInPage::default()
    };
    chosen.remember(show(&site, words, &headers, page))
}

pub(super) fn show(site: &Site, words: &'static Words, headers: &HeaderMap, page: SignInPage) -> Response {
    let (csrf, token) = match site.form_token(headers) {
        Ok(made) => made,
        Err(error) => return failed(&error),
    };
    let next = local_path(&page.next).unwrap_or_default();
    let asked = serde_urlencoded::to_string([("next", next)]).unwrap_or_default();
    let view = SignInView {
        frame: Frame::nobody(words, csrf),
        next: next.to_owned(),
        name: page.name,
        mistake: page.mistake,
        subject: page.subject,
        set_up_done: page.set_up_done,
        signed_out: page.signed_out,
        provider: site.people.provider_label().map(str::to_owned),
        leave: format!("/sign-in/oidc?{asked}"),
    };
    site.with_form_cookie(html(&view), &token)
}

pub(super) async fn sign_in(
    State(site): State<Site>,
    Extension(Address(address)): Extension<Address>,
    headers: HeaderMap,
    chosen: Chosen,
    Anonymous(Form(typed)): Anonymous<Form<Typed>>,
) -> Response {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    let attempt = Attempt {
        name: typed.name.clone(),
        password: typed.password,
        code: typed.code,
        address,
        agent: agent.unwrap_or_default().to_owned(),
    };
    let words = words(site.language(chosen, None));
    let again = |status: StatusCode, mistake| {
        let page = SignInPage {
            next: typed.next.clone(),
            name: typed.name.clone(),
            mistake: Some(mistake),
            ..SignInPage::default()
        };
        let mut answer = show(&site, words, &headers, page);
        *answer.status_mut() = status;
        answer
    };
    match site.people.sign_in(attempt).await {
        Ok(token) => {
            // From the front page everybody is led to their own.
            let to = local_path(&typed.next).unwrap_or("/");
            let mut answer = Redirect::to(to).into_response();
            if let Some(cookie) = site.people.session_cookie(&token) {
                answer.headers_mut().append(header::SET_COOKIE, cookie);
            }
            answer
        }
        Err(SignInError::Refused) => again(StatusCode::FORBIDDEN, words.refused),
        Err(SignInError::OnlyByProvider) => again(StatusCode::FORBIDDEN, words.only_by_provider),
        Err(SignInError::TooMany) => again(StatusCode::TOO_MANY_REQUESTS, words.too_many),
        Err(SignInError::Failed(error)) => failed(&error),
    }
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn sign_out(
    State(site): State<Site>,
    signed: Signed,
    Verified(Form(Nothing {})): Verified<Form<Nothing>>,
) -> Response {
    let done = site.people.sign_out(&signed).await;
    ended(&site, &signed, done)
}

pub(super) async fn sign_out_everywhere(
    State(site): State<Site>,
    signed: Signed,
    Verified(Form(Nothing {})): Verified<Form<Nothing>>,
) -> Response {
    let done = site.people.sign_out_everywhere(&signed).await;
    ended(&site, &signed, done)
}

fn ended(site: &Site, signed: &Signed, ended: Result<(), crate::people::Error>) -> Response {
    if let Err(error) = ended {
        return failed(&error);
    }
    // The provider may still know them: the page says how to leave there too.
    let to = if signed.by_provider {
        "/sign-in?out=true"
    } else {
        "/sign-in"
    };
    let mut answer = Redirect::to(to).into_response();
    if let Some(cookie) = site.people.no_cookie() {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    answer
}
