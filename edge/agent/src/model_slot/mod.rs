//! New models on this box: fetched, checked, run beside the active one, let to answer, kept or sent back.
//!
//! Two sources, the hub and a stick; neither is believed, only signatures are (`barefoot_trust::release`). What a
//! release goes through is [`Life`](life::Life); what is known survives a power cut in `ledger`; `keeper` decides what to
//! do next, `judge` whether a model does well; `shelf` is where bundles lie, `fetching` and `source` bring them there;
//! `start` chooses the model at a start; `hub_line` and `report` talk to the hub. The loop below does the work, one
//! piece at a time, and never stands in a study's way.

mod config;
mod fetching;
mod healths;
mod hub_line;
mod judge;
mod keeper;
mod ledger;
mod life;
mod report;
mod shelf;
mod source;
mod start;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barefoot_trust::release::Targets;
use barefoot_wire::v1::{BoxReport, Desired};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

pub(crate) use config::Config;

use crate::clock::now_ms;
use crate::config::ModelConfig;
use crate::finding_names::FindingNames;
use crate::model::{ActiveModel, ModelHandle};
use crate::status::{ModelStatus, ReleaseStatus, Status};
use healths::Healths;
use hub_line::HubLine;
use keeper::{AtWork, Keeper, Trouble, Work};
use ledger::{Candidate, Ledger, Name, Origin};
use life::{Event, Life, Problem};
use shelf::Shelf;
use source::Source;
use start::{Started, Unfit};

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
    config: Config,
    model_config: ModelConfig,
    shelf: Shelf,
    keeper: Keeper,
    models: ModelHandle,
    names: FindingNames,
    status: Status,
    hub: Option<HubAccess>,
    /// The model before the one on trial, kept open: going back takes no time.
    fallback: Option<Arc<ActiveModel>>,
    work: JoinSet<Done>,
    /// Ends work that is not wanted any more.
    doing: Option<CancellationToken>,
    /// The ledger on disk is older than the one here.
    unsaved: bool,
}

/// What came of a piece of work.
#[derive(Debug)]
enum Done {
    Consulted(Origin, Result<Targets, fetching::Error>),
    Obtained(Name, Result<u64, fetching::Error>),
    Candidate(Candidate, Result<Box<ActiveModel>, Unfit>),
    Good(Name, Result<Box<ActiveModel>, Unfit>),
    Dropped,
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
                Some(desired) = instructions.recv(), if with_hub => self.instructed(&desired).await,
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

    fn begin_work(&mut self) {
        if !self.work.is_empty() {
            return;
        }
        let at_work = AtWork {
            active: self.models.active().map(|it| Name::of(it.model.version())),
            beside: self.models.shadow().map(|it| Name::of(it.model.version())),
        };
        let Some(work) = self.keeper.next(&at_work, Instant::now()) else {
            return;
        };
        let doing = CancellationToken::new();
        self.doing = Some(doing.clone());
        let (shelf, config) = (self.shelf.clone(), self.model_config.clone());
        match work {
            Work::Consult(origin) => {
                let (source, root) = (self.source(origin), self.config.root.clone());
                self.work.spawn(async move {
                    let consulted = match source {
                        Some(source) => fetching::consult(&shelf, root, &source).await,
                        None => Err(fetching::Error::NoSource),
                    };
                    Done::Consulted(origin, consulted)
                });
            }
            Work::Obtain(origin, release) => {
                let (name, source) = (keeper::name_of(&release), self.source(origin));
                self.work.spawn(async move {
                    let obtaining = async {
                        match source {
                            Some(source) => fetching::obtain(shelf, source, release).await,
                            None => Err(fetching::Error::NoSource),
                        }
                    };
                    tokio::select! {
                        () = doing.cancelled() => Done::Dropped,
                        obtained = obtaining => Done::Obtained(name, obtained),
                    }
                });
            }
            Work::OpenCandidate(candidate) => {
                let healths = Healths::load(self.shelf.root());
                let health = match candidate.life {
                    Life::Trial => healths.answering(&candidate.name),
                    _ => healths.beside(&candidate.name),
                };
                self.work.spawn(async move {
                    let asked = candidate.clone();
                    let opening =
                        move || start::open_candidate(&shelf, &config, &asked, health).map(Box::new);
                    Done::Candidate(candidate, opened(tokio::task::spawn_blocking(opening).await))
                });
            }
            Work::OpenGood => {
                let good = self.keeper.ledger.good.clone();
                let Some(name) = self.keeper.ledger.good_name().cloned() else {
                    return;
                };
                self.work.spawn(async move {
                    let opening = move || match &good {
                        Some(good) => start::open_installed(&shelf, &config, good),
                        None => crate::model::open(shelf.factory(), &config).map_err(Unfit::from),
                    };
                    let opening = move || opening().map(Box::new);
                    Done::Good(name, opened(tokio::task::spawn_blocking(opening).await))
                });
            }
        }
    }

