//! What the hub checks of an update before it counts, and the reasons it gives for refusing one.
//!
//! A clinic may be broken, outdated or taken over. Nothing it claims is used unchecked: neither a value nor the
//! number of examples, which is a weight and so an attack.

/// Examples above which a claim is refused rather than capped.
pub const MAX_EXAMPLES: u64 = 10_000_000;

/// Robust z-score above which a norm is an outlier: Iglewicz and Hoaglin 1993.
const OUTLIER_SCORE: f64 = 3.5;
/// Ratio of the standard deviation to the median absolute deviation of a normal distribution.
const NORMAL_MAD: f64 = 1.4826;
/// Least spread assumed, as a part of the median: honest clinics of unequal size differ by this much.
const LEAST_SPREAD: f64 = 0.5;
/// Fewest norms from which an outlier can be told.
const FEWEST_NORMS: usize = 4;

/// Why an update, or a part of one, was refused. The text is for an operator; [`Refusal::code`] is stable.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No clinic of this run.
    #[error("The clinic does not take part in this run.")]
    UnknownClinic,
    /// The run is unknown or over.
    #[error("There is no such run, or it has ended.")]
    UnknownRun,
    /// For another round than the open one.
    #[error("The update is for round {claimed}; round {open} is open.")]
    WrongRound {
        /// Round the update is for.
        claimed: u32,
        /// Round that is open.
        open: u32,
    },
    /// After the round closed.
    #[error("The update came after the round had closed.")]
    Late,
    /// A different update than the one this clinic already sent for the round.
    #[error("The clinic has already sent another update for this round.")]
    DoubleSubmission,
    /// Trained from another global model than the round's.
    #[error("The update was trained from another global model than this round's.")]
    WrongBase,
    /// Other tensors, shapes or order than the model's.
    #[error("The update's tensors are not those of the model.")]
    WrongLayout,
    /// Another encoding than the run asks for.
    #[error("The update is encoded otherwise than the run asks for.")]
    WrongEncoding,
    /// More or fewer chunks than the layout has.
    #[error("The update lists {listed} chunks; the model has {expected}.")]
    WrongChunkCount {
        /// Chunks listed.
        listed: u64,
        /// Chunks of the layout.
        expected: u64,
    },
    /// A listed chunk never arrived.
    #[error("Chunk {chunk} of the update has not arrived.")]
    MissingChunk {
        /// The chunk's number.
        chunk: u64,
    },
    /// Bytes that are not what their name says, or of the wrong length, or that do not decode.
    #[error("Chunk {chunk} of the update is damaged.")]
    DamagedChunk {
        /// The chunk's number.
        chunk: u64,
    },
    /// A NaN or an infinity.
    #[error("Value {value} of the update is not a finite number.")]
    NotFinite {
        /// Place in the whole vector.
        value: u64,
    },
    /// Longer than the run allows.
    #[error("The update's norm is {norm:.4}; the run allows at most {limit:.4}.")]
    NormTooLarge {
        /// l2 norm of the update.
        norm: f64,
        /// Most allowed.
        limit: f64,
    },
    /// Far longer than the other clinics' updates.
    #[error("The update's norm is {norm:.4}, far above the median of {median:.4} of this round.")]
    NormOutlier {
        /// l2 norm of the update.
        norm: f64,
        /// Median of all norms of the round.
        median: f64,
    },
    /// None, or more than [`MAX_EXAMPLES`].
    #[error("The clinic claims {claimed} examples, which cannot be.")]
    AbsurdExamples {
        /// Examples claimed.
        claimed: u64,
    },
    /// Fewer examples than the run's minimum cohort.
    #[error("The clinic has {claimed} examples; the run asks for at least {minimum}.")]
    TooFewExamples {
        /// Examples claimed.
        claimed: u64,
        /// Fewest allowed.
        minimum: u64,
    },
    /// A metric that is not finite or outside its range.
    #[error("The clinic reports a metric outside its range.")]
    AbsurdMetric,
    /// A plain update to a run that aggregates securely, or the reverse.
    #[error("The update does not follow the run's rules for secure aggregation.")]
    WrongProtection,
    /// More bytes or chunks than any update of this run has.
    #[error("The upload is larger than an update of this run can be.")]
    TooLarge,
}

