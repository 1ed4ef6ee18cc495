//! What a clinic does at each stage of a round: tasks and the disk in, replies out. Blocking, no network.
//!
//! Every reply is kept before it is sent and is the answer from then on, whatever happens in between: no noise is drawn
//! twice, no question of secure aggregation is answered two ways.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::encoding::{Encoding, decode_into};
use barefoot_federation::layout::CHUNK_VALUES;
use barefoot_federation::secagg::{Client, Envelope};
use barefoot_trust::TlsIdentity;
use barefoot_wire::v1;
use time::OffsetDateTime;

use super::folder::{Attempt, Claim, Reply, Store};
use super::rules::Rules;
use super::secure;
use super::terms::{Declined, Terms, release_id, wire_encoding, wire_id};
use super::update::{self, Sealed, seal_masked, seal_plain};
use crate::clock::now_ms;
use crate::error_chain::chain;
use crate::local_training::{Budget, BudgetError, Fitted, GoOn, LearnError, Learner, ReleaseId};

/// Added to a stage's time before an attempt that the hub does not ask about counts as over: hubs restart, clocks differ.
const SILENCE: Duration = Duration::from_secs(3600);

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// The hub is told; the round does not wait for this clinic.
    #[error("the round is declined: {}", .0.why)]
    Declined(Declined),
    /// Tried again when the hub is asked next.
    #[error("training was interrupted")]
    Interrupted,
    /// Tried again when the hub is asked next.
    #[error("the disk failed")]
    Disk(#[from] io::Error),
}

impl From<Declined> for Stop {
    fn from(declined: Declined) -> Self {
        Self::Declined(declined)
    }
}

fn failed(why: impl Into<String>) -> Stop {
    Stop::Declined(Declined::failed(why))
}

fn broken(error: &dyn std::error::Error) -> Stop {
    failed(chain(error))
}

/// The clinic's side of all rounds. One for the box: it alone writes the store and spends the budget.
pub(super) struct Stages {
    pub(super) clinic: ClinicId,
    pub(super) identity: TlsIdentity,
    pub(super) rules: Rules,
    pub(super) learner: Arc<dyn Learner>,
    pub(super) store: Store,
    /// Nobody else writes the store meanwhile.
    pub(super) _claim: Claim,
}

impl Stages {
    /// What this box can train, for the hub's choice of task.
    pub(super) fn models(&self) -> Vec<v1::TrainableModel> {
        let trainable = self.learner.trainable();
        trainable
            .into_iter()
            .map(|model| v1::TrainableModel {
                id: model.id,
                version: model.version,
                backbone: vec![model.backbone],
            })
            .collect()
    }

    /// # Errors
    /// When the terms break a rule of the site's.
    pub(super) fn check(&self, terms: Option<&v1::RoundTerms>) -> Result<Terms, Declined> {
        let terms = terms.ok_or_else(|| Declined::failed("the task has no terms"))?;
        Terms::check(terms, self.rules.policy(), self.learner.trainable().as_ref())
    }

    /// Everything that must be true before this clinic begins to work for a round.
    fn enter(&self, terms: &Terms) -> Result<Attempt, Stop> {
        if let Some(attempt) = self.store.find(&terms.id)? {
            if !attempt.holds_to(&terms.fingerprint)? {
                return Err(failed("the hub changed the terms of the round"));
            }
            return Ok(attempt);
        }
        enough(self.learner.examples(), terms)?;
        if terms.protection.secure && !terms.protection.has_noise() && self.store.was_unmasked(&terms.id)? {
            // The same update in two sums: their difference would show what the others changed, or this one alone.
            let why = "a sum of this round with this clinic's update was unmasked already, and no noise protects a second one";
            return Err(Declined::new(v1::DeclineReason::Policy, why).into());
        }
        if terms.protection.has_noise() {
            let checked = self.budget()?.check(terms.protection.noise_multiplier);
            checked.map_err(|error| over_budget(&error))?;
        }
        let attempt = self.store.enter(&terms.id)?;
        attempt.holds_to(&terms.fingerprint)?;
        Ok(attempt)
    }

    fn budget(&self) -> Result<&Budget, Stop> {
        self.rules.budget().ok_or_else(no_account)
    }

