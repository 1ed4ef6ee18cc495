//! The same for programs. Own types: what programs read changes only on purpose.

use std::collections::BTreeMap;

use barefoot_wire::v1;
use serde::Serialize;

use crate::model_registry::{GateSummary, VersionOverview};

#[derive(Serialize)]
pub(super) struct Runs {
    runs: Vec<Run>,
}

#[derive(Serialize)]
struct Run {
    run: String,
    model: String,
    base_version: String,
    candidate_version: Option<String>,
    state: String,
    reason: String,
    rounds_planned: u32,
    strategy: String,
    strategy_parameters: BTreeMap<String, f64>,
    quorum: u32,
    plan: Option<String>,
    noise_multiplier: f64,
    clip_norm: f64,
    secure_aggregation: bool,
    delta: f64,
    /// Null where no noise is added: nothing is promised then.
    epsilon_spent: Option<f64>,
    started_at_ms: i64,
    ended_at_ms: Option<i64>,
    rounds: Vec<Round>,
}

#[derive(Serialize)]
struct Round {
    round: u32,
    attempt: u32,
    stage: String,
    reason: String,
    accepted: u32,
    declined: u32,
    refused: Vec<Refusal>,
    metrics: BTreeMap<String, f64>,
    started_at_ms: i64,
    ended_at_ms: Option<i64>,
}

#[derive(Serialize)]
struct Refusal {
    clinic: String,
    code: String,
    reason: String,
    at_ms: i64,
}

#[derive(Serialize)]
pub(super) struct Models<'a> {
    models: Vec<Model<'a>>,
}

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    version: &'a str,
    state: &'static str,
    made_at_ms: i64,
    run: Option<&'a str>,
    base_version: Option<&'a str>,
    gate: Option<&'a GateSummary>,
}

pub(super) fn runs(runs: &[v1::RunView]) -> Runs {
    Runs {
        runs: runs.iter().map(run).collect(),
    }
}

pub(super) fn models(versions: &[VersionOverview]) -> Models<'_> {
    Models {
        models: versions
            .iter()
            .map(|version| Model {
                id: &version.id,
                version: &version.version,
                state: version.state.name(),
                made_at_ms: version.made_at_ms,
                run: version.run.as_deref(),
                base_version: version.base_version.as_deref(),
                gate: version.gate.as_ref(),
            })
            .collect(),
    }
}

fn run(run: &v1::RunView) -> Run {
    let settings = run.settings.clone().unwrap_or_default();
    let privacy = settings.privacy.unwrap_or_default();
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Run {
        run: run.run.clone(),
        candidate_version: given(&run.candidate_version),
        state: run.state.clone(),
        reason: run.reason.clone(),
        rounds_planned: settings.rounds,
        strategy_parameters: named(&settings.strategy_parameter),
        quorum: settings.quorum,
        plan: given(&settings.plan),
        noise_multiplier: privacy.noise_multiplier,
        clip_norm: privacy.clip_norm,
        secure_aggregation: privacy.secure_aggregation,
        delta: settings.delta,
        epsilon_spent: (0.0 < privacy.noise_multiplier).then_some(run.epsilon_spent),
        started_at_ms: run.started_at_ms,
        ended_at_ms: (0 < run.ended_at_ms).then_some(run.ended_at_ms),
        rounds: run.round.iter().map(round).collect(),
        model: settings.model_id,
        base_version: settings.base_version,
        strategy: settings.strategy,
    }
}

fn round(round: &v1::RoundView) -> Round {
    Round {
        round: round.round,
        attempt: round.attempt,
        stage: round.stage.clone(),
        reason: round.reason.clone(),
        accepted: round.accepted,
        declined: round.declined,
        refused: round
            .refused
            .iter()
            .map(|refusal| Refusal {
                clinic: refusal.clinic.clone(),
                code: refusal.code.clone(),
                reason: refusal.reason.clone(),
                at_ms: refusal.at_ms,
            })
            .collect(),
        metrics: named(&round.metric),
        started_at_ms: round.started_at_ms,
        ended_at_ms: (0 < round.ended_at_ms).then_some(round.ended_at_ms),
    }
}

fn named(metrics: &[v1::Metric]) -> BTreeMap<String, f64> {
    metrics
        .iter()
        .map(|metric| (metric.name.clone(), metric.value))
        .collect()
}
