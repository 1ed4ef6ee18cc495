//! Applies an input to a run: the life cycle decides, the journal is written, then memory follows.

use barefoot_domain::ClinicId;
use barefoot_federation::hygiene::{Refusal as Hygiene, median_norm, norm_outliers};
use barefoot_federation::round::{
    Duty, Failure, Input, Progress, Refused, Round, RunStep, Stage, weighted_metrics,
};

use super::Error;
use super::refusal::Refusal;
use super::run::{ActiveRun, Attempt, Weighted};
use crate::archive::{
    Archive, AttemptKey, AttemptRow, GlobalRow, Next, RefusalRow, ReplyRow, RunEnd, RunState, Transition,
};

/// What is written down together with an input, when the round takes it.
#[derive(Debug, Default)]
pub(super) struct With {
    pub(super) reply: Option<ReplyRow>,
    pub(super) refusals: Vec<RefusalRow>,
    pub(super) metrics: Vec<(String, f64)>,
    pub(super) global: Option<GlobalRow>,
    /// What an accepted evaluation says.
    pub(super) evaluation: Option<Weighted>,
}

/// What an input did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Applied {
    /// Whether the round took it.
    pub(super) taken: Result<(), Refused>,
    /// The stage, the attempt or the state of the run is another one now.
    pub(super) moved: bool,
}

/// Asks the round, journals its word, and only then changes `run`.
///
/// # Errors
/// When the journal did not take it; `run` is then as before.
pub(super) async fn apply(
    archive: &Archive,
    run: &mut ActiveRun,
    input: &Input<'_>,
    with: With,
    now_ms: i64,
) -> Result<Applied, Error> {
    let mut after = run.attempt.round.clone();
    let taken = after.apply(input, now_ms);
    if after == run.attempt.round {
        return Ok(Applied { taken, moved: false });
    }
    let with = if taken.is_ok() { with } else { With::default() };
    let plan = Plan::new(run, after, with, now_ms);
    archive.write_transition(&plan.written).await?;
    let moved = plan.carry_out(run, now_ms);
    Ok(Applied { taken, moved })
}

/// One transition: what is written, and what memory becomes afterwards.
struct Plan {
    written: Transition,
    round: Round,
    /// The accepted update's norm, or evaluation.
    norm: Option<(ClinicId, f64)>,
    evaluation: Option<(ClinicId, Weighted)>,
    next: Option<Attempt>,
}

impl Plan {
    fn new(run: &ActiveRun, mut round: Round, mut with: With, now_ms: i64) -> Self {
        let attempt = &run.attempt;
        let norm = with.reply.as_ref().filter(|reply| reply.duty == Duty::Fit);
        let norm = norm.map(|reply| (reply.clinic.clone(), reply.norm));
        if attempt.round.stage() == Stage::Fitting && round.stage() == Stage::Aggregating {
            exclude_outliers(attempt, norm.as_ref(), &mut round, &mut with.refusals, now_ms);
        }
        let clinic = with.reply.as_ref().map(|reply| reply.clinic.clone());
        let evaluation = clinic.zip(with.evaluation.take());
        if round.stage() == Stage::Finished {
            let replies = attempt
                .evaluations
                .values()
                .chain(evaluation.as_ref().map(|(_, reply)| reply));
            let means = weighted_metrics(replies.map(|(weight, metrics)| (*weight, metrics.as_slice())));
            let named = means
                .into_iter()
                .map(|(name, value)| (format!("clinics.{name}"), value));
            with.metrics.extend(named);
        }
        // The journal takes no NaN, and would refuse the whole transition for one.
        with.metrics.retain(|(_, value)| value.is_finite());
        let known = attempt.round.members();
        let changed = round
            .members()
            .iter()
            .filter(|(clinic, member)| known.get(clinic) != Some(member));
        let members = changed
            .map(|(clinic, member)| (clinic.clone(), *member))
            .collect();
        let ended = round.stage().is_end();
        let row = AttemptRow {
            stage: round.stage(),
            reason: round.failure().map(ToString::to_string).unwrap_or_default(),
            deadline_ms: round.deadline_ms(),
            extended: round.extended(),
            ended_at_ms: ended.then_some(now_ms),
            released: attempt.released || released(&round),
            ..attempt.row()
        };
        let (after, next) = if ended {
            follow(run, &round, with.global.as_ref(), now_ms)
        } else {
            (None, None)
        };
        Self {
            written: Transition {
                attempt: row,
                members,
                reply: with.reply,
                refusals: with.refusals,
                metrics: with.metrics,
                global: with.global,
                next: after,
            },
            round,
            norm,
            evaluation,
            next,
        }
    }

