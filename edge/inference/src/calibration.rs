//! Setting a finding's calibration anew on a site, from cases that a person confirmed.
//!
//! Two numbers are fitted, a temperature and a bias on the logit: sigmoid((logit + bias) / temperature). Few cases may not
//! change much, so both are bounded, and a fit that does not make the site's calibration better is not taken.

/// One case of the site: what the model said, and what a person found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfirmedCase {
    pub logit: f32,
    pub present: bool,
    /// How many of the site's cases it speaks for, above 0: people look at hard cases more often than at easy ones.
    pub weight: f32,
}

impl ConfirmedCase {
    /// Of what the model says as a probability.
    #[must_use]
    pub fn of_score(score: f32, present: bool, weight: f32) -> Self {
        Self {
            logit: bounded_logit(score),
            present,
            weight,
        }
    }
}

/// What turns a logit into a calibrated score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Above 0.
    pub temperature: f32,
    /// Added to the logit.
    pub bias: f32,
}

impl Calibration {
    /// Leaves scores as they are.
    pub const NONE: Self = Self {
        temperature: 1.0,
        bias: 0.0,
    };

    #[must_use]
    pub fn score(&self, logit: f32) -> f32 {
        1.0 / (1.0 + (-(logit + self.bias) / self.temperature).exp())
    }

    /// What `score`, a probability, is after this calibration.
    #[must_use]
    pub fn applied(&self, score: f32) -> f32 {
        self.score(bounded_logit(score))
    }
}

/// Certainty as far as a float can tell it from near certainty.
pub(crate) fn bounded_logit(probability: f32) -> f32 {
    let probability = probability.clamp(1e-6, 1.0 - 1e-6);
    (probability / (1.0 - probability)).ln()
}

/// How many cases are needed, and how far they may move a calibration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Of each class: with one class alone any bias fits.
    pub minimum_of_each: usize,
    /// The temperature is within its old value divided and multiplied by this.
    pub temperature_factor: f32,
    /// The bias is within this much of its old value, in logits.
    pub bias_change: f32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            minimum_of_each: 30,
            temperature_factor: 2.0,
            bias_change: 1.5,
        }
    }
}

/// A calibration that is better on the site's own cases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recalibration {
    pub calibration: Calibration,
    pub cases: usize,
    /// Expected calibration error of the old calibration on these cases.
    pub error_before: f32,
    /// Of the new one, on cases it was not fitted on: each fifth is judged by a fit on the other four.
    pub error_after: f32,
}

/// Why a calibration stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Kept {
    #[error("{present} cases with the finding and {absent} without: {needed} of each are needed")]
    TooFew {
        present: usize,
        absent: usize,
        needed: usize,
    },
    #[error("a case holds something that is no number")]
    NoNumber,
    #[error("the cases fit the calibration there is: error {before:.3}, refitted {after:.3}")]
    NotBetter { before: f32, after: f32 },
}

/// Cases are split in so many, in turn, to judge a fit on others than its own.
const FOLDS: usize = 5;
const BINS: usize = 10;
/// Steps of the search on each axis, and how often it is made finer around the best.
const STEPS: i32 = 10;
const ROUNDS: i32 = 4;

/// # Errors
/// When the cases are too few or broken, or when they do not make the calibration better.
pub fn recalibrate(
    cases: &[ConfirmedCase],
    old: Calibration,
    bounds: &Bounds,
) -> Result<Recalibration, Kept> {
    let usable = old.temperature.is_finite() && 0.0 < old.temperature && old.bias.is_finite();
    let counts =
        |case: &ConfirmedCase| case.logit.is_finite() && case.weight.is_finite() && 0.0 < case.weight;
    if !usable || !cases.iter().all(counts) {
        return Err(Kept::NoNumber);
    }
    let present = cases.iter().filter(|case| case.present).count();
    let absent = cases.len() - present;
    if present.min(absent) < bounds.minimum_of_each.max(FOLDS) {
        return Err(Kept::TooFew {
            present,
            absent,
            needed: bounds.minimum_of_each.max(FOLDS),
        });
    }
    let before = calibration_error(cases, |_, case| old.score(case.logit));
    let fits: Vec<Calibration> = (0..FOLDS)
        .map(|fold| {
            let others: Vec<ConfirmedCase> = folded(cases)
                .filter_map(|(own, case)| (own != fold).then_some(case))
                .collect();
            fit(&others, old, bounds)
        })
        .collect();
    let judged: Vec<usize> = folded(cases).map(|(fold, _)| fold).collect();
    let after = calibration_error(cases, |place, case| {
        let fit = judged.get(place).and_then(|fold| fits.get(*fold));
        fit.unwrap_or(&old).score(case.logit)
    });
    if before <= after {
        return Err(Kept::NotBetter { before, after });
    }
    Ok(Recalibration {
        calibration: fit(cases, old, bounds),
        cases: cases.len(),
        error_before: before,
        error_after: after,
    })
}

