//! Earlier studies of the same patient beside the one that is looked at.

use super::moment::Moment;
use super::texts::fill;
use super::wording::{Light, Wording, date};
use crate::priors::{Change, Prior};

/// An earlier study, ready for the template.
#[derive(Debug)]
pub(super) struct PriorCard {
    pub(super) key: String,
    pub(super) version: u32,
    /// The day of the images; empty where they do not say.
    pub(super) day: String,
    pub(super) received: Option<Moment>,
    pub(super) has_preview: bool,
    pub(super) light: Light,
    pub(super) model: Option<String>,
    pub(super) changes: Vec<ChangeLine>,
    /// Two models, or two versions of one, said it: the difference may be theirs.
    pub(super) other_model: bool,
}

/// One finding then and now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ChangeLine {
    pub(super) text: String,
    /// Empty where the two must not be compared.
    pub(super) difference: String,
}

impl PriorCard {
    pub(super) fn of(prior: &Prior, wording: Wording<'_>) -> Self {
        let case = &prior.case;
        let assessment = case.assessment.as_ref();
        Self {
            key: case.study.to_string(),
            version: case.version,
            day: date(&case.patient.study_date),
            received: Moment::of(case.received_at_ms),
            has_preview: case.has_preview,
            light: wording.light(case.state, assessment.map(|assessment| assessment.urgency)),
            model: assessment
                .and_then(|assessment| assessment.model.as_ref())
                .map(ToString::to_string),
            changes: prior
                .changes
                .iter()
                .map(|change| wording.change(change))
                .collect(),
            other_model: prior.changes.iter().any(|change| !change.same_model),
        }
    }
}

impl Wording<'_> {
    fn change(&self, change: &Change) -> ChangeLine {
        let t = &self.texts.prior;
        let (before, now) = (percent(change.before.value()), percent(change.now.value()));
        let text = fill(
            &t.change,
            &[
                ("finding", &self.name(&change.finding)),
                ("before", &before.to_string()),
                ("now", &now.to_string()),
            ],
        );
        let difference = match now - before {
            _ if !change.same_model => String::new(),
            0 => t.same.clone(),
            points if 0 < points => fill(&t.more, &[("points", &points.to_string())]),
            points => fill(&t.less, &[("points", &points.abs().to_string())]),
        };
        ChangeLine { text, difference }
    }
}

/// Whole percent: finer differences say nothing.
fn percent(probability: f32) -> i32 {
    (probability.clamp(0.0, 1.0) * 100.0).round() as i32
}
