//! What a Prometheus server reads: `GET /metrics` on a port of its own. Numbers only: nothing about a patient, a study or a
//! scanner ever stands in a label.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use barefoot_http::{Limits, serve};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::now_ms;
use crate::picture_quality::{DayFigures, PictureQuality};
use crate::stage_times::STAGES;
use crate::status::{LANES, Space, Status};
use crate::study_folder::StateDirectory;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long answers under way may take after the daemon was told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// Where metrics are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port; keep it on loopback or on a network only the operators can reach. Default 127.0.0.1:9464.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9464))
}

/// The port, bound and ready to run.
#[derive(Debug)]
pub(crate) struct Metrics {
    listener: TcpListener,
    sources: Sources,
}

#[derive(Debug, Clone)]
struct Sources {
    status: Status,
    state: StateDirectory,
    picture_quality: PictureQuality,
}

impl Metrics {
    /// # Errors
    /// When the address is taken or not ours.
    pub(crate) async fn bind(
        config: &Config,
        status: Status,
        state: StateDirectory,
        picture_quality: PictureQuality,
    ) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::bind(config.listen).await?,
            sources: Sources {
                status,
                state,
                picture_quality,
            },
        })
    }

    /// # Errors
    /// When the operating system cannot say.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let router = Router::new()
            .route("/metrics", get(metrics))
            .with_state(self.sources);
        let server = serve(self.listener, router, Limits::for_metrics(), shutdown.clone());
        tokio::pin!(server);
        tokio::select! {
            () = &mut server => return,
            () = shutdown.cancelled() => {}
        }
        let _ = tokio::time::timeout(GRACE, server).await;
    }
}

