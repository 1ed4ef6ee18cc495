//! Where the time between an image and its answer goes: how often each stage ran since the start, and how long in all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The stages in the order a study passes them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage {
    /// A study's images become a version.
    Settle,
    /// Pixels out of a file.
    Decode,
    /// The picture's quality.
    Grade,
    /// The model's answer, its explanation included.
    Model,
    /// Pictures for pages.
    Pictures,
    /// The assessment is written down; then the page shows it.
    Record,
}

/// Each stage with its name in the metric.
pub(crate) const STAGES: [(Stage, &str); 6] = [
    (Stage::Settle, "settle"),
    (Stage::Decode, "decode"),
    (Stage::Grade, "grade"),
    (Stage::Model, "model"),
    (Stage::Pictures, "pictures"),
    (Stage::Record, "record"),
];

#[derive(Debug, Default)]
struct Sum {
    runs: AtomicU64,
    nanoseconds: AtomicU64,
}

/// Clones share the sums.
#[derive(Debug, Clone, Default)]
pub(crate) struct StageTimes {
    sums: Arc<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    settle: Sum,
    decode: Sum,
    grade: Sum,
    model: Sum,
    pictures: Sum,
    record: Sum,
}

impl Sums {
    fn of(&self, stage: Stage) -> &Sum {
        match stage {
            Stage::Settle => &self.settle,
            Stage::Decode => &self.decode,
            Stage::Grade => &self.grade,
            Stage::Model => &self.model,
            Stage::Pictures => &self.pictures,
            Stage::Record => &self.record,
        }
    }
}

impl StageTimes {
    /// Does the work and counts its time.
    pub(crate) fn timed<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        let sum = self.sums.of(stage);
        let nanoseconds = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        sum.runs.fetch_add(1, Ordering::Relaxed);
        sum.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        done
    }

    /// How often the stage ran, and how long in all.
    pub(crate) fn of(&self, stage: Stage) -> (u64, Duration) {
        let sum = self.sums.of(stage);
        let time = Duration::from_nanos(sum.nanoseconds.load(Ordering::Relaxed));
        (sum.runs.load(Ordering::Relaxed), time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_a_sum_of_its_own() {
        let times = StageTimes::default();
        let clone = times.clone();
        assert_eq!(clone.timed(Stage::Model, || 7), 7);
        clone.timed(Stage::Model, || std::thread::sleep(Duration::from_millis(2)));
        let (runs, time) = times.of(Stage::Model);
        assert_eq!(runs, 2);
        assert!(Duration::from_millis(2) <= time);
        assert_eq!(times.of(Stage::Record), (0, Duration::ZERO));
    }
}
