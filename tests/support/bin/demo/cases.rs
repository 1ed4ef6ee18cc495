//! What became of each file, and the sums.

use std::collections::HashMap;

use barefoot_test_support::daemons::{EdgeCase, HubResult};
use serde_json::{Value, json};

/// One file, from the simulator's side.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) name: String,
    pub(crate) study_uid: Option<String>,
    pub(crate) sop_instance: String,
    /// Why the box does not have it: unreadable here, or refused there.
    pub(crate) error: Option<String>,
}

/// How far a study has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Sent,
    Stored,
    Assessed,
    Received,
    Receipted,
}

/// Both pages at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    by_study: HashMap<String, EdgeCase>,
    at_hub: HashMap<(String, u32), ()>,
    /// How many different images of a study were acknowledged.
    expected: HashMap<String, usize>,
}

impl Seen {
    pub(crate) fn new(sent: &[Sent], cases: Vec<EdgeCase>, results: &[HubResult]) -> Self {
        let mut instances: HashMap<String, std::collections::HashSet<&str>> = HashMap::new();
        for one in sent.iter().filter(|one| one.error.is_none()) {
            if let Some(study) = &one.study_uid {
                instances
                    .entry(study.clone())
                    .or_default()
                    .insert(&one.sop_instance);
            }
        }
        Self {
            by_study: cases
                .into_iter()
                .map(|case| (case.study_uid.clone(), case))
                .collect(),
            at_hub: results
                .iter()
                .map(|result| ((result.case_id.clone(), result.version), ()))
                .collect(),
            expected: instances
                .into_iter()
                .map(|(study, images)| (study, images.len()))
                .collect(),
        }
    }

    pub(crate) fn case(&self, sent: &Sent) -> Option<&EdgeCase> {
        self.by_study.get(sent.study_uid.as_ref()?)
    }

    /// A file has come as far as the version of its study that holds it.
    pub(crate) fn stage(&self, sent: &Sent) -> Stage {
        let Some(case) = self.case(sent) else {
            return Stage::Sent;
        };
        let expected = sent.study_uid.as_ref().and_then(|study| self.expected.get(study));
        if expected.is_some_and(|expected| case.instances < *expected) {
            return Stage::Sent;
        }
        if case.state != "assessed" {
            return Stage::Stored;
        }
        if !self.at_hub.contains_key(&(case.case_id.clone(), case.version)) {
            return Stage::Assessed;
        }
        if case.delivery != "receipted" {
            return Stage::Received;
        }
        Stage::Receipted
    }
}

/// The end, counted per file.
#[derive(Debug)]
pub(crate) struct Summary {
    sent: usize,
    stored: usize,
    assessed: usize,
    received: usize,
    receipted: usize,
    failed: usize,
    cases: Vec<Value>,
}

impl Summary {
    pub(crate) fn new(all: &[Sent], seen: &Seen) -> Self {
        let mut summary = Self {
            sent: 0,
            stored: 0,
            assessed: 0,
            received: 0,
            receipted: 0,
            failed: 0,
            cases: Vec::new(),
        };
        for one in all {
            if let Some(error) = &one.error {
                summary.failed += 1;
                summary.cases.push(json!({
                    "file": one.name, "model": null, "finding": null, "score": null, "call": null,
                    "urgency": null, "reasons": [], "error": error,
                }));
                continue;
            }
            let stage = seen.stage(one);
            summary.sent += 1;
            summary.stored += usize::from(Stage::Stored <= stage);
            summary.assessed += usize::from(Stage::Assessed <= stage);
            summary.received += usize::from(Stage::Received <= stage);
            summary.receipted += usize::from(Stage::Receipted <= stage);
            let case = seen.case(one);
            let finding = case.and_then(|case| case.findings.first());
            summary.cases.push(json!({
                "file": one.name,
                "model": case.and_then(|case| case.model.clone()),
                "finding": finding.map(|finding| finding.code.clone()),
                "score": finding.map(|finding| rounded(finding.score)),
                "call": finding.map(|finding| finding.call.clone()),
                "urgency": case.and_then(|case| case.urgency.clone()),
                "reasons": case.map(|case| case.reasons.clone()).unwrap_or_default(),
                "engine": case.and_then(|case| case.engine.clone()),
                "precision": case.and_then(|case| case.precision.clone()),
            }));
        }
        summary
    }

    /// Acknowledged to the scanner, and not at the hub with a receipt.
    pub(crate) fn lost(&self) -> usize {
        self.sent - self.receipted
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.lost() == 0 && self.failed == 0
    }

    pub(crate) fn to_json(&self) -> String {
        json!({
            "sent": self.sent,
            "stored": self.stored,
            "assessed": self.assessed,
            "received": self.received,
            "receipted": self.receipted,
            "lost": self.lost(),
            "cases": self.cases,
        })
        .to_string()
    }

    pub(crate) fn sentence(&self) -> String {
        let failed = match self.failed {
            0 => String::new(),
            failed => format!(" {failed} could not be sent."),
        };
        format!(
            "{} sent, {} stored, {} assessed, {} received by the hub, {} receipted, {} lost.{failed}",
            self.sent,
            self.stored,
            self.assessed,
            self.received,
            self.receipted,
            self.lost()
        )
    }
}

/// As many digits as mean something.
fn rounded(score: f32) -> f64 {
    (f64::from(score) * 1e6).round() / 1e6
}
