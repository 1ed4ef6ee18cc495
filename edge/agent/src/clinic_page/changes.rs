//! Tells open pages that something changed. Pages then ask for what they show; an event carries no content.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;

use super::Sources;
use super::server::App;
use crate::import_desk::Progress;
use crate::learning_status::LearningView;
use crate::node_status::NodeView;
use crate::status::{ReleaseStatus, Space};

/// Open event streams; further pages are told to ask again on their own, which they do anyway.
pub(super) const MAX_STREAMS: usize = 32;

/// A burst of changes becomes one event.
const COALESCE: Duration = Duration::from_millis(250);

/// The line, the queue and the model have no revision to wait for; they are looked at this often.
const STATUS_PERIOD: Duration = Duration::from_secs(1);

/// What the status strip shows and no revision announces.
#[derive(Debug, PartialEq)]
struct Glance {
    connected: bool,
    pending: u64,
    quarantined: u64,
    space: Space,
    model: Option<String>,
    opening: bool,
    problem: Option<String>,
    releases: ReleaseStatus,
    learning: LearningView,
    nodes: Vec<NodeView>,
    import: Option<Progress>,
    hub_talks: Option<bool>,
}

impl Glance {
    fn at(sources: &Sources) -> Self {
        let model = sources.status.model();
        Self {
            connected: sources.status.connected(),
            pending: sources.status.queue_depth().pending,
            quarantined: sources.status.quarantined(),
            space: sources.status.space(),
            model: model.model,
            opening: model.opening,
            problem: model.problem,
            releases: sources.status.releases(),
            learning: sources.learning.view(),
            nodes: sources.deliveries.view(),
            import: sources.importer.as_ref().map(|desk| desk.progress()),
            hub_talks: sources.status.hub_talks(),
        }
    }
}

/// Moves `pulse` when a case, a scanner or the status changed, until `shutdown`.
pub(super) async fn follow(sources: &Sources, pulse: &watch::Sender<u64>, shutdown: &CancellationToken) {
    let mut cases = sources.cases.watch();
    let mut scanners = sources.scanners.watch();
    let mut aside = sources.aside.watch();
    let mut pictures = sources.picture_quality.watch();
    let mut clock = interval(STATUS_PERIOD);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Glance::at(sources);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            Ok(()) = cases.changed() => {}
            Ok(()) = scanners.changed() => {}
            Ok(()) = aside.changed() => {}
            Ok(()) = pictures.changed() => {}
            _ = clock.tick() => {
                let now = Glance::at(sources);
                if now == seen {
                    continue;
                }
                seen = now;
            }
        }
        pulse.send_modify(|count| *count += 1);
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(COALESCE) => {}
        }
    }
}

/// `GET /events`. A watch holds only the newest pulse: a slow reader misses pulses, never the last one.
pub(super) async fn events(State(app): State<Arc<App>>) -> Response {
    let Ok(place) = Arc::clone(&app.streams).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "15")]).into_response();
    };
    let pulses = WatchStream::from_changes(app.pulse.subscribe());
    let events = pulses
        .map(move |_| {
            let _held_until_the_stream_ends = &place;
            Ok::<_, Infallible>(Event::default().event("changed").data("changed"))
        })
        .take_until(app.shutdown.clone().cancelled_owned());
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}
