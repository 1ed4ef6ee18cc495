//! From stored results to what the templates print. Pure: time zone and language are passed in.

use std::collections::HashMap;

use askama::Template;
use barefoot_domain::{Call, QualityGrade, Urgency};
use time::UtcOffset;

use super::words::Words;
use crate::archive::{ImagesHere, StoredResult, VersionKey};
use crate::presence::ClinicState;
use crate::web::{iso_time, local_time};

/// The whole page.
#[derive(Template)]
#[template(path = "page.html")]
pub(super) struct PageView {
    pub(super) words: &'static Words,
    /// There are accounts.
    pub(super) accounts: bool,
    /// There is a list of cases to read.
    pub(super) cases: bool,
    pub(super) list: ListView,
}

/// The part that changes, also served alone for the script to swap in.
#[derive(Template)]
#[template(path = "list.html")]
pub(super) struct ListView {
    pub(super) words: &'static Words,
    pub(super) clinics: Vec<ClinicView>,
    pub(super) cards: Vec<Card>,
    pub(super) total: u64,
    /// Of the results shown, superseded ones left out.
    pub(super) tally: Vec<Tally>,
}

pub(super) struct Tally {
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    pub(super) count: usize,
}

pub(super) struct ClinicView {
    pub(super) name: String,
    pub(super) state_class: &'static str,
    pub(super) state: &'static str,
    /// That two machines use its identity.
    pub(super) copied: Option<&'static str>,
    /// Since when it is on- or offline.
    pub(super) since: Option<String>,
    /// Left out for a clinic that is online now.
    pub(super) last_seen: Option<String>,
    /// What waits in its box, where it said so.
    pub(super) waiting: Option<String>,
}

pub(super) struct Card {
    pub(super) id: String,
    pub(super) urgency_class: &'static str,
    pub(super) urgency: &'static str,
    pub(super) superseded: bool,
    pub(super) findings: Vec<FindingView>,
    pub(super) reasons: Vec<String>,
    pub(super) quality: &'static str,
    pub(super) quality_problems: String,
    pub(super) clinic: String,
    pub(super) case_short: String,
    pub(super) case_full: String,
    pub(super) version: String,
    pub(super) modality: String,
    pub(super) images: String,
    pub(super) received: String,
    pub(super) received_iso: String,
    pub(super) model: Option<String>,
    pub(super) demonstration: bool,
    /// How many images are here, where some are.
    pub(super) images_here: Option<String>,
    /// The address of the key image's small picture.
    pub(super) quick_look: Option<String>,
}

pub(super) struct FindingView {
    pub(super) name: String,
    pub(super) positive: bool,
    pub(super) call: &'static str,
    pub(super) score: String,
    pub(super) confidence_percent: u32,
}

pub(super) fn list(
    words: &'static Words,
    offset: UtcOffset,
    clinics: (Vec<ClinicState>, &[String]),
    results: &[StoredResult],
    images: &HashMap<VersionKey, ImagesHere>,
    total: u64,
) -> ListView {
    let current: Vec<Urgency> = results
        .iter()
        .filter(|stored| !is_superseded(stored))
        .map(|stored| stored.result.assessment.urgency)
        .collect();
    ListView {
        words,
        clinics: clinics
            .0
            .into_iter()
            .map(|state| clinic(words, offset, &state, clinics.1))
            .collect(),
        cards: results
            .iter()
            .map(|stored| {
                let key = (
                    stored.clinic.clone(),
                    stored.result.case.as_str().to_owned(),
                    stored.result.version,
                );
                card(words, offset, stored, images.get(&key))
            })
            .collect(),
        total,
        tally: [Urgency::Critical, Urgency::Review, Urgency::Routine]
            .into_iter()
            .map(|urgency| Tally {
                class: urgency_class(urgency),
                word: words.urgency(urgency),
                count: current.iter().filter(|other| **other == urgency).count(),
            })
            .collect(),
    }
}

