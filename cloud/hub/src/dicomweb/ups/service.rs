use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Extension, Router};
use barefoot_domain::StudyUid;
use serde_json::Value;
use ulid::Ulid;

use super::attributes::Attributes;
use super::requirements::{INSTANCE, STATE, TRANSACTION};
use super::search::Search;
use super::state::State as Step;
use super::workitems::{Done, Fault, Request};
use crate::dicomweb::accept::Accept;
use crate::dicomweb::access::Caller;
use crate::dicomweb::answer::{self, DICOM_JSON};
use crate::dicomweb::{Dicomweb, Parameters, base, parameter};

/// A workitem is some kilobytes.
const LARGEST: usize = 1024 * 1024;

pub(super) type Caught = Extension<Arc<Caller>>;

/// For who may see work.
pub(crate) fn seeing() -> Router<Dicomweb> {
    Router::new()
        .route("/workitems", get(search))
        .route("/workitems/{workitem}", get(retrieve))
}

/// For who may do work.
pub(crate) fn doing() -> Router<Dicomweb> {
    Router::new()
        .route("/workitems", post(create))
        .route("/workitems/{workitem}", post(update))
        .route("/workitems/{workitem}/state", put(change))
        .route("/workitems/{workitem}/cancelrequest", post(request_cancel))
        .layer(DefaultBodyLimit::max(LARGEST))
}

async fn create(
    State(hub): State<Dicomweb>,
    Extension(caller): Caught,
    headers: HeaderMap,
    Query(asked): Query<Parameters>,
    body: Bytes,
) -> Response {
    let attributes = match data_set(&headers, &body) {
        Ok(attributes) => attributes,
        Err(response) => return *response,
    };
    // `?1.2.3`, `?workitem=1.2.3`, or in the data set.
    let named = in_query(&asked, &["workitem", "AffectedSOPInstanceUID"]);
    let inside = attributes
        .string(INSTANCE)
        .or_else(|| attributes.string("00001000"));
    let uid = match named.or(inside) {
        Some(uid) if is_uid(uid) => uid.to_owned(),
        Some(_) => return answer::refused(StatusCode::BAD_REQUEST, "the workitem's UID is none"),
        None => format!("2.25.{}", u128::from(Ulid::generate())),
    };
    if inside.is_some_and(|inside| inside != uid) {
        return answer::refused(
            StatusCode::BAD_REQUEST,
            "the address and the data set name different UIDs",
        );
    }
    let mut attributes = attributes;
    for tag in [INSTANCE, "00080016", "00001000", "00000002"] {
        attributes.remove(tag);
    }
    match hub.ups.create(&uid, attributes, &caller.name).await {
        Ok(()) => {
            let place = format!("{}/workitems/{uid}", base(&hub, &headers));
            let mut response = StatusCode::CREATED.into_response();
            for name in [header::LOCATION, header::CONTENT_LOCATION] {
                if let Ok(place) = HeaderValue::from_str(&place) {
                    response.headers_mut().insert(name, place);
                }
            }
            response
        }
        Err(fault) => told(&fault),
    }
}

async fn retrieve(
    State(hub): State<Dicomweb>,
    headers: HeaderMap,
    Path(uid): Path<String>,
    Query(asked): Query<Parameters>,
) -> Response {
    let Some(kind) = json_kind(&headers, parameter(&asked, "accept")) else {
        return not_that();
    };
    match hub.ups.get(&uid).await {
        Ok(workitem) => {
            let shown = Value::Array(vec![workitem.shown().into_value()]);
            answer::json(StatusCode::OK, kind, &shown)
        }
        Err(fault) => told(&fault),
    }
}