    fn source(&self, origin: Origin) -> Option<Source> {
        match origin {
            Origin::Hub => self.hub.as_ref().map(|hub| Source::hub(hub.channel.clone())),
            Origin::Usb => self.config.usb.clone().map(Source::Directory),
        }
    }

    async fn done(&mut self, done: Result<Done, JoinError>) {
        self.doing = None;
        let now = Instant::now();
        match done {
            Ok(Done::Consulted(origin, result)) => {
                if let Err(error) = &result {
                    log_refusal(error);
                }
                if self.keeper.consulted(origin, result.as_ref(), now, now_ms()) {
                    self.follow_the_ledger();
                    self.save().await;
                }
            }
            Ok(Done::Obtained(name, Ok(bytes))) => {
                if self.keeper.obtained(&name, now_ms()) {
                    tracing::info!(model = %name, bytes, "A release is here, whole and as it was signed.");
                    self.save().await;
                }
            }
            Ok(Done::Obtained(name, Err(error))) => {
                log_refusal(&error);
                if self.keeper.candidate_is(&name) {
                    self.keeper.hindered(Trouble::of(&error), now);
                }
            }
            Ok(Done::Candidate(candidate, result)) => self.candidate_opened(&candidate, result).await,
            Ok(Done::Good(name, result)) => self.good_opened(&name, result).await,
            Ok(Done::Dropped) => {}
            Err(error) => {
                tracing::error!(%error, "Work on a release panicked; it is tried again.");
                self.keeper.hindered(
                    Trouble {
                        code: "panicked",
                        refusing: false,
                    },
                    now,
                );
            }
        }
    }

    async fn candidate_opened(&mut self, candidate: &Candidate, result: Result<Box<ActiveModel>, Unfit>) {
        if !self.keeper.candidate_is(&candidate.name) {
            return;
        }
        let model = match result {
            Ok(model) => Arc::new(*model),
            Err(unfit) => {
                tracing::error!(model = %candidate.name, reason = unfit.text, "A new model was refused.");
                self.keeper.failed(unfit.problem, now_ms());
                self.follow_the_ledger();
                return self.save().await;
            }
        };
        // Beside nothing there is nothing to compare it with.
        let shadow = 0 < candidate.shadow_studies && self.models.active().is_some();
        match self.keeper.ledger.candidate.as_ref().map(|it| it.life) {
            Some(Life::Verified) if !shadow => self.activate(model, Event::Passed { shadow }).await,
            Some(Life::Verified | Life::Shadow) => {
                self.keeper.happened(Event::Passed { shadow }, now_ms());
                tracing::info!(model = %candidate.name, "A new model runs beside the active one.");
                self.models.set_shadow(Some(model));
                self.save().await;
            }
            Some(Life::Trial) => self.answer_with(model),
            _ => {}
        }
    }

    async fn good_opened(&mut self, name: &Name, result: Result<Box<ActiveModel>, Unfit>) {
        if self.keeper.ledger.good_name() != Some(name) {
            return;
        }
        match result {
            Ok(model) => {
                tracing::info!(model = %name, "An earlier model answers again.");
                self.answer_with(Arc::new(*model));
            }
            Err(unfit) => {
                tracing::error!(model = %name, reason = unfit.text, "The model to go back to cannot be opened.");
                if self.keeper.ledger.good.is_some() {
                    self.keeper.ledger.good_failed(unfit.problem, now_ms());
                    self.save().await;
                } else {
                    self.keeper.good_failed_at = Some(Instant::now());
                    self.answer_without(unfit.text);
                }
            }
        }
    }

    /// From the next study on the candidate answers; studies that have begun end with the model they began with.
    async fn activate(&mut self, model: Arc<ActiveModel>, event: Event) {
        let before = self.models.active();
        let earlier = self.keeper.ledger.clone();
        if let Some(candidate) = &mut self.keeper.ledger.candidate {
            candidate.before_p95_ms = before.as_ref().and_then(|it| judge::p95_ms(&it.health()));
        }
        if !self.keeper.happened(event, now_ms()) {
            return;
        }
        // First on disk: were the daemon to die with it, the next start must know whom to blame.
        if let Err(error) = self.write().await {
            tracing::error!(%error, "A new model does not answer yet: that cannot be written down.");
            self.keeper.ledger = earlier;
            self.keeper.hindered(
                Trouble {
                    code: "state",
                    refusing: false,
                },
                Instant::now(),
            );
            return;
        }
        model.count_anew();
        self.models.set_shadow(None);
        self.fallback = before;
        tracing::info!(model = %model.model.version(), "A new model answers, on trial.");
        self.answer_with(model);
    }

