//! What answers have in common.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

pub(super) const DICOM_JSON: &str = "application/dicom+json";

/// Says why, in words of ours that hold nothing of the request's values.
pub(super) fn refused(status: StatusCode, why: &str) -> Response {
    let body = serde_json::json!({ "status": status.as_u16(), "detail": why }).to_string();
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}

pub(super) fn not_found() -> Response {
    refused(StatusCode::NOT_FOUND, "there is no such resource here")
}

pub(super) fn not_acceptable(what: &str) -> Response {
    refused(StatusCode::NOT_ACCEPTABLE, what)
}

/// A fault of ours: the log says which.
pub(super) fn failed(what: &str, error: &dyn std::error::Error) -> Response {
    let cause = error.source().map(ToString::to_string);
    tracing::error!(%error, cause, what, "A DICOMweb request could not be answered.");
    refused(
        StatusCode::SERVICE_UNAVAILABLE,
        "this cannot be answered at the moment: try again",
    )
}

pub(super) fn json(status: StatusCode, kind: &'static str, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, kind)], value.to_string()).into_response()
}

/// `Warning: 299` with a text (PS3.18 section 8.4.2), added to what stands there.
pub(super) fn warn(response: &mut Response, text: &str) {
    let quoted = format!(
        "299 barefoot-hub \"{}\"",
        text.replace(['"', '\\', '\r', '\n'], " ")
    );
    if let Ok(value) = HeaderValue::from_str(&quoted) {
        response.headers_mut().append(header::WARNING, value);
    }
}
