//! How good a model is at one finding: figures with 95 % confidence intervals, from scores and the truth.
//!
//! Every function takes `scores` and `present` of the same length, one entry a case: the model's score, and whether the
//! finding is there. What a set of cases does not allow to be measured is an error, never a zero. The same input gives
//! the same figures on every machine; the bootstrap's draws follow from a seed.

mod discrimination;
pub use discrimination::{Auc, auc};

mod confusion;
pub use confusion::{Confusion, wilson};

mod calibration;
pub use calibration::{Bin, brier, expected_calibration_error, log_loss, reliability};

mod bootstrap;
pub use bootstrap::{REPLICATES, bootstrap};

mod operating_point;
pub use operating_point::{fit_temperature, threshold_for_sensitivity};

mod evaluation;
pub use evaluation::{Cases, Evaluation, evaluate, subgroups};

#[cfg(test)]
mod tests;

/// The standard normal quantile of 97.5 %.
const Z95: f64 = 1.959_963_984_540_054;

/// A 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// A figure with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub interval: Interval,
}

/// Why a figure cannot be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("there are no cases")]
    Empty,
    #[error("scores and truth differ in length")]
    Lengths,
    #[error("a score is not a finite number")]
    NotFinite,
    #[error("a score is no probability")]
    NoProbability,
    #[error("no case has the finding")]
    NonePresent,
    #[error("every case has the finding")]
    NoneAbsent,
    #[error("a calibration curve has at least one bin")]
    NoBins,
    #[error("a sensitivity to keep lies above 0 and at most at 1")]
    Sensitivity,
    #[error(
        "no temperature between 0.01 and 100 fits best: the scores order the cases perfectly, not at all or the wrong way"
    )]
    NoTemperature,
}

/// How many cases have the finding and how many do not.
fn classes(present: &[bool]) -> (usize, usize) {
    let positive = present.iter().filter(|present| **present).count();
    (positive, present.len() - positive)
}

fn check(scores: &[f64], present: &[bool]) -> Result<(), Error> {
    if scores.len() != present.len() {
        return Err(Error::Lengths);
    }
    if scores.is_empty() {
        return Err(Error::Empty);
    }
    if !scores.iter().all(|score| score.is_finite()) {
        return Err(Error::NotFinite);
    }
    Ok(())
}

fn check_probabilities(scores: &[f64], present: &[bool]) -> Result<(), Error> {
    check(scores, present)?;
    if scores.iter().all(|score| (0.0..=1.0).contains(score)) {
        Ok(())
    } else {
        Err(Error::NoProbability)
    }
}

fn check_classes(present: &[bool]) -> Result<(usize, usize), Error> {
    match classes(present) {
        (0, _) => Err(Error::NonePresent),
        (_, 0) => Err(Error::NoneAbsent),
        both => Ok(both),
    }
}