/// Each case with its fold: the classes in turn, so that every fold has both.
fn folded(cases: &[ConfirmedCase]) -> impl Iterator<Item = (usize, ConfirmedCase)> {
    let mut seen = [0_usize; 2];
    cases.iter().map(move |case| {
        let [absent, present] = &mut seen;
        let count = if case.present { present } else { absent };
        *count += 1;
        ((*count - 1) % FOLDS, *case)
    })
}

/// The bounded pair of least cross-entropy, by a grid made finer around its best point: two numbers need no more.
fn fit(cases: &[ConfirmedCase], old: Calibration, bounds: &Bounds) -> Calibration {
    let (widest, furthest) = (
        bounds.temperature_factor.max(1.0).ln(),
        bounds.bias_change.max(0.0),
    );
    let at = |stretch: f32, shift: f32| Calibration {
        temperature: old.temperature * stretch.exp(),
        bias: old.bias + shift,
    };
    let (mut best, mut least) = ((0.0, 0.0), cross_entropy(cases, old));
    for round in 0..ROUNDS {
        let (around, finer) = (best, 0.2_f32.powi(round));
        for (i, j) in (-STEPS..=STEPS).flat_map(|i| (-STEPS..=STEPS).map(move |j| (i, j))) {
            let step = |from: f32, index: i32, most: f32| {
                (from + most * finer * index as f32 / STEPS as f32).clamp(-most, most)
            };
            let point = (step(around.0, i, widest), step(around.1, j, furthest));
            let loss = cross_entropy(cases, at(point.0, point.1));
            if loss < least {
                (best, least) = (point, loss);
            }
        }
    }
    at(best.0, best.1)
}

fn cross_entropy(cases: &[ConfirmedCase], calibration: Calibration) -> f64 {
    let losses = cases.iter().map(|case| {
        let logit = f64::from((case.logit + calibration.bias) / calibration.temperature);
        let wrong = if case.present { -logit } else { logit };
        // ln(1 + e^x) without overflow.
        f64::from(case.weight) * (wrong.max(0.0) + (-wrong.abs()).exp().ln_1p())
    });
    losses.sum::<f64>() / weight(cases)
}

fn weight(cases: &[ConfirmedCase]) -> f64 {
    cases.iter().map(|case| f64::from(case.weight)).sum()
}

