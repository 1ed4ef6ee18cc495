//! What people say about a case, and what the box learns from it, in words.

use barefoot_domain::FindingCode;

use super::moment::Moment;
use super::texts::{Texts, fill};
use super::wording::Wording;
use crate::case_index::{CaseState, CaseView};
use crate::labels::{ConsentFor, Giver, LabelSource};
use crate::learning_status::{LearningView, PrivacySpent, RoundOutcome};
use crate::site_policy::SitePolicy;
use crate::site_policy::consent::{Age, Because, Register};

/// What a case's page says and asks about its findings.
#[derive(Debug)]
pub(super) struct SaidCard {
    /// Empty while there is nothing to confirm.
    pub(super) findings: Vec<SaidLine>,
    /// Filled where the case stands alone on its page.
    pub(super) consents: Vec<ConsentLine>,
}

/// One finding and who confirmed it.
#[derive(Debug)]
pub(super) struct SaidLine {
    pub(super) code: String,
    pub(super) text: String,
    /// An expert has spoken: the clinic's word would not stand above it.
    pub(super) settled: bool,
}

/// What may be done with the study, one line a use.
#[derive(Debug)]
pub(super) struct ConsentLine {
    /// As the form says it.
    pub(super) what: &'static str,
    pub(super) text: String,
    pub(super) may_allow: bool,
    pub(super) may_forbid: bool,
}

impl SaidCard {
    pub(super) fn of(case: &CaseView, wording: Wording<'_>) -> Self {
        let assessed = case
            .assessment
            .as_ref()
            .filter(|_| case.state == CaseState::Assessed);
        let codes = assessed.into_iter().flat_map(|assessment| &assessment.findings);
        Self {
            findings: codes.map(|finding| said(case, &finding.code, wording)).collect(),
            consents: Vec::new(),
        }
    }
}

fn said(case: &CaseView, code: &FindingCode, wording: Wording<'_>) -> SaidLine {
    let t = &wording.texts.confirm;
    let standing = case.labels.of(code).map(|label| (label.source, label.present));
    let text = match standing {
        None => &t.open,
        Some((LabelSource::Clinic, true)) => &t.clinic_present,
        Some((LabelSource::Clinic, false)) => &t.clinic_absent,
        Some((LabelSource::Expert, true)) => &t.expert_present,
        Some((LabelSource::Expert, false)) => &t.expert_absent,
    };
    SaidLine {
        code: code.as_str().to_owned(),
        text: fill(text, &[("finding", &wording.name(code))]),
        settled: matches!(standing, Some((LabelSource::Expert, _))),
    }
}

/// What was said of the patient's studies, and what follows for this one.
pub(super) fn consents(
    case: &CaseView,
    policy: &SitePolicy,
    said: &Register,
    texts: &Texts,
) -> Vec<ConsentLine> {
    let line = |what, for_what, words: [&String; 8]| {
        let answer = said.answer(policy, case, for_what);
        let [none, yes, yes_guardian, no, no_guardian, silence, minor, unknown] = words;
        let by_guardian = answer.word.is_some_and(|word| word.giver == Giver::Guardian);
        let text = match (answer.because, by_guardian) {
            (Because::Policy, _) => none,
            (Because::Yes, false) => yes,
            (Because::Yes, true) => yes_guardian,
            (Because::No, false) => no,
            (Because::No, true) => no_guardian,
            (Because::SilenceAllows | Because::SilenceForbids, _) => silence,
            (Because::GuardianNeeded, _) if answer.age == Age::Minor => minor,
            (Because::GuardianNeeded, _) => unknown,
        };
        ConsentLine {
            what,
            text: text.clone(),
            may_allow: answer.because != Because::Yes,
            may_forbid: answer.because != Because::No,
        }
    };
    let t = &texts.confirm;
    let silence = match policy.learning.as_ref().map(|learning| learning.consents(None)) {
        Some(true) => &t.consent_opt_out,
        _ => &t.consent_opt_in,
    };
    vec![
        line(
            "learning",
            ConsentFor::Learning,
            [
                &t.consent_none,
                &t.consent_yes,
                &t.consent_yes_guardian,
                &t.consent_no,
                &t.consent_no_guardian,
                silence,
                &t.consent_minor,
                &t.consent_unknown_age,
            ],
        ),
        line(
            "research",
            ConsentFor::Research,
            [
                &t.research_none,
                &t.research_yes,
                &t.research_yes_guardian,
                &t.research_no,
                &t.research_no_guardian,
                &t.research_silent,
                &t.research_minor,
                &t.research_unknown_age,
            ],
        ),
    ]
}

