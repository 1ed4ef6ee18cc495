//! What the hub hears of this box.

use barefoot_wire::v1;

use super::keeper::Keeper;
use super::life::{Life, Problem};
use crate::model::ModelHandle;

/// No study is named, and no count says which.
pub(super) fn report(keeper: &Keeper, models: &ModelHandle) -> v1::BoxReport {
    let (active, beside) = (models.active(), models.shadow());
    let name = active.as_ref().map(|active| active.model.version());
    let (candidate_version, state, ended) = match keeper.on_its_way() {
        Some((name, life)) => (name.version.clone(), slot_state(life), life.problem()),
        None => (String::new(), v1::SlotState::Unspecified, None),
    };
    let (state, problem) = match keeper.trouble() {
        Some(trouble) if trouble.refusing => (v1::SlotState::Refused, trouble.code),
        Some(trouble) => (state, trouble.code),
        None => (state, ended.map_or("", Problem::code)),
    };
    v1::BoxReport {
        model_id: name.map(|name| name.id.clone()).unwrap_or_default(),
        active_version: name.map(|name| name.version.clone()).unwrap_or_default(),
        candidate_version,
        candidate_state: state.into(),
        problem: problem.to_owned(),
        health: Some(health(
            &active.map(|active| active.health()).unwrap_or_default(),
            &beside.map(|beside| beside.health()).unwrap_or_default(),
        )),
        client_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn slot_state(life: Life) -> v1::SlotState {
    match life {
        Life::Downloading => v1::SlotState::Downloading,
        Life::Verified => v1::SlotState::Verified,
        Life::Shadow => v1::SlotState::Shadow,
        Life::Trial => v1::SlotState::Trial,
        Life::Good => v1::SlotState::Good,
        Life::Refused(_) => v1::SlotState::Refused,
        Life::RolledBack(_) => v1::SlotState::RolledBack,
    }
}

fn health(active: &crate::model::Health, beside: &crate::model::Health) -> v1::Health {
    v1::Health {
        assessed: active.assessed,
        failed: active.failed,
        reviewed: active.reviewed,
        positive: active.positive,
        latency_p50_ms: active.within_ms(0.5),
        latency_p95_ms: active.within_ms(0.95),
        shadow_assessed: beside.assessed,
        shadow_failed: beside.failed,
        shadow_disagreed: beside.disagreed,
        shadow_latency_p95_ms: beside.within_ms(0.95),
        scores: active.scores.to_vec(),
        shadow_scores: beside.scores.to_vec(),
    }
}
