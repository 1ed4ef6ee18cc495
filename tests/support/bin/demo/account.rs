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
                    println!("  {}  NOT SENT: {error}", short(&one.name));
                    self.told.insert(number, Stage::Receipted);
                }
                continue;
            }
            let stage = seen.stage(one);
            let Some(case) = seen.case(one) else { continue };
            let name = short(&one.name);
            if stage == Stage::Receipted && told < Some(Stage::Receipted) {
                if told == Some(Stage::Assessed) {
                    println!("  {name}  … → received by the hub → receipted");
                } else {
                    println!(
                        "  {name}  sent → stored → assessed: {} → received by the hub → receipted",
                        assessment(case)
                    );
                }
                self.told.insert(number, stage);
            } else if line_down && stage == Stage::Assessed && told < Some(Stage::Assessed) {
                println!(
                    "  {name}  sent → stored → assessed: {} → waits in the box's queue",
                    assessment(case)
                );
                self.told.insert(number, stage);
            }
        }
    }
}

/// The last part of a path, in a column.
fn short(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    format!("{last:<30}")
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
    let urgency = case.urgency.as_deref().unwrap_or("no urgency");
    format!("{findings}, {urgency}: {}", reasons.join(" and "))
}

/// The reason codes of the case list.
fn in_words(reason: &str) -> String {
    let (code, finding) = reason.split_once(':').unwrap_or((reason, ""));
    match code {
        "confident" => "confident, good picture".to_owned(),
        "urgent_finding" => format!("{finding} is urgent"),
        "low_confidence" => format!("unsure about {finding}"),
        "poor_quality" => "poor picture".to_owned(),
        "outside_intended_use" => "no model is meant for this kind of study".to_owned(),
        "no_model" => "no model is installed".to_owned(),
        "model_failed" => "the model failed on it".to_owned(),
        "picture_outside" => "it is no picture of the kind the model was made for".to_owned(),
        "disagreement" => format!("the models disagree about {finding}"),
        "panel_incomplete" => "not every model answered".to_owned(),
        "model_too_slow" => "the model did not answer in time".to_owned(),
        "subgroup_not_covered" => "the model was not tried on such patients".to_owned(),
        "identity_conflict" => "its images name different patients or share an identifier".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words() {
        assert_eq!(in_words("low_confidence:pneumonia"), "unsure about pneumonia");
        assert_eq!(in_words("something_new"), "something_new");
    }
}