    /// # Errors
    /// [`Stop`].
    pub(super) fn keys(&self, task: &v1::KeysTask) -> Result<v1::KeysReply, Stop> {
        let terms = self.check(task.terms.as_ref())?;
        if !terms.protection.secure {
            return Err(failed("keys are asked for in a round without secure aggregation"));
        }
        let attempt = self.enter(&terms)?;
        attempt.keep_end(end_of(&terms))?;
        if let Some(reply) = attempt.reply(Reply::Keys)? {
            return Ok(reply);
        }
        let params = terms.secure_params()?;
        let client = Client::new(params.clone(), self.clinic.clone(), &mut rand::rng());
        let advert = client.advert().map_err(|error| broken(&error))?;
        let signed = self
            .identity
            .sign(&advert.signing_bytes(&params, &self.clinic))
            .map_err(|error| broken(&error))?;
        let reply = v1::KeysReply {
            id: Some(wire_id(&terms.id)),
            advert: Some(secure::wire_advert(&self.clinic, &advert, signed)),
        };
        keep_client(&attempt, &client)?;
        attempt.keep_reply(Reply::Keys, &reply)?;
        Ok(reply)
    }

    /// # Errors
    /// [`Stop`].
    pub(super) fn shares(&self, task: &v1::SharesTask, now: OffsetDateTime) -> Result<v1::SharesReply, Stop> {
        let terms = self.check(task.terms.as_ref())?;
        let attempt = self.entered(&terms)?;
        attempt.keep_end(end_of(&terms))?;
        if let Some(reply) = attempt.reply(Reply::Shares)? {
            return Ok(reply);
        }
        let params = terms.secure_params()?;
        if task.threshold != u32::from(params.threshold()) {
            return Err(failed("the threshold is not the one the round was entered with"));
        }
        let roster = secure::checked_roster(&task.roster, &params, &self.identity, now)?;
        let mut client = restore_client(&attempt)?;
        let shares = client.share(roster.clone()).map_err(|error| broken(&error))?;
        let reply = secure::shares_reply(wire_id(&terms.id), &self.clinic, &roster, &shares);
        keep_client(&attempt, &client)?;
        attempt.keep_reply(Reply::Shares, &reply)?;
        Ok(reply)
    }

    /// A fit that was sealed before, ready to be sent (again).
    ///
    /// # Errors
    /// [`Stop`].
    pub(super) fn sealed_fit(&mut self, terms: &Terms, now_ms: i64) -> Result<Option<v1::FitReply>, Stop> {
        let attempt = if terms.protection.secure {
            let attempt = self.entered(terms)?;
            attempt.keep_end(end_of(terms))?;
            attempt
        } else {
            self.enter(terms)?
        };
        if let Some(reply) = attempt.reply::<v1::FitReply>(Reply::Fit)? {
            self.spend(terms, now_ms)?;
            return Ok(Some(reply));
        }
        if self.rules.budget().is_some_and(|budget| budget.knows(&terms.id)) {
            return Err(failed(
                "the update of this attempt may have left and is not here any more",
            ));
        }
        Ok(None)
    }

    /// Trains and seals; what comes out is kept and may be sent. The global parameters' chunks are in the store.
    ///
    /// # Errors
    /// [`Stop`].
    pub(super) fn fit(
        &mut self,
        task: &v1::FitTask,
        terms: &Terms,
        now_ms: impl Fn() -> i64,
        go_on: GoOn<'_>,
    ) -> Result<v1::FitReply, Stop> {
        let attempt = self.entered(terms)?;
        let global = self.global(terms)?;
        let fitted = self.learner.fit(&global, &terms.order, go_on).map_err(learning)?;
        if fitted.delta.len() != terms.layout.elements() {
            return Err(failed("the update has another length than the model"));
        }
        // Some may have been withdrawn since the round was entered.
        enough(fitted.examples, terms)?;
        let examples = fitted.examples;
        let metric = figures(&fitted, terms);
        let client = match terms.protection.secure {
            true => Some(self.opened_client(&attempt, &task.inbox)?),
            false => None,
        };
        let (sealed, client) = seal(fitted, terms, &attempt, client)?;
        let ids = attempt.keep_chunks(&sealed.chunks)?;
        if let Some(residual) = &sealed.residual {
            attempt.keep_residual(residual)?;
        }
        let reply = v1::FitReply {
            id: Some(wire_id(&terms.id)),
            update: Some(parameters(terms, &ids)),
            // The exact number is a figure about this clinic, too.
            examples: match terms.protection.hides_figures() {
                true => terms.minimum_examples.max(1),
                false => examples,
            },
            metric,
        };
        attempt.keep_reply(Reply::Fit, &reply)?;
        if let Some(client) = client {
            keep_client(&attempt, &client)?;
        }
        self.spend(terms, now_ms())?;
        Ok(reply)
    }

