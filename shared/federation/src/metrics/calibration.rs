use super::{Error, Estimate, bootstrap, check_probabilities};

/// A log loss takes no score to be surer than this.
const SUREST: f64 = f64::EPSILON;

/// The mean squared difference between score and truth (Brier 1950). The interval is the bootstrap's.
///
/// # Errors
/// [`Error::Lengths`], [`Error::Empty`], [`Error::NotFinite`], [`Error::NoProbability`].
pub fn brier(scores: &[f64], present: &[bool], seed: u64) -> Result<Estimate, Error> {
    check_probabilities(scores, present)?;
    let errors: Vec<f64> = scores
        .iter()
        .zip(present)
        .map(|(score, present)| (score - truth(*present)).powi(2))
        .collect();
    let mean = |sample: &[usize]| {
        let sum: f64 = sample.iter().filter_map(|case| errors.get(*case)).sum();
        sum / sample.len() as f64
    };
    Ok(Estimate {
        value: errors.iter().sum::<f64>() / errors.len() as f64,
        interval: bootstrap(errors.len(), seed, mean).ok_or(Error::Empty)?,
    })
}

/// The mean over cases of |mean score - share with the finding| in their bin, over `bins` bins of equal width, usually
/// 10 (Naeini, Cooper & Hauskrecht 2015). The interval is the bootstrap's; since noise makes bins differ, it and the
/// value lie high on few cases.
///
/// # Errors
/// [`Error::Lengths`], [`Error::Empty`], [`Error::NotFinite`], [`Error::NoProbability`], [`Error::NoBins`].
pub fn expected_calibration_error(
    scores: &[f64],
    present: &[bool],
    bins: usize,
    seed: u64,
) -> Result<Estimate, Error> {
    check_probabilities(scores, present)?;
    if bins == 0 {
        return Err(Error::NoBins);
    }
    let placed: Vec<(usize, f64)> = scores
        .iter()
        .zip(present)
        .map(|(score, present)| (bin_of(*score, bins), score - truth(*present)))
        .collect();
    let gap = |sample: &mut dyn Iterator<Item = (usize, f64)>| {
        let mut gaps = vec![0.0; bins];
        for (bin, difference) in sample {
            if let Some(gap) = gaps.get_mut(bin) {
                *gap += difference;
            }
        }
        gaps.iter().map(|gap: &f64| gap.abs()).sum::<f64>() / placed.len() as f64
    };
    let resampled = |sample: &[usize]| gap(&mut sample.iter().filter_map(|case| placed.get(*case)).copied());
    Ok(Estimate {
        value: gap(&mut placed.iter().copied()),
        interval: bootstrap(placed.len(), seed, resampled).ok_or(Error::Empty)?,
    })
}

/// One bin of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    pub cases: usize,
    pub mean_score: f64,
    /// Share of the cases that have the finding.
    pub present: f64,
}

/// The reliability diagram over `bins` bins of equal width: bin k holds the scores from k/bins up to, not including,
/// (k+1)/bins, the last its upper end too. A bin without cases is None.
///
/// # Errors
/// As [`expected_calibration_error`].
pub fn reliability(scores: &[f64], present: &[bool], bins: usize) -> Result<Vec<Option<Bin>>, Error> {
    check_probabilities(scores, present)?;
    if bins == 0 {
        return Err(Error::NoBins);
    }
    let mut sums = vec![(0_usize, 0.0, 0.0); bins];
    for (score, present) in scores.iter().zip(present) {
        if let Some((cases, scores, positives)) = sums.get_mut(bin_of(*score, bins)) {
            *cases += 1;
            *scores += score;
            *positives += truth(*present);
        }
    }
    let bin = |(cases, scores, positives): (usize, f64, f64)| {
        (cases != 0).then(|| Bin {
            cases,
            mean_score: scores / cases as f64,
            present: positives / cases as f64,
        })
    };
    Ok(sums.into_iter().map(bin).collect())
}

/// The mean negative logarithm, in nats, of the probability given to what is true.
///
/// # Errors
/// [`Error::Lengths`], [`Error::Empty`], [`Error::NotFinite`], [`Error::NoProbability`].
pub fn log_loss(scores: &[f64], present: &[bool]) -> Result<f64, Error> {
    check_probabilities(scores, present)?;
    let loss = |(score, present): (&f64, &bool)| {
        let given = if *present { *score } else { 1.0 - *score };
        -given.max(SUREST).ln()
    };
    Ok(scores.iter().zip(present).map(loss).sum::<f64>() / scores.len() as f64)
}

fn truth(present: bool) -> f64 {
    if present { 1.0 } else { 0.0 }
}

/// `score` within 0 and 1, `bins` above 0.
fn bin_of(score: f64, bins: usize) -> usize {
    ((score * bins as f64) as usize).min(bins - 1)
}
