use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use serde::de::DeserializeOwned;

use super::caller::Signed;
use super::{People, secrets};

/// The hidden field of every form, and the header of a request that a script makes.
const FIELD: &str = "csrf";
const HEADER: &str = "x-csrf-token";

/// What a signed-in person sent, by a form (or script) that this hub gave that very session. Handlers of POST take it as
/// their last argument, so that none can forget to look.
#[derive(Debug)]
pub(crate) struct Verified<T>(pub(crate) T);

/// What somebody sent who is not signed in, by a form of this hub that the same browser was shown.
#[derive(Debug)]
pub(crate) struct Anonymous<T>(pub(crate) T);

fn old_form() -> Response {
    let said = "这个表单已失效，请返回并刷新页面。 This form is out of date: go back and reload the page.";
    (StatusCode::FORBIDDEN, said).into_response()
}

fn token_of(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    if let Some(token) = headers.get(HEADER) {
        return token.to_str().ok().map(str::to_owned);
    }
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let fields: Vec<(String, String)> = is_form.then(|| serde_urlencoded::from_bytes(body).ok())??;
    fields
        .into_iter()
        .find(|(name, _)| name == FIELD)
        .map(|(_, token)| token)
}

/// The body of a request by `signed`, once its token is the session's.
async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<(HeaderMap, Bytes), Response> {
    let (mut parts, body) = request.into_parts();
    let signed = Signed::from_request_parts(&mut parts, state).await?;
    let headers = parts.headers.clone();
    let bytes = Bytes::from_request(Request::from_parts(parts, body), state)
        .await
        .map_err(BytesRejection::into_response)?;
    match token_of(&headers, &bytes) {
        Some(token) if secrets::same(&token, &signed.csrf) => Ok((headers, bytes)),
        _ => Err(old_form()),
    }
}

#[expect(
    clippy::result_large_err,
    reason = "an extractor's rejection is the answer itself"
)]
fn form<T: DeserializeOwned>(bytes: &[u8]) -> Result<Form<T>, Response> {
    serde_urlencoded::from_bytes(bytes)
        .map(Form)
        .map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response())
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Verified<Form<T>> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (_, bytes) = body(request, state).await?;
        form(&bytes).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Verified<Json<T>> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (_, bytes) = body(request, state).await?;
        Json::from_bytes(&bytes)
            .map(Self)
            .map_err(IntoResponse::into_response)
    }
}

impl<S, T> FromRequest<S> for Anonymous<Form<T>>
where
    S: Send + Sync,
    T: DeserializeOwned,
    People: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let headers = request.headers().clone();
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(BytesRejection::into_response)?;
        let people = People::from_ref(state);
        let shown = people.form_token(&headers).map(secrets::csrf_of);
        match (token_of(&headers, &bytes), shown) {
            (Some(token), Some(shown)) if secrets::same(&token, &shown) => form(&bytes).map(Self),
            _ => Err(old_form()),
        }
    }
}
