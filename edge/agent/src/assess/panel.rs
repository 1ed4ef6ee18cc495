//! What several models say on one study, put together. Pure: everything it depends on comes in.

use barefoot_domain::{
    Call, EngineUse, FindingCode, FindingResult, ModelVersion, OtherAnswer, Reason, Score,
};
use serde::Deserialize;

use crate::model::{Role, Seat};

/// How the models of a panel that answer the same finding make one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Positive where any says so.
    #[default]
    Any,
    /// What most say; positive where they are even.
    Majority,
    /// The mean of their scores, against the mean of their operating points.
    Mean,
}

/// How models that answer the same finding are put together.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `any`, `majority` or `mean`. Default `any`.
    #[serde(default)]
    pub policy: Policy,
}

/// One finding of one model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Vote {
    pub(super) finding: FindingResult,
    /// The model's bundle calls it urgent.
    pub(super) urgent: bool,
    pub(super) operating_point: f32,
}

/// What one model said on a study.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// `None` for the model that answers first.
    pub(super) role: Option<Role>,
    pub(super) model: ModelVersion,
    pub(super) engine: Option<EngineUse>,
    /// Each finding where it stood out most.
    pub(super) votes: Vec<Vote>,
    /// Why it did not answer for a picture it took.
    pub(super) failed: Option<Reason>,
}

impl Answer {
    /// Before it is asked.
    pub(super) fn none_of(seat: &Seat) -> Self {
        Self {
            role: seat.role,
            model: seat.active.model.version().clone(),
            engine: None,
            votes: Vec::new(),
            failed: None,
        }
    }

    pub(super) fn was_asked(&self) -> bool {
        self.spoke() || self.failed.is_some()
    }

    fn on_panel(&self) -> bool {
        matches!(self.role, None | Some(Role::Panel))
    }

    fn spoke(&self) -> bool {
        !self.votes.is_empty()
    }
}

/// What they say together.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Together {
    /// Whose answer it is first of all.
    pub(super) lead: Option<(ModelVersion, Option<EngineUse>)>,
    /// With whether any of those who made the call calls it urgent.
    pub(super) findings: Vec<(FindingResult, bool)>,
    pub(super) others: Vec<OtherAnswer>,
    /// Why it is not the whole answer.
    pub(super) gaps: Vec<Reason>,
}

/// `answers` stand in the order of seats: the model that answers first before the others.
pub(super) fn together(policy: Policy, answers: &[Answer]) -> Together {
    let mut together = Together::default();
    let answers: Vec<&Answer> = answers.iter().filter(|answer| answer.was_asked()).collect();
    let panel_spoke = answers.iter().any(|answer| answer.on_panel() && answer.spoke());
    let standing_in = |answer: &Answer| !panel_spoke && answer.role == Some(Role::Fallback);
    let speaking: Vec<&Answer> = answers
        .iter()
        .copied()
        .filter(|answer| answer.on_panel() || standing_in(answer))
        .collect();
    let spoken = speaking.iter().any(|answer| answer.spoke());
    for failed in speaking.iter().filter_map(|answer| answer.failed.clone()) {
        together.gap(if spoken && 1 < speaking.len() {
            Reason::PanelIncomplete
        } else {
            failed
        });
    }
    for code in codes(&speaking) {
        let votes: Vec<&Vote> = votes(&speaking, &code).collect();
        if votes
            .iter()
            .any(|vote| Some(vote.finding.call) != votes.first().map(|vote| vote.finding.call))
        {
            together.gap(Reason::Disagreement(code.clone()));
        }
        if let Some(finding) = one_call(policy, &votes) {
            let urgent = votes
                .iter()
                .any(|vote| vote.urgent && vote.finding.call == finding.call);
            together.findings.push((finding, urgent));
        }
    }
    // One that is asked only where the panel is silent speaks of other pictures of the study than the panel did.
    let elsewhere = answers
        .iter()
        .filter(|answer| panel_spoke && answer.role == Some(Role::Fallback));
    for vote in elsewhere.flat_map(|answer| &answer.votes) {
        together.add(vote);
    }
    let beside = || {
        let also = |answer: &&Answer| answer.role == Some(Role::Also);
        answers.iter().copied().filter(also)
    };
    for answer in beside() {
        if let Some(failed) = answer.failed.clone() {
            together.gap(failed);
        }
        for vote in &answer.votes {
            let known = |(finding, _): &(FindingResult, bool)| finding.code == vote.finding.code;
            if !together.findings.iter().any(known) {
                together.findings.push((vote.finding.clone(), vote.urgent));
            }
        }
    }
    let lead = speaking.into_iter().chain(beside()).find(|answer| answer.spoke());
    together.lead = lead.map(|lead| (lead.model.clone(), lead.engine.clone()));
    together.others = answers
        .iter()
        .copied()
        .filter(|answer| lead.is_none_or(|lead| !std::ptr::eq(*answer, lead)))
        // The site's first model, failed and alone, is told by the reason.
        .filter(|answer| 1 < answers.len() || answer.spoke())
        .map(|answer| OtherAnswer {
            model: answer.model.clone(),
            engine: answer.engine.clone(),
            findings: answer.votes.iter().map(|vote| vote.finding.clone()).collect(),
        })
        .collect();
    together
}

