//! Earlier studies of the same patient on this box, and what changed since. Pure.
//!
//! Another patient's study shown as a prior would be worse than none: a name alone never joins two studies, and whatever
//! speaks against it keeps them apart.

use std::sync::Arc;

use barefoot_domain::{Assessment, FindingCode, Reason, Score};

use crate::case_index::{CaseState, CaseView};
use crate::case_log::PatientText;

/// More are history, not comparison.
const MOST: usize = 3;

/// An earlier study of the same kind.
#[derive(Debug, Clone)]
pub(crate) struct Prior {
    pub(crate) case: Arc<CaseView>,
    /// Findings that both studies were looked at for, in the newer one's order.
    pub(crate) changes: Vec<Change>,
}

/// One finding then and now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) finding: FindingCode,
    pub(crate) before: Score,
    pub(crate) now: Score,
    /// Whether the same version of the same model said both: only then is their difference one of the patient.
    pub(crate) same_model: bool,
}

/// The newest first.
pub(crate) fn priors_of(case: &CaseView, all: &[Arc<CaseView>]) -> Vec<Prior> {
    let Some(now) = certain(case) else {
        return Vec::new();
    };
    let mut priors: Vec<Prior> = all
        .iter()
        .filter(|other| {
            other.study != case.study
                && other.modality == case.modality
                && when(other) < when(case)
                && same_person(&other.patient, &case.patient)
        })
        .filter_map(|other| {
            Some(Prior {
                changes: changes(certain(other)?, now),
                case: Arc::clone(other),
            })
        })
        .collect();
    priors.sort_by(|one, other| when(&other.case).cmp(&when(&one.case)));
    priors.truncate(MOST);
    priors
}

/// What was concluded, where it is finished and nobody doubts whose it is.
fn certain(case: &CaseView) -> Option<&Assessment> {
    let assessment = case.assessment.as_ref()?;
    let doubtful = 0 < case.conflicts || assessment.reasons.contains(&Reason::IdentityConflict);
    (case.state == CaseState::Assessed && !doubtful).then_some(assessment)
}

/// The day the images were made where they say so, for an old study may come in late from a stick; then the arrival.
fn when(case: &CaseView) -> (&str, i64) {
    (&case.patient.study_date, case.received_at_ms)
}

/// The same identifier, and nothing else that both studies tell differs.
fn same_person(one: &PatientText, other: &PatientText) -> bool {
    let agree = |one: &str, other: &str| one.is_empty() || other.is_empty() || one == other;
    // A guessed name may be written otherwise though it is the same; then the day of birth must speak for it.
    let named = if one.guessed || other.guessed {
        !one.birth_date.is_empty() && one.birth_date == other.birth_date
    } else {
        agree(&one.name, &other.name)
    };
    !one.id.is_empty()
        && one.id == other.id
        && named
        && agree(&one.birth_date, &other.birth_date)
        && agree(&one.sex, &other.sex)
}

fn changes(before: &Assessment, now: &Assessment) -> Vec<Change> {
    let same_model = before.model.is_some() && before.model == now.model;
    let then = |code: &FindingCode| before.findings.iter().find(|finding| finding.code == *code);
    now.findings
        .iter()
        .filter_map(|finding| {
            Some(Change {
                before: then(&finding.code)?.score,
                finding: finding.code.clone(),
                now: finding.score,
                same_model,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case_index::samples;

    const NOW: &str = "20260301";

    fn study(uid: &str, date: &str, change: impl FnOnce(&mut CaseView)) -> CaseView {
        let mut case = samples::assessed(uid);
        date.clone_into(&mut case.patient.study_date);
        change(&mut case);
        case
    }

    fn found(other: CaseView) -> Vec<Prior> {
        priors_of(&study("1.1", NOW, |_| {}), &[Arc::new(other)])
    }

    #[test]
    fn an_earlier_study_of_the_patient_is_compared() {
        let priors = found(study("1.2", "20251224", |case| {
            let findings = &mut case.assessment.as_mut().unwrap().findings;
            findings[0].score = Score::new(0.9).unwrap();
        }));
        assert_eq!(priors.len(), 1);
        let change = &priors[0].changes[0];
        assert_eq!(change.before, Score::new(0.9).unwrap());
        assert!(change.same_model);
    }

    #[test]
    fn whatever_speaks_against_it_keeps_studies_apart() {
        let strangers: [fn(&mut CaseView); 9] = [
            |case| case.patient.id = "P-0043".into(),
            |case| case.patient.id.clear(),
            |case| case.patient.name = "王小西".into(),
            |case| case.patient.birth_date = "19810131".into(),
            |case| case.patient.sex = "F".into(),
            |case| case.modality = "CT".into(),
            |case| case.conflicts = 1,
            |case| case.state = CaseState::Assessing,
            |case| {
                let reasons = &mut case.assessment.as_mut().unwrap().reasons;
                reasons.push(Reason::IdentityConflict);
            },
        ];
        for (number, change) in strangers.into_iter().enumerate() {
            assert!(found(study("1.2", "20251224", change)).is_empty(), "{number}");
        }
        // Nor does a study without an identifier have any.
        let unnamed = study("1.1", NOW, |case| case.patient.id.clear());
        let other = study("1.2", "20251224", |case| case.patient.id.clear());
        assert!(priors_of(&unnamed, &[Arc::new(other)]).is_empty());
    }

    #[test]
    fn a_guessed_name_needs_the_day_of_birth() {
        let guessed = |case: &mut CaseView| {
            case.patient.guessed = true;
            case.patient.name = "ÍõÐ¡¶«".into();
        };
        assert_eq!(found(study("1.2", "20251224", guessed)).len(), 1);
        let unborn = study("1.2", "20251224", |case| {
            guessed(case);
            case.patient.birth_date.clear();
        });
        assert!(found(unborn).is_empty());
    }

    #[test]
    fn the_images_own_day_counts_and_not_their_arrival() {
        let late = |date: &str| study("1.2", date, |case| case.received_at_ms += 60_000);
        assert_eq!(found(late("20250101")).len(), 1, "an old study from a stick");
        assert!(found(late("20260302")).is_empty());
        assert!(found(late(NOW)).is_empty(), "the same day: then the arrival");
    }

    #[test]
    fn answers_of_different_models_are_shown_as_such() {
        let priors = found(study("1.2", "20251224", |case| {
            let model = &mut case.assessment.as_mut().unwrap().model;
            model.as_mut().unwrap().version = "0.0.9".into();
        }));
        assert!(!priors[0].changes[0].same_model);
    }

    #[test]
    fn the_newest_few_come_first() {
        let all: Vec<_> = ["20200101", "20240101", "20210101", "20230101", "20220101"]
            .iter()
            .enumerate()
            .map(|(number, date)| Arc::new(study(&format!("1.2.{number}"), date, |_| {})))
            .collect();
        let priors = priors_of(&study("1.1", NOW, |_| {}), &all);
        let dates: Vec<&str> = priors
            .iter()
            .map(|prior| prior.case.patient.study_date.as_str())
            .collect();
        assert_eq!(dates, ["20240101", "20230101", "20220101"]);
    }
}
