use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use barefoot_wire::v1::BoxReport;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::Config;
use super::hub_line::HubLine;
use super::keeper::{Keeper, Trouble};
use super::ledger::{Ledger, Name};
use super::life::Life;
use super::report;
use super::shelf::Shelf;
use super::start::{self, Started};
use super::working::Done;
use crate::config::ModelConfig;
use crate::finding_names::FindingNames;
use crate::model::{ActiveModel, ModelHandle};
use crate::status::{ModelStatus, ReleaseStatus, Status};

/// The hub's words not yet heard. It repeats itself.
const INSTRUCTIONS: usize = 4;

/// The hub's services and how often to ask.
#[derive(Debug, Clone)]
pub(crate) struct HubAccess {
    pub(crate) channel: Channel,
    pub(crate) poll: Duration,
}

/// The part of the daemon that changes models.
#[derive(Debug)]
pub(crate) struct ModelSlot {
    pub(super) config: Config,
    pub(super) model_config: ModelConfig,
    pub(super) shelf: Shelf,
    pub(super) keeper: Keeper,
    pub(super) models: ModelHandle,
    pub(super) names: FindingNames,
    pub(super) status: Status,
    pub(super) hub: Option<HubAccess>,
    /// The model before the one on trial, kept open: going back takes no time.
    pub(super) fallback: Option<Arc<ActiveModel>>,
    pub(super) work: JoinSet<Done>,
    /// Ends work that is not wanted any more.
    pub(super) doing: Option<CancellationToken>,
    /// The ledger on disk is older than the one here.
    pub(super) unsaved: bool,
}

impl ModelSlot {
    /// Opens the model that answers first. What came of it stands in `status` and in the log.
    ///
    /// # Errors
    /// When the state directory does not serve.
    pub(crate) async fn start(
        config: Config,
        model_config: ModelConfig,
        state: PathBuf,
        models: ModelHandle,
        names: FindingNames,
        status: Status,
        hub: Option<HubAccess>,
    ) -> std::io::Result<Self> {
        let opening = model_config.clone();
        let (shelf, started) = tokio::task::spawn_blocking(move || {
            let shelf = Shelf::open(&state, &opening.bundle)?;
            let started = start::start(&shelf, &opening);
            Ok::<_, std::io::Error>((shelf, started))
        })
        .await
        .map_err(std::io::Error::other)??;
        let Started {
            ledger,
            active,
            problem,
        } = started;
        let stick_terms = (config.shadow_studies, config.trial_studies);
        let mut slot = Self {
            config,
            model_config,
            shelf,
            keeper: Keeper::new(ledger, stick_terms),
            models,
            names,
            status,
            hub,
            fallback: None,
            work: JoinSet::new(),
            doing: None,
            unsaved: false,
        };
        slot.keeper.good_failed_at = active.is_none().then(Instant::now);
        match active {
            Some(active) => slot.answer_with(active),
            None => slot.answer_without(problem.unwrap_or_default()),
        }
        slot.show();
        Ok(slot)
    }