impl Together {
    /// A finding on one picture is a finding of the study: a positive call is not quietened by a negative one elsewhere.
    fn add(&mut self, vote: &Vote) {
        let one = (vote.finding.clone(), vote.urgent);
        let known = self
            .findings
            .iter_mut()
            .find(|(finding, _)| finding.code == vote.finding.code);
        match known {
            None => self.findings.push(one),
            Some(known) if vote.finding.call == Call::Positive && known.0.call == Call::Negative => {
                *known = one
            }
            Some(_) => {}
        }
    }

    fn gap(&mut self, reason: Reason) {
        if !self.gaps.contains(&reason) {
            self.gaps.push(reason);
        }
    }
}

/// In the order they are first named.
fn codes(answers: &[&Answer]) -> Vec<FindingCode> {
    let mut codes = Vec::new();
    for vote in answers.iter().flat_map(|answer| &answer.votes) {
        if !codes.contains(&vote.finding.code) {
            codes.push(vote.finding.code.clone());
        }
    }
    codes
}

fn votes<'a>(answers: &'a [&Answer], code: &'a FindingCode) -> impl Iterator<Item = &'a Vote> {
    let votes = answers.iter().flat_map(|answer| &answer.votes);
    votes.filter(move |vote| vote.finding.code == *code)
}

/// `None` without votes.
fn one_call(policy: Policy, votes: &[&Vote]) -> Option<FindingResult> {
    let [first, rest @ ..] = votes else { return None };
    if rest.is_empty() {
        return Some(first.finding.clone());
    }
    let positive = votes
        .iter()
        .filter(|vote| vote.finding.call == Call::Positive)
        .count();
    let mean = |of: fn(&Vote) -> f32| votes.iter().map(|vote| of(vote)).sum::<f32>() / votes.len() as f32;
    let called = |positive: bool| if positive { Call::Positive } else { Call::Negative };
    let (call, score, chance) = match policy {
        Policy::Mean => {
            let score = mean(|vote| vote.finding.score.value());
            let call = called(mean(|vote| vote.operating_point) <= score);
            (call, score, mean(chance))
        }
        Policy::Any | Policy::Majority => {
            let enough = match policy {
                Policy::Majority => votes.len().div_ceil(2),
                Policy::Any | Policy::Mean => 1,
            };
            let call = called(enough <= positive);
            // Of those who made the call the least sure says how sure it is.
            let least = |of: fn(&Vote) -> f32| {
                let own = votes.iter().filter(|vote| vote.finding.call == call);
                let own = own.map(|vote| of(vote));
                match call {
                    Call::Positive => own.fold(1.0, f32::min),
                    Call::Negative => own.fold(0.0, f32::max),
                }
            };
            (call, least(|vote| vote.finding.score.value()), least(chance))
        }
    };
    let chance = Score::new(chance)?;
    Some(FindingResult {
        code: first.finding.code.clone(),
        score: Score::new(score)?,
        call,
        confidence: match call {
            Call::Positive => chance,
            Call::Negative => chance.complement(),
        },
    })
}

