use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use barefoot_domain::CaseId;
use barefoot_wire::images::{
    ContentRange, ImageSetResult, MAX_SET_BYTES, ObjectId, UPLOAD_COMPLETE, UPLOAD_OFFSET, decode_image_set,
    decode_quick_look, encode_result_of_images,
};
use futures_util::StreamExt;

use super::listener::Caller;
use super::objects::{Received, Refusal};
use super::{Error, ImageStore};

/// What boxes may ask.
pub(super) fn router(store: ImageStore) -> Router {
    Router::new()
        .route("/v1/objects/{id}", put(take_range).head(offset))
        .route("/v1/cases/{case}/{version}", put(commit))
        .route("/v1/cases/{case}/{version}/quick-look", put(commit_quick_look))
        .layer(DefaultBodyLimit::max(MAX_SET_BYTES))
        .with_state(store)
}

type Clinic = ConnectInfo<Caller>;

async fn offset(
    State(store): State<ImageStore>,
    ConnectInfo(Caller(clinic)): Clinic,
    Path(id): Path<String>,
) -> Response {
    let Ok(id) = id.parse::<ObjectId>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let objects = store.0.objects.clone();
    let held = tokio::task::spawn_blocking(move || objects.held(&clinic, id)).await;
    match held {
        Ok(Ok(held)) => (StatusCode::NO_CONTENT, progress(held.offset, held.complete)).into_response(),
        Ok(Err(source)) => failed(&Error::Disk { source }),
        Err(_) => failed(&Error::Cut),
    }
}

/// Bytes count as they come: a line that breaks in the middle of a range loses nothing of what arrived.
async fn take_range(
    State(store): State<ImageStore>,
    ConnectInfo(Caller(clinic)): Clinic,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let range = headers
        .get(header::CONTENT_RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<ContentRange>().ok());
    let (Ok(id), Some(range)) = (id.parse::<ObjectId>(), range) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let objects = store.0.objects.clone();
    let opened = tokio::task::spawn_blocking(move || objects.receive(&clinic, id, range)).await;
    let mut receiving = match opened {
        Ok(Ok(Ok(receiving))) => receiving,
        Ok(Ok(Err(refusal))) => return refused(refusal),
        Ok(Err(error)) => return failed(&error),
        Err(_) => return failed(&Error::Cut),
    };
    let mut pieces = body.into_data_stream();
    while 0 < receiving.wanted() {
        // A broken body is a broken line: nobody reads the answer.
        let Some(Ok(piece)) = pieces.next().await else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        if receiving.wanted() < piece.len() as u64 {
            return StatusCode::BAD_REQUEST.into_response();
        }
        if let Err(error) = receiving.append(piece).await {
            return failed(&error);
        }
    }
    match receiving.finish().await {
        Ok(Received::Partly { offset }) => (StatusCode::ACCEPTED, progress(offset, false)).into_response(),
        Ok(Received::Whole) => (StatusCode::CREATED, progress(range.length, true)).into_response(),
        Ok(Received::WrongHash) => {
            tracing::warn!(object = %id, "An object did not have the hash it is named by; it was thrown away and is sent again.");
            (StatusCode::UNPROCESSABLE_ENTITY, progress(0, false)).into_response()
        }
        Err(error) => failed(&error),
    }
}

async fn commit(
    State(store): State<ImageStore>,
    ConnectInfo(Caller(clinic)): Clinic,
    Path((case, version)): Path<(String, u32)>,
    body: Bytes,
) -> Response {
    let (Ok(case), Ok(set)) = (CaseId::new(case), decode_image_set(&body)) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if version == 0 {
        return StatusCode::BAD_REQUEST.into_response();
    }
    match store.commit(&clinic, &case, version, set).await.as_ref() {
        Ok(Some(result)) => answered(result),
        Ok(None) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        // Its task has said why.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn commit_quick_look(
    State(store): State<ImageStore>,
    ConnectInfo(Caller(clinic)): Clinic,
    Path((case, version)): Path<(String, u32)>,
    body: Bytes,
) -> Response {
    let (Ok(case), Ok(look)) = (CaseId::new(case), decode_quick_look(&body)) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    match store.commit_quick_look(&clinic, &case, version, &look).await {
        Ok(Some(result)) => answered(&result),
        Ok(None) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(error) => failed(&error),
    }
}

/// PS3.18 section 10.5.3: all stored, some stored, none stored.
fn answered(result: &ImageSetResult) -> Response {
    let status = if !result.missing.is_empty() {
        StatusCode::FAILED_DEPENDENCY
    } else if result.failed.is_empty() {
        StatusCode::OK
    } else if result.referenced.is_empty() {
        StatusCode::CONFLICT
    } else {
        StatusCode::ACCEPTED
    };
    (status, encode_result_of_images(result)).into_response()
}

fn refused(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Complete { length } => (StatusCode::OK, progress(length, true)).into_response(),
        Refusal::Offset(offset) => (StatusCode::CONFLICT, progress(offset, false)).into_response(),
        Refusal::OtherLength => StatusCode::RANGE_NOT_SATISFIABLE.into_response(),
        Refusal::Busy => StatusCode::LOCKED.into_response(),
        Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Refusal::QuotaUsed => StatusCode::INSUFFICIENT_STORAGE.into_response(),
        Refusal::TooManyOpen => StatusCode::TOO_MANY_REQUESTS.into_response(),
    }
}

fn progress(offset: u64, complete: bool) -> [(&'static str, String); 2] {
    let complete = if complete { "?1" } else { "?0" };
    [
        (UPLOAD_OFFSET, offset.to_string()),
        (UPLOAD_COMPLETE, complete.to_owned()),
    ]
}

fn failed(error: &Error) -> Response {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, cause, "An image could not be taken; its clinic tries again.");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}
