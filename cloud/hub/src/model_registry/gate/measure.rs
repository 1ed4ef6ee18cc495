use barefoot_federation::metrics;
use serde::{Deserialize, Serialize};

use super::super::FindingSetting;
use super::super::head::{Head, score};
use super::super::test_set::TestSet;
use super::roc::roc;

/// Bins of a reliability diagram; those of the calibration error are as many.
const BINS: usize = 10;

/// A figure with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl From<metrics::Estimate> for Estimate {
    fn from(from: metrics::Estimate) -> Self {
        Self {
            value: from.value,
            low: from.interval.low,
            high: from.interval.high,
        }
    }
}

/// How good one version is at one finding on some cases. None: these cases do not allow it to be measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measures {
    /// Area under the ROC curve; interval after DeLong on the logit scale.
    pub(crate) auc: Option<Estimate>,
    /// At the version's operating point; Wilson's intervals.
    pub(crate) sensitivity: Option<Estimate>,
    pub(crate) specificity: Option<Estimate>,
    /// Mean squared error of the probability; bootstrap's interval.
    pub(crate) brier: Option<Estimate>,
    /// Expected calibration error over 10 equal bins; bootstrap's interval.
    pub(crate) ece: Option<Estimate>,
    pub(crate) log_loss: Option<f64>,
    pub(crate) true_positive: usize,
    pub(crate) false_positive: usize,
    pub(crate) true_negative: usize,
    pub(crate) false_negative: usize,
}

/// One version on a whole set, with what its figures are drawn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) measures: Measures,
    /// 1 - specificity and sensitivity, from (0, 0) to (1, 1).
    pub(crate) roc: Vec<[f64; 2]>,
    pub(crate) reliability: Vec<Bin>,
}

/// Cases whose scores fall into one tenth of the scale; empty tenths are left out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bin {
    pub(crate) cases: u32,
    pub(crate) mean_score: f64,
    /// Share of these cases that have the finding.
    pub(crate) present: f64,
}

/// One finding on one set, the base beside the candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FindingReport {
    pub(crate) finding: String,
    pub(crate) present: u32,
    pub(crate) absent: u32,
    pub(crate) base: Measured,
    pub(crate) candidate: Measured,
    pub(crate) subgroups: Vec<SubgroupReport>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SubgroupReport {
    pub(crate) name: String,
    pub(crate) present: u32,
    pub(crate) absent: u32,
    pub(crate) base: Measures,
    pub(crate) candidate: Measures,
}

/// One test set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SetReport {
    pub(crate) name: String,
    pub(crate) sha256: String,
    pub(crate) source: String,
    pub(crate) cases: u32,
    /// A gate of the plan stands on it; otherwise it only informs.
    pub(crate) gates: bool,
    pub(crate) findings: Vec<FindingReport>,
}

/// Base and candidate, each a head with its findings' settings in the order of its rows.
pub(in super::super) fn measure(
    set: &TestSet,
    gates: bool,
    base: (&Head, &[FindingSetting]),
    candidate: (&Head, &[FindingSetting]),
) -> SetReport {
    let findings = base.1.iter().zip(candidate.1).enumerate();
    SetReport {
        name: set.name.clone(),
        sha256: set.sha256.clone(),
        source: set.source.clone(),
        cases: count(set.cases()),
        gates,
        findings: findings
            .filter_map(|(row, (before, after))| {
                let present = set.labels(&before.code)?;
                let base = Scored::new(set, base.0, row, before, present.clone())?;
                let candidate = Scored::new(set, candidate.0, row, after, present)?;
                Some(finding(set, &before.code, &base, &candidate))
            })
            .collect(),
    }
}

