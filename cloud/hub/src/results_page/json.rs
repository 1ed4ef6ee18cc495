//! The same results for programs. Own types: what programs read changes only on purpose.

use barefoot_domain::{Call, QualityGrade, Urgency};
use serde::Serialize;

use crate::archive::{Counts, StoredResult};
use crate::presence::ClinicState;

#[derive(Serialize)]
pub(super) struct Results {
    results: Vec<ResultJson>,
}

#[derive(Serialize)]
struct ResultJson {
    envelope_id: String,
    clinic: String,
    case_id: String,
    version: u32,
    modality: String,
    instances: u32,
    /// When the hub committed it.
    received_at_ms: i64,
    assessed_at_ms: i64,
    model: Option<String>,
    engine: Option<String>,
    precision: Option<String>,
    findings: Vec<FindingJson>,
    quality: &'static str,
    urgency: &'static str,
    reasons: Vec<String>,
}

#[derive(Serialize)]
struct FindingJson {
    code: String,
    score: f32,
    call: &'static str,
    confidence: f32,
}

#[derive(Serialize)]
pub(super) struct Status {
    results: u64,
    envelopes: u64,
    duplicates: u64,
    refused: u64,
    clinics: Vec<ClinicJson>,
}

#[derive(Serialize)]
struct ClinicJson {
    clinic: String,
    online: bool,
    last_seen_ms: i64,
}

pub(super) fn results(stored: &[StoredResult]) -> Results {
    Results {
        results: stored.iter().map(result).collect(),
    }
}

pub(super) fn status(counts: Counts, clinics: Vec<ClinicState>) -> Status {
    Status {
        results: counts.results,
        envelopes: counts.envelopes,
        duplicates: counts.duplicates,
        refused: counts.refused,
        clinics: clinics
            .into_iter()
            .map(|state| ClinicJson {
                clinic: state.clinic.to_string(),
                online: state.online,
                last_seen_ms: state.last_seen_ms,
            })
            .collect(),
    }
}

fn result(stored: &StoredResult) -> ResultJson {
    let result = &stored.result;
    let assessment = &result.assessment;
    let engine = assessment.engine.as_ref();
    ResultJson {
        envelope_id: stored.envelope_id.clone(),
        clinic: stored.clinic.to_string(),
        case_id: result.case.to_string(),
        version: result.version,
        modality: result.modality.clone(),
        instances: result.instances,
        received_at_ms: stored.committed_at_ms,
        assessed_at_ms: result.assessed_at_ms,
        model: assessment.model.as_ref().map(ToString::to_string),
        engine: engine.map(|used| used.engine.clone()),
        precision: engine.map(|used| used.precision.clone()),
        findings: assessment
            .findings
            .iter()
            .map(|finding| FindingJson {
                code: finding.code.to_string(),
                score: finding.score.value(),
                call: match finding.call {
                    Call::Positive => "positive",
                    Call::Negative => "negative",
                },
                confidence: finding.confidence.value(),
            })
            .collect(),
        quality: match assessment.quality.grade {
            QualityGrade::A => "A",
            QualityGrade::B => "B",
            QualityGrade::C => "C",
        },
        urgency: match assessment.urgency {
            Urgency::Routine => "routine",
            Urgency::Review => "review",
            Urgency::Critical => "critical",
        },
        reasons: assessment.reasons.iter().map(ToString::to_string).collect(),
    }
}
