//! What people said about a study: which findings are there, whether it may be learnt from, and whether research may have it.
//!
//! Durable in the case log, visible in the case index. An expert's word stands above the clinic's; of two from the same
//! source the later stands.

use barefoot_domain::{Correction, FindingCode};
use serde::{Deserialize, Serialize};

/// Findings a study may carry labels for; more is nonsense and would grow a log without end.
const MAX_LABELS: usize = 1024;

/// Who said it. Later variants outrank earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LabelSource {
    /// Somebody in the clinic, on the case's page.
    Clinic,
    /// An expert at the hub.
    Expert,
}

/// One person's word on one finding of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    /// Made once by whoever said it; the same one twice is one.
    pub correction_id: String,
    pub source: LabelSource,
    /// The version of the study it is about.
    pub version: u32,
    pub finding: FindingCode,
    pub present: bool,
}

impl Label {
    /// The expert's word as it came from the hub.
    #[must_use]
    pub(crate) fn from_expert(correction: &Correction) -> Self {
        Self {
            correction_id: correction.id.clone(),
            source: LabelSource::Expert,
            version: correction.version,
            finding: correction.finding.clone(),
            present: correction.present,
        }
    }
}

/// What a patient is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConsentFor {
    /// That the box learns from the study.
    Learning,
    /// That it is given to research.
    Research,
}

/// Whose word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Giver {
    Patient,
    /// A parent, or who else decides for the patient.
    Guardian,
}

/// A word on what may be done with a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word {
    pub allowed: bool,
    pub giver: Giver,
    pub at_ms: i64,
}

/// Everything said about one study.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    /// In the order of the log.
    said: Vec<Label>,
    /// `None` when there is none and the site's rule holds.
    learning: Option<Word>,
    research: Option<Word>,
}

impl Labels {
    /// Takes a label up; `false` when it was known already.
    pub(crate) fn say(&mut self, label: Label) -> bool {
        if self.knows(&label.correction_id) || MAX_LABELS <= self.said.len() {
            return false;
        }
        self.said.push(label);
        true
    }

    #[must_use]
    pub(crate) fn knows(&self, correction_id: &str) -> bool {
        self.said.iter().any(|label| label.correction_id == correction_id)
    }

    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        MAX_LABELS <= self.said.len()
    }

    pub(crate) fn set_word(&mut self, for_what: ConsentFor, word: Word) {
        match for_what {
            ConsentFor::Learning => self.learning = Some(word),
            ConsentFor::Research => self.research = Some(word),
        }
    }

    /// The last word said on this study.
    #[must_use]
    pub(crate) fn word(&self, for_what: ConsentFor) -> Option<Word> {
        match for_what {
            ConsentFor::Learning => self.learning,
            ConsentFor::Research => self.research,
        }
    }

    /// The label that stands for a finding.
    #[must_use]
    pub(crate) fn of(&self, finding: &FindingCode) -> Option<&Label> {
        // `max_by_key` gives the last of equals: the later one.
        self.said
            .iter()
            .filter(|label| label.finding == *finding)
            .max_by_key(|label| label.source)
    }

    /// The standing label of every finding that has one.
    pub(crate) fn standing(&self) -> impl Iterator<Item = &Label> {
        let stands = |label: &&Label| {
            self.of(&label.finding)
                .is_some_and(|standing| standing.correction_id == label.correction_id)
        };
        self.said.iter().filter(stands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(id: &str, source: LabelSource, finding: &str, present: bool) -> Label {
        Label {
            correction_id: id.into(),
            source,
            version: 1,
            finding: FindingCode::new(finding).unwrap(),
            present,
        }
    }

    #[test]
    fn the_expert_stands_above_the_clinic_and_the_later_above_the_earlier() {
        let mut labels = Labels::default();
        let finding = FindingCode::new("pneumonia").unwrap();
        assert!(labels.say(label("a", LabelSource::Clinic, "pneumonia", true)));
        assert!(labels.say(label("b", LabelSource::Clinic, "pneumonia", false)));
        assert!(!labels.of(&finding).unwrap().present);
        assert!(labels.say(label("c", LabelSource::Expert, "pneumonia", true)));
        assert!(labels.say(label("d", LabelSource::Clinic, "pneumonia", false)));
        assert!(labels.of(&finding).unwrap().present);
        assert!(labels.say(label("e", LabelSource::Expert, "pneumonia", false)));
        assert!(!labels.of(&finding).unwrap().present);
        assert!(labels.say(label("f", LabelSource::Clinic, "fracture", true)));
        let standing: Vec<&str> = labels
            .standing()
            .map(|label| label.correction_id.as_str())
            .collect();
        assert_eq!(standing, ["e", "f"]);
    }

    #[test]
    fn the_same_word_twice_is_one() {
        let mut labels = Labels::default();
        assert!(labels.say(label("a", LabelSource::Expert, "pneumonia", true)));
        assert!(!labels.say(label("a", LabelSource::Expert, "pneumonia", true)));
        assert_eq!(labels.standing().count(), 1);
    }
}
