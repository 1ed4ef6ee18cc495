//! Results to the hub by hand, and its receipts back: for the commands that write and read the stick. What goes out is
//! sealed for the hub, what comes in is believed only if the hub signed it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::server::App;
use crate::carrying::{Error, Part, Place};
use crate::error_chain::chain;

#[derive(Debug, Deserialize)]
pub(super) struct After {
    after: Option<String>,
}

/// `GET /api/queue/export`: one sealed file; the headers say what is in it and whether there is more.
pub(super) async fn export(State(app): State<Arc<App>>, Query(asked): Query<After>) -> Response {
    let Some(carrying) = app.sources.carrying.clone() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let after = match asked.after.as_deref().map(str::parse::<Place>) {
        None => None,
        Some(Ok(after)) => Some(after),
        Some(Err(())) => return StatusCode::BAD_REQUEST.into_response(),
    };
    match tokio::task::spawn_blocking(move || carrying.export(after)).await {
        Ok(Ok(part)) => sealed(part),
        Ok(Err(error)) => refused(&error),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn sealed(part: Part) -> Response {
    let (first, last) = part.span.unzip();
    let mut response = part.file.into_response();
    let headers = response.headers_mut();
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    headers.insert("barefoot-records", HeaderValue::from(part.records));
    for (name, place) in [
        ("barefoot-first", first),
        ("barefoot-last", last),
        ("barefoot-next", part.next),
    ] {
        let value = place.and_then(|place| HeaderValue::from_str(&place.to_string()).ok());
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    response
}

#[derive(Debug, Serialize)]
struct TakenAnswer {
    stored: usize,
    refused: usize,
}

/// `POST /api/queue/receipts`: a file that the hub wrote.
pub(super) async fn receipts(State(app): State<Arc<App>>, file: Bytes) -> Response {
    let Some(carrying) = app.sources.carrying.clone() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match carrying.take_receipts(&file).await {
        Ok(taken) => Json(TakenAnswer {
            stored: taken.stored,
            refused: taken.refused,
        })
        .into_response(),
        Err(error) => refused(&error),
    }
}

fn refused(error: &Error) -> Response {
    let why = chain(error);
    tracing::warn!(reason = why, "Nothing was carried.");
    let status = match error {
        Error::Hub { .. } | Error::Policy => StatusCode::CONFLICT,
        Error::Open { .. } | Error::NotTheHub | Error::Content { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Queue { .. } | Error::Seal { .. } | Error::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(json!({ "why": why }))).into_response()
}
