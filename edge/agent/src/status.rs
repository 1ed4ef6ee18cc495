//! Counters and states the pages and the service manager ask for.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use barefoot_domain::EngineUse;
use barefoot_queue::{Lane, Queue};
use tokio::sync::Notify;

use crate::clock::now_ms;
use crate::hub_clock::HubClock;
use crate::membership::Standing;
use crate::stage_times::StageTimes;

/// How full the disk is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Space {
    #[default]
    Enough,
    /// The clinic is told; everything is still kept.
    Low,
    /// Scanners are refused.
    Full,
}

/// The queue's lanes as programs name them.
pub(crate) const LANES: [(Lane, &str); 5] = [
    (Lane::Critical, "critical"),
    (Lane::Reports, "reports"),
    (Lane::Results, "results"),
    (Lane::Images, "images"),
    (Lane::Telemetry, "telemetry"),
];

/// What waits to be sent, as people count it: without what this box tells of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub records: u64,
    pub oldest_queued_at_ms: Option<u64>,
}

/// What passed over the line since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LineCounts {
    /// Sessions that stood.
    pub sessions: u64,
    /// Records the hub has given its word on.
    pub receipts: u64,
    /// Records and messages the hub would not take.
    pub refusals: u64,
}

#[derive(Debug, Default)]
struct Inner {
    hub_clock: HubClock,
    sessions: AtomicU64,
    receipts: AtomicU64,
    refusals: AtomicU64,
    stored: AtomicU64,
    quarantined: AtomicU64,
    space: RwLock<Space>,
    connected: AtomicBool,
    hub_talks: RwLock<Option<bool>>,
    line_since_ms: AtomicI64,
    model: RwLock<ModelStatus>,
    releases: RwLock<ReleaseStatus>,
    stick_asked: Arc<Notify>,
    stage_times: StageTimes,
    video_decoder: RwLock<Option<String>>,
    standing: Standing,
    audit_repository: barefoot_audit::Standing,
    tells_repository: AtomicBool,
}

/// Which model answers, or why none does.
#[derive(Debug, Clone, Default)]
pub(crate) struct ModelStatus {
    /// `id version`, empty when no model works.
    pub model: Option<String>,
    pub demonstration: bool,
    pub engine: Option<EngineUse>,
    /// For people: why there is none.
    pub problem: Option<String>,
    /// The daemon has just started: it is not known yet.
    pub opening: bool,
}

/// New models on their way, and what came of the last one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ReleaseStatus {
    /// The model that answers has not proven itself yet.
    pub on_trial: bool,
    /// `id version` of the one that runs beside it and shows nothing.
    pub beside: Option<String>,
    /// `id version` of the one being fetched or checked.
    pub coming: Option<String>,
    /// Stable code: why that does not go on.
    pub trouble: Option<&'static str>,
    /// `id version` that was refused, or (`true`) answered and went back, and the stable code of the reason.
    pub ended: Option<(String, bool, &'static str)>,
    /// The site file names a place for a stick.
    pub stick: bool,
    /// Stable code: why what is on the stick is refused.
    pub stick_trouble: Option<&'static str>,
}

/// Shared by all parts of the daemon.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    inner: Arc<Inner>,
    queue: Queue,
}

impl Status {
    #[must_use]
    pub(crate) fn new(queue: Queue) -> Self {
        Self {
            inner: Arc::default(),
            queue,
        }
    }

    /// How the box stands with its hub.
    #[must_use]
    pub(crate) fn standing(&self) -> Standing {
        self.inner.standing.clone()
    }

    /// How it stands with the audit record repository; `told`: there is one.
    pub(crate) fn audit_repository(&self, told: bool) -> barefoot_audit::Standing {
        self.inner.tells_repository.store(told, Ordering::Relaxed);
        self.inner.audit_repository.clone()
    }

    /// `None` where there is no such repository.
    #[must_use]
    pub(crate) fn repository_view(&self) -> Option<barefoot_audit::View> {
        let told = self.inner.tells_repository.load(Ordering::Relaxed);
        told.then(|| self.inner.audit_repository.view())
    }

    pub(crate) fn count_stored(&self) {
        self.inner.stored.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_quarantined(&self, files: u64) {
        self.inner.quarantined.fetch_add(files, Ordering::Relaxed);
    }

    /// Remembers how full the disk is; `true` when that is news.
    pub(crate) fn set_space(&self, space: Space) -> bool {
        let mut known = self.inner.space.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *known, space) != space
    }

