//! How well a head does on examples it was not trained on.

/// Scores are kept this far from 0 and 1: a single certain mistake must not make the mean infinite.
const LEAST_PROBABILITY: f64 = 1e-7;

/// Area under the receiver operating characteristic: the part of all pairs of a present and an absent one in which the
/// present one scores higher, ties counting half (Hanley & McNeil 1982). `None` unless both kinds are there.
pub(crate) fn auc(scored: &[(f64, bool)]) -> Option<f64> {
    let mut sorted: Vec<(f64, bool)> = scored.to_vec();
    sorted.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let present = sorted.iter().filter(|(_, present)| *present).count() as f64;
    let absent = sorted.len() as f64 - present;
    if present == 0.0 || absent == 0.0 {
        return None;
    }
    let (mut wins, mut absent_below) = (0.0, 0.0);
    for ties in sorted.chunk_by(|(one, _), (other, _)| one == other) {
        let present_here = ties.iter().filter(|(_, present)| *present).count() as f64;
        let absent_here = ties.len() as f64 - present_here;
        wins += present_here * (absent_below + absent_here / 2.0);
        absent_below += absent_here;
    }
    Some(wins / (present * absent))
}

/// Mean negative log likelihood, in nats. `None` of nothing.
pub(crate) fn log_loss(logits: &[(f64, bool)]) -> Option<f64> {
    let loss = |(logit, present): &(f64, bool)| {
        let probability = 1.0 / (1.0 + (-logit).exp());
        let right = if *present { probability } else { 1.0 - probability };
        -right.clamp(LEAST_PROBABILITY, 1.0).ln()
    };
    (!logits.is_empty()).then(|| logits.iter().map(loss).sum::<f64>() / logits.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_counts_pairs_and_halves_ties() {
        let scored = [(0.1, false), (0.4, false), (0.35, true), (0.8, true)];
        assert_eq!(auc(&scored), Some(0.75));
        assert_eq!(auc(&[(0.5, true), (0.5, false)]), Some(0.5));
        assert_eq!(auc(&[(0.5, true), (0.7, true)]), None);
        assert_eq!(auc(&[]), None);
    }

    #[test]
    fn the_loss_is_the_mean_and_stays_finite() {
        let even = log_loss(&[(0.0, true), (0.0, false)]).unwrap();
        assert!((even - 2.0_f64.ln()).abs() < 1e-12);
        let wrong = log_loss(&[(1e9, false)]).unwrap();
        assert!(wrong.is_finite() && 16.0 < wrong);
        assert_eq!(log_loss(&[]), None);
    }
}
