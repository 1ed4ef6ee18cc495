//! How soon a person must look, and why. Pure: everything it depends on comes in.

use barefoot_domain::{Call, FindingResult, QualityGrade, QualityVerdict, Reason, Urgency};

/// How the models fared.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// Findings, and for each whether its bundle calls it urgent.
    Findings(Vec<(FindingResult, bool)>),
    NoModel,
    OutsideIntendedUse,
    Failed,
}

/// `critical` before `review` before `routine`, with every reason that holds. AI failure never hides a study: whatever
/// was not confidently answered goes to review.
#[must_use]
pub(super) fn decide(
    review_below: f32,
    quality: &QualityVerdict,
    identity_conflict: bool,
    answer: &Answer,
) -> (Urgency, Vec<Reason>) {
    let mut reasons = Vec::new();
    let mut urgency = Urgency::Routine;
    let mut hold = |reason, at_least: Urgency| {
        reasons.push(reason);
        urgency = urgency.max(at_least);
    };
    match answer {
        Answer::NoModel => hold(Reason::NoModel, Urgency::Review),
        Answer::OutsideIntendedUse => hold(Reason::OutsideIntendedUse, Urgency::Review),
        Answer::Failed => hold(Reason::ModelFailed, Urgency::Review),
        Answer::Findings(findings) => {
            for (finding, urgent) in findings {
                if *urgent && finding.call == Call::Positive {
                    hold(Reason::UrgentFinding(finding.code.clone()), Urgency::Critical);
                }
                if finding.confidence.value() < review_below {
                    hold(Reason::LowConfidence(finding.code.clone()), Urgency::Review);
                }
            }
        }
    }
    if quality.grade == QualityGrade::C {
        hold(Reason::PoorQuality, Urgency::Review);
    }
    if identity_conflict {
        hold(Reason::IdentityConflict, Urgency::Review);
    }
    if reasons.is_empty() {
        reasons.push(Reason::Confident);
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
        (
            FindingResult {
                code: FindingCode::new("pneumonia").unwrap(),
                score,
                call,
                confidence,
            },
            urgent,
        )
    }

    fn check(answer: &Answer, grade: QualityGrade) -> (Urgency, Vec<Reason>) {
        decide(0.8, &verdict(grade), false, answer)
    }

    fn verdict(grade: QualityGrade) -> QualityVerdict {
        QualityVerdict {
            grade,
            problems: vec![],
        }
    }

    #[test]
    fn a_confident_call_on_whose_patient_is_unclear_goes_to_review() {
        let answer = Answer::Findings(vec![finding(0.99, Call::Positive, false)]);
        let decided = decide(0.8, &verdict(QualityGrade::A), true, &answer);
        assert_eq!(decided, (Urgency::Review, vec![Reason::IdentityConflict]));
    }

    #[test]
    fn decisions_name_every_reason() {
        let code = FindingCode::new("pneumonia").unwrap();
        let one = |score, call, urgent| Answer::Findings(vec![finding(score, call, urgent)]);
        use QualityGrade::{A, C};
        assert_eq!(
            check(&one(0.95, Call::Positive, false), A),
            (Urgency::Routine, vec![Reason::Confident])
        );
        assert_eq!(
            check(&one(0.05, Call::Negative, true), A),
            (Urgency::Routine, vec![Reason::Confident])
        );
        assert_eq!(
            check(&one(0.7, Call::Positive, false), A),
            (Urgency::Review, vec![Reason::LowConfidence(code.clone())])
        );
        assert_eq!(
            check(&one(0.7, Call::Positive, true), C),
            (
                Urgency::Critical,
                vec![
                    Reason::UrgentFinding(code.clone()),
                    Reason::LowConfidence(code),
                    Reason::PoorQuality
                ]
            )
        );
        assert_eq!(
            check(&one(0.99, Call::Positive, false), C),
            (Urgency::Review, vec![Reason::PoorQuality])
        );
    }

    #[test]
    fn a_silent_model_never_hides_a_study() {
        for (answer, reason) in [
            (Answer::NoModel, Reason::NoModel),
            (Answer::OutsideIntendedUse, Reason::OutsideIntendedUse),
            (Answer::Failed, Reason::ModelFailed),
        ] {
            assert_eq!(check(&answer, QualityGrade::A), (Urgency::Review, vec![reason]));
        }
    }
}
