use askama::Template;
use axum::Form;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::square::square;
use super::words::{Words, words};
use super::{Frame, Site};
use crate::people::guard::{Address, failed};
use crate::people::password::Password;
use crate::people::set_up::SettingUp;
use crate::people::{AccountError, Anonymous, PersonView};
use crate::web::{Chosen, html};

/// For the code, before it is known whose it is.
#[derive(Template)]
#[template(path = "set_up_code.html")]
struct CodeView {
    frame: Frame,
    mistake: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "set_up.html")]
struct SetUpView {
    frame: Frame,
    person: PersonView,
    code: String,
    secret: String,
    /// The secret in groups, to type by hand.
    spoken: String,
    square: String,
    mistake: Option<&'static str>,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    code: String,
}

#[derive(Deserialize)]
pub(super) struct Typed {
    set_up_code: String,
    password: Password,
    repeated: Password,
    secret: String,
    code: String,
}

pub(super) async fn page(
    State(site): State<Site>,
    Extension(Address(address)): Extension<Address>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    chosen: Chosen,
) -> Response {
    let words = words(site.language(chosen, None));
    let answer = if asked.code.trim().is_empty() {
        ask(&site, words, &headers, None)
    } else {
        match site.people.to_set_up(&asked.code, address).await {
            Ok(person) => match site.people.new_code_secret() {
                Ok(secret) => show(&site, words, &headers, person, asked.code, secret, None),
                Err(error) => failed(&error),
            },
            Err(error) => refused(&site, words, &headers, &error),
        }
    };
    chosen.remember(answer)
}

fn ask(site: &Site, words: &'static Words, headers: &HeaderMap, mistake: Option<&'static str>) -> Response {
    match site.form_token(headers) {
        Ok((csrf, token)) => {
            let frame = Frame::nobody(words, csrf);
            site.with_form_cookie(html(&CodeView { frame, mistake }), &token)
        }
        Err(error) => failed(&error),
    }
}

fn refused(site: &Site, words: &'static Words, headers: &HeaderMap, error: &AccountError) -> Response {
    let (status, mistake) = match error {
        AccountError::Failed(error) => return failed(error),
        AccountError::TooMany => (StatusCode::TOO_MANY_REQUESTS, words.too_many),
        _ => (StatusCode::FORBIDDEN, words.code_gone),
    };
    let mut answer = ask(site, words, headers, Some(mistake));
    *answer.status_mut() = status;
    answer
}

fn show(
    site: &Site,
    words: &'static Words,
    headers: &HeaderMap,
    person: PersonView,
    code: String,
    secret: String,
    mistake: Option<&'static str>,
) -> Response {
    let (csrf, token) = match site.form_token(headers) {
        Ok(made) => made,
        Err(error) => return failed(&error),
    };
    let address = site.people.code_address(&secret, &person).unwrap_or_default();
    let view = SetUpView {
        frame: Frame::nobody(words, csrf),
        square: square(&address, words.square).unwrap_or_default(),
        spoken: grouped(&secret),
        person,
        code,
        secret,
        mistake,
    };
    site.with_form_cookie(html(&view), &token)
}

/// Four letters and a space.
pub(super) fn grouped(secret: &str) -> String {
    let letters: Vec<char> = secret.chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join(" ")
}

pub(super) async fn set_up(
    State(site): State<Site>,
    Extension(Address(address)): Extension<Address>,
    headers: HeaderMap,
    chosen: Chosen,
    Anonymous(Form(typed)): Anonymous<Form<Typed>>,
) -> Response {
    let words = words(site.language(chosen, None));
    let setting_up = SettingUp {
        code: typed.set_up_code.clone(),
        password: typed.password,
        repeated: typed.repeated,
        secret: typed.secret.clone(),
        first_code: typed.code,
        address,
    };
    let mistake = match site.people.set_up(setting_up).await {
        Ok(_) => return Redirect::to("/sign-in?done=true").into_response(),
        Err(AccountError::Password(mistake)) => words.password_mistake(mistake),
        Err(AccountError::NewCode) => words.new_code_wrong,
        Err(error) => return refused(&site, words, &headers, &error),
    };
    let person = match site.people.to_set_up(&typed.set_up_code, address).await {
        Ok(person) => person,
        Err(error) => return refused(&site, words, &headers, &error),
    };
    // The same secret again: the app has it already.
    let mut answer = show(
        &site,
        words,
        &headers,
        person,
        typed.set_up_code,
        typed.secret,
        Some(mistake),
    );
    *answer.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    answer
}