    /// Written down before a noised update leaves. A release that was written down is not counted again.
    fn spend(&mut self, terms: &Terms, now_ms: i64) -> Result<(), Stop> {
        if !terms.protection.has_noise() {
            return Ok(());
        }
        let budget = self.rules.budget_mut().ok_or_else(no_account)?;
        match budget.spend(&terms.id, terms.protection.noise_multiplier, now_ms) {
            Ok(()) => Ok(()),
            Err(BudgetError::Disk { source }) => Err(Stop::Disk(source)),
            Err(error) => Err(over_budget(&error)),
        }
    }

    fn opened_client(&self, attempt: &Attempt, inbox: &[v1::SealedShare]) -> Result<Client, Stop> {
        let mut client = restore_client(attempt)?;
        let inbox: BTreeMap<ClinicId, Envelope> = secure::checked_inbox(inbox, &self.clinic)?;
        let opened = client.open(&inbox).map_err(|error| broken(&error))?;
        for dealer in &opened.unreadable {
            tracing::warn!(%dealer, "A clinic's share for this one cannot be opened; the round goes on without it.");
        }
        keep_client(attempt, &client)?;
        Ok(client)
    }

    /// # Errors
    /// [`Stop`].
    pub(super) fn unmask(&self, task: &v1::UnmaskTask) -> Result<v1::UnmaskReply, Stop> {
        let id = release_id(task.id.as_ref()).ok_or_else(|| failed("the round has no proper name"))?;
        let attempt = self
            .store
            .find(&id)?
            .ok_or_else(|| failed("this clinic is not in the round"))?;
        let survivors = secure::checked_survivors(&task.survivors)?;
        let given = attempt.reply(Reply::Unmask)?;
        if let (Some(reply), None) = (given, attempt.secagg()?) {
            // The secrets are gone; the one answer there ever was gives nothing more away.
            return Ok(reply);
        }
        let mut client = restore_client(&attempt)?;
        // Asked the same, the client answers the same; asked something else, it refuses.
        let shares = client.unmask(&survivors).map_err(|error| broken(&error))?;
        let reply = secure::unmask_reply(wire_id(&id), &shares);
        keep_client(&attempt, &client)?;
        self.store.keep_unmasked(&id)?;
        attempt.keep_reply(Reply::Unmask, &reply)?;
        Ok(reply)
    }

    /// # Errors
    /// [`Stop`].
    pub(super) fn evaluate(&self, terms: &Terms) -> Result<v1::EvaluateReply, Stop> {
        if terms.protection.hides_figures() {
            let why = "exact figures about this clinic would undo what masks or noise protect";
            return Err(Declined::new(v1::DeclineReason::Policy, why).into());
        }
        let attempt = self.store.enter(&terms.id)?;
        if let Some(reply) = attempt.reply(Reply::Evaluate)? {
            return Ok(reply);
        }
        enough(self.learner.examples(), terms)?;
        let global = self.global(terms)?;
        let evaluated = self.learner.evaluate(&global).map_err(learning)?;
        if evaluated.examples == 0 || evaluated.metrics.is_empty() {
            let why = "nothing is held out to measure with";
            return Err(Declined::new(v1::DeclineReason::TooFewExamples, why).into());
        }
        let reply = v1::EvaluateReply {
            id: Some(wire_id(&terms.id)),
            examples: evaluated.examples,
            metric: wire_metrics(&evaluated.metrics),
        };
        attempt.keep_reply(Reply::Evaluate, &reply)?;
        Ok(reply)
    }