/// AUC and log loss of one finding without temperature, for the curves of a run; none when the set does not label it.
pub(in super::super) fn curve_figures(
    set: &TestSet,
    finding: &str,
    row: usize,
    head: &Head,
) -> Option<(Option<f64>, Option<f64>)> {
    let plain = FindingSetting {
        code: finding.to_owned(),
        temperature: 1.0,
        operating_point: 0.5,
    };
    let scored = Scored::new(set, head, row, &plain, set.labels(finding)?)?;
    let auc = metrics::auc(&scored.scores, &scored.present).ok();
    let loss = metrics::log_loss(&scored.scores, &scored.present).ok();
    Some((auc.map(|auc| auc.value), loss))
}

fn finding(set: &TestSet, code: &str, base: &Scored, candidate: &Scored) -> FindingReport {
    let subgroups = set.subgroups.iter().map(|(name, places)| {
        let (base, candidate) = (base.part(places), candidate.part(places));
        SubgroupReport {
            name: name.clone(),
            present: base.present_count(),
            absent: base.absent_count(),
            base: base.measures(),
            candidate: candidate.measures(),
        }
    });
    FindingReport {
        finding: code.to_owned(),
        present: base.present_count(),
        absent: base.absent_count(),
        base: base.measured(),
        candidate: candidate.measured(),
        subgroups: subgroups.collect(),
    }
}

/// One version's scores of some cases beside their labels.
struct Scored {
    /// Calibrated, in the box's precision.
    scores: Vec<f64>,
    present: Vec<bool>,
    operating_point: f64,
    /// Of the bootstrap: the same set gives the same figures, for every version.
    seed: u64,
}

impl Scored {
    /// None when the features do not fit the head, or a score is no number.
    fn new(
        set: &TestSet,
        head: &Head,
        row: usize,
        setting: &FindingSetting,
        present: Vec<bool>,
    ) -> Option<Self> {
        let scores = set.features().map(|features| {
            let score = score(head.logit(row, features)?, setting.temperature);
            score.is_finite().then_some(f64::from(score))
        });
        Some(Self {
            scores: scores.collect::<Option<_>>()?,
            present,
            // A box compares in single precision.
            operating_point: f64::from(setting.operating_point as f32),
            seed: seed(&set.sha256),
        })
    }

    /// All None where there are no cases.
    fn measures(&self) -> Measures {
        let Ok(found) = metrics::evaluate(&self.scores, &self.present, self.operating_point, self.seed)
        else {
            return Measures::default();
        };
        Measures {
            auc: found.auc.map(Estimate::from),
            sensitivity: found.sensitivity.map(Estimate::from),
            specificity: found.specificity.map(Estimate::from),
            brier: Some(found.brier.into()),
            ece: Some(found.calibration_error.into()),
            log_loss: Some(found.log_loss),
            true_positive: found.confusion.true_positive,
            false_positive: found.confusion.false_positive,
            true_negative: found.confusion.true_negative,
            false_negative: found.confusion.false_negative,
        }
    }

    fn measured(&self) -> Measured {
        let bins = metrics::reliability(&self.scores, &self.present, BINS).unwrap_or_default();
        let bins = bins.into_iter().flatten().map(|bin| Bin {
            cases: count(bin.cases),
            mean_score: bin.mean_score,
            present: bin.present,
        });
        Measured {
            measures: self.measures(),
            roc: roc(&self.scores, &self.present),
            reliability: bins.collect(),
        }
    }

    /// The cases at `places`.
    fn part(&self, places: &[usize]) -> Self {
        Self {
            scores: places
                .iter()
                .filter_map(|place| self.scores.get(*place).copied())
                .collect(),
            present: places
                .iter()
                .filter_map(|place| self.present.get(*place).copied())
                .collect(),
            operating_point: self.operating_point,
            seed: self.seed,
        }
    }

    fn present_count(&self) -> u32 {
        count(self.present.iter().filter(|present| **present).count())
    }

    fn absent_count(&self) -> u32 {
        count(self.present.iter().filter(|present| !**present).count())
    }
}

fn count(cases: usize) -> u32 {
    u32::try_from(cases).unwrap_or(u32::MAX)
}

/// The first 16 digits of the set's hash.
fn seed(sha256: &str) -> u64 {
    sha256
        .get(..16)
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .unwrap_or_default()
}