/// Only where an audit record repository is told of the log.
fn register_repository(registry: &mut Registry, status: &Status, now_ms: i64) {
    let Some(view) = status.repository_view() else {
        return;
    };
    for (name, help, value) in [
        (
            "audit_sent",
            "Entries that the audit record repository got",
            view.sent,
        ),
        (
            "audit_failures",
            "Connections to the audit record repository that failed",
            view.failures,
        ),
    ] {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    let oldest = view
        .oldest_ms
        .map_or(0, |at| now_ms.saturating_sub(at).max(0) / 1000);
    for (name, help, value) in [
        (
            "audit_behind",
            "Entries that the audit record repository lacks",
            signed(view.behind),
        ),
        (
            "audit_oldest_seconds",
            "How long the oldest of them has been waiting",
            oldest,
        ),
    ] {
        let gauge = Gauge::<i64, std::sync::atomic::AtomicI64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    }
}

async fn metrics(State(sources): State<Sources>) -> Response {
    let made = move || {
        let quality = sources.picture_quality.totals();
        text(&sources.status, &sources.state, &quality, now_ms())
    };
    match tokio::task::spawn_blocking(made).await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Made anew for every reader from what is counted elsewhere: two books of the same numbers could differ.
///
/// # Errors
/// When a number cannot be written.
pub(crate) fn text(
    status: &Status,
    state: &StateDirectory,
    quality: &DayFigures,
    now_ms: i64,
) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("barefoot_edge");
    let counts = status.line_counts();
    for (name, help, value) in [
        (
            "line_sessions",
            "Sessions with the hub that stood",
            counts.sessions,
        ),
        (
            "receipts",
            "Records the hub has given its word on",
            counts.receipts,
        ),
        (
            "refusals",
            "Records and messages the hub would not take",
            counts.refusals,
        ),
        ("images_stored", "Images stored since the start", status.stored()),
    ] {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    let graded = Family::<Vec<(&'static str, &'static str)>, Counter>::default();
    for (grade, pictures) in [("A", quality.a), ("B", quality.b), ("C", quality.c)] {
        graded.get_or_create(&vec![("grade", grade)]).inc_by(pictures);
    }
    registry.register("pictures_graded", "Pictures by quality since the start", graded);
    let problems = Family::<Vec<(&'static str, String)>, Counter>::default();
    for (problem, pictures) in &quality.problems {
        problems
            .get_or_create(&vec![("problem", problem.clone())])
            .inc_by(*pictures);
    }
    registry.register(
        "picture_problems",
        "Pictures with a problem since the start",
        problems,
    );
    let depth = status.queue_depth();
    let lanes = Family::<Vec<(&'static str, &'static str)>, Gauge>::default();
    for (lane, name) in LANES {
        lanes
            .get_or_create(&vec![("lane", name)])
            .set(signed(depth.of(lane)));
    }
    registry.register("queue_pending", "Records waiting to be sent", lanes);
    let oldest = Family::<Vec<(&'static str, &'static str)>, Gauge>::default();
    for (lane, name) in LANES {
        let queued = status.oldest_in(lane).map_or(now_ms, signed);
        oldest
            .get_or_create(&vec![("lane", name)])
            .set((now_ms - queued).max(0) / 1000);
    }
    registry.register(
        "queue_oldest_seconds",
        "How long the oldest record of a lane has been waiting",
        oldest,
    );
    register_stages(&mut registry, status);
    register_repository(&mut registry, status, now_ms);
    let disk = rustix::fs::statvfs(state.root());
    let (free, total) = disk.map_or((0, 0), |disk| {
        (
            disk.f_bavail.saturating_mul(disk.f_frsize),
            disk.f_blocks.saturating_mul(disk.f_frsize),
        )
    });
    let space = match status.space() {
        Space::Enough => 0,
        Space::Low => 1,
        Space::Full => 2,
    };
    for (name, help, value) in [
        (
            "line_up",
            "Whether the hub has accepted our session",
            i64::from(status.connected()),
        ),
        (
            "queue_pending_bytes",
            "Payloads waiting to be sent",
            signed(depth.pending_bytes),
        ),
        (
            "queue_set_aside",
            "Records the hub will not take",
            signed(depth.set_aside),
        ),
        (
            "quarantined",
            "Received files that could not be understood",
            signed(status.quarantined()),
        ),
        (
            "disk_free_bytes",
            "Free space of the state directory",
            signed(free),
        ),
        ("disk_bytes", "Size of the state directory's disk", signed(total)),
        (
            "disk_state",
            "0 enough, 1 low, 2 full: scanners are refused",
            space,
        ),
        (
            "model_answers",
            "Whether a model answers",
            i64::from(status.model().model.is_some()),
        ),
    ] {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    }
    if let Some(offset) = status.hub_clock().offset_ms(now_ms) {
        let gauge = Gauge::<i64>::default();
        gauge.set(offset);
        registry.register("clock_offset_milliseconds", "Hub's clock minus this box's", gauge);
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

fn register_stages(registry: &mut Registry, status: &Status) {
    let seconds = Family::<Vec<(&'static str, &'static str)>, Counter<f64, AtomicU64>>::default();
    let runs = Family::<Vec<(&'static str, &'static str)>, Counter>::default();
    for (stage, name) in STAGES {
        let (times, took) = status.stage_times().of(stage);
        let label = vec![("stage", name)];
        seconds.get_or_create(&label).inc_by(took.as_secs_f64());
        runs.get_or_create(&label).inc_by(times);
    }
    let help = "Time spent in a stage between an image and its answer";
    registry.register("stage_seconds", help, seconds);
    registry.register("stage_runs", "How often a stage ran", runs);
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use barefoot_queue::{Lane, Queue};

    use super::*;

    #[test]
    fn the_queue_is_told_lane_by_lane() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(&folder.path().join("queue"), barefoot_queue::Config::default()).unwrap();
        queue
            .append(Lane::Critical, "a", b"secret of a patient", 1_000)
            .unwrap();
        let state = StateDirectory::open(folder.path()).unwrap();
        let quality = DayFigures {
            b: 3,
            problems: [("blurred".to_owned(), 3)].into(),
            ..DayFigures::default()
        };
        let text = text(&Status::new(queue), &state, &quality, 61_000).unwrap();
        for line in [
            "barefoot_edge_queue_pending{lane=\"critical\"} 1",
            "barefoot_edge_queue_pending{lane=\"results\"} 0",
            "barefoot_edge_queue_oldest_seconds{lane=\"critical\"} 60",
            "barefoot_edge_line_up 0",
            "barefoot_edge_pictures_graded_total{grade=\"B\"} 3",
            "barefoot_edge_picture_problems_total{problem=\"blurred\"} 3",
            "barefoot_edge_receipts_total 0",
            "barefoot_edge_stage_runs_total{stage=\"model\"} 0",
            "barefoot_edge_stage_seconds_total{stage=\"decode\"} 0.0",
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        assert!(!text.contains("secret"));
    }
}
