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
use super::events::{Event, EventKind, Events};
use super::made::MadeWorkitems;
use super::requirements::{INSTANCE, STATE, TRANSACTION};
use super::search::Search;
use super::socket::listen;
use super::state::State as Step;
use super::subscriptions::{ALL, FILTERED, filter, is_ae_title};
use super::workitems::{Done, Fault, Request, Workitem, Workitems};
use crate::archive::SubscriptionRow;
use crate::clock::now_ms;
use crate::dicomweb::accept::Accept;
use crate::dicomweb::access::Caller;
use crate::dicomweb::answer::{self, DICOM_JSON};
use crate::dicomweb::{Dicomweb, Parameters, base, parameter};

/// A workitem is some kilobytes.
const LARGEST: usize = 1024 * 1024;

/// All places of workitems.
#[derive(Debug, Clone)]
pub(crate) struct Ups {
    made: MadeWorkitems,
    others: Vec<Arc<dyn Workitems>>,
    events: Events,
}

impl Ups {
    /// `others` tell their events to `events`.
    pub(crate) fn new(made: MadeWorkitems, others: Vec<Arc<dyn Workitems>>, events: Events) -> Self {
        Self { made, others, events }
    }

    pub(super) fn events(&self) -> &Events {
        &self.events
    }

    fn places(&self) -> impl Iterator<Item = &dyn Workitems> {
        let others = self.others.iter().map(AsRef::as_ref);
        std::iter::once(&self.made as &dyn Workitems).chain(others)
    }

    pub(super) async fn get(&self, uid: &str) -> Result<Workitem, Fault> {
        for place in self.places() {
            match place.get(uid).await {
                Err(Fault::NotFound) => {}
                found => return found,
            }
        }
        Err(Fault::NotFound)
    }

    async fn search(&self, search: &Search) -> Result<Vec<Workitem>, Fault> {
        let mut found = Vec::new();
        for place in self.places() {
            found.extend(place.search(search).await?);
        }
        found.sort_by(|a, b| (a.created_at_ms, &a.uid).cmp(&(b.created_at_ms, &b.uid)));
        Ok(found)
    }

    async fn act(&self, uid: &str, request: Request, who: &str) -> Result<Done, Fault> {
        for place in self.places() {
            match place.act(uid, request.clone(), who).await {
                Err(Fault::NotFound) => {}
                done => return done,
            }
        }
        Err(Fault::NotFound)
    }

    /// `NotFound` where another place has the UID is told as `Exists`.
    async fn create(&self, uid: &str, attributes: Attributes, who: &str) -> Result<(), Fault> {
        for place in &self.others {
            match place.get(uid).await {
                Err(Fault::NotFound) => {}
                Err(fault @ Fault::Failed { .. }) => return Err(fault),
                _ => return Err(Fault::Exists),
            }
        }
        self.made.create(uid, attributes, who).await
    }
}

type Caught = Extension<Arc<Caller>>;

/// For who may see work.
pub(crate) fn seeing() -> Router<Dicomweb> {
    Router::new()
        .route("/workitems", get(search))
        .route("/workitems/{workitem}", get(retrieve))
}

/// For who may see work and is a program.
pub(crate) fn following() -> Router<Dicomweb> {
    Router::new()
        .route(
            "/workitems/{workitem}/subscribers/{aetitle}",
            post(subscribe).delete(unsubscribe),
        )
        .route(
            "/workitems/{workitem}/subscribers/{aetitle}/suspend",
            post(suspend),
        )
        .route("/ws/subscribers/{aetitle}", get(listen))
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
    finish(hub.ups.act(&uid, request, &caller.name).await, StatusCode::OK)
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
    finish(hub.ups.act(&uid, request, &caller.name).await, StatusCode::OK)
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
    finish(
        hub.ups.act(&uid, request, &caller.name).await,
        StatusCode::ACCEPTED,
    )
}

async fn subscribe(
    State(hub): State<Dicomweb>,
    Extension(caller): Caught,
    headers: HeaderMap,
    Path((target, ae_title)): Path<(String, String)>,
    Query(asked): Query<Parameters>,
) -> Response {
    if !is_ae_title(&ae_title) {
        return bad_ae_title();
    }
    let wanted = parameter(&asked, "filter").map(str::to_owned);
    match (target.as_str(), &wanted) {
        (FILTERED, None) => {
            return answer::refused(StatusCode::BAD_REQUEST, "the filtered worklist needs a filter");
        }
        (FILTERED, Some(text)) => {
            if let Err(why) = filter(text) {
                return answer::refused(StatusCode::BAD_REQUEST, &why);
            }
        }
        _ => {}
    }
    let begun = match target.as_str() {
        ALL | FILTERED => None,
        uid => match hub.ups.get(uid).await {
            Ok(workitem) => Some(workitem),
            Err(fault) => return told(&fault),
        },
    };
    let row = SubscriptionRow {
        ae_title: ae_title.clone(),
        filter: wanted.filter(|_| target == FILTERED),
        target,
        owner: caller.id.clone(),
        deletion_lock: parameter(&asked, "deletionlock") == Some("true"),
        wanted: true,
        suspended_at_ms: None,
    };
    match hub.archive.put_subscription(&row).await {
        Ok(true) => {}
        Ok(false) => {
            return answer::refused(StatusCode::FORBIDDEN, "this AE title is another account's");
        }
        Err(error) => return answer::failed("subscribe", &error),
    }
    if let Some(workitem) = begun {
        let mut event = Event::new(EventKind::State, workitem);
        event.only_for = Some(ae_title.clone());
        hub.ups.events.tell(event);
    }
    let mut response = StatusCode::CREATED.into_response();
    // `http` and `https` become `ws` and `wss`.
    let place = base(&hub, &headers).replacen("http", "ws", 1);
    if let Ok(place) = HeaderValue::from_str(&format!("{place}/ws/subscribers/{ae_title}")) {
        response.headers_mut().insert(header::CONTENT_LOCATION, place);
    }
    response
}

