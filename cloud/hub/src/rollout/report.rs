//! What a box's report must be before it is kept or counted.

use barefoot_wire::v1::{BoxReport, Health, SlotState};

const SCORE_BINS: usize = 10;
/// No count of studies is larger; sums over all boxes then stay exact as numbers.
const MOST: u64 = 1 << 40;
/// An hour for a picture, milliseconds.
const SLOWEST_MS: f64 = 3_600_000.0;

/// # Errors
/// What is wrong.
pub(super) fn check(report: &BoxReport) -> Result<(), &'static str> {
    let names = [
        &report.model_id,
        &report.active_version,
        &report.candidate_version,
        &report.problem,
        &report.client_version,
    ];
    if !names.iter().all(|name| is_name_or_empty(name)) {
        return Err("A report's names are up to 64 letters, digits, dots, dashes or underscores.");
    }
    if SlotState::try_from(report.candidate_state).is_err() {
        return Err("A report's slot state is one of the known.");
    }
    let health = report.health.clone().unwrap_or_default();
    if !is_health(&health) {
        return Err("A report's counts cannot be.");
    }
    Ok(())
}

fn is_health(health: &Health) -> bool {
    let Health {
        assessed,
        failed,
        reviewed,
        positive,
        latency_p50_ms,
        latency_p95_ms,
        shadow_assessed,
        shadow_failed,
        shadow_disagreed,
        shadow_latency_p95_ms,
        scores,
        shadow_scores,
    } = health;
    let counts = [
        assessed,
        failed,
        reviewed,
        positive,
        shadow_assessed,
        shadow_failed,
        shadow_disagreed,
    ];
    let times = [latency_p50_ms, latency_p95_ms, shadow_latency_p95_ms];
    let histogram = |bins: &[u64]| {
        (bins.is_empty() || bins.len() == SCORE_BINS) && bins.iter().all(|count| *count <= MOST)
    };
    let asked = assessed.saturating_add(*failed);
    let shadow_asked = shadow_assessed.saturating_add(*shadow_failed);
    counts.iter().all(|count| **count <= MOST)
        && times.iter().all(|time| (0.0..=SLOWEST_MS).contains(*time))
        && *reviewed <= asked
        && *positive <= asked
        && *shadow_disagreed <= shadow_asked
        && histogram(scores)
        && histogram(shadow_scores)
}

fn is_name_or_empty(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+');
    text.len() <= 64 && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_reports_are_refused() {
        let sound = BoxReport {
            model_id: "cxr".into(),
            active_version: "0.1.0".into(),
            health: Some(Health {
                assessed: 3,
                reviewed: 2,
                latency_p95_ms: 12.5,
                scores: vec![1; 10],
                ..Health::default()
            }),
            ..BoxReport::default()
        };
        check(&sound).unwrap();
        check(&BoxReport::default()).unwrap();
        let with = |change: &dyn Fn(&mut BoxReport, &mut Health)| {
            let (mut report, mut health) = (sound.clone(), sound.health.clone().unwrap());
            change(&mut report, &mut health);
            report.health = Some(health);
            check(&report)
        };
        with(&|report, _| report.active_version = "<b>".into()).unwrap_err();
        with(&|report, _| report.problem = "x".repeat(65)).unwrap_err();
        with(&|report, _| report.candidate_state = 99).unwrap_err();
        with(&|_, health| health.reviewed = 4).unwrap_err();
        with(&|_, health| health.assessed = u64::MAX).unwrap_err();
        with(&|_, health| health.latency_p95_ms = f64::NAN).unwrap_err();
        with(&|_, health| health.latency_p95_ms = -1.0).unwrap_err();
        with(&|_, health| health.scores = vec![1; 11]).unwrap_err();
    }
}
