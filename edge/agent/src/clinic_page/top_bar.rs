//! The state of the box in words: line, queue, model, quarantine, scanners that were turned away.

use super::Sources;
use super::moment::{Moment, age};
use super::releases::ReleaseLines;
use super::texts::{Texts, fill};
use crate::scanners::Stranger;
use crate::status::Space;

#[derive(Debug)]
pub(super) struct TopBar {
    pub(super) connected: bool,
    pub(super) line: String,
    pub(super) waits: bool,
    pub(super) queue: String,
    pub(super) model: ModelLine,
    pub(super) releases: ReleaseLines,
    /// What is wrong with who this box is to its hub.
    pub(super) identity: Vec<String>,
    /// `None` when there is enough disk space.
    pub(super) space: Option<String>,
    /// `None` when nothing lies in quarantine.
    pub(super) quarantine: Option<String>,
    pub(super) strangers: Vec<StrangerLine>,
    /// What has come from an expert and nobody has read.
    pub(super) arrivals: Vec<Arrival>,
    pub(super) more_arrivals: usize,
    /// Reports that cannot stand beside a patient.
    pub(super) aside: Option<String>,
    /// Since when the line has been as it is.
    pub(super) since: Option<Moment>,
    /// The hub that is there takes no messages.
    pub(super) deaf: bool,
}

/// A case with something new of an expert's.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) text: String,
    /// Changes with each thing that comes.
    pub(super) token: String,
}

#[derive(Debug)]
pub(super) struct ModelLine {
    pub(super) works: bool,
    pub(super) demonstration: bool,
    pub(super) text: String,
    pub(super) problem: Option<String>,
}

#[derive(Debug)]
pub(super) struct StrangerLine {
    pub(super) ae_title: String,
    pub(super) text: String,
    pub(super) attempts: String,
    pub(super) last_seen: Option<Moment>,
}

impl TopBar {
    pub(super) fn of(sources: &Sources, texts: &Texts, now_ms: i64, utc_offset_minutes: i32) -> Self {
        let mut arrivals = arrivals(sources, texts);
        let more_arrivals = arrivals.len().saturating_sub(ARRIVALS);
        arrivals.truncate(ARRIVALS);
        let aside = sources.aside.open_ones().len();
        let connected = sources.status.connected();
        let waiting = sources.status.waiting();
        let quarantined = sources.status.quarantined();
        let queue = if waiting.records == 0 {
            texts.status.nothing_waits.clone()
        } else {
            let waited = waited_ms(waiting.oldest_queued_at_ms, now_ms).unwrap_or_default();
            let waited = age(waited, texts);
            fill(
                &texts.status.waiting,
                &[("n", &waiting.records.to_string()), ("age", &waited)],
            )
        };
        Self {
            connected,
            line: if connected {
                &texts.status.connected
            } else {
                &texts.status.no_line
            }
            .clone(),
            waits: 0 < waiting.records,
            queue,
            model: model(sources, texts),
            releases: ReleaseLines::of(&sources.status.releases(), texts),
            identity: identity(sources, texts, now_ms, utc_offset_minutes),
            space: match sources.status.space() {
                Space::Enough => None,
                Space::Low => Some(texts.status.space_low.clone()),
                Space::Full => Some(texts.status.space_full.clone()),
            },
            quarantine: (0 < quarantined)
                .then(|| fill(&texts.status.quarantined, &[("n", &quarantined.to_string())])),
            strangers: sources
                .scanners
                .strangers()
                .iter()
                .map(|one| stranger(one, texts))
                .collect(),
            arrivals,
            more_arrivals,
            aside: (0 < aside).then(|| fill(&texts.aside.notice, &[("n", &aside.to_string())])),
            since: sources
                .status
                .line_since_ms()
                .and_then(|since| Moment::here(since, now_ms, utc_offset_minutes)),
            deaf: sources.status.hub_talks() == Some(false),
        }
    }
}

fn identity(sources: &Sources, texts: &Texts, now_ms: i64, utc_offset_minutes: i32) -> Vec<String> {
    let view = sources.status.standing().view();
    let t = &texts.status;
    let refused = view
        .refused
        .map(|words| fill(&t.identity_refused, &[("words", &words)]));
    let until = view.certificate_until_ms.filter(|_| view.overdue);
    let ending = until
        .and_then(|until| Moment::here(until, now_ms, utc_offset_minutes))
        .map(|until| fill(&t.identity_ending, &[("date", &until.text)]));
    let wrong = view.clock_behind_s.unsigned_abs().saturating_mul(1000);
    let clock = (view.clock_behind_s != 0).then(|| {
        let wrong = age(i64::try_from(wrong).unwrap_or(i64::MAX), texts);
        fill(&t.clock_wrong, &[("age", &wrong)])
    });
    [refused, ending, clock].into_iter().flatten().collect()
}

/// Named on the list; the rest is counted.
const ARRIVALS: usize = 5;
const LOOKED_AT: usize = 10_000;

fn arrivals(sources: &Sources, texts: &Texts) -> Vec<Arrival> {
    let mut found = Vec::new();
    for case in sources.cases.newest(LOOKED_AT) {
        let reading = &case.reading;
        let (text, token) = if let Some(kept) = reading.unread_reports().last() {
            (&texts.expert.arrived, &kept.report.id)
        } else if let Some(said) = reading.unseen_messages().last() {
            (&texts.talk.message_arrived, &said.message.id)
        } else {
            continue;
        };
        found.push(Arrival {
            key: case.study.to_string(),
            name: case.patient.name.clone(),
            text: text.clone(),
            token: token.clone(),
        });
    }
    found
}

/// How long the oldest record waits, in milliseconds; a clock that was set back makes it 0.
pub(super) fn waited_ms(queued_at_ms: Option<u64>, now_ms: i64) -> Option<i64> {
    let queued_at_ms = i64::try_from(queued_at_ms?).ok()?;
    Some(now_ms.saturating_sub(queued_at_ms).max(0))
}

fn model(sources: &Sources, texts: &Texts) -> ModelLine {
    let status = sources.status.model();
    let t = &texts.status;
    let text = match &status.model {
        Some(model) => fill(&t.model, &[("model", model)]),
        None if status.opening => t.model_opening.clone(),
        None => t.no_model.clone(),
    };
    ModelLine {
        works: status.model.is_some(),
        demonstration: status.model.is_some() && status.demonstration,
        text,
        problem: status
            .problem
            .map(|problem| fill(&t.no_model_why, &[("problem", &problem)])),
    }
}

fn stranger(stranger: &Stranger, texts: &Texts) -> StrangerLine {
    let address = stranger.address.to_string();
    StrangerLine {
        ae_title: stranger.ae_title.clone(),
        text: fill(
            &texts.scanner.refused,
            &[("ae", &stranger.ae_title), ("address", &address)],
        ),
        attempts: fill(&texts.scanner.attempts, &[("n", &stranger.attempts.to_string())]),
        last_seen: Moment::of(stranger.last_seen_ms),
    }
}