async fn unsubscribe(
    State(hub): State<Dicomweb>,
    Extension(caller): Caught,
    Path((target, ae_title)): Path<(String, String)>,
) -> Response {
    let rows = match own(&hub, &caller, &ae_title).await {
        Ok(rows) => rows,
        Err(response) => return *response,
    };
    let has = |wanted: &str| rows.iter().any(|row| row.target == wanted && row.wanted);
    // Who follows the worklist and not this one workitem: that stays known.
    if ![ALL, FILTERED].contains(&target.as_str()) && (has(ALL) || has(FILTERED)) {
        let row = SubscriptionRow {
            ae_title,
            target,
            owner: caller.id.clone(),
            filter: None,
            deletion_lock: false,
            wanted: false,
            suspended_at_ms: None,
        };
        return match hub.archive.put_subscription(&row).await {
            Ok(_) => StatusCode::OK.into_response(),
            Err(error) => answer::failed("unsubscribe", &error),
        };
    }
    if !has(&target) {
        return answer::not_found();
    }
    // With the worklist goes every workitem of it (PS3.4 section CC.2.3.3).
    let target = (target != ALL).then_some(target);
    match hub
        .archive
        .remove_subscriptions(&ae_title, target.as_deref())
        .await
    {
        Ok(_) => StatusCode::OK.into_response(),
        Err(error) => answer::failed("unsubscribe", &error),
    }
}

async fn suspend(
    State(hub): State<Dicomweb>,
    Extension(caller): Caught,
    Path((target, ae_title)): Path<(String, String)>,
) -> Response {
    if ![ALL, FILTERED].contains(&target.as_str()) {
        return answer::refused(
            StatusCode::BAD_REQUEST,
            "only what follows the worklist can be suspended",
        );
    }
    let rows = match own(&hub, &caller, &ae_title).await {
        Ok(rows) => rows,
        Err(response) => return *response,
    };
    let Some(row) = rows.into_iter().find(|row| row.target == target) else {
        return answer::not_found();
    };
    let row = SubscriptionRow {
        suspended_at_ms: row.suspended_at_ms.or_else(|| Some(now_ms())),
        ..row
    };
    match hub.archive.put_subscription(&row).await {
        Ok(_) => StatusCode::OK.into_response(),
        Err(error) => answer::failed("suspend", &error),
    }
}

async fn own(hub: &Dicomweb, caller: &Caller, ae_title: &str) -> Result<Vec<SubscriptionRow>, Box<Response>> {
    if !is_ae_title(ae_title) {
        return Err(Box::new(bad_ae_title()));
    }
    let rows = hub.archive.subscriptions(ae_title).await;
    let rows = rows.map_err(|error| Box::new(answer::failed("subscriptions", &error)))?;
    if rows.iter().any(|row| row.owner != caller.id) {
        let refused = answer::refused(StatusCode::FORBIDDEN, "this AE title is another account's");
        return Err(Box::new(refused));
    }
    Ok(rows)
}

fn bad_ae_title() -> Response {
    answer::refused(
        StatusCode::BAD_REQUEST,
        "an AE title has 1 to 16 letters, digits, '_', '-' or '.'",
    )
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
fn told(fault: &Fault) -> Response {
    use super::state::Refusal;
    let (status, warning) = match fault {
        Fault::NotFound => (StatusCode::NOT_FOUND, None),
        Fault::Gone => (StatusCode::GONE, None),
        Fault::Exists => (StatusCode::CONFLICT, None),
        Fault::Invalid(_) => (StatusCode::BAD_REQUEST, None),
        Fault::Refused(refusal) => (refusal.status(), Some(refusal.text())),
        Fault::Lacking(_) => (Refusal::NotFinal.status(), Some(Refusal::NotFinal.text())),
        Fault::Failed { source } => return answer::failed("workitems", source),
    };
    let mut response = answer::refused(status, &fault.to_string());
    if let Some(text) = warning {
        answer::warn(&mut response, text);
    }
    response
}
