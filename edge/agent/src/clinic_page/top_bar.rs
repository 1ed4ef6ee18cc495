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
    /// `None` when there is enough disk space.
    pub(super) space: Option<String>,
    /// `None` when nothing lies in quarantine.
    pub(super) quarantine: Option<String>,
    pub(super) strangers: Vec<StrangerLine>,
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
    pub(super) fn of(sources: &Sources, texts: &Texts, now_ms: i64) -> Self {
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
        }
    }
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
