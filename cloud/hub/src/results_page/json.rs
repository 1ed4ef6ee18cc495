//! The same results for programs. Own types: what programs read changes only on purpose.

use std::collections::{BTreeMap, HashMap};

use barefoot_domain::{Call, QualityGrade, Urgency};
use barefoot_wire::v1;
use serde::Serialize;

use crate::archive::{Counts, ImagesHere, StoredResult, VersionKey};
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
    /// By the box's clock.
    assessed_at_ms: i64,
    /// What that clock lacked to the hub's, where the box knew.
    clock_offset_ms: Option<i64>,
    /// The same moment by the hub's clock; deadlines run from here.
    detected_at_ms: i64,
    model: Option<String>,
    engine: Option<String>,
    precision: Option<String>,
    findings: Vec<FindingJson>,
    quality: &'static str,
    urgency: &'static str,
    reasons: Vec<String>,
    /// What is here of its images; null while none are.
    images: Option<ImagesJson>,
}

#[derive(Serialize)]
struct ImagesJson {
    /// Null until all of them are here.
    instances: Option<u32>,
    /// Images that stay in the clinic.
    withheld: u32,
    quick_look: bool,
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
    /// Two machines use its identity: both are shut out.
    copied: bool,
    /// When it came to be on- or offline.
    since_ms: Option<i64>,
    last_seen_ms: i64,
    /// Of its box.
    version: Option<String>,
    health: Option<HealthJson>,
}

/// How the clinic's box was when it last said so.
#[derive(Serialize)]
struct HealthJson {
    at_ms: i64,
    uptime_s: u64,
    pending: BTreeMap<String, u64>,
    oldest_ms: u64,
    set_aside: u64,
    disk_free_bytes: u64,
    disk_total_bytes: u64,
    model: Option<String>,
    images_stored: u64,
    quarantined: u64,
}

pub(super) fn results(stored: &[StoredResult], images: &HashMap<VersionKey, ImagesHere>) -> Results {
    let of = |stored: &StoredResult| {
        let case = stored.result.case.as_str().to_owned();
        images.get(&(stored.clinic.clone(), case, stored.result.version))
    };
    Results {
        results: stored.iter().map(|stored| result(stored, of(stored))).collect(),
    }
}

pub(super) fn status(counts: Counts, clinics: Vec<ClinicState>, copied: &[String]) -> Status {
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
                copied: copied.iter().any(|clinic| clinic == state.clinic.as_str()),
                since_ms: state.since_ms,
                last_seen_ms: state.last_seen_ms,
                version: said(&state.client_version),
                health: state
                    .health
                    .as_ref()
                    .map(|(health, at_ms)| box_health(health, *at_ms)),
            })
            .collect(),
    }
}

fn box_health(health: &v1::BoxHealth, at_ms: i64) -> HealthJson {
    HealthJson {
        at_ms,
        uptime_s: health.uptime_s,
        pending: health
            .lane
            .iter()
            .map(|lane| (lane.lane.clone(), lane.pending))
            .collect(),
        oldest_ms: health.oldest_ms,
        set_aside: health.set_aside,
        disk_free_bytes: health.disk_free_bytes,
        disk_total_bytes: health.disk_total_bytes,
        model: said(&health.model),
        images_stored: health.images_stored,
        quarantined: health.quarantined,
    }
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn result(stored: &StoredResult, images: Option<&ImagesHere>) -> ResultJson {
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
        clock_offset_ms: result.clock_offset_ms,
        detected_at_ms: stored.detected_at_ms,
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
        images: images.map(|here| ImagesJson {
            instances: here.instances,
            withheld: here.withheld,
            quick_look: here.has_quick_look,
        }),
    }
}