/// Expected calibration error over equal-width bins.
fn calibration_error(cases: &[ConfirmedCase], score: impl Fn(usize, &ConfirmedCase) -> f32) -> f32 {
    let mut gaps = [0.0_f64; BINS];
    for (place, case) in cases.iter().enumerate() {
        let score = f64::from(score(place, case));
        let bin = ((score * BINS as f64) as usize).min(BINS - 1);
        if let Some(gap) = gaps.get_mut(bin) {
            *gap += f64::from(case.weight) * (score - f64::from(u8::from(case.present)));
        }
    }
    let gaps: f64 = gaps.iter().map(|gap| gap.abs()).sum();
    (gaps / weight(cases)) as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: Calibration = Calibration::NONE;

    /// Cases whose truth follows `truth`, without chance: of every hundred with one logit so many are present.
    fn cases(truth: Calibration, each: usize) -> Vec<ConfirmedCase> {
        (-12..=12)
            .flat_map(|step| {
                let logit = step as f32 / 3.0;
                let present = (truth.score(logit) * each as f32).round() as usize;
                (0..each).map(move |place| ConfirmedCase {
                    logit,
                    present: place < present,
                    weight: 1.0,
                })
            })
            .collect()
    }

    #[test]
    fn a_site_with_other_prevalence_and_sharpness_is_learnt() {
        let truth = Calibration {
            temperature: 1.5,
            bias: -0.9,
        };
        let found = recalibrate(&cases(truth, 100), OLD, &Bounds::default()).unwrap();
        assert!((found.calibration.temperature - 1.5).abs() < 0.1, "{found:?}");
        assert!((found.calibration.bias + 0.9).abs() < 0.1, "{found:?}");
        assert!(0.1 < found.error_before && found.error_after < 0.03, "{found:?}");
        assert_eq!(found.cases, 2500);
    }

    #[test]
    fn cases_that_people_look_at_more_often_do_not_count_more() {
        let truth = Calibration {
            temperature: 1.0,
            bias: -0.8,
        };
        // Every uncertain case is confirmed, of the certain ones a tenth.
        let mut confirmed = cases(truth, 100);
        let mut number = 0;
        confirmed.retain(|case| {
            number += 1;
            case.logit.abs() < 1.5 || number % 10 == 0
        });
        for case in &mut confirmed {
            case.weight = if case.logit.abs() < 1.5 { 1.0 } else { 10.0 };
        }
        let found = recalibrate(&confirmed, OLD, &Bounds::default()).unwrap();
        let everyone = cases(truth, 100);
        let error = calibration_error(&everyone, |_, case| found.calibration.score(case.logit));
        assert!(error < 0.03, "{error} {found:?}");
    }

    #[test]
    fn a_weight_that_is_none_changes_nothing() {
        for weight in [0.0, -1.0, f32::NAN] {
            let mut broken = cases(OLD, 10);
            broken[7].weight = weight;
            assert_eq!(recalibrate(&broken, OLD, &Bounds::default()), Err(Kept::NoNumber));
        }
    }

    #[test]
    fn no_calibration_leaves_a_score_as_it_is() {
        for score in [0.001, 0.2, 0.5, 0.93, 0.999] {
            assert!((Calibration::NONE.applied(score) - score).abs() < 1e-5);
        }
        let humbler = Calibration {
            temperature: 2.0,
            bias: 0.0,
        };
        assert!(humbler.applied(0.99) < 0.92 && 0.5 < humbler.applied(1.0));
    }

    #[test]
    fn nothing_moves_further_than_the_bounds() {
        let truth = Calibration {
            temperature: 9.0,
            bias: -6.0,
        };
        let bounds = Bounds::default();
        let found = recalibrate(&cases(truth, 100), OLD, &bounds).unwrap();
        assert!(found.calibration.temperature <= 2.0 + 1e-4, "{found:?}");
        assert!(-1.5 - 1e-4 <= found.calibration.bias, "{found:?}");
    }

    #[test]
    fn a_good_calibration_is_left_alone() {
        let kept = recalibrate(&cases(OLD, 100), OLD, &Bounds::default());
        assert!(
            matches!(kept, Err(Kept::NotBetter { before, .. }) if before < 0.01),
            "{kept:?}"
        );
    }

    #[test]
    fn too_few_of_one_class_change_nothing() {
        let mut few = cases(OLD, 8);
        few.retain(|case| !case.present || 3.0 < case.logit);
        let kept = recalibrate(&few, OLD, &Bounds::default());
        assert!(
            matches!(kept, Err(Kept::TooFew { present, needed: 30, .. }) if present < 30),
            "{kept:?}"
        );
    }

    #[test]
    fn a_logit_that_is_no_number_changes_nothing() {
        let mut broken = cases(OLD, 10);
        broken[7].logit = f32::NAN;
        assert_eq!(recalibrate(&broken, OLD, &Bounds::default()), Err(Kept::NoNumber));
    }

    proptest! {
        #[test]
        fn whatever_the_cases_say_the_change_is_bounded_and_for_the_better(
            said in proptest::collection::vec((-1e3_f32..1e3, any::<bool>()), 0..300),
        ) {
            let cases: Vec<_> = said.into_iter().map(|(logit, present)| ConfirmedCase { logit, present, weight: 1.0 }).collect();
            let bounds = Bounds { minimum_of_each: 10, ..Bounds::default() };
            if let Ok(found) = recalibrate(&cases, OLD, &bounds) {
                prop_assert!((0.5 - 1e-4..=2.0 + 1e-4).contains(&found.calibration.temperature));
                prop_assert!(found.calibration.bias.abs() <= 1.5 + 1e-4);
                prop_assert!(found.error_after < found.error_before);
            }
        }
    }
}
