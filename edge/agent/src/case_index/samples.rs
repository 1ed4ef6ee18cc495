//! Cases for tests.

use barefoot_domain::{
    Assessment, Call, CaseId, EngineUse, FindingCode, FindingResult, ModelVersion, QualityGrade,
    QualityVerdict, Reason, Score, StudyUid, Urgency,
};

use super::{CaseState, CaseView, Delivery};
use crate::case_log::PatientText;
use crate::labels::Labels;
use crate::reading::Reading;
use crate::study_folder::StudyKey;

pub(crate) fn pneumonia() -> FindingCode {
    FindingCode::new("pneumonia").unwrap()
}

pub(crate) fn finding(call: Call, confidence: f32) -> FindingResult {
    let confidence = Score::new(confidence).unwrap();
    let score = if call == Call::Positive {
        confidence
    } else {
        confidence.complement()
    };
    FindingResult {
        code: pneumonia(),
        score,
        call,
        confidence,
    }
}

/// A routine chest X-ray without a finding, at the hub.
pub(crate) fn assessed(study_uid: &str) -> CaseView {
    CaseView {
        study: StudyKey::of(&StudyUid::new(study_uid).unwrap()),
        study_uid: study_uid.to_owned(),
        case: CaseId::new("2.25.77").unwrap(),
        version: 1,
        modality: "DX".into(),
        instances: 1,
        patient: PatientText {
            name: "王小东".into(),
            id: "P-0042".into(),
            sex: "M".into(),
            birth_date: "19800131".into(),
            age: Box::default(),
            guessed: false,
            other_names: String::new(),
            accession: String::new(),
            study_date: String::new(),
        },
        state: CaseState::Assessed,
        received_at_ms: 1_764_000_000_000,
        assessed_at_ms: Some(1_764_000_002_000),
        assessment: Some(Assessment {
            model: Some(ModelVersion {
                id: "cxr".into(),
                version: "0.1.0".into(),
                demonstration: true,
            }),
            engine: Some(EngineUse {
                engine: "tract".into(),
                precision: "int8".into(),
            }),
            findings: vec![finding(Call::Negative, 0.97)],
            quality: QualityVerdict {
                grade: QualityGrade::A,
                problems: vec![],
            },
            urgency: Urgency::Routine,
            reasons: vec![Reason::Confident],
            regions: Vec::new(),
            others: Vec::new(),
        }),
        has_preview: true,
        has_heat_map: true,
        has_presented: false,
        delivery: Delivery::Receipted {
            envelope_id: "01ENVELOPE".into(),
        },
        conflicts: 0,
        labels: Labels::default(),
        reading: Reading::default(),
        images_removed_at_ms: None,
    }
}