async fn search(
    State(hub): State<Dicomweb>,
    headers: HeaderMap,
    Query(asked): Query<Parameters>,
) -> Response {
    let search = Search::parse(asked.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let search = match search {
        Ok(search) => search,
        Err(why) => return answer::refused(StatusCode::BAD_REQUEST, &why),
    };
    let Some(kind) = json_kind(&headers, search.accept.as_deref()) else {
        return not_that();
    };
    let found = match hub.ups.search(&search).await {
        Ok(found) => found,
        Err(fault) => return told(&fault),
    };
    let total = found.len();
    let page: Vec<Value> = found
        .iter()
        .skip(search.offset)
        .take(search.limit)
        .map(|workitem| search.shown(workitem))
        .collect();
    let is_partial = search.offset.saturating_add(page.len()) < total;
    let mut response = if page.is_empty() {
        StatusCode::NO_CONTENT.into_response()
    } else {
        let status = if is_partial {
            StatusCode::PARTIAL_CONTENT
        } else {
            StatusCode::OK
        };
        answer::json(status, kind, &Value::Array(page))
    };
    if search.fuzzy {
        answer::warn(
            &mut response,
            "The fuzzymatching parameter is not supported. Only literal matching has been performed.",
        );
    }
    response
}

async fn update(
    State(hub): State<Dicomweb>,
    Extension(caller): Caught,
    headers: HeaderMap,
    Path(uid): Path<String>,
    Query(asked): Query<Parameters>,
    body: Bytes,
) -> Response {
    let changes = match data_set(&headers, &body) {
        Ok(changes) => changes,
        Err(response) => return *response,
    };
    let transaction = in_query(&asked, &["transaction-uid", "transaction", "transactionUID"])
        .or_else(|| changes.string(TRANSACTION))
        .map(str::to_owned);
    let request = Request::Update { transaction, changes };
    finish(hub.ups.act(&uid, request, &caller).await, StatusCode::OK)
}

async fn change(
    State(hub): State<Dicomweb>,
    Extension(caller): Caught,
    headers: HeaderMap,
    Path(uid): Path<String>,
    body: Bytes,
) -> Response {
    let wanted = match data_set(&headers, &body) {
        Ok(wanted) => wanted,
        Err(response) => return *response,
    };
    let Some(to) = wanted.string(STATE).and_then(Step::named) else {
        return answer::refused(
            StatusCode::BAD_REQUEST,
            "Procedure Step State (0074,1000) must be IN PROGRESS, COMPLETED or CANCELED",
        );
    };
    let transaction = wanted.string(TRANSACTION).map(str::to_owned);
    if transaction.as_deref().is_some_and(|uid| !is_uid(uid)) {
        return answer::refused(StatusCode::BAD_REQUEST, "the Transaction UID (0008,1195) is none");
    }
    let request = Request::Change { to, transaction };
    finish(hub.ups.act(&uid, request, &caller).await, StatusCode::OK)
}

async fn request_cancel(
    State(hub): State<Dicomweb>,
    Extension(caller): Caught,
    headers: HeaderMap,
    Path(uid): Path<String>,
    body: Bytes,
) -> Response {
    let about = if body.is_empty() {
        Attributes::default()
    } else {
        match data_set(&headers, &body) {
            Ok(about) => about,
            Err(response) => return *response,
        }
    };
    let request = Request::Cancel { about };
    finish(hub.ups.act(&uid, request, &caller).await, StatusCode::ACCEPTED)
}

fn data_set(headers: &HeaderMap, body: &[u8]) -> Result<Attributes, Box<Response>> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .map(|kind| kind.trim().to_ascii_lowercase());
    if !matches!(kind.as_deref(), Some(DICOM_JSON | "application/json")) {
        return Err(Box::new(answer::refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "workitems are taken as application/dicom+json",
        )));
    }
    Attributes::parse(body)
        .map_err(|error| Box::new(answer::refused(StatusCode::BAD_REQUEST, &error.to_string())))
}

/// A parameter by one of its names, or a UID that stands alone, as the standard's templates write it.
fn in_query<'a>(asked: &'a Parameters, names: &[&str]) -> Option<&'a str> {
    let named = names.iter().find_map(|name| parameter(asked, name));
    named.or_else(|| {
        let alone = |(name, value): &&(String, String)| value.is_empty() && is_uid(name);
        asked.iter().find(alone).map(|(name, _)| name.as_str())
    })
}

fn is_uid(text: &str) -> bool {
    StudyUid::new(text).is_ok()
}

fn json_kind(headers: &HeaderMap, parameter: Option<&str>) -> Option<&'static str> {
    match Accept::of(headers, parameter).choose(&[DICOM_JSON, "application/json"])? {
        DICOM_JSON => Some(DICOM_JSON),
        _ => Some("application/json"),
    }
}

fn not_that() -> Response {
    answer::not_acceptable("workitems are given as application/dicom+json")
}

fn finish(done: Result<Done, Fault>, status: StatusCode) -> Response {
    match done {
        Ok(done) => {
            let mut response = status.into_response();
            if let Some(warning) = done.warning {
                answer::warn(&mut response, warning.text());
            }
            response
        }
        Err(fault) => told(&fault),
    }
}

/// Why it was not done, with the standard's words where it has some.
pub(super) fn told(fault: &Fault) -> Response {
    use super::state::Refusal;
    let (status, warning) = match fault {
        Fault::NotFound => (StatusCode::NOT_FOUND, None),
        Fault::Gone => (StatusCode::GONE, None),
        Fault::Exists => (StatusCode::CONFLICT, None),
        Fault::Invalid(_) => (StatusCode::BAD_REQUEST, None),
        Fault::Refused(refusal) => (refusal.status(), Some(refusal.text())),
        Fault::Conflict(_) => (StatusCode::CONFLICT, Some(Refusal::Ended.text())),
        Fault::Lacking(_) => (Refusal::NotFinal.status(), Some(Refusal::NotFinal.text())),
        Fault::Failed { source } => return answer::failed("workitems", source),
    };
    let mut response = answer::refused(status, &fault.to_string());
    if let Some(text) = warning {
        answer::warn(&mut response, text);
    }
    response
}
