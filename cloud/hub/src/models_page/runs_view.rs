//! From a run's state to what the template prints. Pure.

use std::collections::BTreeMap;

use barefoot_federation::privacy;
use barefoot_wire::v1;
use time::UtcOffset;

use super::curve::{self, Curve, Series};
use super::words::Words;
use crate::web::local_time;

pub(super) struct RunCard {
    pub(super) run: String,
    pub(super) state_class: String,
    pub(super) state: String,
    pub(super) reason: String,
    pub(super) model: String,
    pub(super) base_version: String,
    pub(super) candidate: Option<String>,
    pub(super) strategy: String,
    pub(super) done: usize,
    pub(super) planned: u32,
    pub(super) done_of: String,
    /// Accepted updates, round by round.
    pub(super) participants: String,
    pub(super) privacy: Vec<String>,
    pub(super) plan: Option<String>,
    pub(super) curves: Vec<Curve>,
    pub(super) rounds: Vec<RoundRow>,
    pub(super) started: String,
}

pub(super) struct RoundRow {
    pub(super) number: String,
    pub(super) stage_class: String,
    pub(super) stage: String,
    pub(super) reason: String,
    pub(super) accepted: u32,
    pub(super) declined: u32,
    pub(super) refused: Vec<RefusalRow>,
    pub(super) started: String,
}

pub(super) struct RefusalRow {
    pub(super) clinic: String,
    /// In a word, else its code.
    pub(super) word: String,
    pub(super) reason: String,
}

pub(super) fn card(words: &Words, offset: UtcOffset, run: &v1::RunView) -> RunCard {
    let settings = run.settings.clone().unwrap_or_default();
    let finished = run.round.iter().filter(|round| round.stage == "finished").count();
    let participants: Vec<String> = run.round.iter().map(|round| round.accepted.to_string()).collect();
    RunCard {
        run: run.run.clone(),
        state_class: run.state.clone(),
        state: words.state(&run.state).to_owned(),
        reason: run.reason.clone(),
        model: settings.model_id.clone(),
        base_version: settings.base_version.clone(),
        candidate: Some(run.candidate_version.clone()).filter(|version| !version.is_empty()),
        strategy: strategy(&settings),
        done: finished,
        planned: settings.rounds,
        done_of: words.done_of(finished, settings.rounds),
        participants: participants.join(" · "),
        privacy: privacy_lines(words, run, &settings),
        plan: Some(settings.plan.clone()).filter(|plan| !plan.is_empty()),
        curves: curves(words, run, settings.rounds),
        // The newest on top: that is where something happens.
        rounds: run
            .round
            .iter()
            .rev()
            .map(|round| round_row(words, offset, round))
            .collect(),
        started: local_time(run.started_at_ms, offset),
    }
}

fn strategy(settings: &v1::RunSettings) -> String {
    let parameters = settings.strategy_parameter.iter();
    let parameters: Vec<String> = parameters
        .map(|parameter| format!("{} {}", parameter.name, parameter.value))
        .collect();
    if parameters.is_empty() {
        settings.strategy.clone()
    } else {
        format!("{} ({})", settings.strategy, parameters.join(", "))
    }
}

fn privacy_lines(words: &Words, run: &v1::RunView, settings: &v1::RunSettings) -> Vec<String> {
    let terms = settings.privacy.unwrap_or_default();
    let secure = if terms.secure_aggregation {
        words.secure_on
    } else {
        words.secure_off
    };
    let noise = if 0.0 < terms.noise_multiplier {
        let whole = privacy::spent(terms.noise_multiplier, settings.rounds, settings.delta);
        let whole = whole.ok().map(privacy::Epsilon::value);
        words.spent(run.epsilon_spent, whole, settings.delta, terms.noise_multiplier)
    } else {
        words.no_noise.to_owned()
    };
    vec![noise, secure.to_owned()]
}

fn curves(words: &Words, run: &v1::RunView, rounds: u32) -> Vec<Curve> {
    // Of a round's attempts the last one counts.
    let series = |metric: &str, name: &'static str| {
        let values = run.round.iter().filter_map(|round| {
            let found = round.metric.iter().find(|one| one.name == metric)?;
            Some((round.round, found.value))
        });
        Series {
            name,
            values: values.collect::<BTreeMap<_, _>>().into_iter().collect(),
        }
    };
    // The hub's own and, weighted by examples, the clinics'. Those of single test sets are in the JSON.
    let both = |metric: &str| {
        [
            series(metric, words.on_test_sets),
            series(&format!("clinics.{metric}"), words.in_clinics),
        ]
    };
    [
        curve::draw(words.auc, &both("auc"), rounds, Some(1.0)),
        curve::draw(words.loss, &both("log_loss"), rounds, None),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn round_row(words: &Words, offset: UtcOffset, round: &v1::RoundView) -> RoundRow {
    let number = if 1 < round.attempt {
        format!("{} ({})", round.round, round.attempt)
    } else {
        round.round.to_string()
    };
    RoundRow {
        number,
        stage_class: round.stage.clone(),
        stage: words.state(&round.stage).to_owned(),
        reason: round.reason.clone(),
        accepted: round.accepted,
        declined: round.declined,
        refused: round
            .refused
            .iter()
            .map(|refusal| RefusalRow {
                clinic: refusal.clinic.clone(),
                word: words.refusal(&refusal.code).unwrap_or(&refusal.code).to_owned(),
                reason: refusal.reason.clone(),
            })
            .collect(),
        started: local_time(round.started_at_ms, offset),
    }
}
