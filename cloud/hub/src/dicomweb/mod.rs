//! DICOMweb (PS3.18) over the images of the clinics' cases, and the worklist service over workitems.
//!
//! ```text
//! access         who asks and what they may: decided elsewhere, asked at every door
//! audited        one line in the log before a case's images are given
//! accept         what form of answer is wanted
//! index          what can be asked of images, made from the images after each commit
//! qido           searches
//! wado           retrieves: objects, attributes, frames, pictures
//! stow           stores what other systems bring
//! ups            workitems: their life, their events
//! ```
//! What is shown of a case is its newest version. Nothing here is reachable without `access`, and the whole is served only
//! where the settings have a `[dicomweb]` table. `docs/DICOMWEB.md` is the conformance statement.

mod accept;
mod access;
mod answer;
mod audited;
mod capabilities;
mod cors;
mod door;
pub(crate) mod fuzzing;
mod index;
mod json;
mod moment;
mod multipart;
mod qido;
mod stow;
pub(crate) mod ups;
mod wado;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, header};
use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::sync::Semaphore;

use crate::Shutdown;
use crate::archive::Archive;
use crate::changes::Changes;
use crate::clock::now_ms;
use crate::config::Dicomweb as Settings;
use crate::image_store::ImageStore;
use access::{Access, Audit, Door, Right, guard};
use audited::Audited;
use index::Indexer;
use qido::tag_of;
use ups::{Events, MadeWorkitems, Ups, Workitems};

pub(crate) use access::{Caller, Later};
pub(crate) use door::{Accounts, Log};
pub(crate) use moment::date_time;

/// Where everything lies below.
pub(crate) const PREFIX: &str = "/dicom-web";

/// Frames, pictures and objects decoded at once; each holds a few hundred megabytes at most.
const DECODED_AT_ONCE: usize = 2;

/// WebSockets at once.
const LISTENERS: usize = 256;

/// Ended workitems are kept so long, and between two looks for them.
const KEEP_ENDED: Duration = Duration::from_secs(90 * 24 * 3600);
const SWEEP: Duration = Duration::from_secs(6 * 3600);

type Parameters = Vec<(String, String)>;

/// What every request needs. A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Dicomweb {
    archive: Archive,
    store: ImageStore,
    changes: Changes,
    audited: Audited,
    settings: Arc<Settings>,
    decoding: Arc<Semaphore>,
    listeners: Arc<Semaphore>,
    ups: Ups,
    shutdown: Shutdown,
}

/// What the parts are made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) archive: Archive,
    pub(crate) store: ImageStore,
    pub(crate) changes: Changes,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) audit: Arc<dyn Audit>,
    /// Workitems of other parts of the hub, which tell their events to `events`.
    pub(crate) workitems: Vec<Arc<dyn Workitems>>,
    pub(crate) events: Events,
    pub(crate) shutdown: Shutdown,
}

/// Everything below [`PREFIX`], behind `access`.
pub(crate) fn router(settings: &Settings, parts: Parts) -> Router {
    let made = MadeWorkitems::new(parts.archive.clone(), parts.events.clone());
    let hub = Dicomweb {
        archive: parts.archive,
        store: parts.store,
        changes: parts.changes,
        audited: Audited::new(parts.audit),
        settings: Arc::new(settings.clone()),
        decoding: Arc::new(Semaphore::new(DECODED_AT_ONCE)),
        listeners: Arc::new(Semaphore::new(LISTENERS)),
        ups: Ups::new(made, parts.workitems, parts.events),
        shutdown: parts.shutdown,
    };
    let behind = |routes: Router<Dicomweb>, right, programs_only| {
        let door = Door {
            access: Arc::clone(&parts.access),
            right,
            programs_only,
        };
        routes.route_layer(middleware::from_fn_with_state(door, guard))
    };
    let images = behind(seeing_images(), Right::SeeImages, false);
    let storing = behind(storing_images(), Right::StoreImages, true);
    let work = behind(ups::seeing(), Right::SeeWork, false)
        .merge(behind(ups::following(), Right::SeeWork, true))
        .merge(behind(ups::doing(), Right::DoWork, true));
    let all = images.merge(storing).merge(work).with_state(hub);
    let all = Router::new().nest(PREFIX, all);
    match cors::layer(settings) {
        Some(layer) => all.layer(layer),
        None => all,
    }
}

