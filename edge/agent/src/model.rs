//! The models at work in this box: the one that answers and the one that runs beside it, shared by all who need them.
//!
//! A study takes the model once and keeps it to its end, so a change of model drops no study and mixes none.

mod at_work;
mod confidence;
mod health;
mod opening;
mod others;
mod runner;
pub(crate) mod shadow;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use barefoot_domain::FindingCode;
use barefoot_inference::Model;
use tokio::sync::{Notify, SetOnce, mpsc};

use crate::finding_names::FindingName;
use crate::status::ModelStatus;

pub(crate) use at_work::{AtWork, Probation};
pub(crate) use confidence::SiteConfidence;
pub(crate) use health::{Health, StudyCount};
pub(crate) use opening::{Unusable, open, open_model};
pub(crate) use others::{OtherModel, Role};
pub(crate) use others::{check as check_others, open_others};
pub(crate) use runner::{Runner, Silence};
pub(crate) use shadow::ShadowStudy;

/// A model that answers, or runs beside the one that does.
#[derive(Debug)]
pub(crate) struct ActiveModel {
    pub(crate) model: Model,
    /// What its bundle calls its findings.
    pub(crate) names: Vec<(FindingCode, FindingName)>,
    pub(crate) runner: Runner,
    /// How sure its calls are on this site.
    pub(crate) confidence: SiteConfidence,
    health: Mutex<Health>,
    /// It began to answer; changed while `health` is locked.
    answers: AtomicBool,
    /// `None` for one that was never on probation.
    probation: Option<Probation>,
}

/// A model and what it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    /// `None` for the one that answers first.
    pub(crate) role: Option<Role>,
    pub(crate) active: Arc<ActiveModel>,
}

impl Seat {
    pub(crate) fn on_panel(&self) -> bool {
        matches!(self.role, None | Some(Role::Panel))
    }
}

#[derive(Debug)]
struct Slots {
    active: RwLock<Option<Arc<ActiveModel>>>,
    shadow: RwLock<Option<Arc<ActiveModel>>>,
    /// The site's further models: those of the panel, those for other things, then those that stand in.
    others: RwLock<Vec<Seat>>,
    /// To the model beside.
    studies: mpsc::Sender<ShadowStudy>,
    /// Studies being assessed.
    assessing: AtomicUsize,
    /// The last study being assessed has ended.
    quiet: Notify,
    /// A study has been counted.
    counted: Notify,
    /// What is to answer was opened, or cannot be.
    opened: SetOnce<()>,
}

/// Which models are at work. Cheap to clone; every clone sees the same.
#[derive(Debug, Clone)]
pub(crate) struct ModelHandle(Arc<Slots>);

/// A study is being assessed until this is dropped.
#[derive(Debug)]
pub(crate) struct Assessing<'a>(&'a Slots);

impl ActiveModel {
    pub(crate) fn new(model: Model, names: Vec<(FindingCode, FindingName)>) -> Self {
        Self {
            model,
            names,
            runner: Runner::default(),
            confidence: SiteConfidence::default(),
            health: Mutex::default(),
            answers: AtomicBool::new(false),
            probation: None,
        }
    }

    /// It goes on counting from `health`, and whoever it takes along is noticed until its probation has ended.
    pub(crate) fn on_probation(self, probation: Probation, health: Health) -> Self {
        Self {
            probation: Some(probation),
            ..self.counting_from(health)
        }
    }

    pub(crate) fn counting_from(self, health: Health) -> Self {
        Self {
            health: Mutex::new(health),
            ..self
        }
    }

    /// How it stands on the clinic page while it answers.
    pub(crate) fn status(&self) -> ModelStatus {
        let version = self.model.version();
        ModelStatus {
            model: Some(version.to_string()),
            demonstration: version.demonstration,
            engine: Some(self.model.engine().clone()),
            ..ModelStatus::default()
        }
    }

    pub(crate) fn count(&self, study: &StudyCount) {
        self.lock().count(study);
    }

    /// Counts a study it saw beside another; not when it has begun to answer meanwhile.
    pub(crate) fn count_beside(&self, study: &StudyCount) {
        let mut health = self.lock();
        if !self.answers.load(Ordering::Relaxed) {
            health.count(study);
        }
    }

    pub(crate) fn health(&self) -> Health {
        self.lock().clone()
    }

