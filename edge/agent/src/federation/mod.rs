//! The clinic's side of federated rounds: asks the hub what to do, does it within the site's policy, and answers.
//!
//! ```text
//! ask ─▶ task ─▶ terms (does the site allow it?) ─▶ stages (train, seal, keep) ─▶ transfer (chunks) ─▶ answer ─▶ ask
//! ```
//! The hub leads, the clinic starts every call. A round that ends early, a hub that restarts and a line that breaks are no
//! errors: the hub is asked again. What cannot be done is declined, with its reason, and the round goes on without this
//! clinic.

mod terms;

mod folder;

mod secrets;

mod update;

mod rules;
mod secure;

mod stages;

mod transfer;

mod asking;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use barefoot_domain::ClinicId;
use barefoot_federation::chunk::ChunkId;
use barefoot_trust::TlsIdentity;
use barefoot_wire::v1;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Channel;

use crate::clock::now_ms;
use crate::hub_services::{MAX_MESSAGE_BYTES, STALLED, answered};
use crate::idle::Idle;
use crate::learning_status::{LearningStatus, PrivacySpent, RoundNote, RoundOutcome};
use crate::local_training::{Budget, Learner, ReleaseId};
use crate::site_policy::PolicyHandle;
use asking::Pace;
use barefoot_wire::v1::task::Task;
use folder::{Claim, Store};
use rules::Rules;
use stages::{Stages, Stop};
use terms::{Declined, Terms, release_id, wire_id};
use transfer::Hub;

/// A processor that is wanted elsewhere is asked for this often.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// What a participant is made of.
pub(crate) struct Parts {
    pub clinic: ClinicId,
    pub identity: TlsIdentity,
    pub channel: Channel,
    /// Time between two questions when there is nothing to do.
    pub poll: Duration,
    /// The folder of training; nobody else writes there but the keeper of examples.
    pub directory: PathBuf,
    /// Without its part on learning every round is declined.
    pub policy: PolicyHandle,
    pub learner: Arc<dyn Learner>,
    pub idle: Idle,
    pub status: LearningStatus,
}

/// One clinic in federated rounds.
pub(crate) struct Participant {
    hub: Hub,
    poll: Duration,
    idle: Idle,
    status: LearningStatus,
    stages: Arc<Mutex<Stages>>,
    /// The last round that was declined, to be logged once.
    declined: Option<ReleaseId>,
    /// Ends what is on a thread when this is dropped.
    stop: CancellationToken,
}

impl Drop for Participant {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl std::fmt::Debug for Participant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Participant").finish_non_exhaustive()
    }
}

/// What came of a task.
enum Done {
    /// Nothing to do; the hub says when to ask again.
    Idle(Duration),
    /// A task was answered; there may be another.
    Answered,
    /// It will be tried again.
    Later,
}

