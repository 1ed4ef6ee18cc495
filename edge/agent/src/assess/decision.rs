//! How soon a person must look, and why. Pure: everything it depends on comes in.

use barefoot_domain::{Call, FindingResult, QualityGrade, QualityVerdict, Reason, Urgency};

/// `critical` before `review` before `routine`, with every reason that holds. `findings` come with whether their bundle
/// calls them urgent, `gaps` are the reasons why the answer is not the whole answer: each sends the study to review.
/// AI failure never hides a study, and never quietens an urgent finding either.
#[must_use]
pub(super) fn decide(
    review_below: f32,
    quality: &QualityVerdict,
    findings: &[(FindingResult, bool)],
    gaps: Vec<Reason>,
) -> (Urgency, Vec<Reason>) {
    let mut reasons = Vec::new();
    let mut urgency = Urgency::Routine;
    let mut hold = |reason, at_least: Urgency| {
        reasons.push(reason);
        urgency = urgency.max(at_least);
    };
    for (finding, urgent) in findings {
        if *urgent && finding.call == Call::Positive {
            hold(Reason::UrgentFinding(finding.code.clone()), Urgency::Critical);
        }
        if finding.confidence.value() < review_below {
            hold(Reason::LowConfidence(finding.code.clone()), Urgency::Review);
        }
    }
    for gap in gaps {
        hold(gap, Urgency::Review);
    }
    if quality.grade == QualityGrade::C {
        hold(Reason::PoorQuality, Urgency::Review);
    }
    if reasons.is_empty() {
        // Neither a finding nor a reason why there is none would be silence; silence is not health.
        let unexplained = findings.is_empty();
        reasons.push(if unexplained {
            Reason::ModelFailed
        } else {
            Reason::Confident
        });
        urgency = if unexplained { Urgency::Review } else { urgency };
    }
    (urgency, reasons)
}

#[cfg(test)]
mod tests {
    use super::*;
    use barefoot_domain::{FindingCode, Score};

    fn finding(score: f32, call: Call, urgent: bool) -> (FindingResult, bool) {
        let score = Score::new(score).unwrap();
        let confidence = if call == Call::Positive {
            score
        } else {
            score.complement()
        };
        let code = FindingCode::new("pneumonia").unwrap();
        (
            FindingResult {
                code,
                score,
                call,
                confidence,
            },
            urgent,
        )
    }

    fn check(
        findings: &[(FindingResult, bool)],
        gaps: &[Reason],
        grade: QualityGrade,
    ) -> (Urgency, Vec<Reason>) {
        decide(
            0.8,
            &QualityVerdict {
                grade,
                problems: vec![],
            },
            findings,
            gaps.to_vec(),
        )
    }

    #[test]
    fn decisions_name_every_reason() {
        use Call::{Negative, Positive};
        use QualityGrade::{A, C};
        use Reason::{Confident, LowConfidence, PoorQuality, UrgentFinding};
        let code = FindingCode::new("pneumonia").unwrap();
        for (found, grade, urgency, reasons) in [
            (
                finding(0.95, Positive, false),
                A,
                Urgency::Routine,
                vec![Confident],
            ),
            (
                finding(0.05, Negative, true),
                A,
                Urgency::Routine,
                vec![Confident],
            ),
            (
                finding(0.7, Positive, false),
                A,
                Urgency::Review,
                vec![LowConfidence(code.clone())],
            ),
            (
                finding(0.99, Positive, false),
                C,
                Urgency::Review,
                vec![PoorQuality],
            ),
            (
                finding(0.7, Positive, true),
                C,
                Urgency::Critical,
                vec![
                    UrgentFinding(code.clone()),
                    LowConfidence(code.clone()),
                    PoorQuality,
                ],
            ),
        ] {
            assert_eq!(check(&[found], &[], grade), (urgency, reasons));
        }
    }

    #[test]
    fn a_silent_model_never_hides_a_study() {
        for gap in [Reason::NoModel, Reason::OutsideIntendedUse, Reason::ModelFailed] {
            assert_eq!(
                check(&[], std::slice::from_ref(&gap), QualityGrade::A),
                (Urgency::Review, vec![gap])
            );
        }
        assert_eq!(
            check(&[], &[], QualityGrade::A),
            (Urgency::Review, vec![Reason::ModelFailed])
        );
    }

    #[test]
    fn a_failure_on_one_view_does_not_quieten_an_urgent_finding_on_another() {
        let urgent = finding(0.95, Call::Positive, true);
        let (urgency, reasons) = check(&[urgent], &[Reason::ModelFailed], QualityGrade::A);
        assert_eq!((urgency, reasons.len()), (Urgency::Critical, 2));
    }

    #[test]
    fn a_confident_call_on_whose_patient_is_unclear_goes_to_review() {
        let decided = check(
            &[finding(0.99, Call::Positive, false)],
            &[Reason::IdentityConflict],
            QualityGrade::A,
        );
        assert_eq!(decided, (Urgency::Review, vec![Reason::IdentityConflict]));
    }
}