impl Refusal {
    /// A short name that never changes, for journals, messages and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownClinic => "unknown_clinic",
            Self::UnknownRun => "unknown_run",
            Self::WrongRound { .. } => "wrong_round",
            Self::Late => "late",
            Self::DoubleSubmission => "double_submission",
            Self::WrongBase => "wrong_base",
            Self::WrongLayout => "wrong_layout",
            Self::WrongEncoding => "wrong_encoding",
            Self::WrongChunkCount { .. } => "wrong_chunk_count",
            Self::MissingChunk { .. } => "missing_chunk",
            Self::DamagedChunk { .. } => "damaged_chunk",
            Self::NotFinite { .. } => "not_finite",
            Self::NormTooLarge { .. } => "norm_too_large",
            Self::NormOutlier { .. } => "norm_outlier",
            Self::AbsurdExamples { .. } => "absurd_examples",
            Self::TooFewExamples { .. } => "too_few_examples",
            Self::AbsurdMetric => "absurd_metric",
            Self::WrongProtection => "wrong_protection",
            Self::TooLarge => "too_large",
        }
    }
}

/// The weight of a clinic that claims so many examples: at most `cap`, whatever it claims.
///
/// # Errors
/// [`Refusal::AbsurdExamples`] for none or more than [`MAX_EXAMPLES`].
pub fn capped_weight(claimed: u64, cap: u64) -> Result<f64, Refusal> {
    if !(1..=MAX_EXAMPLES).contains(&claimed) {
        return Err(Refusal::AbsurdExamples { claimed });
    }
    // Both fit float64 exactly: MAX_EXAMPLES is far below 2^53.
    Ok(claimed.min(cap.max(1)) as f64)
}

/// Refuses a norm that is not finite or above `limit`. The place of the bad value is not known here, so a norm that
/// is not finite counts as too large.
///
/// # Errors
/// [`Refusal::NormTooLarge`].
pub fn check_norm(norm: f64, limit: f64) -> Result<(), Refusal> {
    if norm <= limit {
        Ok(())
    } else {
        Err(Refusal::NormTooLarge { norm, limit })
    }
}

/// Which norms are far above the others: those more than 3.5 robust standard deviations above the median, where
/// the spread is taken to be at least half the median, so nothing below 2.75 times the median is refused. Norms that
/// are not finite are always outliers. Of fewer than four finite norms no other is.
///
/// Small norms are no outliers: a clinic with nothing to add does no harm.
pub fn norm_outliers(norms: &[f64]) -> Vec<usize> {
    let mut finite: Vec<f64> = norms.iter().copied().filter(|norm| norm.is_finite()).collect();
    let limit = if finite.len() < FEWEST_NORMS {
        f64::INFINITY
    } else {
        let middle = median(&mut finite);
        let mut deviations: Vec<f64> = finite.iter().map(|norm| (norm - middle).abs()).collect();
        let spread = (NORMAL_MAD * median(&mut deviations)).max(LEAST_SPREAD * middle);
        middle + OUTLIER_SCORE * spread
    };
    let outlier = |norm: &f64| !(norm.is_finite() && *norm <= limit);
    norms
        .iter()
        .enumerate()
        .filter(|(_, norm)| outlier(norm))
        .map(|(index, _)| index)
        .collect()
}

/// The median of the finite norms, as [`Refusal::NormOutlier`] shows it. `None` when there are none.
pub fn median_norm(norms: &[f64]) -> Option<f64> {
    let mut finite: Vec<f64> = norms.iter().copied().filter(|norm| norm.is_finite()).collect();
    (!finite.is_empty()).then(|| median(&mut finite))
}

/// Of a list that is not empty; sorts it.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or_default();
    let lower = values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or_default();
    lower + (upper - lower) / 2.0
}