    async fn look_at_health(&mut self) {
        self.save_health().await;
        let Some(candidate) = self.keeper.ledger.candidate.clone() else {
            return;
        };
        let (active, beside) = (self.models.active(), self.models.shadow());
        let is_candidate = |it: &Arc<ActiveModel>| Name::of(it.model.version()) == candidate.name;
        let mut terms = judge::Terms {
            shadow_studies: candidate.shadow_studies,
            trial_studies: candidate.trial_studies,
            before_p95_ms: candidate.before_p95_ms,
        };
        match candidate.life {
            Life::Shadow => {
                let Some(beside) = beside.filter(is_candidate) else {
                    return;
                };
                terms.before_p95_ms = active.and_then(|it| judge::p95_ms(&it.health()));
                match judge::beside(&beside.health(), &terms) {
                    Some(Event::Failed(problem)) => self.give_up(problem).await,
                    Some(event) => self.activate(beside, event).await,
                    None => {}
                }
            }
            Life::Trial => {
                let Some(active) = active.filter(is_candidate) else {
                    return;
                };
                match judge::on_trial(&active.health(), &terms) {
                    Some(Event::Failed(problem)) => self.give_up(problem).await,
                    Some(event) => self.good(&active, event).await,
                    None => {}
                }
            }
            _ => {}
        }
    }

    async fn save_health(&self) {
        let healths = Healths::of(&self.models);
        let root = self.shelf.root().to_owned();
        let saved = tokio::task::spawn_blocking(move || healths.save(&root)).await;
        if let Ok(Err(error)) = saved {
            tracing::warn!(%error, "How the models do could not be written down.");
        }
    }

    async fn good(&mut self, active: &ActiveModel, event: Event) {
        if self.keeper.happened(event, now_ms()) {
            tracing::info!(model = %active.model.version(), "A new model has proven itself.");
            active.end_probation();
            self.fallback = None;
            self.save().await;
        }
    }

    async fn give_up(&mut self, problem: Problem) {
        if self.keeper.failed(problem, now_ms()) {
            self.follow_the_ledger();
            self.save().await;
        }
    }

    async fn instructed(&mut self, desired: &Desired) {
        let before = self.keeper.ledger.candidate.as_ref().map(|it| it.name.clone());
        if !self.keeper.instructed(desired, now_ms()) {
            return;
        }
        let after = self.keeper.ledger.candidate.as_ref().map(|it| &it.name);
        if before.as_ref() != after
            && let Some(doing) = self.doing.take()
        {
            doing.cancel();
        }
        self.follow_the_ledger();
        self.save().await;
    }

    /// What must not go on, ends at once; what should answer and is open, answers at once.
    fn follow_the_ledger(&mut self) {
        let ledger = &self.keeper.ledger;
        let candidate = ledger.candidate.as_ref();
        let stays = |it: &Arc<ActiveModel>, life: Life| {
            candidate.is_some_and(|its| its.life == life && its.name == Name::of(it.model.version()))
        };
        if self.models.shadow().is_some_and(|it| !stays(&it, Life::Shadow)) {
            self.models.set_shadow(None);
        }
        if candidate.is_some_and(|it| it.life == Life::Trial) {
            return;
        }
        let good = ledger.good_name().cloned();
        let fallback = self.fallback.take();
        if let Some(model) = fallback.filter(|it| Some(Name::of(it.model.version())) == good) {
            tracing::warn!(model = %model.model.version(), "The model before answers again.");
            self.answer_with(model);
        }
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

    fn answer_with(&mut self, model: Arc<ActiveModel>) {
        self.keeper.good_failed_at = None;
        self.names.learn(model.names.clone());
        self.status.set_model(model.status());
        self.models.set_active(Some(model));
    }

    fn answer_without(&mut self, problem: String) {
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

    async fn write(&mut self) -> std::io::Result<()> {
        let (ledger, root): (Ledger, PathBuf) = (self.keeper.ledger.clone(), self.shelf.root().to_owned());
        let written = tokio::task::spawn_blocking(move || ledger.save(&root)).await;
        let written = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        self.unsaved = written.is_err();
        written
    }

    /// Written again after the next event when it fails: a model that must go goes, whether or not the disk takes it.
    async fn save(&mut self) {
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

fn opened(joined: Result<Result<Box<ActiveModel>, Unfit>, JoinError>) -> Result<Box<ActiveModel>, Unfit> {
    joined.unwrap_or_else(|_| {
        Err(Unfit {
            problem: Problem::Bundle,
            text: "opening the model panicked".to_owned(),
        })
    })
}

fn log_refusal(error: &fetching::Error) {
    let (code, reason) = (error.code(), crate::error_chain::chain(error));
    if error.is_passing() {
        tracing::info!(
            code,
            reason,
            "A release cannot be had at the moment; tried again."
        );
    } else {
        tracing::error!(code, reason, "A release is refused.");
    }
}

async fn pause_until(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
