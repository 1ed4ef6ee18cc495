//! How sure a model's calls are on this site, where people confirmed enough cases to say so.
//!
//! Only the confidence follows the site. Score and call stay those the model was proven with, so that cases of all times and
//! sites compare, and no clinic moves an operating point.

use std::sync::{PoisonError, RwLock};

use barefoot_domain::{Call, FindingCode, FindingResult, Score};
use barefoot_inference::Calibration;

/// Of one model; none at first.
#[derive(Debug, Default)]
pub(crate) struct SiteConfidence(RwLock<Vec<(FindingCode, Calibration)>>);

impl SiteConfidence {
    /// From the next study on.
    pub(crate) fn set(&self, calibrations: Vec<(FindingCode, Calibration)>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = calibrations;
    }

    /// Says anew how sure the calls on `findings` are.
    pub(crate) fn apply(&self, findings: &mut [FindingResult]) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for finding in findings {
            let Some((_, calibration)) = known.iter().find(|(code, _)| *code == finding.code) else {
                continue;
            };
            // Bounded numbers give a bounded one; were it none, the model's own word stands.
            if let Some(score) = Score::new(calibration.applied(finding.score.value())) {
                finding.confidence = match finding.call {
                    Call::Positive => score,
                    Call::Negative => score.complement(),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: &str, score: f32, call: Call) -> FindingResult {
        let score = Score::new(score).unwrap();
        FindingResult {
            code: FindingCode::new(code).unwrap(),
            score,
            call,
            confidence: if call == Call::Positive {
                score
            } else {
                score.complement()
            },
        }
    }

    #[test]
    fn the_site_changes_how_sure_a_call_is_and_nothing_else() {
        let site = SiteConfidence::default();
        let mut untouched = [finding("pneumonia", 0.9, Call::Positive)];
        site.apply(&mut untouched);
        assert_eq!(untouched[0], finding("pneumonia", 0.9, Call::Positive));

        // Here the finding is rarer than where the model comes from.
        let rarer = Calibration {
            temperature: 1.0,
            bias: -1.0,
        };
        site.set(vec![(FindingCode::new("pneumonia").unwrap(), rarer)]);
        let mut findings = [
            finding("pneumonia", 0.9, Call::Positive),
            finding("pneumonia", 0.3, Call::Negative),
            finding("fracture", 0.9, Call::Positive),
        ];
        site.apply(&mut findings);
        let [likely, unlikely, other] = findings;
        assert_eq!((likely.score.value(), likely.call), (0.9, Call::Positive));
        assert!((likely.confidence.value() - 0.768).abs() < 0.001, "{likely:?}");
        assert!(
            (unlikely.confidence.value() - 0.864).abs() < 0.001,
            "{unlikely:?}"
        );
        assert_eq!(other, finding("fracture", 0.9, Call::Positive));
    }
}
