//! What reports of many boxes say together. Pure.

use barefoot_wire::v1::Health;

/// 99.9 % quantile of chi-squared with as many degrees of freedom less one as there are bins (10).
const CHI_SQUARED: f64 = 27.877;

/// Empty bins count as this part of a study: the index has no logarithm of nothing.
const EMPTY: f64 = 0.5;

/// Several boxes' counts together.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Pool {
    pub(super) assessed: u64,
    pub(super) failed: u64,
    pub(super) reviewed: u64,
    pub(super) scores: Vec<u64>,
    pub(super) shadow_assessed: u64,
    pub(super) shadow_failed: u64,
    pub(super) shadow_disagreed: u64,
    pub(super) shadow_scores: Vec<u64>,
}

impl Pool {
    pub(super) fn of<'a>(healths: impl Iterator<Item = &'a Health>) -> Self {
        let mut pool = Self::default();
        for health in healths {
            for (sum, one) in [
                (&mut pool.assessed, health.assessed),
                (&mut pool.failed, health.failed),
                (&mut pool.reviewed, health.reviewed),
                (&mut pool.shadow_assessed, health.shadow_assessed),
                (&mut pool.shadow_failed, health.shadow_failed),
                (&mut pool.shadow_disagreed, health.shadow_disagreed),
            ] {
                *sum = sum.saturating_add(one);
            }
            add(&mut pool.scores, &health.scores);
            add(&mut pool.shadow_scores, &health.shadow_scores);
        }
        pool
    }

    /// Studies the answering model was asked about.
    pub(super) fn asked(&self) -> u64 {
        self.assessed.saturating_add(self.failed)
    }

    /// Studies the model beside was asked about.
    pub(super) fn shadow_asked(&self) -> u64 {
        self.shadow_assessed.saturating_add(self.shadow_failed)
    }
}

fn add(sum: &mut Vec<u64>, one: &[u64]) {
    if sum.len() < one.len() {
        sum.resize(one.len(), 0);
    }
    for (sum, one) in sum.iter_mut().zip(one) {
        *sum = sum.saturating_add(*one);
    }
}

/// `part` of `whole`; `None` of fewer than `minimum`.
pub(super) fn rate(part: u64, whole: u64, minimum: u64) -> Option<f64> {
    (0 < whole && minimum <= whole).then(|| part as f64 / whole as f64)
}

/// The population stability index of two histograms, less what it reaches by chance once in a thousand when nothing has
/// changed: it is then about chi-squared times (1/n + 1/m) (Yurdakul 2018). `None` of fewer than `minimum` in either.
pub(super) fn drift(before: &[u64], after: &[u64], minimum: u64) -> Option<f64> {
    let (n, m) = (before.iter().sum::<u64>(), after.iter().sum::<u64>());
    if before.len() != after.len() || n.min(m) < minimum.max(1) {
        return None;
    }
    let parts = |counts: &[u64]| -> Vec<f64> {
        let filled: Vec<f64> = counts.iter().map(|count| (*count as f64).max(EMPTY)).collect();
        let sum: f64 = filled.iter().sum();
        filled.iter().map(|count| count / sum).collect()
    };
    let (was, is) = (parts(before), parts(after));
    let index: f64 = was
        .iter()
        .zip(&is)
        .map(|(was, is)| (is - was) * (is / was).ln())
        .sum();
    let chance = CHI_SQUARED * (1.0 / n as f64 + 1.0 / m as f64);
    Some((index - chance).max(0.0))
}

/// The middle one; `None` of none.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (upper, lower) = (values.get(values.len() / 2)?, values.get((values.len() - 1) / 2)?);
    Some((upper + lower) / 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_shift_of_the_scores_shows_and_nothing_shows_in_nothing() {
        let low = [400, 100, 50, 20, 10, 10, 10, 20, 50, 330];
        let high = [100, 100, 50, 20, 10, 10, 10, 20, 50, 630];
        assert_eq!(drift(&low, &low, 50), Some(0.0));
        assert!(drift(&low, &high, 50).unwrap() > 0.3);
        assert_eq!(drift(&low, &[10; 10], 101), None);
        assert_eq!(drift(&[], &[], 0), None);
    }

    #[test]
    fn chance_alone_is_seldom_called_drift() {
        // Numerical Recipes' linear congruential generator; its high bits serve.
        let mut state = 7u64;
        let mut draw = |count: u64| {
            let mut bins = [0u64; 10];
            for _ in 0..count {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                bins[usize::try_from((state >> 33) % 10).unwrap()] += 1;
            }
            bins
        };
        let called = (0..500)
            .filter(|_| 0.0 < drift(&draw(60), &draw(60), 50).unwrap())
            .count();
        assert!(called <= 10, "{called} of 500");
    }

    proptest! {
        #[test]
        fn drift_is_a_number_and_never_negative(
            before in proptest::collection::vec(0u64..1_000_000, 10),
            after in proptest::collection::vec(0u64..1_000_000, 10),
        ) {
            if let Some(drift) = drift(&before, &after, 1) {
                prop_assert!(drift.is_finite() && 0.0 <= drift);
            }
        }
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
