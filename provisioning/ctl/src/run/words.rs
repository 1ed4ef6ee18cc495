//! What happens in a run, line by line.

use std::fmt::Write;

use barefoot_wire::v1::{Metric, RoundView, RunView};

/// What `now` says that `before` did not.
pub(super) fn news(before: Option<&RunView>, now: &RunView) -> Vec<String> {
    let mut lines = Vec::new();
    for round in &now.round {
        let same = |old: &&RoundView| old.round == round.round && old.attempt == round.attempt;
        let old = before.and_then(|before| before.round.iter().find(same));
        for refusal in round.refused.iter().skip(old.map_or(0, |old| old.refused.len())) {
            lines.push(format!(
                "round {}: {} refused ({}): {}",
                round.round, refusal.clinic, refusal.code, refusal.reason
            ));
        }
        let changed = old.is_none_or(|old| {
            (&old.stage, old.accepted, old.declined) != (&round.stage, round.accepted, round.declined)
        });
        if changed {
            lines.push(stage(round));
        }
    }
    let ended = now.state != "running" && before.is_none_or(|before| before.state == "running");
    if ended && 0.0 < now.epsilon_spent {
        let delta = now.settings.as_ref().map_or(0.0, |settings| settings.delta);
        lines.push(format!("epsilon {:.3} at delta {delta:e}", now.epsilon_spent));
    }
    lines
}

fn stage(round: &RoundView) -> String {
    let mut line = format!("round {}", round.round);
    if 1 < round.attempt {
        let _ = write!(line, " (attempt {})", round.attempt);
    }
    let _ = write!(line, ": {}", round.stage);
    if !round.reason.is_empty() {
        let _ = write!(line, " ({})", round.reason);
    }
    let _ = write!(line, ", {} in", round.accepted);
    if round.declined != 0 {
        let _ = write!(line, ", {} declined", round.declined);
    }
    if round.stage == "finished" {
        line.push_str(&metrics(&round.metric));
    }
    line
}

fn metrics(metrics: &[Metric]) -> String {
    let shown = metrics
        .iter()
        .map(|metric| format!("  {} {:.4}", metric.name, metric.value));
    shown.collect()
}

pub(super) fn how(state: &str) -> &str {
    match state {
        "failed" => "failed",
        "stopped" => "been stopped",
        other => other,
    }
}

/// One line a run.
pub(super) fn list(runs: &[RunView]) -> String {
    if runs.is_empty() {
        return "No runs yet.".to_owned();
    }
    let lines = runs.iter().map(|run| {
        let settings = run.settings.as_ref();
        let done = run.round.iter().filter(|round| round.stage == "finished").count();
        format!(
            "{}  {:8}  {} {}  {}  round {done} of {}{}{}",
            run.run,
            run.state,
            settings.map_or("", |settings| settings.model_id.as_str()),
            settings.map_or("", |settings| settings.base_version.as_str()),
            settings.map_or("", |settings| settings.strategy.as_str()),
            settings.map_or(0, |settings| settings.rounds),
            if run.candidate_version.is_empty() {
                String::new()
            } else {
                format!("  candidate {}", run.candidate_version)
            },
            if run.reason.is_empty() {
                String::new()
            } else {
                format!("  ({})", run.reason)
            }
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use barefoot_wire::v1::RefusalView;

    use super::*;

    fn round(number: u32, stage: &str, accepted: u32) -> RoundView {
        RoundView {
            round: number,
            attempt: 1,
            stage: stage.into(),
            accepted,
            ..RoundView::default()
        }
    }

    fn view(rounds: Vec<RoundView>, state: &str) -> RunView {
        RunView {
            run: "r".into(),
            state: state.into(),
            round: rounds,
            ..RunView::default()
        }
    }

    #[test]
    fn only_what_is_new_is_told() {
        let first = view(vec![round(1, "fitting", 0)], "running");
        assert_eq!(news(None, &first), ["round 1: fitting, 0 in"]);
        assert!(news(Some(&first), &first).is_empty());
        let mut refused = round(1, "finished", 3);
        refused.refused.push(RefusalView {
            clinic: "clinic-2".into(),
            code: "norm".into(),
            reason: "its norm is 9.1, others' 1.2".into(),
            at_ms: 0,
        });
        refused.metric.push(Metric {
            name: "auc".into(),
            value: 0.9931,
        });
        let second = view(vec![refused, round(2, "fitting", 1)], "running");
        assert_eq!(
            news(Some(&first), &second),
            [
                "round 1: clinic-2 refused (norm): its norm is 9.1, others' 1.2",
                "round 1: finished, 3 in  auc 0.9931",
                "round 2: fitting, 1 in",
            ]
        );
        let again = RoundView {
            attempt: 2,
            ..round(2, "keys", 0)
        };
        let third = view(
            vec![round(1, "finished", 3), round(2, "failed", 1), again],
            "running",
        );
        assert_eq!(
            news(Some(&second), &third),
            ["round 2: failed, 1 in", "round 2 (attempt 2): keys, 0 in"]
        );
    }

    #[test]
    fn spent_privacy_is_told_at_the_end() {
        let running = view(vec![], "running");
        let mut ended = view(vec![], "finished");
        ended.epsilon_spent = 4.5;
        assert_eq!(news(Some(&running), &ended), ["epsilon 4.500 at delta 0e0"]);
        assert!(news(Some(&ended), &ended).is_empty());
    }
}
