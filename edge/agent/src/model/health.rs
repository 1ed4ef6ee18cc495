//! How a model does on this box: counts, times and scores, never which study.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Times kept: enough for a 95th percentile, and old ones do not hide that a model has become slow.
const TIMES: usize = 256;

/// Equal parts of 0 to 1 in which scores are counted.
pub(crate) const SCORE_BINS: usize = 10;

/// Counted since a version answers, or since it runs beside the one that does. The unit is a study in which the model
/// was asked about at least one picture.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Health {
    /// Studies in which it answered for every picture.
    pub(crate) assessed: u64,
    /// Studies with a picture it failed on.
    pub(crate) failed: u64,
    /// Studies sent to a person, for whatever reason.
    pub(crate) reviewed: u64,
    /// Studies with a positive call.
    pub(crate) positive: u64,
    /// Studies with another call than the active model's; beside it only.
    pub(crate) disagreed: u64,
    /// Every finding's score, counted in ten equal bins.
    pub(crate) scores: [u64; SCORE_BINS],
    /// Milliseconds for a picture, the latest last.
    times_ms: VecDeque<f32>,
}

/// What one study showed of a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct StudyCount {
    pub(crate) failed: bool,
    pub(crate) reviewed: bool,
    pub(crate) positive: bool,
    pub(crate) disagreed: bool,
    pub(crate) scores: Vec<f32>,
    pub(crate) times_ms: Vec<f32>,
}

impl Health {
    pub(crate) fn count(&mut self, study: &StudyCount) {
        let one = |counts: bool| u64::from(counts);
        self.assessed += one(!study.failed);
        self.failed += one(study.failed);
        self.reviewed += one(study.reviewed);
        self.positive += one(study.positive);
        self.disagreed += one(study.disagreed);
        for score in &study.scores {
            // The cast floors and saturates, and 1.0 itself belongs to the last bin.
            let bin = ((score * SCORE_BINS as f32) as usize).min(SCORE_BINS - 1);
            if let Some(count) = self.scores.get_mut(bin) {
                *count += 1;
            }
        }
        self.times_ms.extend(&study.times_ms);
        let superfluous = self.times_ms.len().saturating_sub(TIMES);
        self.times_ms.drain(..superfluous);
    }

    /// Studies the model was asked about.
    pub(crate) fn asked(&self) -> u64 {
        self.assessed.saturating_add(self.failed)
    }

    pub(crate) fn times(&self) -> usize {
        self.times_ms.len()
    }

    /// Milliseconds within which this part (0 to 1) of the latest pictures was answered; 0 without any.
    pub(crate) fn within_ms(&self, part: f64) -> f64 {
        let mut times: Vec<f32> = self.times_ms.iter().copied().collect();
        times.sort_by(f32::total_cmp);
        let last = times.len().saturating_sub(1);
        // A rank within the list: the cast loses nothing.
        let rank = (part * last as f64).round() as usize;
        times.get(rank.min(last)).copied().map_or(0.0, f64::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_fall_into_equal_bins_and_the_ends_belong_to_them() {
        let mut health = Health::default();
        health.count(&StudyCount {
            scores: vec![0.0, 0.05, 0.1, 0.95, 1.0],
            ..StudyCount::default()
        });
        assert_eq!(health.scores, [2, 1, 0, 0, 0, 0, 0, 0, 0, 2]);
    }

    #[test]
    fn only_the_latest_times_count() {
        let mut health = Health::default();
        for time in (0..1000).map(|time| time as f32) {
            health.count(&StudyCount {
                times_ms: vec![time],
                ..StudyCount::default()
            });
        }
        assert_eq!(health.times(), TIMES);
        assert_eq!(health.within_ms(0.0), 744.0);
        assert_eq!(health.within_ms(1.0), 999.0);
        assert_eq!(Health::default().within_ms(0.95), 0.0);
    }
}
