use barefoot_domain::{Assessment, CaseId, ClinicId};
use prost::Message;

use crate::assessment::{assessment_from_wire, assessment_to_wire};
use crate::v1;

/// The envelope schema this code speaks; another one is refused.
pub const SCHEMA: u32 = 1;

/// No envelope is larger; both ends refuse before decoding. A result takes a few hundred bytes.
pub const MAX_ENVELOPE_BYTES: usize = 64 * 1024;

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
