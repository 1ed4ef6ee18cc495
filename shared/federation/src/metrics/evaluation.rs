use std::collections::BTreeMap;

use super::{
    Confusion, Error, Estimate, auc, brier, check_probabilities, classes, expected_calibration_error,
    log_loss,
};

/// Bins of the calibration error.
const BINS: usize = 10;

/// All figures of one finding on one set of cases. None: these cases do not allow it to be measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// Cases with the finding.
    pub present: usize,
    /// Cases without it.
    pub absent: usize,
    pub auc: Option<Estimate>,
    /// At the operating point.
    pub confusion: Confusion,
    pub sensitivity: Option<Estimate>,
    pub specificity: Option<Estimate>,
    pub brier: Estimate,
    pub calibration_error: Estimate,
    pub log_loss: f64,
}

/// Everything at once; scores are probabilities.
///
/// # Errors
/// [`Error::Lengths`], [`Error::Empty`], [`Error::NotFinite`], [`Error::NoProbability`].
pub fn evaluate(
    scores: &[f64],
    present: &[bool],
    operating_point: f64,
    seed: u64,
) -> Result<Evaluation, Error> {
    check_probabilities(scores, present)?;
    let confusion = Confusion::at(scores, present, operating_point)?;
    let (with, without) = classes(present);
    Ok(Evaluation {
        present: with,
        absent: without,
        auc: auc(scores, present).ok().map(|auc| auc.estimate()),
        confusion,
        sensitivity: confusion.sensitivity().ok(),
        specificity: confusion.specificity().ok(),
        brier: brier(scores, present, seed)?,
        calibration_error: expected_calibration_error(scores, present, BINS, seed)?,
        log_loss: log_loss(scores, present)?,
    })
}

/// What the figures of a set of cases are made from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cases {
    pub scores: Vec<f64>,
    pub present: Vec<bool>,
}

/// The cases of each subgroup, by the subgroup each case belongs to. A case without one is left out.
///
/// # Errors
/// [`Error::Lengths`].
pub fn subgroups<G: Ord + Clone>(
    scores: &[f64],
    present: &[bool],
    groups: &[Option<G>],
) -> Result<BTreeMap<G, Cases>, Error> {
    if scores.len() != present.len() || scores.len() != groups.len() {
        return Err(Error::Lengths);
    }
    let mut cases: BTreeMap<G, Cases> = BTreeMap::new();
    for ((score, present), group) in scores.iter().zip(present).zip(groups) {
        if let Some(group) = group {
            let cases = cases.entry(group.clone()).or_default();
            cases.scores.push(*score);
            cases.present.push(*present);
        }
    }
    Ok(cases)
}