    /// Until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let (reports_in, reports) = watch::channel(BoxReport::default());
        let (instructions_in, mut instructions) = mpsc::channel(INSTRUCTIONS);
        let moved = Arc::new(Notify::new());
        let mut line = JoinSet::new();
        let with_hub = self.hub.is_some();
        if let Some(hub) = &self.hub {
            let line_to_hub = HubLine {
                channel: hub.channel.clone(),
                reports,
                moved: Arc::clone(&moved),
                instructions: instructions_in,
                poll: hub.poll,
            };
            reports_in.send_replace(report::report(&self.keeper, &self.models));
            line.spawn(line_to_hub.run(shutdown.clone()));
        }
        let mut stick = tokio::time::interval(Duration::from_millis(self.config.usb_ms));
        stick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let models = self.models.clone();
        let asked = self.status.stick_asked();
        loop {
            let before = self.at_a_glance();
            self.begin_work();
            let again = self.keeper.ask_again_at().map(tokio::time::Instant::from_std);
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(done) = self.work.join_next(), if !self.work.is_empty() => self.done(done).await,
                Some(instruction) = instructions.recv(), if with_hub => self.instructed(&instruction).await,
                () = models.counted() => self.look_at_health().await,
                _ = stick.tick() => self.look_at_stick(),
                () = asked.notified() => self.look_at_stick(),
                () = pause_until(again) => {}
            }
            if self.unsaved {
                self.save().await;
            }
            self.show();
            reports_in.send_replace(report::report(&self.keeper, &self.models));
            if before != self.at_a_glance() {
                moved.notify_one();
            }
        }
        // A file on its way stays where it is; the next start goes on with it.
        self.work.shutdown().await;
        self.save_health().await;
        while line.join_next().await.is_some() {}
    }

    /// What the hub hears of at once.
    fn at_a_glance(&self) -> (Option<(Name, Life)>, Option<Trouble>, Option<Name>) {
        let on_its_way = self.keeper.on_its_way().map(|(name, life)| (name.clone(), life));
        let active = self.models.active().map(|it| Name::of(it.model.version()));
        (on_its_way, self.keeper.trouble(), active)
    }

    fn look_at_stick(&mut self) {
        // Most of the time there is none, and that is no trouble.
        let there = |stick: &PathBuf| stick.join("metadata").is_dir();
        if self.config.usb.as_ref().is_some_and(there) {
            self.keeper.look_at_stick();
        } else {
            self.keeper.stick_trouble = None;
        }
    }

    pub(super) fn answer_with(&mut self, model: Arc<ActiveModel>) {
        self.keeper.good_failed_at = None;
        self.names.learn(model.names.clone());
        self.status.set_model(model.status());
        self.models.set_active(Some(model));
    }

    pub(super) fn answer_without(&mut self, problem: String) {
        tracing::error!(
            problem,
            "No model works; every study goes to review until that is mended."
        );
        self.status.set_model(ModelStatus {
            problem: Some(problem),
            ..ModelStatus::default()
        });
        self.models.set_active(None);
    }

    fn show(&self) {
        let candidate = self.keeper.ledger.candidate.as_ref();
        let life = |life: Life| {
            candidate
                .filter(|it| it.life == life)
                .map(|it| it.name.to_string())
        };
        let coming = candidate.filter(|it| matches!(it.life, Life::Downloading | Life::Verified));
        self.status.set_releases(ReleaseStatus {
            on_trial: life(Life::Trial).is_some(),
            beside: life(Life::Shadow),
            coming: coming.map(|it| it.name.to_string()),
            trouble: self.keeper.trouble().map(|trouble| trouble.code),
            ended: self.keeper.ledger.last_ended().and_then(|it| {
                let code = it.life.problem()?.code();
                Some((it.name.to_string(), matches!(it.life, Life::RolledBack(_)), code))
            }),
            stick: self.config.usb.is_some(),
            stick_trouble: self.keeper.stick_trouble,
        });
    }

    pub(super) async fn write(&mut self) -> std::io::Result<()> {
        let (ledger, root): (Ledger, PathBuf) = (self.keeper.ledger.clone(), self.shelf.root().to_owned());
        let written = tokio::task::spawn_blocking(move || ledger.save(&root)).await;
        let written = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        self.unsaved = written.is_err();
        written
    }

    /// Written again after the next event when it fails: a model that must go goes, whether or not the disk takes it.
    pub(super) async fn save(&mut self) {
        match self.write().await {
            Ok(()) if self.keeper.ledger.candidate.is_none() => self.tidy().await,
            Ok(()) => {}
            Err(error) => {
                tracing::error!(%error, "What this box knows about its releases cannot be written down; tried again.");
            }
        }
    }

    /// With no release on its way, only what may answer is kept.
    async fn tidy(&self) {
        let ledger = self.keeper.ledger.clone();
        let shelf = self.shelf.clone();
        let tidied = tokio::task::spawn_blocking(move || {
            let kept: Vec<&Name> = ledger.kept().collect();
            shelf.tidy(&kept)
        });
        if let Ok(Err(error)) = tidied.await {
            tracing::warn!(%error, "Bundles nobody needs could not be removed.");
        }
    }
}

async fn pause_until(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
