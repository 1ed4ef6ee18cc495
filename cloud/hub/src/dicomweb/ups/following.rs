//! Requests of who wants to hear of workitems.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};

use super::events::{Event, EventKind};
use super::service::{Caught, told};
use super::socket::listen;
use super::subscriptions::{ALL, FILTERED, filter, is_ae_title};
use crate::archive::SubscriptionRow;
use crate::clock::now_ms;
use crate::dicomweb::access::Caller;
use crate::dicomweb::{Dicomweb, Parameters, answer, base, parameter};

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
        hub.ups.events().tell(event);
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
