//! How sure the model's calls are on this site, from its confirmed cases.
//!
//! People look at uncertain and at positive cases more often than at the rest. Each confirmed case therefore stands for the
//! site's cases of its kind: those with the same call that were, or were not, sent to a person.

use barefoot_domain::{Call, FindingCode, Urgency};
use barefoot_inference::{Bounds, Calibration, ConfirmedCase, Kept, Model, Recalibration, recalibrate};

use crate::case_index::CaseView;

/// Of one case no more than so many others are believed to be like it.
const MOST_LIKE_ONE: f32 = 10.0;

/// A confirmed finding of a case, with what the model's head says of its features now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Confirmed {
    /// The head's row.
    pub(super) finding: usize,
    pub(super) score: f32,
    pub(super) present: bool,
    pub(super) was_sent: bool,
}

/// What a case's assessment says of it: it went to a person.
pub(super) fn was_sent(case: &CaseView) -> bool {
    let assessment = case.assessment.as_ref();
    assessment.is_none_or(|assessment| assessment.urgency != Urgency::Routine)
}

/// The fit of each of the model's findings that has one.
pub(super) fn fits(
    model: &Model,
    cases: &[impl AsRef<CaseView>],
    confirmed: &[Confirmed],
) -> Vec<(FindingCode, Recalibration)> {
    let findings = model.findings().enumerate();
    findings
        .filter_map(|(row, code)| {
            let point = model.operating_point(code)?;
            let own: Vec<&Confirmed> = confirmed.iter().filter(|one| one.finding == row).collect();
            let weighed = weighed(&own, point, |kind| seen(model, cases, code, kind));
            match recalibrate(&weighed, Calibration::NONE, &Bounds::default()) {
                Ok(fit) => Some((code.clone(), fit)),
                Err(Kept::TooFew { .. }) => None,
                Err(kept) => {
                    tracing::debug!(finding = %code, %kept, "Confidence stays the model's own.");
                    None
                }
            }
        })
        .collect()
}

/// Cases of one kind are seen by people equally often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    positive: bool,
    was_sent: bool,
}

/// How many of the site's cases, as this model assessed them, are of a kind.
fn seen(model: &Model, cases: &[impl AsRef<CaseView>], code: &FindingCode, kind: Kind) -> usize {
    let of_kind = |case: &CaseView| {
        let assessment = case.assessment.as_ref()?;
        if assessment.model.as_ref() != Some(model.version()) {
            return None;
        }
        let finding = assessment.findings.iter().find(|finding| finding.code == *code)?;
        let positive = finding.call == Call::Positive;
        Some(
            kind == Kind {
                positive,
                was_sent: was_sent(case),
            },
        )
    };
    cases
        .iter()
        .filter(|case| of_kind(case.as_ref()) == Some(true))
        .count()
}

fn weighed(own: &[&Confirmed], point: f32, seen: impl Fn(Kind) -> usize) -> Vec<ConfirmedCase> {
    let kind_of = |one: &Confirmed| Kind {
        positive: point <= one.score,
        was_sent: one.was_sent,
    };
    let mut weights: Vec<(Kind, f32)> = Vec::new();
    for one in own {
        let kind = kind_of(one);
        if !weights.iter().any(|(known, _)| *known == kind) {
            let confirmed = own.iter().filter(|other| kind_of(other) == kind).count();
            let weight = (seen(kind) as f32 / confirmed as f32).clamp(1.0, MOST_LIKE_ONE);
            weights.push((kind, weight));
        }
    }
    own.iter()
        .map(|one| {
            let kind = kind_of(one);
            let known = weights.iter().find(|(known, _)| *known == kind);
            ConfirmedCase::of_score(one.score, one.present, known.map_or(1.0, |(_, weight)| *weight))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirmed(score: f32, was_sent: bool) -> Confirmed {
        Confirmed {
            finding: 0,
            score,
            present: true,
            was_sent,
        }
    }

    #[test]
    fn a_confirmed_case_stands_for_those_of_its_kind() {
        let cases = [
            confirmed(0.9, false),
            confirmed(0.8, false),
            confirmed(0.55, true),
            confirmed(0.1, false),
        ];
        let own: Vec<&Confirmed> = cases.iter().collect();
        let weighed = weighed(&own, 0.5, |kind| match (kind.positive, kind.was_sent) {
            (true, false) => 6,
            (true, true) => 1,
            _ => 900,
        });
        let weights: Vec<f32> = weighed.iter().map(|case| case.weight).collect();
        // Two for six, one for itself, and nobody for more than ten.
        assert_eq!(weights, [3.0, 3.0, 1.0, 10.0]);
    }

    #[test]
    fn cases_of_an_older_model_count_once() {
        let cases = [confirmed(0.9, false), confirmed(0.8, false)];
        let own: Vec<&Confirmed> = cases.iter().collect();
        assert!(weighed(&own, 0.5, |_| 0).iter().all(|case| case.weight == 1.0));
    }
}