    /// The hub has the update.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn fit_accepted(&self, id: &ReleaseId) -> io::Result<()> {
        match self.store.find(id)? {
            Some(attempt) => attempt.settle_residual(),
            None => Ok(()),
        }
    }

    /// The attempt has no more use for this clinic's secrets.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn forget_secrets(&self, id: &ReleaseId) -> io::Result<()> {
        match self.store.find(id)? {
            Some(attempt) => attempt.destroy_secagg(),
            None => Ok(()),
        }
    }

    /// # Errors
    /// When the disk fails.
    pub(super) fn chunk(&self, id: &ReleaseId, chunk: &ChunkId) -> io::Result<Option<Vec<u8>>> {
        match self.store.find(id)? {
            Some(attempt) => attempt.chunk(chunk),
            None => Ok(None),
        }
    }

    /// The attempt as it was entered at an earlier stage, under the same terms.
    fn entered(&self, terms: &Terms) -> Result<Attempt, Stop> {
        let attempt = self
            .store
            .find(&terms.id)?
            .ok_or_else(|| failed("this clinic has not entered the round"))?;
        if attempt.holds_to(&terms.fingerprint)? {
            Ok(attempt)
        } else {
            Err(failed("the hub changed the terms of the round"))
        }
    }

    fn global(&self, terms: &Terms) -> Result<Vec<f32>, Stop> {
        let mut values = vec![0.0_f32; terms.layout.elements()];
        for (into, id) in values.chunks_mut(CHUNK_VALUES).zip(&terms.global) {
            // Damaged since it was fetched: it is fetched again.
            let bytes = self.store.global(id)?.ok_or(Stop::Interrupted)?;
            decode_into(&bytes, Encoding::F32, into).map_err(|error| broken(&error))?;
        }
        Ok(values)
    }
}

/// The hub's minimum and the site's.
fn enough(examples: u32, terms: &Terms) -> Result<(), Declined> {
    if terms.minimum_examples.max(1) <= examples {
        return Ok(());
    }
    let why = format!("{examples} examples, {} are needed", terms.minimum_examples);
    Err(Declined::new(v1::DeclineReason::TooFewExamples, why))
}

fn seal(
    fitted: Fitted,
    terms: &Terms,
    attempt: &Attempt,
    client: Option<Client>,
) -> Result<(Sealed, Option<Client>), Stop> {
    let mut rng = rand::rng();
    let broken = |error: update::Error| broken(&error);
    match client {
        Some(mut client) => {
            let sealed = seal_masked(fitted.delta, fitted.examples, terms, &mut client, &mut rng);
            Ok((sealed.map_err(broken)?, Some(client)))
        }
        None => {
            let owed = attempt.owed()?;
            let sealed = seal_plain(fitted.delta, terms, owed, &mut rng).map_err(broken)?;
            Ok((sealed, None))
        }
    }
}

fn figures(fitted: &Fitted, terms: &Terms) -> Vec<v1::Metric> {
    if terms.protection.hides_figures() {
        return Vec::new();
    }
    wire_metrics(&fitted.metrics)
}

fn wire_metrics(metrics: &[(String, f64)]) -> Vec<v1::Metric> {
    metrics
        .iter()
        .map(|(name, value)| v1::Metric {
            name: name.clone(),
            value: *value,
        })
        .collect()
}

fn parameters(terms: &Terms, chunks: &[ChunkId]) -> v1::Parameters {
    let specs = terms.layout.specs().iter();
    v1::Parameters {
        tensors: specs
            .map(|spec| v1::TensorSpec {
                name: spec.name.clone(),
                shape: spec.shape.clone(),
            })
            .collect(),
        encoding: wire_encoding(terms.encoding).into(),
        chunk: chunks.iter().map(|id| id.0.to_vec()).collect(),
    }
}

/// When an attempt whose stage ends as `terms` say is surely over if the hub has not asked again.
fn end_of(terms: &Terms) -> i64 {
    // A stage with too few replies waits as long again.
    let wait = terms.ends_in.saturating_mul(2).saturating_add(SILENCE);
    now_ms().saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

fn keep_client(attempt: &Attempt, client: &Client) -> Result<(), Stop> {
    let state = client.to_bytes().map_err(|error| broken(&error))?;
    Ok(attempt.keep_secagg(&state)?)
}

fn restore_client(attempt: &Attempt) -> Result<Client, Stop> {
    let state = attempt
        .secagg()?
        .ok_or_else(|| failed("the state of secure aggregation is gone"))?;
    Client::from_bytes(&state).map_err(|error| broken(&error))
}

fn learning(error: LearnError) -> Stop {
    match error {
        LearnError::Stopped => Stop::Interrupted,
        LearnError::NoModel => Declined::new(v1::DeclineReason::OtherModel, error.to_string()).into(),
        LearnError::Failed { .. } => broken(&error),
    }
}

fn no_account() -> Stop {
    Declined::new(
        v1::DeclineReason::Budget,
        "the account of privacy spent cannot be used",
    )
    .into()
}

fn over_budget(error: &BudgetError) -> Stop {
    Declined::new(v1::DeclineReason::Budget, chain(error)).into()
}
