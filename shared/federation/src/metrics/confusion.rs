use super::{Error, Estimate, Interval, Z95, check};

/// Cases by call and truth at one operating point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Confusion {
    pub true_positive: usize,
    pub false_positive: usize,
    pub true_negative: usize,
    pub false_negative: usize,
}

impl Confusion {
    /// A case is called positive when its score is at least `threshold`.
    ///
    /// # Errors
    /// [`Error::Lengths`], [`Error::Empty`], [`Error::NotFinite`] (the threshold's NaN too).
    pub fn at(scores: &[f64], present: &[bool], threshold: f64) -> Result<Self, Error> {
        check(scores, present)?;
        if threshold.is_nan() {
            return Err(Error::NotFinite);
        }
        let mut counts = Self::default();
        for (score, present) in scores.iter().zip(present) {
            let count = match (threshold <= *score, present) {
                (true, true) => &mut counts.true_positive,
                (true, false) => &mut counts.false_positive,
                (false, false) => &mut counts.true_negative,
                (false, true) => &mut counts.false_negative,
            };
            *count += 1;
        }
        Ok(counts)
    }

    /// The share of cases with the finding that are called positive; Wilson's interval.
    ///
    /// # Errors
    /// [`Error::NonePresent`].
    pub fn sensitivity(&self) -> Result<Estimate, Error> {
        wilson(self.true_positive, self.true_positive + self.false_negative).ok_or(Error::NonePresent)
    }

    /// The share of cases without the finding that are called negative; Wilson's interval.
    ///
    /// # Errors
    /// [`Error::NoneAbsent`].
    pub fn specificity(&self) -> Result<Estimate, Error> {
        wilson(self.true_negative, self.true_negative + self.false_positive).ok_or(Error::NoneAbsent)
    }
}

/// A proportion with Wilson's score interval (Wilson 1927, doi 10.1080/01621459.1927.10502953), without continuity
/// correction. None for no trials, or more successes than trials.
#[must_use]
pub fn wilson(successes: usize, trials: usize) -> Option<Estimate> {
    if trials == 0 || trials < successes {
        return None;
    }
    let n = trials as f64;
    let value = successes as f64 / n;
    let squared = Z95 * Z95;
    let centre = (value + squared / (2.0 * n)) / (1.0 + squared / n);
    let reach = Z95 / (1.0 + squared / n) * (value * (1.0 - value) / n + squared / (4.0 * n * n)).sqrt();
    Some(Estimate {
        value,
        // The formula's ends at 0 and 1 are exact; its rounding is not.
        interval: Interval {
            low: if successes == 0 {
                0.0
            } else {
                (centre - reach).max(0.0)
            },
            high: if successes == trials {
                1.0
            } else {
                (centre + reach).min(1.0)
            },
        },
    })
}
