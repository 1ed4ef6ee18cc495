use barefoot_domain::{
    Assessment, Call, CaseId, ClinicId, EngineUse, FindingCode, FindingResult, ModelVersion, QualityGrade,
    QualityProblem, QualityVerdict, Reason, Score, Urgency,
};
use prost::Message;

use crate::v1;

/// The envelope schema this code speaks; another one is refused.
pub const SCHEMA: u32 = 1;

/// No envelope is larger; both ends refuse before decoding. A result takes a few hundred bytes.
pub const MAX_ENVELOPE_BYTES: usize = 64 * 1024;

/// The most findings, reasons or problems one assessment may name.
const MAX_ITEMS: usize = 256;

/// Why received bytes are no message of ours. Names the field, never its content.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("the envelope has {bytes} bytes, at most {MAX_ENVELOPE_BYTES} are accepted")]
    TooLarge { bytes: usize },
    #[error("the bytes are no protobuf {message}")]
    Protobuf {
        message: &'static str,
        source: prost::DecodeError,
    },
    #[error("the envelope speaks schema {found}, this program speaks {SCHEMA}: update the older end")]
    Schema { found: u32 },
    #[error("the field {field} is missing or outside its range")]
    Field { field: &'static str },
}

/// One study version's result as it travels: pseudonym, times, assessment.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyResult {
    pub case: CaseId,
    pub version: u32,
    /// DICOM modality, upper case; empty when unknown.
    pub modality: String,
    pub instances: u32,
    pub received_at_ms: i64,
    /// By the box's clock.
    pub assessed_at_ms: i64,
    /// Hub's clock minus the box's at `assessed_at_ms`; `None` where the box did not know.
    pub clock_offset_ms: Option<i64>,
    pub made_by: MadeBy,
    pub assessment: Assessment,
}

/// What made a study's images, as far as a region may know: an AE title, and a pseudonym only the clinic can resolve.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MadeBy {
    /// Empty where unknown.
    pub scanner: String,
    /// Empty where unknown.
    pub operator: String,
}

impl MadeBy {
    /// What does not have the form is left out: no result is refused for its sake.
    #[must_use]
    pub fn new(scanner: &str, operator: &str) -> Self {
        let is_title = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let is_pseudonym = operator.strip_prefix('O').is_some_and(|digits| {
            let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'A'..=b'F');
            digits.len() == 8 && digits.bytes().all(is_digit)
        });
        Self {
            scanner: if scanner.len() <= 16 && scanner.bytes().all(is_title) {
                scanner.to_owned()
            } else {
                String::new()
            },
            operator: if is_pseudonym {
                operator.to_owned()
            } else {
                String::new()
            },
        }
    }
}

/// The hub's word on one envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub envelope_id: String,
    pub outcome: ReceiptOutcome,
    pub hub_time_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptOutcome {
    Stored,
    Refused { reason: String },
}

/// An envelope around an encoded result. `sequence` and `sent_at_ms` are stamped when it is sent.
#[must_use]
pub fn result_envelope(id: String, clinic: &ClinicId, result: &StudyResult) -> v1::Envelope {
    envelope(id, clinic, v1::Kind::Result, encode_result(result))
}

#[must_use]
pub fn receipt_envelope(id: String, clinic: &ClinicId, receipt: &Receipt) -> v1::Envelope {
    envelope(id, clinic, v1::Kind::Receipt, encode_receipt(receipt))
}

pub(crate) fn envelope(id: String, clinic: &ClinicId, kind: v1::Kind, body: Vec<u8>) -> v1::Envelope {
    v1::Envelope {
        schema: SCHEMA,
        id,
        clinic: clinic.as_str().to_owned(),
        sequence: 0,
        sent_at_ms: 0,
        kind: kind.into(),
        body,
        clock_offset_ms: None,
    }
}

