//! The way over the region's sign-in provider. What the browser holds meanwhile is one cookie of ten minutes.

use askama::Template;
use axum::Form;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::sign_in::{SignInPage, show};
use super::words::{Words, words};
use super::{Frame, Site};
use crate::people::Anonymous;
use crate::people::by_provider::{Came, NotIn, Place};
use crate::people::guard::{Address, failed, is_from_elsewhere, local_path};
use crate::people::oidc::{Fault, Returned};
use crate::people::password::Password;
use crate::people::sign_in::SignInError;
use crate::web::{Chosen, html};

#[derive(Template)]
#[template(path = "second_step.html")]
struct SecondStepView {
    frame: Frame,
    mistake: Option<&'static str>,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(super) struct Typed {
    password: Password,
    code: String,
}

#[derive(Deserialize)]
pub(super) struct SignOutToken {
    logout_token: String,
}

fn to(place: HeaderValue, cookies: impl IntoIterator<Item = Option<HeaderValue>>) -> Response {
    let mut answer = StatusCode::SEE_OTHER.into_response();
    answer.headers_mut().insert(header::LOCATION, place);
    with_cookies(answer, cookies)
}

fn with_cookies(mut answer: Response, cookies: impl IntoIterator<Item = Option<HeaderValue>>) -> Response {
    for cookie in cookies.into_iter().flatten() {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    answer
}

fn place(Address(address): Address, headers: &HeaderMap) -> Place {
    let agent = headers.get(header::USER_AGENT);
    Place {
        address,
        agent: agent
            .and_then(|agent| agent.to_str().ok())
            .unwrap_or_default()
            .to_owned(),
    }
}

/// Off to the provider.
pub(super) async fn leave(
    State(site): State<Site>,
    Extension(Address(address)): Extension<Address>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    chosen: Chosen,
) -> Response {
    // Nobody is sent there by another site's page.
    if is_from_elsewhere(&headers) {
        return Redirect::to("/sign-in").into_response();
    }
    let next = local_path(&asked.next).unwrap_or_default();
    match site.people.to_provider(next, address).await {
        Ok((place, flow)) => to(place, [site.people.provider_cookie(&flow.cookie())]),
        Err(error) => not_in(&site, chosen, &headers, error),
    }
}

/// Back from it.
pub(super) async fn come_back(
    State(site): State<Site>,
    Extension(address): Extension<Address>,
    Query(returned): Query<Returned>,
    headers: HeaderMap,
    chosen: Chosen,
) -> Response {
    let people = &site.people;
    let flow = people
        .provider_token(&headers)
        .and_then(|cookie| people.flow_of(cookie));
    let came = people
        .back_from_provider(flow.as_ref(), &returned, &place(address, &headers))
        .await;
    match came {
        Ok(Came::In { token, next }) => go_on(&site, &token, &next),
        Ok(Came::Halfway { token }) => {
            let second = HeaderValue::from_static("/sign-in/oidc/second");
            to(second, [people.provider_cookie(&token)])
        }
        Err(error) => {
            let answer = not_in(&site, chosen, &headers, error);
            with_cookies(answer, [people.no_provider_cookie()])
        }
    }
}

fn go_on(site: &Site, token: &str, next: &str) -> Response {
    let answer = Redirect::to(local_path(next).unwrap_or("/")).into_response();
    let people = &site.people;
    with_cookies(
        answer,
        [people.session_cookie(token), people.no_provider_cookie()],
    )
}

fn not_in(site: &Site, chosen: Chosen, headers: &HeaderMap, error: NotIn) -> Response {
    let words = words(site.language(chosen, None));
    let (status, mistake, subject) = match error {
        NotIn::NoProvider => return StatusCode::NOT_FOUND.into_response(),
        NotIn::Failed(error) => return failed(&error),
        NotIn::TooMany => (StatusCode::TOO_MANY_REQUESTS, words.too_many, None),
        NotIn::NotLinked { subject } => (StatusCode::FORBIDDEN, words.not_linked, Some(subject)),
        NotIn::Fault(fault) => {
            let (status, mistake) = fault_words(words, &fault);
            (status, mistake, None)
        }
    };
    let page = SignInPage {
        mistake: Some(mistake),
        subject,
        ..SignInPage::default()
    };
    let mut answer = show(site, words, headers, page);
    *answer.status_mut() = status;
    answer
}

fn fault_words(words: &'static Words, fault: &Fault) -> (StatusCode, &'static str) {
    match fault {
        Fault::Foreign => (StatusCode::FORBIDDEN, words.provider_stale),
        Fault::Refused(_) => (StatusCode::FORBIDDEN, words.provider_refused),
        Fault::Away(_) | Fault::Secret => (StatusCode::SERVICE_UNAVAILABLE, words.provider_away),
        Fault::MixedUp | Fault::Unsigned(_) | Fault::Untrue(_) => {
            (StatusCode::FORBIDDEN, words.provider_untrue)
        }
    }
}

/// Password and code, after the provider's word.
pub(super) async fn second(State(site): State<Site>, headers: HeaderMap, chosen: Chosen) -> Response {
    let known = site.people.provider_token(&headers);
    if known.and_then(|token| site.people.step(token)).is_none() {
        return not_in(&site, chosen, &headers, NotIn::Fault(Fault::Foreign));
    }
    let words = words(site.language(chosen, None));
    chosen.remember(show_second(&site, words, &headers, None))
}

fn show_second(
    site: &Site,
    words: &'static Words,
    headers: &HeaderMap,
    mistake: Option<&'static str>,
) -> Response {
    match site.form_token(headers) {
        Ok((csrf, token)) => {
            let frame = Frame::nobody(words, csrf);
            site.with_form_cookie(html(&SecondStepView { frame, mistake }), &token)
        }
        Err(error) => failed(&error),
    }
}

pub(super) async fn take_second(
    State(site): State<Site>,
    Extension(address): Extension<Address>,
    headers: HeaderMap,
    chosen: Chosen,
    Anonymous(Form(typed)): Anonymous<Form<Typed>>,
) -> Response {
    let words = words(site.language(chosen, None));
    let again = |status: StatusCode, mistake| {
        let mut answer = show_second(&site, words, &headers, Some(mistake));
        *answer.status_mut() = status;
        answer
    };
    let token = site.people.provider_token(&headers).unwrap_or_default();
    if site.people.step(token).is_none() {
        return not_in(&site, chosen, &headers, NotIn::Fault(Fault::Foreign));
    }
    let secrets = (typed.password, typed.code);
    let came = site
        .people
        .second_step(token, secrets, place(address, &headers))
        .await;
    match came {
        Ok((session, next)) => go_on(&site, &session, &next),
        Err(SignInError::Refused | SignInError::OnlyByProvider) => {
            again(StatusCode::FORBIDDEN, words.second_refused)
        }
        Err(SignInError::TooMany) => again(StatusCode::TOO_MANY_REQUESTS, words.too_many),
        Err(SignInError::Failed(error)) => failed(&error),
    }
}

/// Off to the provider's page for signing out.
pub(super) async fn sign_out_there(State(site): State<Site>) -> Response {
    match site.people.out_of_provider().await {
        Some(place) => to(place, []),
        None => Redirect::to("/sign-in").into_response(),
    }
}

/// Called by the provider itself.
pub(super) async fn signed_out_there(
    State(site): State<Site>,
    Extension(Address(address)): Extension<Address>,
    Form(told): Form<SignOutToken>,
) -> Response {
    match site.people.signed_out_there(&told.logout_token, address).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(NotIn::NoProvider) => StatusCode::NOT_FOUND.into_response(),
        Err(NotIn::TooMany) => StatusCode::TOO_MANY_REQUESTS.into_response(),
        Err(NotIn::Fault(Fault::Away(_))) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Err(NotIn::Failed(error)) => failed(&error),
        Err(NotIn::Fault(_) | NotIn::NotLinked { .. }) => {
            let said = axum::Json(serde_json::json!({ "error": "invalid_request" }));
            (StatusCode::BAD_REQUEST, said).into_response()
        }
    }
}