/// Keeps the index beside the images and forgets workitems that ended long ago, until the shutdown.
pub(crate) async fn keep(archive: Archive, store: ImageStore, changes: Changes, shutdown: Shutdown) {
    let indexer = Indexer::new(archive.clone(), store, changes);
    tokio::join!(indexer.run(shutdown.clone()), tidy(archive, shutdown));
}

async fn tidy(archive: Archive, shutdown: Shutdown) {
    loop {
        let keep = i64::try_from(KEEP_ENDED.as_millis()).unwrap_or(i64::MAX);
        match archive.forget_workitems(now_ms().saturating_sub(keep)).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "Workitems that ended long ago were removed."),
            Err(error) => {
                tracing::warn!(%error, "Workitems that ended long ago could not be removed; it is tried again.")
            }
        }
        tokio::select! {
            () = shutdown.triggered() => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
    }
}

fn seeing_images() -> Router<Dicomweb> {
    const STUDY: &str = "/studies/{study}";
    const SERIES: &str = "/studies/{study}/series/{series}";
    const INSTANCE: &str = "/studies/{study}/series/{series}/instances/{instance}";
    let below = |path: &str, more: &str| format!("{path}{more}");
    Router::new()
        .route("/", get(capabilities::show).options(capabilities::show))
        .route("/capabilities", get(capabilities::show))
        .route("/studies", get(qido::studies))
        .route("/series", get(qido::series))
        .route("/instances", get(qido::instances))
        .route(&below(STUDY, "/series"), get(qido::series_of_study))
        .route(&below(STUDY, "/instances"), get(qido::instances_of_study))
        .route(&below(SERIES, "/instances"), get(qido::instances_of_series))
        .route(STUDY, get(wado::objects))
        .route(SERIES, get(wado::objects))
        .route(INSTANCE, get(wado::objects))
        .route("/instances/{instance}", get(wado::any_instance))
        .route(&below(STUDY, "/metadata"), get(wado::metadata))
        .route(&below(SERIES, "/metadata"), get(wado::metadata))
        .route(&below(INSTANCE, "/metadata"), get(wado::metadata))
        .route(&below(INSTANCE, "/frames/{list}"), get(wado::frames))
        .route(
            &below(INSTANCE, "/frames/{list}/rendered"),
            get(wado::frame_rendered),
        )
        .route(
            &below(INSTANCE, "/frames/{list}/thumbnail"),
            get(wado::frame_thumbnail),
        )
        .route(&below(INSTANCE, "/bulkdata/{*element}"), get(wado::bulk_data))
        .route(&below(INSTANCE, "/rendered"), get(wado::instance_rendered))
        .route(&below(INSTANCE, "/thumbnail"), get(wado::thumbnail))
        .route(&below(SERIES, "/thumbnail"), get(wado::thumbnail))
        .route(&below(STUDY, "/thumbnail"), get(wado::thumbnail))
}

fn storing_images() -> Router<Dicomweb> {
    Router::new()
        .route("/studies", post(stow::store))
        .route("/studies/{study}", post(stow::store_in_study))
        // Objects are written as they come, each within its own bound.
        .layer(DefaultBodyLimit::disable())
}

fn parameter<'a>(asked: &'a Parameters, name: &str) -> Option<&'a str> {
    let found = asked.iter().find(|(of, _)| of == name);
    found.map(|(_, value)| value.as_str())
}

/// What addresses in answers begin with: as the settings say, else as the client called us.
fn base(hub: &Dicomweb, headers: &HeaderMap) -> String {
    if let Some(url) = &hub.settings.public_url {
        return format!("{}{PREFIX}", url.trim_end_matches('/'));
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .filter(|host| {
            let allowed =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
            host.len() <= 255 && host.bytes().all(allowed)
        });
    match host {
        Some(host) => format!("http://{host}{PREFIX}"),
        None => PREFIX.to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