/// Size, schema and id form are checked here; the body by its own decoder.
///
/// # Errors
/// When the bytes are no envelope this program understands.
pub fn decode_envelope(bytes: &[u8]) -> Result<v1::Envelope, DecodeError> {
    if MAX_ENVELOPE_BYTES < bytes.len() {
        return Err(DecodeError::TooLarge { bytes: bytes.len() });
    }
    let envelope = v1::Envelope::decode(bytes).map_err(|source| DecodeError::Protobuf {
        message: "Envelope",
        source,
    })?;
    if envelope.schema != SCHEMA {
        return Err(DecodeError::Schema {
            found: envelope.schema,
        });
    }
    if !is_ulid(&envelope.id) {
        return Err(DecodeError::Field { field: "id" });
    }
    Ok(envelope)
}

pub(crate) fn is_ulid(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

#[must_use]
pub fn encode_receipt(receipt: &Receipt) -> Vec<u8> {
    receipt_to_wire(receipt).encode_to_vec()
}

pub(crate) fn receipt_to_wire(receipt: &Receipt) -> v1::Receipt {
    let (outcome, reason) = match &receipt.outcome {
        ReceiptOutcome::Stored => (v1::Outcome::Stored, String::new()),
        ReceiptOutcome::Refused { reason } => (v1::Outcome::Refused, reason.clone()),
    };
    v1::Receipt {
        envelope_id: receipt.envelope_id.clone(),
        outcome: outcome.into(),
        reason,
        hub_time_ms: receipt.hub_time_ms,
    }
}

/// # Errors
/// When the body is no receipt.
pub fn decode_receipt(body: &[u8]) -> Result<Receipt, DecodeError> {
    let receipt = v1::Receipt::decode(body).map_err(|source| DecodeError::Protobuf {
        message: "Receipt",
        source,
    })?;
    receipt_from_wire(receipt)
}

pub(crate) fn receipt_from_wire(receipt: v1::Receipt) -> Result<Receipt, DecodeError> {
    if !is_ulid(&receipt.envelope_id) {
        return Err(DecodeError::Field { field: "envelope_id" });
    }
    let outcome = match receipt.outcome() {
        v1::Outcome::Stored => ReceiptOutcome::Stored,
        v1::Outcome::Refused => ReceiptOutcome::Refused {
            reason: receipt.reason,
        },
        v1::Outcome::Unspecified => return Err(DecodeError::Field { field: "outcome" }),
    };
    Ok(Receipt {
        envelope_id: receipt.envelope_id,
        outcome,
        hub_time_ms: receipt.hub_time_ms,
    })
}

#[must_use]
pub fn encode_result(result: &StudyResult) -> Vec<u8> {
    v1::StudyResult {
        case_id: result.case.as_str().to_owned(),
        version: result.version,
        modality: result.modality.clone(),
        instances: result.instances,
        received_at_ms: result.received_at_ms,
        assessed_at_ms: result.assessed_at_ms,
        assessment: Some(assessment_to_wire(&result.assessment)),
        clock_offset_ms: result.clock_offset_ms,
        // Nothing at all where nothing is known: a result has one form.
        made_by: (result.made_by != MadeBy::default()).then(|| v1::MadeBy {
            scanner: result.made_by.scanner.clone(),
            operator: result.made_by.operator.clone(),
        }),
    }
    .encode_to_vec()
}

/// # Errors
/// When the body is no result, or one of its fields is missing or outside its range.
pub fn decode_result(body: &[u8]) -> Result<StudyResult, DecodeError> {
    let result = v1::StudyResult::decode(body).map_err(|source| DecodeError::Protobuf {
        message: "StudyResult",
        source,
    })?;
    let modality_ok = result.modality.len() <= 16
        && result
            .modality
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !modality_ok {
        return Err(DecodeError::Field { field: "modality" });
    }
    if result.version == 0 {
        return Err(DecodeError::Field { field: "version" });
    }
    if result.received_at_ms <= 0 || result.assessed_at_ms <= 0 {
        return Err(DecodeError::Field {
            field: "received_at_ms, assessed_at_ms",
        });
    }
    Ok(StudyResult {
        case: CaseId::new(result.case_id).map_err(|_| DecodeError::Field { field: "case_id" })?,
        version: result.version,
        modality: result.modality,
        instances: result.instances,
        received_at_ms: result.received_at_ms,
        assessed_at_ms: result.assessed_at_ms,
        clock_offset_ms: result.clock_offset_ms,
        made_by: result
            .made_by
            .map(|made| MadeBy::new(&made.scanner, &made.operator))
            .unwrap_or_default(),
        assessment: assessment_from_wire(
            result
                .assessment
                .ok_or(DecodeError::Field { field: "assessment" })?,
        )?,
    })
}

pub(crate) fn assessment_to_wire(assessment: &Assessment) -> v1::Assessment {
    v1::Assessment {
        model: assessment.model.as_ref().map(|m| v1::Model {
            id: m.id.clone(),
            version: m.version.clone(),
            demonstration: m.demonstration,
        }),
        engine: assessment.engine.as_ref().map(|e| v1::Engine {
            engine: e.engine.clone(),
            precision: e.precision.clone(),
        }),
        findings: assessment.findings.iter().map(finding_to_wire).collect(),
        quality: match assessment.quality.grade {
            QualityGrade::A => v1::QualityGrade::A,
            QualityGrade::B => v1::QualityGrade::B,
            QualityGrade::C => v1::QualityGrade::C,
        }
        .into(),
        quality_problems: assessment
            .quality
            .problems
            .iter()
            .map(|problem| {
                match problem {
                    QualityProblem::Blank => v1::QualityProblem::Blank,
                    QualityProblem::Overexposed => v1::QualityProblem::Overexposed,
                    QualityProblem::Underexposed => v1::QualityProblem::Underexposed,
                    QualityProblem::LowContrast => v1::QualityProblem::LowContrast,
                    QualityProblem::LowResolution => v1::QualityProblem::LowResolution,
                    QualityProblem::Undecodable => v1::QualityProblem::Undecodable,
                }
                .into()
            })
            .collect(),
        urgency: match assessment.urgency {
            Urgency::Routine => v1::Urgency::Routine,
            Urgency::Review => v1::Urgency::Review,
            Urgency::Critical => v1::Urgency::Critical,
        }
        .into(),
        reasons: assessment.reasons.iter().map(reason_to_wire).collect(),
    }
}

fn finding_to_wire(finding: &FindingResult) -> v1::FindingResult {
    v1::FindingResult {
        code: finding.code.as_str().to_owned(),
        score: finding.score.value(),
        call: match finding.call {
            Call::Positive => v1::Call::Positive,
            Call::Negative => v1::Call::Negative,
        }
        .into(),
        confidence: finding.confidence.value(),
    }
}

fn reason_to_wire(reason: &Reason) -> v1::Reason {
    use v1::ReasonCode as Code;
    let (code, finding) = match reason {
        Reason::Confident => (Code::Confident, None),
        Reason::UrgentFinding(finding) => (Code::UrgentFinding, Some(finding)),
        Reason::LowConfidence(finding) => (Code::LowConfidence, Some(finding)),
        Reason::PoorQuality => (Code::PoorQuality, None),
        Reason::OutsideIntendedUse => (Code::OutsideIntendedUse, None),
        Reason::NoModel => (Code::NoModel, None),
        Reason::ModelFailed => (Code::ModelFailed, None),
        Reason::IdentityConflict => (Code::IdentityConflict, None),
    };
    v1::Reason {
        code: code.into(),
        finding: finding.map(|code| code.as_str().to_owned()).unwrap_or_default(),
    }
}

pub(crate) fn assessment_from_wire(assessment: v1::Assessment) -> Result<Assessment, DecodeError> {
    let items = [
        assessment.findings.len(),
        assessment.reasons.len(),
        assessment.quality_problems.len(),
    ];
    if items.iter().any(|n| MAX_ITEMS < *n) {
        return Err(DecodeError::Field {
            field: "assessment (too many items)",
        });
    }
    let grade = match assessment.quality() {
        v1::QualityGrade::A => QualityGrade::A,
        v1::QualityGrade::B => QualityGrade::B,
        v1::QualityGrade::C => QualityGrade::C,
        v1::QualityGrade::Unspecified => return Err(DecodeError::Field { field: "quality" }),
    };
    let urgency = match assessment.urgency() {
        v1::Urgency::Routine => Urgency::Routine,
        v1::Urgency::Review => Urgency::Review,
        v1::Urgency::Critical => Urgency::Critical,
        v1::Urgency::Unspecified => return Err(DecodeError::Field { field: "urgency" }),
    };
    let problems = assessment
        .quality_problems()
        .map(problem_from_wire)
        .collect::<Result<_, _>>()?;
    Ok(Assessment {
        model: assessment.model.map(model_from_wire).transpose()?,
        engine: assessment.engine.map(engine_from_wire).transpose()?,
        findings: assessment
            .findings
            .into_iter()
            .map(finding_from_wire)
            .collect::<Result<_, _>>()?,
        quality: QualityVerdict { grade, problems },
        urgency,
        reasons: assessment
            .reasons
            .into_iter()
            .map(reason_from_wire)
            .collect::<Result<_, _>>()?,
    })
}

/// Names that will stand on pages and in logs: short, printable ASCII.
fn short_name(text: String, field: &'static str) -> Result<String, DecodeError> {
    let plain = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic());
    plain.then_some(text).ok_or(DecodeError::Field { field })
}

