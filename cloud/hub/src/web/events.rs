use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};

use super::Followers;

/// However fast results arrive, a page fetches its list at most this often.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);

/// Keeps proxies from closing a quiet stream and finds readers that are gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One `changed` at once (the page may have missed some before it connected), then one after each change.
pub(super) async fn events(State(line): State<Followers>) -> Response {
    let Ok(follower) = Arc::clone(&line.places).try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let hello = stream::iter([Event::default().retry(Duration::from_secs(2))]);
    let mut changes = line.changes.subscribe();
    changes.mark_changed();
    // The pause follows an event, so a lone change is told at once. A `watch` holds the newest value only, so changes
    // during the pause become one event.
    let changes = stream::unfold((changes, Duration::ZERO), |(mut changes, pause)| async move {
        tokio::time::sleep(pause).await;
        changes.changed().await.ok()?;
        let count = *changes.borrow_and_update();
        let event = Event::default().event("changed").data(count.to_string());
        Some((event, (changes, SHORTEST_PAUSE)))
    });
    let shutdown = line.shutdown.clone();
    let events = hello
        .chain(changes)
        .take_until(async move { shutdown.triggered().await })
        .map(move |event| {
            // Held for as long as the stream lives.
            let _place = &follower;
            Ok::<_, Infallible>(event)
        });
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}