/// That the finding is there, as sure as the model is on this site; its score, where the site says nothing.
fn chance(vote: &Vote) -> f32 {
    match vote.finding.call {
        Call::Positive => vote.finding.confidence.value(),
        Call::Negative => vote.finding.confidence.complement().value(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: f32 = 0.5;

    fn code(name: &str) -> FindingCode {
        FindingCode::new(name).unwrap()
    }

    fn vote(name: &str, score: f32) -> Vote {
        let score = Score::new(score).unwrap();
        let positive = POINT <= score.value();
        Vote {
            finding: FindingResult {
                code: code(name),
                score,
                call: if positive { Call::Positive } else { Call::Negative },
                confidence: if positive { score } else { score.complement() },
            },
            urgent: false,
            operating_point: POINT,
        }
    }

    fn answer(model: &str, role: Option<Role>, votes: Vec<Vote>) -> Answer {
        Answer {
            role,
            model: ModelVersion {
                id: model.to_owned(),
                version: "1".to_owned(),
                demonstration: false,
            },
            engine: None,
            failed: votes.is_empty().then_some(Reason::ModelFailed),
            votes,
        }
    }

    fn panel(scores: &[f32]) -> Vec<Answer> {
        let roles = std::iter::once(None).chain(std::iter::repeat(Some(Role::Panel)));
        scores
            .iter()
            .zip(roles)
            .enumerate()
            .map(|(number, (score, role))| {
                answer(&format!("m{number}"), role, vec![vote("pneumonia", *score)])
            })
            .collect()
    }

    #[test]
    fn a_panel_makes_one_call_by_its_policy() {
        use Call::{Negative, Positive};
        use Policy::{Any, Majority, Mean};
        for (policy, scores, call, score, disagree) in [
            (Any, &[0.9, 0.2, 0.1][..], Positive, 0.9, true),
            (Any, &[0.3, 0.2, 0.1], Negative, 0.3, false),
            (Any, &[0.9, 0.6], Positive, 0.6, false),
            (Majority, &[0.9, 0.2, 0.1], Negative, 0.2, true),
            (Majority, &[0.9, 0.8, 0.1], Positive, 0.8, true),
            (Majority, &[0.9, 0.2], Positive, 0.9, true),
            (Mean, &[0.9, 0.2, 0.1], Negative, 0.4, true),
            (Mean, &[0.9, 0.4, 0.5], Positive, 0.6, true),
            (Mean, &[0.7], Positive, 0.7, false),
        ] {
            let said = together(policy, &panel(scores));
            let [(finding, _)] = &said.findings[..] else {
                unreachable!("{said:?}")
            };
            assert_eq!(finding.call, call, "{policy:?} {scores:?}");
            assert!(
                (finding.score.value() - score).abs() < 1e-6,
                "{policy:?} {scores:?}"
            );
            let expected = if disagree {
                vec![Reason::Disagreement(code("pneumonia"))]
            } else {
                vec![]
            };
            assert_eq!(said.gaps, expected, "{policy:?} {scores:?}");
            assert_eq!(said.others.len(), scores.len() - 1);
        }
    }

    #[test]
    fn who_fails_is_told_and_the_others_answer() {
        let silent = |role| answer("silent", role, vec![]);
        let slow = |role| Answer {
            failed: Some(Reason::ModelTooSlow),
            ..silent(role)
        };
        let speaks = |role| answer("speaks", role, vec![vote("pneumonia", 0.9)]);
        for (answers, lead, gaps, others) in [
            (vec![speaks(None)], Some("speaks"), vec![], 0),
            (vec![silent(None)], None, vec![Reason::ModelFailed], 0),
            (vec![slow(None)], None, vec![Reason::ModelTooSlow], 0),
            (
                vec![silent(None), speaks(Some(Role::Panel))],
                Some("speaks"),
                vec![Reason::PanelIncomplete],
                1,
            ),
            (
                vec![speaks(None), slow(Some(Role::Panel))],
                Some("speaks"),
                vec![Reason::PanelIncomplete],
                1,
            ),
            (
                vec![silent(None), slow(Some(Role::Panel))],
                None,
                vec![Reason::ModelFailed, Reason::ModelTooSlow],
                2,
            ),
            (
                vec![slow(None), speaks(Some(Role::Fallback))],
                Some("speaks"),
                vec![Reason::PanelIncomplete],
                1,
            ),
            // Not taken by the others, a fallback answers alone and nothing is missing.
            (vec![speaks(Some(Role::Fallback))], Some("speaks"), vec![], 0),
            (
                vec![speaks(None), silent(Some(Role::Also))],
                Some("speaks"),
                vec![Reason::ModelFailed],
                1,
            ),
            (vec![speaks(Some(Role::Also))], Some("speaks"), vec![], 0),
            (vec![], None, vec![], 0),
        ] {
            let said = together(Policy::Any, &answers);
            assert_eq!(
                said.lead.map(|(model, _)| model.id).as_deref(),
                lead,
                "{answers:?}"
            );
            assert_eq!(said.gaps, gaps, "{answers:?}");
            assert_eq!(said.others.len(), others, "{answers:?}");
        }
    }

    #[test]
    fn a_further_model_adds_findings_and_changes_none() {
        let mut urgent = vote("pneumothorax", 0.9);
        urgent.urgent = true;
        let answers = [
            answer("first", None, vec![vote("pneumonia", 0.2)]),
            answer("more", Some(Role::Also), vec![vote("pneumonia", 0.9), urgent]),
        ];
        let said = together(Policy::Any, &answers);
        let calls: Vec<_> = said
            .findings
            .iter()
            .map(|(finding, urgent)| (finding.code.as_str(), finding.call, *urgent))
            .collect();
        assert_eq!(
            calls,
            [
                ("pneumonia", Call::Negative, false),
                ("pneumothorax", Call::Positive, true)
            ]
        );
        assert_eq!(said.others[0].findings.len(), 2);
        assert!(said.gaps.is_empty());
    }

    #[test]
    fn a_panel_is_as_sure_as_its_models_are_on_this_site() {
        let humble = |score: f32, confidence: f32| {
            let mut vote = vote("pneumonia", score);
            vote.finding.confidence = Score::new(confidence).unwrap();
            vote
        };
        for (policy, score, confidence) in [
            (Policy::Any, 0.8, 0.6),
            (Policy::Majority, 0.8, 0.6),
            (Policy::Mean, 0.85, 0.7),
        ] {
            let answers = [
                answer("first", None, vec![humble(0.9, 0.6)]),
                answer("second", Some(Role::Panel), vec![humble(0.8, 0.8)]),
            ];
            let said = together(policy, &answers).findings[0].0.clone();
            assert!((said.score.value() - score).abs() < 1e-6, "{policy:?} {said:?}");
            assert!(
                (said.confidence.value() - confidence).abs() < 1e-6,
                "{policy:?} {said:?}"
            );
        }
    }

    #[test]
    fn a_positive_call_on_a_picture_that_only_the_fallback_takes_is_one_of_the_study() {
        let mut urgent = vote("pneumonia", 0.9);
        urgent.urgent = true;
        let answers = [
            answer("first", None, vec![vote("pneumonia", 0.2)]),
            answer("other view", Some(Role::Fallback), vec![urgent]),
        ];
        let [(finding, is_urgent)] = &together(Policy::Any, &answers).findings[..] else {
            unreachable!("one finding")
        };
        assert_eq!((finding.call, is_urgent), (Call::Positive, &true));
        // A negative one there quietens nothing.
        let answers = [
            answer("first", None, vec![vote("pneumonia", 0.9)]),
            answer("other view", Some(Role::Fallback), vec![vote("pneumonia", 0.1)]),
        ];
        let said = together(Policy::Any, &answers);
        assert_eq!(said.findings[0].0.call, Call::Positive);
    }

    #[test]
    fn a_call_is_urgent_where_one_who_made_it_says_so() {
        let mut answers = panel(&[0.9, 0.2]);
        answers[1].votes[0].urgent = true;
        assert!(!together(Policy::Any, &answers).findings[0].1);
        answers[0].votes[0].urgent = true;
        assert!(together(Policy::Any, &answers).findings[0].1);
    }
}