/// The box's learning, for the list page.
#[derive(Debug)]
pub(super) struct LearningCard {
    pub(super) lines: Vec<String>,
    pub(super) last: Option<(String, Option<Moment>)>,
    pub(super) problem: Option<String>,
}

impl LearningCard {
    pub(super) fn of(view: &LearningView, wording: Wording<'_>) -> Self {
        let texts = wording.texts;
        let t = &texts.learning;
        if !view.has_policy {
            return Self {
                lines: vec![t.no_policy.clone()],
                last: None,
                problem: None,
            };
        }
        let mut lines = vec![fill(&t.examples, &[("n", &view.examples.to_string())])];
        if 0 < view.pending {
            lines.push(fill(&t.pending, &[("n", &view.pending.to_string())]));
        }
        if !view.has_hub {
            lines.push(t.no_hub.clone());
        }
        lines.extend(view.site_fits.iter().map(|fit| {
            let percent = |error: f32| format!("{:.1} %", error * 100.0);
            let values = [
                ("finding", wording.name(&fit.finding)),
                ("n", fit.cases.to_string()),
                ("before", percent(fit.error_before)),
                ("after", percent(fit.error_after)),
            ];
            let values: Vec<(&str, &str)> =
                values.iter().map(|(key, value)| (*key, value.as_str())).collect();
            fill(&t.site_fit, &values)
        }));
        lines.extend(view.privacy.map(|spent| privacy(spent, texts)));
        let last = view.last_round.as_ref().map(|note| {
            let values = [
                ("model", note.model.as_str()),
                ("round", &note.round.to_string()),
                ("of", &note.of.to_string()),
                ("outcome", &outcome(&note.outcome, texts)),
            ];
            (fill(&t.last, &values), Moment::of(note.at_ms))
        });
        Self {
            lines,
            last,
            problem: view
                .problem
                .as_ref()
                .map(|problem| fill(&t.closed, &[("problem", problem)])),
        }
    }
}

/// Epsilon is never rounded down.
fn privacy(spent: PrivacySpent, texts: &Texts) -> String {
    let t = &texts.learning;
    let epsilon = format!("{:.2}", (spent.epsilon * 100.0).ceil() / 100.0);
    let delta = format!("{:e}", spent.delta);
    match spent.budget {
        Some(budget) => {
            let budget = budget.to_string();
            fill(
                &t.spent,
                &[("epsilon", &epsilon), ("budget", &budget), ("delta", &delta)],
            )
        }
        None => fill(&t.spent_unbounded, &[("epsilon", &epsilon), ("delta", &delta)]),
    }
}

fn outcome(outcome: &RoundOutcome, texts: &Texts) -> String {
    let t = &texts.learning;
    match outcome {
        RoundOutcome::TakingPart => t.taking_part.clone(),
        RoundOutcome::Contributed => t.contributed.clone(),
        RoundOutcome::Declined(reason) => {
            let reason = match *reason {
                "no_policy" => &t.reason_no_policy,
                "policy" => &t.reason_policy,
                "budget" => &t.reason_budget,
                "too_few_examples" => &t.reason_too_few_examples,
                "other_model" => &t.reason_other_model,
                _ => &t.reason_failed,
            };
            fill(&t.declined, &[("reason", reason)])
        }
        RoundOutcome::Refused(code) => fill(&t.refused, &[("code", code)]),
    }
}
