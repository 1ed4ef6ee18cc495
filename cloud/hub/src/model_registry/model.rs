use barefoot_domain::FindingCode;
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::layout::Layout;
use serde::{Deserialize, Serialize};

/// Most findings and backbone artefacts of a model; more than any bundle may have.
pub(super) const MAX_FINDINGS: usize = 256;
pub(super) const MAX_BACKBONES: usize = 8;

/// A version whose parameters a run may start from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BaseModel {
    pub(crate) layout: Layout,
    /// The F32 chunks of the parameters, in order; all are in the chunk store.
    pub(crate) chunks: Vec<ChunkId>,
    /// SHA-256 (hex) of the backbone artefacts whose features count as the same.
    pub(crate) backbone: Vec<String>,
    /// In the order of the head's rows.
    pub(crate) findings: Vec<FindingSetting>,
}

/// How the score of one finding becomes a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FindingSetting {
    /// A finding code of the domain.
    pub(crate) code: String,
    /// Divides the logit; positive.
    pub(crate) temperature: f64,
    /// Calibrated score from which the call is positive; within 0 and 1.
    pub(crate) operating_point: f64,
}

impl FindingSetting {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if FindingCode::new(self.code.as_str()).is_err() {
            return Err("A finding's code is 1 to 64 of a-z, 0-9, '_' and '-'.");
        }
        if !self.temperature.is_finite() || self.temperature <= 0.0 {
            return Err("A temperature is a positive number.");
        }
        if !(0.0..=1.0).contains(&self.operating_point) {
            return Err("An operating point is within 0 and 1.");
        }
        Ok(())
    }
}

/// Rules for names that go into tables, file names and pages: 1 to 64 of letters, digits, `.`, `_`, `-`, no dot first.
pub(super) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(allowed)
}

/// 64 lower-case hex digits.
pub(super) fn is_sha256(text: &str) -> bool {
    text.parse::<ChunkId>().is_ok()
}

/// A model's findings: at least one, each once, each usable.
pub(super) fn check_findings(findings: &[FindingSetting]) -> Result<(), &'static str> {
    if findings.is_empty() || MAX_FINDINGS < findings.len() {
        return Err("A model has 1 to 256 findings.");
    }
    for (place, finding) in findings.iter().enumerate() {
        finding.check()?;
        if findings
            .iter()
            .take(place)
            .any(|earlier| earlier.code == finding.code)
        {
            return Err("A finding stands twice.");
        }
    }
    Ok(())
}

/// The artefacts whose features count as the same: at least one, each a hash.
pub(super) fn check_backbone(backbone: &[String]) -> Result<(), &'static str> {
    if backbone.is_empty() || MAX_BACKBONES < backbone.len() {
        return Err("A model names 1 to 8 backbone artefacts.");
    }
    if backbone.iter().all(|hash| is_sha256(hash)) {
        Ok(())
    } else {
        Err("A backbone artefact is named by its SHA-256, 64 lower-case hex digits.")
    }
}
