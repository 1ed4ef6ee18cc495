use barefoot_domain::{Assessment, Urgency};

/// Which results a person must read, and how soon; `None` for those that nobody need read.
///
/// The box has weighed confidence, quality, intended use and the model's failures against the site's own settings; the hub
/// takes its word for what is urgent. It adds one thing: what nothing could be said of is read, whatever it says of itself.
pub(crate) fn urgency_of(assessment: &Assessment) -> Option<Urgency> {
    match assessment.urgency {
        Urgency::Critical => Some(Urgency::Critical),
        Urgency::Review => Some(Urgency::Review),
        Urgency::Routine if assessment.findings.is_empty() => Some(Urgency::Review),
        Urgency::Routine => None,
    }
}

/// Which readers a modality is for: the word of a subspecialty.
pub(crate) fn subspecialty(modality: &str) -> &'static str {
    match modality {
        "CR" | "DX" | "DR" | "RG" => "radiography",
        "CT" => "ct",
        "MR" => "mr",
        "US" | "IVUS" => "ultrasound",
        "MG" => "mammography",
        "ECG" => "ecg",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use barefoot_domain::{Call, FindingCode, FindingResult, QualityGrade, QualityVerdict, Score};

    use super::*;

    fn assessment(urgency: Urgency, findings: usize) -> Assessment {
        let finding = FindingResult {
            code: FindingCode::new("pneumonia").unwrap(),
            score: Score::new(0.1).unwrap(),
            call: Call::Negative,
            confidence: Score::new(0.9).unwrap(),
        };
        Assessment {
            model: None,
            engine: None,
            findings: vec![finding; findings],
            quality: QualityVerdict {
                grade: QualityGrade::A,
                problems: vec![],
            },
            urgency,
            reasons: vec![],
            regions: Vec::new(),
            others: Vec::new(),
        }
    }

    #[test]
    fn what_is_hard_is_read_and_what_nobody_looked_at_too() {
        for (urgency, findings, wanted) in [
            (Urgency::Critical, 1, Some(Urgency::Critical)),
            (Urgency::Review, 1, Some(Urgency::Review)),
            (Urgency::Routine, 1, None),
            (Urgency::Routine, 0, Some(Urgency::Review)),
        ] {
            assert_eq!(urgency_of(&assessment(urgency, findings)), wanted);
        }
    }

    #[test]
    fn a_modality_has_its_readers() {
        assert_eq!((subspecialty("DX"), subspecialty("")), ("radiography", "other"));
    }
}
