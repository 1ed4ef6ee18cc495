use super::{Error, check, check_classes};

/// Temperatures are looked for from the inverse of this to this.
const WIDEST: f64 = 100.0;

/// The temperature T with the smallest log loss of sigmoid(logit / T) (Guo et al. 2017, arXiv 1706.04599). The loss is
/// convex in 1/T, so there is one.
///
/// # Errors
/// [`Error::Lengths`], [`Error::Empty`], [`Error::NotFinite`], [`Error::NonePresent`], [`Error::NoneAbsent`],
/// [`Error::NoTemperature`] when it lies outside 0.01 to 100.
pub fn fit_temperature(logits: &[f64], present: &[bool]) -> Result<f64, Error> {
    check(logits, present)?;
    check_classes(present)?;
    // Of the log loss by 1/T; grows with 1/T.
    let slope = |inverse: f64| -> f64 {
        let term = |(logit, present): (&f64, &bool)| {
            let score = 1.0 / (1.0 + (-logit * inverse).exp());
            (score - if *present { 1.0 } else { 0.0 }) * logit
        };
        logits.iter().zip(present).map(term).sum()
    };
    // Logarithms of 1/T.
    let (mut low, mut high) = (-WIDEST.ln(), WIDEST.ln());
    if !(slope(low.exp()) < 0.0 && 0.0 < slope(high.exp())) {
        return Err(Error::NoTemperature);
    }
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if slope(middle.exp()) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok((-f64::midpoint(low, high)).exp())
}

/// The highest threshold at which at least `sensitivity` of the cases with the finding score at or above it. It is one
/// of their scores; ties with it are called positive too, so the sensitivity reached may be higher.
///
/// # Errors
/// [`Error::Lengths`], [`Error::Empty`], [`Error::NotFinite`], [`Error::NonePresent`], [`Error::Sensitivity`].
pub fn threshold_for_sensitivity(scores: &[f64], present: &[bool], sensitivity: f64) -> Result<f64, Error> {
    check(scores, present)?;
    if !(0.0 < sensitivity && sensitivity <= 1.0) {
        return Err(Error::Sensitivity);
    }
    let cases = scores.iter().zip(present).filter(|(_, present)| **present);
    let mut positives: Vec<f64> = cases.map(|(score, _)| *score).collect();
    positives.sort_by(|one, other| other.total_cmp(one));
    let all = positives.len() as f64;
    // Compared as the share is counted, so that 0.95 of 20 cases is 19 and not, by rounding, 20.
    let enough = positives
        .iter()
        .enumerate()
        .find(|(before, _)| sensitivity <= (before + 1) as f64 / all);
    enough.map(|(_, score)| *score).ok_or(Error::NonePresent)
}