    #[must_use]
    pub(crate) fn space(&self) -> Space {
        *self.inner.space.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_connected(&self, connected: bool) {
        let before = self.inner.connected.swap(connected, Ordering::Relaxed);
        if connected != before {
            self.inner.line_since_ms.store(now_ms(), Ordering::Relaxed);
        }
        if connected && !before {
            self.inner.sessions.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether the hub takes messages, opinions and what was read; `None` while it has not said so.
    pub(crate) fn set_hub_talks(&self, talks: Option<bool>) {
        let mut known = self
            .inner
            .hub_talks
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *known = talks;
    }

    #[must_use]
    pub(crate) fn hub_talks(&self) -> Option<bool> {
        *self
            .inner
            .hub_talks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when the line has been as it is; `None` before the first session.
    #[must_use]
    pub(crate) fn line_since_ms(&self) -> Option<i64> {
        let since = self.inner.line_since_ms.load(Ordering::Relaxed);
        (since != 0).then_some(since)
    }

    pub(crate) fn set_model(&self, model: ModelStatus) {
        *self.inner.model.write().unwrap_or_else(PoisonError::into_inner) = model;
    }

    pub(crate) fn set_releases(&self, releases: ReleaseStatus) {
        *self
            .inner
            .releases
            .write()
            .unwrap_or_else(PoisonError::into_inner) = releases;
    }

    #[must_use]
    pub(crate) fn releases(&self) -> ReleaseStatus {
        self.inner
            .releases
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Somebody wants the stick looked at now.
    pub(crate) fn ask_for_stick(&self) {
        self.inner.stick_asked.notify_one();
    }

    /// Told when somebody wants the stick looked at.
    #[must_use]
    pub(crate) fn stick_asked(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.stick_asked)
    }

    /// Instances stored since the start.
    #[must_use]
    pub(crate) fn stored(&self) -> u64 {
        self.inner.stored.load(Ordering::Relaxed)
    }

    /// Files in quarantine.
    #[must_use]
    pub(crate) fn quarantined(&self) -> u64 {
        self.inner.quarantined.load(Ordering::Relaxed)
    }

    /// Whether the hub (or its broker) has accepted our session.
    #[must_use]
    pub(crate) fn connected(&self) -> bool {
        self.inner.connected.load(Ordering::Relaxed)
    }

    #[must_use]
    pub(crate) fn model(&self) -> ModelStatus {
        self.inner
            .model
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The version of the program that decodes films.
    pub(crate) fn set_video_decoder(&self, version: Option<String>) {
        let mut known = self
            .inner
            .video_decoder
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *known = version;
    }

    #[must_use]
    pub(crate) fn video_decoder(&self) -> Option<String> {
        let known = self.inner.video_decoder.read();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[must_use]
    pub(crate) fn stage_times(&self) -> StageTimes {
        self.inner.stage_times.clone()
    }

    /// The hub's time, as the link learns it.
    #[must_use]
    pub(crate) fn hub_clock(&self) -> HubClock {
        self.inner.hub_clock.clone()
    }

    pub(crate) fn count_receipts(&self, records: u64) {
        self.inner.receipts.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn count_refusals(&self, refused: u64) {
        self.inner.refusals.fetch_add(refused, Ordering::Relaxed);
    }

    #[must_use]
    pub(crate) fn line_counts(&self) -> LineCounts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LineCounts {
            sessions: count(&self.inner.sessions),
            receipts: count(&self.inner.receipts),
            refusals: count(&self.inner.refusals),
        }
    }

    /// From the heads of the lanes; a queue that cannot be read tells its counts only.
    #[must_use]
    pub(crate) fn waiting(&self) -> Waiting {
        let depth = self.queue.depth();
        let lanes = LANES.iter().filter(|(lane, _)| *lane != Lane::Telemetry);
        let records = lanes.clone().map(|(lane, _)| depth.of(*lane)).sum();
        let oldest = if depth.of(Lane::Telemetry) == 0 {
            depth.oldest_queued_at_ms
        } else {
            lanes.filter_map(|(lane, _)| self.oldest_in(*lane)).min()
        };
        Waiting {
            records,
            oldest_queued_at_ms: oldest,
        }
    }

    /// When the first record of a lane was queued.
    #[must_use]
    pub(crate) fn oldest_in(&self, lane: Lane) -> Option<u64> {
        if self.queue.depth().of(lane) == 0 {
            return None;
        }
        let head = self.queue.pending_of(&[lane], 1, |_| false).ok()?;
        head.first().map(|record| record.queued_at_ms)
    }

    #[must_use]
    pub(crate) fn queue_depth(&self) -> barefoot_queue::Depth {
        self.queue.depth()
    }
}
