//! Which model answers, and which runs beside it.

use std::sync::Arc;
use std::time::Instant;

use barefoot_wire::v1::Action;

use super::healths::Healths;
use super::hub_line::Instruction;
use super::judge;
use super::keeper::Trouble;
use super::ledger::{Candidate, Name};
use super::life::{Event, Life, Problem};
use super::slot::ModelSlot;
use super::start::Unfit;
use crate::clock::now_ms;
use crate::model::ActiveModel;

impl ModelSlot {
    pub(super) async fn candidate_opened(
        &mut self,
        candidate: &Candidate,
        result: Result<Box<ActiveModel>, Unfit>,
    ) {
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

    pub(super) async fn good_opened(&mut self, name: &Name, result: Result<Box<ActiveModel>, Unfit>) {
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

    pub(super) async fn look_at_health(&mut self) {
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

    pub(super) async fn save_health(&self) {
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

    pub(super) async fn instructed(&mut self, instruction: &Instruction) {
        let (desired, at_work) = (&instruction.desired, self.at_work());
        let nameless = desired.action() == Action::RollBack && desired.version.is_empty();
        if nameless && instruction.answering != at_work.active {
            // Said of a model that does not answer any more: it would take the one before along.
            return;
        }
        let before = self.keeper.ledger.candidate.as_ref().map(|it| it.name.clone());
        if !self.keeper.instructed(desired, &at_work, now_ms()) {
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
    pub(super) fn follow_the_ledger(&mut self) {
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
}