    fn carry_out(self, run: &mut ActiveRun, now_ms: i64) -> bool {
        let (before, stage) = (run.attempt.round.stage(), self.round.stage());
        tell(run, &self.written, before);
        let attempt = &mut run.attempt;
        attempt.round = self.round;
        attempt.released = self.written.attempt.released;
        attempt.norms.extend(self.norm);
        attempt.evaluations.extend(self.evaluation);
        if let Some(global) = self.written.global {
            attempt.next_global = Some(global);
        }
        let somebody_left = self
            .written
            .members
            .iter()
            .any(|(_, member)| member.left.is_some());
        if before != stage || somebody_left {
            attempt.server = None;
        }
        if before != stage {
            run.job = None;
        }
        match self.written.next {
            Some(Next::Run(end)) => {
                run.state = end.state;
                run.row.reason = end.reason;
                run.row.ended_at_ms = Some(now_ms);
            }
            Some(Next::Attempt(_)) | None => {}
        }
        if let Some(next) = self.next {
            run.attempt = next;
        }
        before != stage
    }
}

/// Updates far longer than the others' are taken out, each with its reason.
fn exclude_outliers(
    attempt: &Attempt,
    newest: Option<&(ClinicId, f64)>,
    round: &mut Round,
    refusals: &mut Vec<RefusalRow>,
    now_ms: i64,
) {
    let norm_of = |clinic: &ClinicId| match newest {
        Some((newest, norm)) if newest == clinic => Some(*norm),
        _ => attempt.norms.get(clinic).copied(),
    };
    let counted: Vec<(ClinicId, f64)> = round
        .reached(Progress::Fitted)
        .filter_map(|clinic| Some((clinic.clone(), norm_of(clinic)?)))
        .collect();
    let norms: Vec<f64> = counted.iter().map(|(_, norm)| *norm).collect();
    let median = median_norm(&norms).unwrap_or_default();
    for outlier in norm_outliers(&norms) {
        let Some((clinic, norm)) = counted.get(outlier) else {
            continue;
        };
        // Once too few are left the round has ended, and the others only get their reason.
        let _ = round.apply(&Input::Exclude(clinic), now_ms);
        let refusal = Refusal::from(Hygiene::NormOutlier { norm: *norm, median });
        refusals.push(refusal.row(clinic, now_ms));
    }
}

/// Whether something of the clinics' data lies open at the hub: an update, or under secure aggregation their sum.
fn released(round: &Round) -> bool {
    if round.rules().secure {
        matches!(
            round.stage(),
            Stage::Aggregating | Stage::Evaluating | Stage::Finished
        )
    } else {
        round.reached(Progress::Fitted).next().is_some()
    }
}

/// What follows on the end of an attempt.
fn follow(
    run: &ActiveRun,
    round: &Round,
    made: Option<&GlobalRow>,
    now_ms: i64,
) -> (Option<Next>, Option<Attempt>) {
    let (key, setup) = (&run.attempt.key, &run.setup);
    let end = |state, reason: String| {
        let end = RunEnd {
            state,
            reason,
            candidate: String::new(),
            at_ms: now_ms,
        };
        (Some(Next::Run(end)), None)
    };
    if round.failure() == Some(&Failure::Stopped) {
        return end(RunState::Stopped, Failure::Stopped.to_string());
    }
    let finished = round.stage() == Stage::Finished;
    match setup.run.after(key.round, key.attempt, finished) {
        RunStep::Attempt { round, attempt } => {
            let made = made.or(run.attempt.next_global.as_ref()).filter(|_| finished);
            let global = made.unwrap_or(&run.attempt.global).clone();
            let key = AttemptKey {
                run: key.run.clone(),
                round,
                attempt,
            };
            let next = Attempt::start(key, Round::start(setup.rules, now_ms), global, now_ms);
            (Some(Next::Attempt(next.row())), Some(next))
        }
        RunStep::Finish => end(RunState::Finishing, String::new()),
        RunStep::Fail => {
            let reason = round.failure().map(ToString::to_string).unwrap_or_default();
            end(RunState::Failed, format!("Round {} failed: {reason}", key.round))
        }
    }
}

/// What an operator reads.
fn tell(run: &ActiveRun, written: &Transition, before: Stage) {
    let AttemptKey {
        run: id,
        round,
        attempt,
    } = &written.attempt.key;
    for refusal in &written.refusals {
        let (clinic, code, reason) = (&refusal.clinic, &refusal.code, &refusal.reason);
        tracing::warn!(run = id, round, attempt, %clinic, code, reason, "A clinic's reply was refused.");
    }
    let stage = written.attempt.stage;
    if before != stage {
        let clinics = written.members.len().max(run.attempt.round.members().len());
        if stage == Stage::Failed {
            let reason = &written.attempt.reason;
            tracing::warn!(run = id, round, attempt, reason, "An attempt at a round failed.");
        } else {
            tracing::info!(run = id, round, attempt, %stage, clinics, "A round entered its next stage.");
        }
    }
    match &written.next {
        Some(Next::Run(end)) if end.state == RunState::Failed => {
            tracing::error!(
                run = id,
                reason = end.reason,
                "A run failed; start another when the cause is mended."
            );
        }
        Some(Next::Run(end)) => {
            tracing::info!(run = id, state = end.state.name(), "A run changed its state.")
        }
        Some(Next::Attempt(_)) | None => {}
    }
}
