use std::fmt;

use crate::{InvalidId, QualityVerdict, Side};

/// A calibrated probability, finite and within 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Score(f32);

impl Score {
    /// `None` for NaN, infinities and anything outside 0 to 1.
    #[must_use]
    pub fn new(value: f32) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    #[must_use]
    pub fn value(self) -> f32 {
        self.0
    }

    /// The probability of the opposite.
    #[must_use]
    pub fn complement(self) -> Self {
        Self(1.0 - self.0)
    }
}

/// What a model looks for, as its bundle names it: 1 to 64 of `a-z`, `0-9`, `_`, `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FindingCode(String);

impl FindingCode {
    /// # Errors
    /// When `text` breaks the rule above.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if text.is_empty() || 64 < text.len() || !text.bytes().all(allowed) {
            return Err(InvalidId::finding_code());
        }
        Ok(Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which release of which bundle answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelVersion {
    pub id: String,
    pub version: String,
    /// Shown beside every result of a bundle that is not for clinical use.
    pub demonstration: bool,
}

impl fmt::Display for ModelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.version)
    }
}

/// How the answer was computed: a result must be reproducible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineUse {
    /// `tract` or `ort`.
    pub engine: String,
    /// `f32` or `int8`.
    pub precision: String,
}

/// The model's call on one finding at its operating point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Positive,
    Negative,
}

/// One finding's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct FindingResult {
    pub code: FindingCode,
    /// Calibrated probability that the finding is present.
    pub score: Score,
    pub call: Call,
    /// Calibrated probability of the call made.
    pub confidence: Score,
}

/// How soon a person must look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    Routine,
    Review,
    /// An urgent finding: the ten-minute clock runs from detection.
    Critical,
}

/// Why the urgency is what it is. Every assessment names at least one.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// All calls are confident, the picture is good enough, the study is within intended use.
    Confident,
    /// An urgent finding stands above its operating point.
    UrgentFinding(FindingCode),
    /// The confidence of this call is below the site's review threshold.
    LowConfidence(FindingCode),
    /// The picture is graded C.
    PoorQuality,
    /// No installed model takes this kind of study.
    OutsideIntendedUse,
    /// No model is installed or none passed its golden test.
    NoModel,
    /// A model took the study and failed.
    ModelFailed,
    /// The study holds images of different patients, or different images under one identifier.
    IdentityConflict,
    /// The picture does not look like those the model was made for.
    PictureOutside,
    /// The models of the panel do not make the same call.
    Disagreement(FindingCode),
    /// Not every model of the panel answered.
    PanelIncomplete,
    /// The model did not answer in time.
    ModelTooSlow,
    /// The model was not tried on patients like this one (age, sex).
    SubgroupNotCovered,
}

/// The reason's code, as programs read it at both ends: `low_confidence:pneumonia`.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confident => f.write_str("confident"),
            Self::UrgentFinding(code) => write!(f, "urgent_finding:{code}"),
            Self::LowConfidence(code) => write!(f, "low_confidence:{code}"),
            Self::PoorQuality => f.write_str("poor_quality"),
            Self::OutsideIntendedUse => f.write_str("outside_intended_use"),
            Self::NoModel => f.write_str("no_model"),
            Self::ModelFailed => f.write_str("model_failed"),
            Self::IdentityConflict => f.write_str("identity_conflict"),
            Self::PictureOutside => f.write_str("picture_outside"),
            Self::Disagreement(code) => write!(f, "disagreement:{code}"),
            Self::PanelIncomplete => f.write_str("panel_incomplete"),
            Self::ModelTooSlow => f.write_str("model_too_slow"),
            Self::SubgroupNotCovered => f.write_str("subgroup_not_covered"),
        }
    }
}

/// Where a model saw a finding, in fractions of the picture's width and height from its upper left corner.
#[derive(Debug, Clone, PartialEq)]
pub struct FindingRegion {
    pub finding: FindingCode,
    pub left: f32,
    pub top: f32,
    pub width: f32,
    pub height: f32,
    /// Of the patient, not of the picture; `None` where the part is not paired or it is not known how the patient lies.
    pub side: Option<Side>,
    /// Share of the anatomy looked at that the finding covers, 0 to 1.
    pub extent: f32,
}

/// What one further model said, beside the one the assessment names first.
#[derive(Debug, Clone, PartialEq)]
pub struct OtherAnswer {
    pub model: ModelVersion,
    pub engine: Option<EngineUse>,
    /// Empty where it gave none.
    pub findings: Vec<FindingResult>,
}

/// What the box concluded about one version of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// The bundle that answered, where one did.
    pub model: Option<ModelVersion>,
    pub engine: Option<EngineUse>,
    pub findings: Vec<FindingResult>,
    pub quality: QualityVerdict,
    pub urgency: Urgency,
    pub reasons: Vec<Reason>,
    /// Where positive findings were seen.
    pub regions: Vec<FindingRegion>,
    /// Further models that were asked.
    pub others: Vec<OtherAnswer>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_a_probability() {
        for good in [0.0, 0.5, 1.0] {
            assert!(Score::new(good).is_some());
        }
        for bad in [-0.01, 1.01, f32::NAN, f32::INFINITY] {
            assert!(Score::new(bad).is_none(), "{bad}");
        }
    }
}
