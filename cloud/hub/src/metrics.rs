//! What a Prometheus server reads: `GET /metrics` on a port of its own.
//!
//! Numbers only, and the ids of clinics: nothing about a study or a person ever stands in a label.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use barefoot_audit::{Standing, View};
use barefoot_domain::ClinicId;
use barefoot_http::{Limits, serve};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::Shutdown;
use crate::archive::{self, Archive, Counts};
use crate::config;
use crate::image_store::ImageStore;
use crate::presence::{ClinicState, Presence};

/// On shutdown: time for answers on their way.
const FAREWELL: Duration = Duration::from_secs(2);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why the metrics cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen for readers of metrics on {address}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
}

/// What is measured.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    pub(crate) archive: Archive,
    pub(crate) presence: Presence,
    pub(crate) images: Option<ImageStore>,
    /// Where a repository is told of the audit log.
    pub(crate) audit_repository: Option<Standing>,
}

/// The metrics' port.
#[derive(Debug)]
pub(crate) struct Metrics {
    listener: TcpListener,
    address: SocketAddr,
    sources: Sources,
    shutdown: Shutdown,
}

impl Metrics {
    pub(crate) async fn bind(
        settings: &config::Metrics,
        sources: Sources,
        shutdown: Shutdown,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Listen {
            address: settings.listen,
            source,
        };
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        Ok(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            sources,
            shutdown,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the shutdown.
    pub(crate) async fn run(self) {
        let router = Router::new()
            .route("/metrics", get(metrics))
            .with_state(self.sources);
        let server = serve(
            self.listener,
            router,
            Limits::for_metrics(),
            self.shutdown.token(),
        );
        tokio::pin!(server);
        tokio::select! {
            () = &mut server => return,
            () = self.shutdown.triggered() => {}
        }
        let _ = timeout(FAREWELL, server).await;
    }
}

async fn metrics(State(sources): State<Sources>) -> Response {
    match sources.archive.counts().await {
        Ok(counts) => match text(
            &counts,
            &sources.presence.snapshot(),
            &over_quota(&sources),
            sources.audit_repository.as_ref().map(Standing::view).as_ref(),
        ) {
            Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
        Err(error) => unavailable(&error),
    }
}

fn over_quota(sources: &Sources) -> Vec<(ClinicId, u64)> {
    let images = sources.images.as_ref();
    images.map(ImageStore::over_quota).unwrap_or_default()
}

fn unavailable(error: &archive::Error) -> Response {
    tracing::error!(%error, "The metrics could not be read.");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

fn register_repository(registry: &mut Registry, view: &View) {
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
    let behind = Gauge::<i64>::default();
    behind.set(i64::try_from(view.behind).unwrap_or(i64::MAX));
    let help = "Entries that the audit record repository lacks";
    registry.register("audit_behind", help, behind);
    let oldest = Gauge::<i64>::default();
    oldest.set(view.oldest_ms.map_or(0, |at| at / 1000));
    let help = "When the oldest of them was written; 0 where none is lacking";
    registry.register("audit_oldest_timestamp_seconds", help, oldest);
}

type Label = Vec<(&'static str, String)>;

/// Made anew for every reader, from what is kept elsewhere: two books of the same numbers could differ.
fn text(
    counts: &Counts,
    clinics: &[ClinicState],
    over_quota: &[(ClinicId, u64)],
    repository: Option<&View>,
) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("barefoot_hub");
    if let Some(view) = repository {
        register_repository(&mut registry, view);
    }
    for (name, help, value) in [
        ("results", "Results stored", counts.results),
        ("envelopes", "Envelopes accepted", counts.envelopes),
        (
            "duplicates",
            "Envelopes whose result was here already",
            counts.duplicates,
        ),
        ("refused", "Messages and envelopes refused", counts.refused),
    ] {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    let refused = Family::<Label, Counter>::default();
    for (clinic, times) in over_quota {
        let label = vec![("clinic", clinic.to_string())];
        refused.get_or_create(&label).inc_by(*times);
    }
    registry.register(
        "clinic_images_over_quota",
        "Images that the clinic's quota did not allow",
        refused,
    );
    let clinic = |state: &ClinicState| vec![("clinic", state.clinic.to_string())];
    let mut gauge = |name: &str, help: &str, value: &dyn Fn(&ClinicState) -> Vec<(Label, i64)>| {
        let family = Family::<Label, Gauge>::default();
        for (label, value) in clinics.iter().flat_map(value) {
            family.get_or_create(&label).set(value);
        }
        registry.register(name, help, family);
    };
    gauge("clinic_up", "Whether the clinic is connected", &|state| {
        vec![(clinic(state), i64::from(state.online))]
    });
    gauge(
        "clinic_last_seen_timestamp_seconds",
        "When the clinic was last heard",
        &|state| vec![(clinic(state), state.last_seen_ms / 1000)],
    );
    let health = |value: fn(&barefoot_wire::v1::BoxHealth) -> u64| {
        move |state: &ClinicState| {
            let health = state.health.as_ref();
            health
                .map(|(health, _)| (clinic(state), i64::try_from(value(health)).unwrap_or(i64::MAX)))
                .into_iter()
                .collect::<Vec<_>>()
        }
    };
    gauge(
        "clinic_health_timestamp_seconds",
        "When the clinic's box last said how it is",
        &|state| {
            let at = state.health.as_ref().map(|(_, at_ms)| at_ms / 1000);
            at.map(|at| (clinic(state), at)).into_iter().collect()
        },
    );
    gauge(
        "clinic_pending",
        "Records waiting in the clinic's box",
        &|state| {
            let Some((health, _)) = &state.health else {
                return Vec::new();
            };
            let lanes = health.lane.iter().map(|lane| {
                let label = vec![("clinic", state.clinic.to_string()), ("lane", lane.lane.clone())];
                (label, i64::try_from(lane.pending).unwrap_or(i64::MAX))
            });
            lanes.collect()
        },
    );
    gauge(
        "clinic_oldest_seconds",
        "How long the oldest record waits in the clinic's box",
        &health(|health| health.oldest_ms / 1000),
    );
    gauge(
        "clinic_set_aside",
        "Records set aside in the clinic's box",
        &health(|health| health.set_aside),
    );
    gauge(
        "clinic_disk_free_bytes",
        "Free space in the clinic's box",
        &health(|health| health.disk_free_bytes),
    );
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use barefoot_wire::v1;

    use super::*;

    #[test]
    fn every_clinic_has_its_numbers() {
        let counts = Counts {
            results: 7,
            ..Counts::default()
        };
        let health = v1::BoxHealth {
            lane: vec![v1::LaneDepth {
                lane: "results".into(),
                pending: 3,
            }],
            oldest_ms: 61_000,
            ..v1::BoxHealth::default()
        };
        let state = ClinicState {
            clinic: ClinicId::new("clinic-7").unwrap(),
            online: true,
            known: true,
            since_ms: None,
            last_seen_ms: 5_000,
            client_version: String::new(),
            health: Some((Arc::new(health), 4_000)),
        };
        let full = (ClinicId::new("clinic-7").unwrap(), 3);
        let behind = View {
            behind: 7,
            ..View::default()
        };
        let text = text(&counts, &[state], &[full], Some(&behind)).unwrap();
        for line in [
            "barefoot_hub_results_total 7",
            "barefoot_hub_clinic_up{clinic=\"clinic-7\"} 1",
            "barefoot_hub_clinic_pending{clinic=\"clinic-7\",lane=\"results\"} 3",
            "barefoot_hub_clinic_images_over_quota_total{clinic=\"clinic-7\"} 3",
            "barefoot_hub_clinic_oldest_seconds{clinic=\"clinic-7\"} 61",
            "barefoot_hub_audit_behind 7",
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