fn model_from_wire(model: v1::Model) -> Result<ModelVersion, DecodeError> {
    Ok(ModelVersion {
        id: short_name(model.id, "model.id")?,
        version: short_name(model.version, "model.version")?,
        demonstration: model.demonstration,
    })
}

fn engine_from_wire(engine: v1::Engine) -> Result<EngineUse, DecodeError> {
    Ok(EngineUse {
        engine: short_name(engine.engine, "engine.engine")?,
        precision: short_name(engine.precision, "engine.precision")?,
    })
}

fn finding_from_wire(finding: v1::FindingResult) -> Result<FindingResult, DecodeError> {
    let call = match finding.call() {
        v1::Call::Positive => Call::Positive,
        v1::Call::Negative => Call::Negative,
        v1::Call::Unspecified => {
            return Err(DecodeError::Field {
                field: "finding.call",
            });
        }
    };
    Ok(FindingResult {
        code: finding_code(finding.code)?,
        score: Score::new(finding.score).ok_or(DecodeError::Field {
            field: "finding.score",
        })?,
        call,
        confidence: Score::new(finding.confidence).ok_or(DecodeError::Field {
            field: "finding.confidence",
        })?,
    })
}

pub(crate) fn finding_code(text: String) -> Result<FindingCode, DecodeError> {
    FindingCode::new(text).map_err(|_| DecodeError::Field {
        field: "finding.code",
    })
}