impl Participant {
    /// # Errors
    /// When the folder of training cannot be used.
    pub(crate) fn new(parts: Parts) -> std::io::Result<Self> {
        let claim = Claim::lay(&parts.directory)?;
        // The account of privacy spent is as old as the folder of rounds: one without the other is a loss.
        if !std::fs::exists(parts.directory.join("rounds"))? {
            Budget::begin(&parts.directory)?;
        }
        let store = Store::open(&parts.directory)?;
        if let Err(error) = store.forget_old_secrets(None, now_ms()) {
            tracing::warn!(%error, "The secrets of a round that is over cannot be removed yet.");
        }
        parts.status.update(|view| {
            view.has_hub = true;
            view.has_policy = parts.policy.get().learning.is_some();
        });
        let hub = Hub::new(parts.channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let participant = Self {
            hub,
            poll: parts.poll,
            idle: parts.idle,
            status: parts.status,
            stages: Arc::new(Mutex::new(Stages {
                clinic: parts.clinic,
                identity: parts.identity,
                rules: Rules::new(parts.policy, parts.directory),
                learner: parts.learner,
                store,
                _claim: claim,
            })),
            declined: None,
            stop: CancellationToken::new(),
        };
        if let Some(problem) = lock(&participant.stages).rules.look() {
            participant.status.update(|view| view.problem = Some(problem));
        }
        participant.show_privacy();
        Ok(participant)
    }

    /// Asks and answers until `shutdown`. What was begun is taken up by the next start.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut pace = Pace::new(self.poll);
        loop {
            let done = tokio::select! {
                () = shutdown.cancelled() => return,
                done = self.ask() => done,
            };
            let wait = match done {
                Ok(Done::Idle(retry_after)) => pace.idle(retry_after),
                Ok(Done::Answered) => pace.answered(),
                Ok(Done::Later) => pace.failed(),
                Err(status) => {
                    let wait = pace.failed();
                    if pace.is_first_failure() {
                        let (code, reason) = (status.code(), status.message());
                        tracing::warn!(%code, reason, "The hub cannot be asked about federated rounds; trying again.");
                    }
                    wait
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn ask(&mut self) -> Result<Done, Status> {
        let looked = self
            .on_disk(|stages| (stages.rules.look(), stages.models()))
            .await?;
        let (problem, model) = looked;
        if let Some(problem) = problem {
            self.status.update(|view| view.problem = Some(problem));
        }
        self.show_privacy();
        let request = v1::PullTaskRequest {
            model,
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let task = answered(STALLED, self.hub.pull_task(request)).await?.into_inner();
        let Some(task) = task.task else {
            return Ok(Done::Idle(Duration::ZERO));
        };
        let (id, terms) = match &task {
            Task::Idle(idle) => {
                self.forget_old_secrets(None).await?;
                return Ok(Done::Idle(Duration::from_millis(idle.retry_after_ms.into())));
            }
            Task::Keys(task) => round_of(task.terms.as_ref()),
            Task::Shares(task) => round_of(task.terms.as_ref()),
            Task::Fit(task) => round_of(task.terms.as_ref()),
            Task::Evaluate(task) => round_of(task.terms.as_ref()),
            Task::Unmask(task) => (release_id(task.id.as_ref()), None),
        };
        let Some(id) = id else {
            tracing::warn!("The hub named a round that cannot be; it is left alone.");
            return Ok(Done::Later);
        };
        self.forget_old_secrets(Some(id.clone())).await?;
        self.note(terms);
        let is_last = matches!(task, Task::Evaluate(_));
        let outcome = match task {
            Task::Idle(_) => return Ok(Done::Later),
            Task::Keys(task) => self.keys(&id, task).await,
            Task::Shares(task) => self.shares(&id, task).await,
            Task::Fit(task) => self.fit(&id, task).await,
            Task::Unmask(task) => self.unmask(&id, task).await,
            Task::Evaluate(task) => self.evaluate(&id, task).await,
        };
        match outcome {
            Ok(true) => Ok(Done::Answered),
            Ok(false) => Ok(Done::Later),
            Err(Failure::Stop(Stop::Declined(declined))) => {
                if !is_last {
                    let outcome = RoundOutcome::Declined(declined.code());
                    self.status.update(|view| set_outcome(view, outcome));
                }
                self.decline(&id, declined).await
            }
            Err(Failure::Stop(Stop::Interrupted)) => Ok(Done::Later),
            Err(Failure::Stop(Stop::Disk(error))) => {
                tracing::error!(%error, "The disk must be seen to; the round is tried again.");
                Ok(Done::Later)
            }
            Err(Failure::Line(status)) => Err(status),
        }
    }

    async fn keys(&mut self, id: &ReleaseId, task: v1::KeysTask) -> Result<bool, Failure> {
        let reply = self.on_disk(move |stages| stages.keys(&task)).await??;
        let answer = answered(STALLED, self.hub.submit_keys(reply)).await?.into_inner();
        Ok(self.heard("keys", id, &answer))
    }

    async fn shares(&mut self, id: &ReleaseId, task: v1::SharesTask) -> Result<bool, Failure> {
        let now = OffsetDateTime::now_utc();
        let reply = self.on_disk(move |stages| stages.shares(&task, now)).await??;
        let answer = answered(STALLED, self.hub.submit_shares(reply))
            .await?
            .into_inner();
        Ok(self.heard("shares", id, &answer))
    }

    async fn fit(&mut self, id: &ReleaseId, task: v1::FitTask) -> Result<bool, Failure> {
        let wire_terms = task.terms.clone();
        let (terms, sealed) = self
            .on_disk(move |stages| {
                let terms = stages.check(wire_terms.as_ref())?;
                let sealed = stages.sealed_fit(&terms, now_ms())?;
                Ok::<_, Stop>((terms, sealed))
            })
            .await??;
        let reply = match sealed {
            Some(reply) => reply,
            None => {
                self.fetch_global(&terms).await?;
                self.train(task, terms).await?
            }
        };
        self.show_privacy();
        let chunks: Vec<ChunkId> = reply
            .update
            .iter()
            .flat_map(|update| &update.chunk)
            .filter_map(|id| ChunkId::try_from(id.as_slice()).ok())
            .collect();
        let (stages, of) = (Arc::clone(&self.stages), id.clone());
        transfer::push(&mut self.hub, &chunks, |chunk| lock(&stages).chunk(&of, chunk)).await?;
        let answer = answered(STALLED, self.hub.submit_fit(reply)).await?.into_inner();
        self.heard("fit", id, &answer);
        if answer.accepted {
            let id = id.clone();
            self.on_disk(move |stages| stages.fit_accepted(&id))
                .await?
                .map_err(Stop::Disk)?;
            self.status
                .update(|view| set_outcome(view, RoundOutcome::Contributed));
        } else {
            let code = answer.code.clone();
            self.status
                .update(|view| set_outcome(view, RoundOutcome::Refused(code)));
        }
        Ok(answer.accepted)
    }

    /// Waits for the hour and for an idle processor, then trains; ends early when the stage does.
    async fn train(&self, task: v1::FitTask, terms: Terms) -> Result<v1::FitReply, Failure> {
        let ends = Instant::now() + terms.ends_in;
        let (idle, stop) = (self.idle.clone(), self.stop.clone());
        let go_on = move |policy: &PolicyHandle| {
            loop {
                if stop.is_cancelled() || ends <= Instant::now() {
                    return ControlFlow::Break(());
                }
                let policy = policy.get();
                let learning = policy.learning.as_ref().filter(|learning| learning.rounds);
                let open = learning.is_some_and(|learning| learning.is_open_at(now_ms()));
                if open && idle.wait(BUSY_PAUSE) {
                    return ControlFlow::Continue(());
                }
                if !open {
                    // Asked again later: the hour may come before the stage ends. Or learning was forbidden meanwhile.
                    return ControlFlow::Break(());
                }
            }
        };
        let reply = self
            .on_disk(move |stages| {
                let policy = stages.rules.handle();
                stages.fit(&task, &terms, now_ms, &mut || go_on(&policy))
            })
            .await??;
        Ok(reply)
    }

    async fn fetch_global(&mut self, terms: &Terms) -> Result<(), Failure> {
        let wanted = terms.global.clone();
        let missing = self
            .on_disk(move |stages| stages.store.missing_global(&wanted))
            .await?
            .map_err(Stop::Disk)?;
        let stages = Arc::clone(&self.stages);
        let keep = |id: &ChunkId, content: &[u8]| lock(&stages).store.put_global(id, content);
        transfer::pull(&mut self.hub, &missing, keep).await?;
        Ok(())
    }

    async fn unmask(&mut self, id: &ReleaseId, task: v1::UnmaskTask) -> Result<bool, Failure> {
        let reply = self.on_disk(move |stages| stages.unmask(&task)).await??;
        let answer = answered(STALLED, self.hub.submit_unmask(reply))
            .await?
            .into_inner();
        self.heard("unmask", id, &answer);
        if answer.accepted {
            let id = id.clone();
            self.on_disk(move |stages| stages.forget_secrets(&id))
                .await?
                .map_err(Stop::Disk)?;
        }
        Ok(answer.accepted)
    }

    async fn evaluate(&mut self, id: &ReleaseId, task: v1::EvaluateTask) -> Result<bool, Failure> {
        let terms = self
            .on_disk(move |stages| stages.check(task.terms.as_ref()))
            .await?
            .map_err(Stop::Declined)?;
        self.fetch_global(&terms).await?;
        let reply = self.on_disk(move |stages| stages.evaluate(&terms)).await??;
        let answer = answered(STALLED, self.hub.submit_evaluate(reply))
            .await?
            .into_inner();
        Ok(self.heard("evaluate", id, &answer))
    }

    async fn decline(&mut self, id: &ReleaseId, declined: Declined) -> Result<Done, Status> {
        let again = self.declined.as_ref() == Some(id);
        if !again {
            tracing::warn!(
                run = id.run,
                round = id.round,
                reason = declined.code(),
                why = declined.why,
                "This clinic does not take part in a round."
            );
            self.declined = Some(id.clone());
        }
        let reply = v1::DeclineReply {
            id: Some(wire_id(id)),
            reason: declined.reason.into(),
        };
        answered(STALLED, self.hub.decline(reply)).await?;
        let id = id.clone();
        if let Err(error) = self.on_disk(move |stages| stages.forget_secrets(&id)).await? {
            tracing::warn!(%error, "The secrets of a declined round cannot be removed yet.");
        }
        // A hub that asks again and again is answered, but not in a hurry.
        Ok(if again { Done::Later } else { Done::Answered })
    }

    /// The hub asks about `current`, or about nothing: what else was under way may be over.
    async fn forget_old_secrets(&self, current: Option<ReleaseId>) -> Result<(), Panicked> {
        let forget = move |stages: &mut Stages| stages.store.forget_old_secrets(current.as_ref(), now_ms());
        if let Err(error) = self.on_disk(forget).await? {
            tracing::warn!(%error, "The secrets of a round that is over cannot be removed yet.");
        }
        Ok(())
    }

    /// Whether the hub took it.
    fn heard(&self, what: &'static str, id: &ReleaseId, answer: &v1::Answer) -> bool {
        let ReleaseId { run, round, attempt } = id;
        if answer.accepted {
            tracing::info!(what, run, round, attempt, "The hub took this clinic's reply.");
        } else {
            let (code, reason) = (&answer.code, &answer.reason);
            tracing::warn!(
                what,
                run,
                round,
                attempt,
                code,
                reason,
                "The hub refused this clinic's reply."
            );
        }
        answer.accepted
    }

    /// Shows a round when this clinic is first asked for it.
    fn note(&self, terms: Option<&v1::RoundTerms>) {
        let Some(terms) = terms else {
            return;
        };
        let round = terms.id.as_ref().map_or(0, |id| id.round);
        let at_ms = now_ms();
        self.status.update(|view| {
            let known = view.last_round.as_ref();
            if known.is_some_and(|known| known.model == terms.model_id && known.round == round) {
                return;
            }
            view.last_round = Some(RoundNote {
                model: terms.model_id.clone(),
                round,
                of: terms.rounds,
                at_ms,
                outcome: RoundOutcome::TakingPart,
            });
        });
    }

    fn show_privacy(&self) {
        let spent = {
            let stages = lock(&self.stages);
            stages
                .rules
                .policy()
                .zip(stages.rules.budget())
                .map(|(policy, budget)| PrivacySpent {
                    epsilon: budget.spent(),
                    budget: policy.epsilon_budget,
                    delta: policy.delta,
                })
        };
        self.status.update(|view| view.privacy = spent);
    }

    /// Files and training on a thread of their own. One task at a time: the lock is never waited for long.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Stages) -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let stages = Arc::clone(&self.stages);
        tokio::task::spawn_blocking(move || work(&mut lock(&stages)))
            .await
            .map_err(|_| Panicked)
    }
}

/// Why a task was not answered.
enum Failure {
    Stop(Stop),
    Line(Status),
}

/// A fault of ours, stopped here.
struct Panicked;

impl From<Panicked> for Failure {
    fn from(_: Panicked) -> Self {
        Self::Stop(Stop::Declined(Declined::failed("the work for a round panicked")))
    }
}

impl From<Panicked> for Status {
    fn from(_: Panicked) -> Self {
        Self::internal("The work for a round panicked.")
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Line(status)
    }
}

fn lock(stages: &Mutex<Stages>) -> std::sync::MutexGuard<'_, Stages> {
    stages.lock().unwrap_or_else(PoisonError::into_inner)
}

fn round_of(terms: Option<&v1::RoundTerms>) -> (Option<ReleaseId>, Option<&v1::RoundTerms>) {
    (terms.and_then(|terms| release_id(terms.id.as_ref())), terms)
}

fn set_outcome(view: &mut crate::learning_status::LearningView, outcome: RoundOutcome) {
    if let Some(note) = view.last_round.as_mut() {
        note.outcome = outcome;
    }
}

#[cfg(test)]
mod tests;
