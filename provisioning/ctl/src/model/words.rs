//! Models and rollouts, for people.

use std::fmt::Write;

use barefoot_wire::v1::{ModelName, ModelView, RolloutView, SlotState};

use crate::bundle::Report;

/// One line a version.
pub(super) fn list(models: &[ModelView]) -> String {
    if models.is_empty() {
        return "The hub knows no model: `barefootctl model register BUNDLE`.".to_owned();
    }
    let lines = models.iter().map(|model| {
        let run = if model.run.is_empty() {
            String::new()
        } else {
            format!("  run {}", model.run)
        };
        format!(
            "{} {}  {:9}  {} boxes{run}",
            model.id, model.version, model.state, model.boxes
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(super) fn report(name: &ModelName, passed: bool, report: &Report) -> String {
    let ModelName { id, version } = name;
    if passed {
        return format!(
            "{id} {version} passed its gate: {} bounds held.\n`barefootctl model candidate {id} {version} --out DIR` fetches it for signing.",
            report.held()
        );
    }
    let mut text = format!("{id} {version} was refused by its gate and cannot be released. Not held:");
    for line in report.failed() {
        let _ = write!(text, "\n  {line}");
    }
    text
}

pub(super) fn rollout(view: &RolloutView) -> String {
    let name = view.model.clone().unwrap_or_default();
    let mut text = format!("{} {}: {}", name.id, name.version, view.state.replace('_', " "));
    if view.state == "ring" {
        let _ = write!(text, " {}", view.ring);
    }
    if !view.reason.is_empty() {
        let _ = write!(text, " ({})", view.reason);
    }
    for member in &view.r#box {
        let _ = write!(
            text,
            "\n  {}  ring {}  runs {}",
            member.clinic,
            member.ring,
            if member.active_version.is_empty() {
                "nothing"
            } else {
                &member.active_version
            }
        );
        let state = state(member.candidate_state());
        if !state.is_empty() {
            let _ = write!(text, "  {state}");
        }
        if !member.problem.is_empty() {
            let _ = write!(text, " ({})", member.problem);
        }
    }
    text
}

fn state(state: SlotState) -> &'static str {
    match state {
        SlotState::Unspecified => "",
        SlotState::Downloading => "downloading",
        SlotState::Verified => "verified",
        SlotState::Shadow => "beside the active one",
        SlotState::Trial => "on trial",
        SlotState::Good => "good",
        SlotState::Refused => "refused",
        SlotState::RolledBack => "went back",
    }
}

#[cfg(test)]
mod tests {
    use barefoot_wire::v1::BoxView;

    use super::*;

    #[test]
    fn a_rollout_names_every_box_and_its_trouble() {
        let view = RolloutView {
            model: Some(ModelName {
                id: "cxr".into(),
                version: "0.2.0".into(),
            }),
            state: "ring".into(),
            ring: 2,
            r#box: vec![
                BoxView {
                    clinic: "clinic-1".into(),
                    active_version: "0.2.0".into(),
                    candidate_state: SlotState::Good.into(),
                    ..BoxView::default()
                },
                BoxView {
                    clinic: "clinic-2".into(),
                    ring: 1,
                    candidate_state: SlotState::Refused.into(),
                    problem: "golden".into(),
                    ..BoxView::default()
                },
            ],
            ..RolloutView::default()
        };
        assert_eq!(
            rollout(&view),
            "cxr 0.2.0: ring 2\n  clinic-1  ring 0  runs 0.2.0  good\n  clinic-2  ring 1  runs nothing  refused (golden)"
        );
    }
}
