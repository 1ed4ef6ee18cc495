use super::{Error, Estimate, Interval, Z95, check, check_classes};

/// The area under the ROC curve and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Auc {
    pub value: f64,
    /// DeLong's; 0 where the classes do not overlap, NaN where one has a single case.
    pub standard_error: f64,
    /// Value ± 1.96 standard errors, cut at 0 and 1. None where the standard error says nothing.
    pub wald: Option<Interval>,
    /// The same on the scale of the logit: it keeps within 0 and 1 and is the better one near them.
    pub logit: Option<Interval>,
    /// Newcombe's score-type interval, from the value and the numbers of cases alone: of use even at 0 and 1.
    pub score: Interval,
}

impl Auc {
    /// The value with the interval to report: the logit one where there is one, else the score-type one.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        Estimate {
            value: self.value,
            interval: self.logit.unwrap_or(self.score),
        }
    }
}

/// Area under the ROC curve: the probability that a case with the finding scores above one without, ties counting
/// half. Standard error after DeLong, DeLong & Clarke-Pearson 1988 (Biometrics 44:837), by midranks (Sun & Xu 2014,
/// doi 10.1109/LSP.2014.2337313); score-type interval after Newcombe 2006 (doi 10.1002/sim.2324, method 5).
///
/// # Errors
/// [`Error::Lengths`], [`Error::Empty`], [`Error::NotFinite`], [`Error::NonePresent`], [`Error::NoneAbsent`].
pub fn auc(scores: &[f64], present: &[bool]) -> Result<Auc, Error> {
    check(scores, present)?;
    let (m, n) = check_classes(present)?;
    let (m, n) = (m as f64, n as f64);
    let overall = midranks(scores.iter().copied());
    let of_class = |class: bool| {
        let cases = || {
            scores
                .iter()
                .zip(&overall)
                .zip(present)
                .filter(move |(_, present)| **present == class)
        };
        let within = midranks(cases().map(|((score, _), _)| *score));
        // How many cases of the other class score lower, ties counting half.
        cases()
            .zip(within)
            .map(|(((_, overall), _), within)| overall - within)
            .collect::<Vec<f64>>()
    };
    let above: Vec<f64> = of_class(true).iter().map(|lower| lower / n).collect();
    let below: Vec<f64> = of_class(false).iter().map(|lower| 1.0 - lower / m).collect();
    let value = above.iter().sum::<f64>() / m;
    let standard_error = (variance(&above) / m + variance(&below) / n).sqrt();
    let (mut wald, mut logit) = (None, None);
    if 0.0 < standard_error && 0.0 < value && value < 1.0 {
        let reach = Z95 * standard_error;
        wald = Some(Interval {
            low: (value - reach).max(0.0),
            high: (value + reach).min(1.0),
        });
        let (centre, reach) = ((value / (1.0 - value)).ln(), reach / (value * (1.0 - value)));
        let probability = |logit: f64| 1.0 / (1.0 + (-logit).exp());
        logit = Some(Interval {
            low: probability(centre - reach),
            high: probability(centre + reach),
        });
    }
    Ok(Auc {
        value,
        standard_error,
        wald,
        logit,
        score: score_interval(value, m, n),
    })
}

/// Ranks from 1; equal values share the mean of theirs.
fn midranks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut order: Vec<(f64, usize)> = values.enumerate().map(|(index, value)| (value, index)).collect();
    order.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let mut ranks = vec![0.0; order.len()];
    let mut before = 0;
    // By ==, so that 0 and -0, next to each other in the total order, are equal.
    for tied in order.chunk_by(|(one, _), (other, _)| one == other) {
        let rank = before as f64 + (tied.len() + 1) as f64 / 2.0;
        for (_, index) in tied {
            if let Some(to) = ranks.get_mut(*index) {
                *to = rank;
            }
        }
        before += tied.len();
    }
    ranks
}

/// The sample variance; NaN for a single value.
fn variance(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)
}

/// All areas θ with |value - θ| <= 1.96 sqrt(V(θ)), V being Hanley & McNeil's variance with both class sizes at their
/// mean.
fn score_interval(value: f64, m: f64, n: f64) -> Interval {
    let spare = f64::midpoint(m, n) - 1.0;
    let within = |area: f64| {
        let spread = 1.0 + spare * (1.0 - area) / (2.0 - area) + spare * area / (1.0 + area);
        let variance = area * (1.0 - area) / (m * n) * spread;
        (value - area).powi(2) <= Z95 * Z95 * variance
    };
    let edge = |outside: f64| {
        let (mut inside, mut outside) = (value, outside);
        // At 0 and 1 the variance is 0, so only the value itself can be inside there.
        if inside != outside {
            for _ in 0..60 {
                let middle = f64::midpoint(inside, outside);
                if within(middle) {
                    inside = middle;
                } else {
                    outside = middle;
                }
            }
        }
        inside
    };
    Interval {
        low: edge(0.0),
        high: edge(1.0),
    }
}
