//! The live account: one line for a study's fate, in words.

use std::collections::HashMap;

use barefoot_test_support::daemons::EdgeCase;

use crate::cases::{Seen, Sent, Stage};

/// Remembers what was told, so that each thing is told once.
#[derive(Debug, Default)]
pub(crate) struct Account {
    told: HashMap<usize, Stage>,
}

impl Account {
    /// Tells what is new. While the line is down an assessed study is worth a line of its own: that is the point.
    pub(crate) fn tell(&mut self, all: &[Sent], seen: &Seen, line_down: bool) {
        for (number, one) in all.iter().enumerate() {
            let told = self.told.get(&number).copied();
            if let Some(error) = &one.error {
                if told.is_none() {
                    println!("  {}  NOT SENT: {error}", one.name);
                    self.told.insert(number, Stage::Receipted);
                }
                continue;
            }
            let stage = seen.stage(one);
            let Some(case) = seen.case(one) else { continue };
            if stage == Stage::Receipted && told < Some(Stage::Receipted) {
                println!("  {}  {}", one.name, fate(case));
                self.told.insert(number, stage);
            } else if line_down && stage == Stage::Assessed && told < Some(Stage::Assessed) {
                println!(
                    "  {}  sent → stored → assessed: {} → waits in the box's queue",
                    one.name,
                    assessment(case)
                );
                self.told.insert(number, stage);
            }
        }
    }
}

fn fate(case: &EdgeCase) -> String {
    format!(
        "sent → stored → assessed: {} → received by the hub → receipted",
        assessment(case)
    )
}

fn assessment(case: &EdgeCase) -> String {
    let findings: Vec<String> = case
        .findings
        .iter()
        .map(|finding| format!("{} {:.2} ({})", finding.code, finding.score, finding.call))
        .collect();
    let findings = if findings.is_empty() {
        "no model answered".to_owned()
    } else {
        findings.join(", ")
    };
    let reasons: Vec<String> = case.reasons.iter().map(|reason| in_words(reason)).collect();
    let urgency = case.urgency.as_deref().unwrap_or("no");
    format!("{findings}, {urgency} urgency because {}", reasons.join(" and "))
}

/// The reason codes of the case list.
fn in_words(reason: &str) -> String {
    let (code, finding) = reason.split_once(':').unwrap_or((reason, ""));
    match code {
        "confident" => "the model is confident and the picture good".to_owned(),
        "urgent_finding" => format!("{finding} is urgent"),
        "low_confidence" => format!("the model is unsure about {finding}"),
        "poor_quality" => "the picture is poor".to_owned(),
        "outside_intended_use" => "no model is meant for this kind of study".to_owned(),
        "no_model" => "no model is installed".to_owned(),
        "model_failed" => "the model failed on it".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words() {
        assert_eq!(
            in_words("low_confidence:pneumonia"),
            "the model is unsure about pneumonia"
        );
        assert_eq!(in_words("something_new"), "something_new");
    }
}
