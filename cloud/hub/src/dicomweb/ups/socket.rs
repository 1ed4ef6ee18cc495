//! A WebSocket over which an AE title hears of what it follows (PS3.18 section 8.10).

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::events::Event;
use super::subscriptions::{is_ae_title, wants};
use crate::dicomweb::access::Caller;
use crate::dicomweb::{Dicomweb, answer};

/// A ping now and then: what does not take it is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const STALLED: Duration = Duration::from_secs(30);

/// Then it must come again, with a token that is still good.
const LONGEST: Duration = Duration::from_secs(3600);

/// Nothing of use comes from the other side.
const MOST_INCOMING: usize = 4 * 1024;

pub(super) async fn listen(
    State(hub): State<Dicomweb>,
    Extension(caller): Extension<Arc<Caller>>,
    Path(ae_title): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !is_ae_title(&ae_title) {
        return answer::not_found();
    }
    match hub.archive.subscriptions(&ae_title).await {
        Ok(rows) if rows.iter().any(|row| row.owner != caller.id) => {
            return answer::refused(StatusCode::FORBIDDEN, "this AE title is another account's");
        }
        Ok(_) => {}
        Err(error) => return answer::failed("subscriptions", &error),
    }
    let Ok(place) = Arc::clone(&hub.listeners).try_acquire_owned() else {
        return answer::refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many listen already: try again later",
        );
    };
    // Before the answer: from then on nothing is missed.
    let events = hub.ups.events().listen();
    upgrade
        .max_message_size(MOST_INCOMING)
        .on_upgrade(move |socket| async move {
            let _place = place;
            follow(hub, caller, ae_title, socket, events).await;
        })
}

async fn follow(
    hub: Dicomweb,
    caller: Arc<Caller>,
    ae_title: String,
    mut socket: WebSocket,
    mut events: tokio::sync::broadcast::Receiver<Arc<Event>>,
) {
    let end = tokio::time::sleep(LONGEST);
    tokio::pin!(end);
    let mut pings = interval(KEEP_ALIVE);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            () = hub.shutdown.triggered() => {
                let frame = CloseFrame { code: close_code::AWAY, reason: "the hub stops".into() };
                let _ = timeout(STALLED, socket.send(Message::Close(Some(frame)))).await;
                return;
            }
            () = &mut end => {
                let frame = CloseFrame { code: close_code::RESTART, reason: "connect again".into() };
                let _ = timeout(STALLED, socket.send(Message::Close(Some(frame)))).await;
                return;
            }
            event = events.recv() => match event {
                Ok(event) => match wanted(&hub, &caller, &ae_title, &event).await {
                    Some(message) => message,
                    None => continue,
                },
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(ae_title, missed, "A listener was too slow for the events of workitems; it is to look afresh.");
                    let frame = CloseFrame { code: close_code::AGAIN, reason: "events were missed: search, then listen again".into() };
                    let _ = timeout(STALLED, socket.send(Message::Close(Some(frame)))).await;
                    return;
                }
                Err(RecvError::Closed) => return,
            },
            _ = pings.tick() => Message::Ping(bytes::Bytes::new()),
            received = socket.recv() => match received {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        if !matches!(timeout(STALLED, socket.send(message)).await, Ok(Ok(()))) {
            return;
        }
    }
}

async fn wanted(hub: &Dicomweb, caller: &Caller, ae_title: &str, event: &Event) -> Option<Message> {
    let number = hub.ups.events().next_number();
    let message = || Some(Message::Text(event.report(number).to_string().into()));
    if let Some(only) = &event.only_for {
        return if only == ae_title { message() } else { None };
    }
    match hub.archive.subscriptions(ae_title).await {
        Ok(rows) => {
            let own: Vec<_> = rows.into_iter().filter(|row| row.owner == caller.id).collect();
            if wants(&own, event) { message() } else { None }
        }
        Err(error) => {
            tracing::error!(%error, ae_title, "Subscriptions cannot be read; an event was not told.");
            None
        }
    }
}