    /// It begins to answer: what was counted beside another does not count any more.
    pub(crate) fn count_anew(&self) {
        let mut health = self.lock();
        self.answers.store(true, Ordering::Relaxed);
        *health = Health::default();
    }

    pub(crate) fn at_work(&self) -> Option<AtWork<'_>> {
        self.probation.as_ref().map(Probation::begin)
    }

    pub(crate) fn end_probation(&self) {
        if let Some(probation) = &self.probation {
            probation.end();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ModelHandle {
    /// Without any model, and the studies for the one beside.
    pub(crate) fn new() -> (Self, mpsc::Receiver<ShadowStudy>) {
        let (studies, waiting) = shadow::channel();
        let slots = Slots {
            active: RwLock::default(),
            shadow: RwLock::default(),
            others: RwLock::default(),
            studies,
            assessing: AtomicUsize::new(0),
            quiet: Notify::new(),
            counted: Notify::new(),
            opened: SetOnce::new(),
        };
        (Self(Arc::new(slots)), waiting)
    }

    /// The model that answers; `None` where none works: every study then goes to review.
    #[must_use]
    pub(crate) fn active(&self) -> Option<Arc<ActiveModel>> {
        read(&self.0.active)
    }

    /// The model that runs beside it and shows nothing.
    #[must_use]
    pub(crate) fn shadow(&self) -> Option<Arc<ActiveModel>> {
        read(&self.0.shadow)
    }

    /// All models that may be asked about a study: the one that answers first before the others.
    #[must_use]
    pub(crate) fn seats(&self) -> Vec<Seat> {
        let first = self.active().map(|active| Seat { role: None, active });
        let others = self.0.others.read().unwrap_or_else(PoisonError::into_inner);
        first.into_iter().chain(others.iter().cloned()).collect()
    }

    /// The site's further models, those that stand in last.
    pub(crate) fn set_others(&self, models: Vec<(Role, Arc<ActiveModel>)>) {
        let mut seats: Vec<Seat> = models
            .into_iter()
            .map(|(role, active)| Seat {
                role: Some(role),
                active,
            })
            .collect();
        seats.sort_by_key(|seat| match seat.role {
            None | Some(Role::Panel) => 0,
            Some(Role::Also) => 1,
            Some(Role::Fallback) => 2,
        });
        *self.0.others.write().unwrap_or_else(PoisonError::into_inner) = seats;
    }

    /// Until it is known which model answers after the start: a study that comes sooner waits for it.
    pub(crate) async fn opened(&self) {
        self.0.opened.wait().await;
    }

    /// It is known now.
    pub(crate) fn set_opened(&self) {
        // Only the first time matters.
        let _ = self.0.opened.set(());
    }

    /// Studies that have begun end with the model they began with.
    pub(crate) fn set_active(&self, model: Option<Arc<ActiveModel>>) {
        *self.0.active.write().unwrap_or_else(PoisonError::into_inner) = model;
    }

    pub(crate) fn set_shadow(&self, model: Option<Arc<ActiveModel>>) {
        *self.0.shadow.write().unwrap_or_else(PoisonError::into_inner) = model;
    }

    /// The model beside sees the study when it has time for it; when another still waits, it does not.
    pub(crate) fn offer(&self, study: ShadowStudy) {
        let _ = self.0.studies.try_send(study);
    }

    /// While a study is being assessed, the model beside stays away from the processor.
    pub(crate) fn assessing(&self) -> Assessing<'_> {
        self.0.assessing.fetch_add(1, Ordering::AcqRel);
        Assessing(&self.0)
    }

    /// Until no study is being assessed.
    pub(crate) async fn quiet(&self) {
        loop {
            // Asked for before the look, so that an end in between is not missed.
            let ended = self.0.quiet.notified();
            if self.0.assessing.load(Ordering::Acquire) == 0 {
                return;
            }
            ended.await;
        }
    }

    /// A study has been counted for one of the models.
    pub(crate) fn announce(&self) {
        self.0.counted.notify_one();
    }

    /// Until a study has been counted since the last time somebody waited here. For one listener.
    pub(crate) async fn counted(&self) {
        self.0.counted.notified().await;
    }
}

impl Drop for Assessing<'_> {
    fn drop(&mut self) {
        if self.0.assessing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.quiet.notify_waiters();
        }
    }
}

fn read(slot: &RwLock<Option<Arc<ActiveModel>>>) -> Option<Arc<ActiveModel>> {
    slot.read().unwrap_or_else(PoisonError::into_inner).clone()
}
