//! A case in words, ready for the templates.

use barefoot_domain::{Assessment, QualityVerdict};

use super::expert::{ExpertLine, ReadingCard};
use super::learning::SaidCard;
use super::moment::Moment;
use super::wording::{DeliveryLine, FindingLine, Light, Wording, date};
use crate::case_index::{CaseState, CaseView};
use crate::users::Roles;

/// Everything a case's card and its own page say.
#[derive(Debug)]
pub(super) struct Card {
    /// The study's key: the case's name in addresses.
    pub(super) key: String,
    pub(super) patient: PatientCard,
    pub(super) modality: String,
    pub(super) instances: usize,
    pub(super) images: String,
    pub(super) received: Option<Moment>,
    pub(super) assessed: Option<Moment>,
    pub(super) light: Light,
    /// What is known of the pictures while the assessment is not there yet.
    pub(super) arrival: Option<QualityCard>,
    pub(super) result: Option<ResultCard>,
    /// More images came after the result that is shown.
    pub(super) superseded: bool,
    pub(super) delivery: Option<DeliveryLine>,
    pub(super) conflicting: bool,
    /// When the images were removed, where none have come since.
    pub(super) removed: Option<Moment>,
    pub(super) version: u32,
    pub(super) study_uid: String,
    pub(super) case: String,
    pub(super) picture: PictureCard,
    pub(super) said: SaidCard,
    pub(super) expert: Option<ExpertLine>,
    pub(super) reading: ReadingCard,
    /// On the list: the day it begins there.
    pub(super) day: Option<String>,
    /// It came today.
    pub(super) is_today: bool,
    pub(super) may: Roles,
}

/// Who it is.
#[derive(Debug)]
pub(super) struct PatientCard {
    /// Empty when the scanner sent none.
    pub(super) name: String,
    pub(super) id: String,
    pub(super) sex: String,
    pub(super) birth_date: String,
    pub(super) guessed: bool,
}

/// Which pictures there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct PictureCard {
    pub(super) preview: bool,
    pub(super) heat_map: bool,
    /// As a presentation state wants it.
    pub(super) presented: bool,
    /// The case is still worked on: a picture may follow.
    pub(super) pending: bool,
}

/// How good pictures are, and what to do about it.
#[derive(Debug)]
pub(super) struct QualityCard {
    pub(super) class: &'static str,
    pub(super) grade: String,
    pub(super) advice: Vec<String>,
}

impl QualityCard {
    fn of(verdict: &QualityVerdict, wording: Wording<'_>) -> Self {
        let (class, grade) = wording.grade(verdict.grade);
        let advice = verdict.problems.iter().map(|problem| wording.advice(*problem));
        Self {
            class,
            grade,
            advice: advice.collect(),
        }
    }
}

/// What the box concluded.
#[derive(Debug)]
pub(super) struct ResultCard {
    /// Empty when no model answered; the reasons say why.
    pub(super) findings: Vec<FindingLine>,
    /// Where positive findings were seen.
    pub(super) regions: Vec<String>,
    pub(super) reasons: Vec<String>,
    pub(super) quality: QualityCard,
    /// Name and version.
    pub(super) model: Option<String>,
    pub(super) demonstration: bool,
    pub(super) engine: Option<String>,
}

impl Card {
    pub(super) fn of(case: &CaseView, wording: Wording<'_>) -> Self {
        let settled = case.state == CaseState::Assessed;
        let urgency = case.assessment.as_ref().map(|assessment| assessment.urgency);
        Self {
            key: case.study.to_string(),
            patient: PatientCard {
                name: case.patient.name.clone(),
                id: case.patient.id.clone(),
                sex: wording.sex(&case.patient.sex),
                birth_date: date(&case.patient.birth_date),
                guessed: case.patient.guessed,
            },
            modality: wording.modality(&case.modality),
            instances: case.instances,
            images: wording.images(case.instances),
            received: Moment::of(case.received_at_ms),
            assessed: case.assessed_at_ms.and_then(Moment::of),
            light: wording.light(case.state, urgency),
            arrival: (!settled)
                .then(|| wording.pictures.of_study(&case.study))
                .flatten()
                .map(|so_far| QualityCard::of(&so_far.verdict, wording)),
            result: case
                .assessment
                .as_ref()
                .map(|assessment| result(assessment, wording)),
            superseded: !settled && case.assessment.is_some(),
            delivery: wording.delivery(&case.delivery),
            conflicting: 0 < case.conflicts,
            removed: case
                .images_removed_at_ms
                .filter(|_| case.instances == 0)
                .and_then(Moment::of),
            version: case.version,
            study_uid: case.study_uid.clone(),
            case: case.case.to_string(),
            picture: PictureCard {
                preview: case.has_preview,
                heat_map: case.has_heat_map,
                presented: case.has_presented,
                pending: !settled,
            },
            said: SaidCard::of(case, wording),
            expert: wording.expert_line(case),
            reading: ReadingCard::of(case, wording),
            day: None,
            is_today: false,
            may: wording.may,
        }
    }
}

fn result(assessment: &Assessment, wording: Wording<'_>) -> ResultCard {
    ResultCard {
        findings: assessment
            .findings
            .iter()
            .map(|finding| wording.finding(finding))
            .collect(),
        regions: assessment
            .regions
            .iter()
            .map(|region| wording.region(region))
            .collect(),
        reasons: assessment
            .reasons
            .iter()
            .map(|reason| wording.reason(reason))
            .collect(),
        quality: QualityCard::of(&assessment.quality, wording),
        model: assessment.model.as_ref().map(ToString::to_string),
        demonstration: assessment.model.as_ref().is_some_and(|model| model.demonstration),
        engine: assessment
            .engine
            .as_ref()
            .map(|used| format!("{}, {}", used.engine, used.precision)),
    }
}
