//! From versions and rollouts to what the templates print. Pure: time zone and language are passed in.

use std::collections::BTreeMap;

use askama::Template;
use barefoot_wire::v1::{self, SlotState};
use time::UtcOffset;

use super::runs_view::{self, RunCard};
use super::words::Words;
use crate::model_registry::{ModelState, VersionOverview};
use crate::web::local_time;

/// Bounds that are not held, shown on the page; all are in the report.
const MOST_BROKEN: usize = 5;

/// The whole page.
#[derive(Template)]
#[template(path = "models.html")]
pub(super) struct PageView {
    pub(super) words: &'static Words,
    /// There are accounts.
    pub(super) accounts: bool,
    pub(super) list: ListView,
}

/// The part that changes, also served alone for the script to swap in.
#[derive(Template)]
#[template(path = "models_list.html")]
pub(super) struct ListView {
    words: &'static Words,
    runs: Vec<RunCard>,
    versions: Vec<VersionRow>,
    rollouts: Vec<RolloutMap>,
}

/// What there is to show, the newest first.
pub(super) struct Shown<'a> {
    pub(super) runs: &'a [v1::RunView],
    pub(super) versions: &'a [VersionOverview],
    pub(super) rollouts: &'a [v1::RolloutView],
    /// How many boxes run a version: model id, version, number.
    pub(super) boxes: &'a [(String, String, u32)],
}

struct VersionRow {
    id: String,
    version: String,
    state_class: &'static str,
    state: &'static str,
    made: String,
    run: Option<String>,
    base_version: Option<String>,
    boxes: u32,
    gate: Gate,
}

/// What the gate says of a version.
enum Gate {
    NotNeeded,
    Waiting,
    Judged(Judged),
}

struct Judged {
    class: &'static str,
    held: String,
    broken: Vec<String>,
    uncovered: usize,
    figures: Vec<String>,
}

struct RolloutMap {
    model: String,
    version: String,
    state_class: String,
    state: String,
    reason: String,
    rings: Vec<Ring>,
}

struct Ring {
    name: String,
    /// The rollout has reached it.
    reached: bool,
    boxes: Vec<BoxChip>,
}

struct BoxChip {
    clinic: String,
    class: &'static str,
    state: &'static str,
    active: String,
    problem: String,
    seen: Option<String>,
}

pub(super) fn list(words: &'static Words, offset: UtcOffset, shown: &Shown<'_>) -> ListView {
    ListView {
        words,
        runs: shown
            .runs
            .iter()
            .map(|run| runs_view::card(words, offset, run))
            .collect(),
        versions: shown
            .versions
            .iter()
            .map(|version| {
                let counted = shown.boxes.iter();
                let mut here = counted.filter(|(id, of, _)| *id == version.id && *of == version.version);
                row(
                    words,
                    offset,
                    version,
                    here.next().map_or(0, |(.., boxes)| *boxes),
                )
            })
            .collect(),
        rollouts: shown
            .rollouts
            .iter()
            .map(|rollout| map(words, offset, rollout))
            .collect(),
    }
}

fn row(words: &Words, offset: UtcOffset, version: &VersionOverview, boxes: u32) -> VersionRow {
    let gate = match (&version.gate, version.state) {
        (Some(summary), _) => Gate::Judged(Judged {
            class: if summary.passed { "passed" } else { "refused" },
            held: words.bounds_held(summary.held, summary.held + summary.broken.len()),
            broken: summary
                .broken
                .iter()
                .take(MOST_BROKEN)
                .map(|check| words.bound(check))
                .collect(),
            uncovered: summary.uncovered,
            figures: summary
                .figures
                .iter()
                .map(|figure| {
                    let number =
                        |auc: Option<f64>| auc.map_or_else(|| "—".to_owned(), |auc| format!("{auc:.4}"));
                    format!(
                        "{} · {}: AUC {} → {}",
                        figure.set,
                        figure.finding,
                        number(figure.base_auc),
                        number(figure.candidate_auc)
                    )
                })
                .collect(),
        }),
        (None, ModelState::Base) => Gate::NotNeeded,
        (None, _) => Gate::Waiting,
    };
    VersionRow {
        id: version.id.clone(),
        version: version.version.clone(),
        state_class: version.state.name(),
        state: words.model_state(version.state),
        made: local_time(version.made_at_ms, offset),
        run: version.run.clone(),
        base_version: version.base_version.clone(),
        boxes,
        gate,
    }
}

fn map(words: &Words, offset: UtcOffset, rollout: &v1::RolloutView) -> RolloutMap {
    let model = rollout.model.clone().unwrap_or_default();
    let mut rings = BTreeMap::<u32, Vec<BoxChip>>::new();
    for one in &rollout.r#box {
        rings
            .entry(one.ring)
            .or_default()
            .push(chip(words, offset, one, &model.version));
    }
    RolloutMap {
        model: model.id,
        version: model.version,
        state_class: rollout.state.clone(),
        state: words.state(&rollout.state).to_owned(),
        reason: rollout.reason.clone(),
        rings: rings
            .into_iter()
            .map(|(number, boxes)| Ring {
                name: words.ring(number),
                reached: number <= rollout.ring,
                boxes,
            })
            .collect(),
    }
}

fn chip(words: &Words, offset: UtcOffset, one: &v1::BoxView, version: &str) -> BoxChip {
    let state = one.candidate_state();
    BoxChip {
        clinic: one.clinic.clone(),
        class: match state {
            _ if one.seen_at_ms == 0 => "unseen",
            SlotState::Refused | SlotState::RolledBack => "bad",
            SlotState::Good if one.active_version == version => "good",
            SlotState::Good | SlotState::Unspecified => "waiting",
            SlotState::Downloading | SlotState::Verified | SlotState::Shadow | SlotState::Trial => {
                "under-way"
            }
        },
        state: words.slot(state),
        active: one.active_version.clone(),
        problem: one.problem.clone(),
        seen: (0 < one.seen_at_ms).then(|| local_time(one.seen_at_ms, offset)),
    }
}