fn reason_from_wire(reason: v1::Reason) -> Result<Reason, DecodeError> {
    use v1::ReasonCode as Code;
    Ok(match reason.code() {
        Code::Confident => Reason::Confident,
        Code::UrgentFinding => Reason::UrgentFinding(finding_code(reason.finding)?),
        Code::LowConfidence => Reason::LowConfidence(finding_code(reason.finding)?),
        Code::PoorQuality => Reason::PoorQuality,
        Code::OutsideIntendedUse => Reason::OutsideIntendedUse,
        Code::NoModel => Reason::NoModel,
        Code::ModelFailed => Reason::ModelFailed,
        Code::IdentityConflict => Reason::IdentityConflict,
        Code::Unspecified => return Err(DecodeError::Field { field: "reason.code" }),
    })
}

fn problem_from_wire(problem: v1::QualityProblem) -> Result<QualityProblem, DecodeError> {
    Ok(match problem {
        v1::QualityProblem::Blank => QualityProblem::Blank,
        v1::QualityProblem::Overexposed => QualityProblem::Overexposed,
        v1::QualityProblem::Underexposed => QualityProblem::Underexposed,
        v1::QualityProblem::LowContrast => QualityProblem::LowContrast,
        v1::QualityProblem::LowResolution => QualityProblem::LowResolution,
        v1::QualityProblem::Undecodable => QualityProblem::Undecodable,
        v1::QualityProblem::Unspecified => {
            return Err(DecodeError::Field {
                field: "quality_problems",
            });
        }
    })
}
