//! Which labelled studies may be learnt from: decided from what people said and the site's policy.

use barefoot_domain::FindingCode;

use super::features::Reference;
use crate::case_index::CaseView;
use crate::labels::ConsentFor;
use crate::site_policy::SitePolicy;
use crate::site_policy::consent::Register;
use crate::study_folder::StudyKey;

/// One version of a study and what was said about it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub study: StudyKey,
    pub version: u32,
    /// The patient where known, else the study; see [`super::LabelledFeatures`].
    pub group: String,
    pub findings: Vec<(FindingCode, bool)>,
}

impl Wanted {
    pub(super) fn reference(&self) -> Reference {
        (self.study.clone(), self.version)
    }
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wanted")
            .field("study", &self.study)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What a case gives, a version at a time: nothing without a policy, against the patient's word, a minor's without the
/// guardian's, or where it is not certain whose images these are.
pub(super) fn wanted(case: &CaseView, policy: &SitePolicy, said: &Register) -> Vec<Wanted> {
    let answer = said.answer(policy, case, ConsentFor::Learning);
    if !answer.because.allows() || 0 < case.conflicts {
        return Vec::new();
    }
    let mut wanted: Vec<Wanted> = Vec::new();
    for label in case.labels.standing() {
        let finding = (label.finding.clone(), label.present);
        match wanted.iter_mut().find(|known| known.version == label.version) {
            Some(known) => known.findings.push(finding),
            None => wanted.push(Wanted {
                study: case.study.clone(),
                version: label.version,
                group: if case.patient.id.is_empty() {
                    case.study.to_string()
                } else {
                    case.patient.id.clone()
                },
                findings: vec![finding],
            }),
        }
    }
    wanted
}