fn clinic(words: &'static Words, offset: UtcOffset, state: &ClinicState, copied: &[String]) -> ClinicView {
    let is_copied = copied.iter().any(|clinic| clinic == state.clinic.as_str());
    let (state_class, word) = match (state.known, state.online) {
        (false, _) => ("unseen", ""),
        (true, true) => ("online", words.online),
        (true, false) => ("offline", words.offline),
    };
    let waiting = state.health.as_ref().map(|(health, _)| {
        let telemetry = health.lane.iter().filter(|lane| lane.lane != "telemetry");
        telemetry.map(|lane| lane.pending).sum::<u64>()
    });
    ClinicView {
        name: state.clinic.to_string(),
        state_class,
        state: word,
        copied: is_copied.then_some(words.copied),
        since: state
            .since_ms
            .filter(|_| state.known)
            .map(|at| words.since(&local_time(at, offset))),
        waiting: waiting
            .filter(|count| 0 < *count)
            .map(|count| words.waiting(count)),
        last_seen: (state_class != "online").then(|| local_time(state.last_seen_ms, offset)),
    }
}

fn card(
    words: &'static Words,
    offset: UtcOffset,
    stored: &StoredResult,
    images: Option<&ImagesHere>,
) -> Card {
    let result = &stored.result;
    let assessment = &result.assessment;
    let problems: Vec<_> = assessment
        .quality
        .problems
        .iter()
        .map(|problem| words.quality_problem(*problem))
        .collect();
    Card {
        id: stored.envelope_id.clone(),
        urgency_class: urgency_class(assessment.urgency),
        urgency: words.urgency(assessment.urgency),
        superseded: is_superseded(stored),
        findings: assessment
            .findings
            .iter()
            .map(|finding| FindingView {
                name: words.finding(finding.code.as_str()).to_owned(),
                positive: finding.call == Call::Positive,
                call: words.call(finding.call),
                score: format!("{:.2}", finding.score.value()),
                confidence_percent: percent(finding.confidence.value()),
            })
            .collect(),
        reasons: assessment
            .reasons
            .iter()
            .map(|reason| words.reason(reason))
            .collect(),
        quality: match assessment.quality.grade {
            QualityGrade::A => "A",
            QualityGrade::B => "B",
            QualityGrade::C => "C",
        },
        quality_problems: problems.join(" · "),
        clinic: stored.clinic.to_string(),
        case_short: short_case(result.case.as_str()),
        case_full: result.case.to_string(),
        version: words.version(result.version),
        modality: words.modality(&result.modality).to_owned(),
        images: words.images(result.instances),
        received: local_time(stored.committed_at_ms, offset),
        received_iso: iso_time(stored.committed_at_ms),
        model: assessment.model.as_ref().map(ToString::to_string),
        demonstration: assessment.model.as_ref().is_some_and(|model| model.demonstration),
        images_here: images
            .and_then(|here| here.instances)
            .map(|count| words.images_here(count)),
        quick_look: images
            .filter(|here| here.has_quick_look)
            .map(|_| format!("/quick-look/{}/{}/{}", stored.clinic, result.case, result.version)),
    }
}

fn is_superseded(stored: &StoredResult) -> bool {
    stored.result.version < stored.newest_version
}

fn urgency_class(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Critical => "critical",
        Urgency::Review => "review",
        Urgency::Routine => "routine",
    }
}

/// Rounded down: "100 %" is for certainty only.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a score is within 0 and 1"
)]
fn percent(probability: f32) -> u32 {
    (probability * 100.0) as u32
}

/// The last eight digits tell cases of a day apart; the whole pseudonym is in the element's title.
fn short_case(case: &str) -> String {
    let start = case.len().saturating_sub(8);
    match (start, case.get(start..)) {
        (0, _) | (_, None) => case.to_owned(),
        (_, Some(tail)) => format!("…{tail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_short_and_nothing_is_rounded_up_to_certainty() {
        assert_eq!(short_case("2.25.123456789012345"), "…89012345");
        assert_eq!(short_case("2.25.1"), "2.25.1");
        assert_eq!((percent(0.999), percent(1.0)), (99, 100));
    }
}
