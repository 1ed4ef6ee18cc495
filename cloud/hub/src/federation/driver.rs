//! Time, and the hub's own work. A reconciler: whatever the journal says is to be done is started, also after a crash.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use barefoot_federation::round::{Input, Stage};
use tokio::time::{Instant, timeout};

use super::Error;
use super::ledger::With;
use super::run::ActiveRun;
use super::runs::Runs;
use crate::Shutdown;
use crate::archive::RunState;
use crate::clock::now_ms;

/// How often the hub writes down that it runs, and at the latest looks for something to do.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// When the archive did not answer.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Before a judgement that failed is tried again.
const JUDGED_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// On shutdown: time for a transaction on its way. Arithmetic stops by itself within a chunk.
const FAREWELL: Duration = Duration::from_secs(10);

/// The part that moves runs on.
#[derive(Debug)]
pub(crate) struct Driver {
    runs: Runs,
    shutdown: Shutdown,
}

impl Driver {
    pub(crate) fn new(runs: Runs, shutdown: Shutdown) -> Self {
        Self { runs, shutdown }
    }

    /// Runs until the shutdown.
    pub(crate) async fn run(self) {
        let judging = self.runs.clone();
        self.runs
            .0
            .jobs
            .spawn(async move { judging.keep_judging(JUDGED_AGAIN_AFTER).await });
        let mut alive = Instant::now();
        loop {
            let pause = match self.turn(&mut alive).await {
                Ok(pause) => pause,
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, cause, "Rounds cannot be moved on; trying again.");
                    PAUSE_AFTER_FAILURE
                }
            };
            tokio::select! {
                () = self.shutdown.triggered() => break,
                () = self.runs.0.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        for run in self.runs.lock().await.values_mut() {
            run.job = None;
        }
        if let Err(error) = self.runs.0.archive.write_alive(now_ms()).await {
            tracing::warn!(%error, "The time of the stop was not written down; open stages get a little longer.");
        }
        let jobs = &self.runs.0.jobs;
        jobs.close();
        if timeout(FAREWELL, jobs.wait()).await.is_err() {
            tracing::warn!("An aggregation did not stop in time; it is made again after the next start.");
        }
    }

    /// Does what is due; how long nothing will be. A run that cannot be moved on keeps no other from it.
    pub(super) async fn turn(&self, alive: &mut Instant) -> Result<Duration, Error> {
        let runs = &self.runs;
        let pause = {
            let mut active = runs.lock().await;
            let names: Vec<String> = active.keys().cloned().collect();
            let mut stuck = HashSet::new();
            for name in names {
                if !active.get(&name).is_some_and(|run| run.is_due(now_ms())) {
                    continue;
                }
                let ticked = runs.apply(&mut active, &name, &Input::Tick, With::default());
                if let Err(error) = ticked.await {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(run = name, %error, cause, "A round cannot be moved on; trying again.");
                    stuck.insert(name);
                }
            }
            for run in active.values_mut().filter(|run| run.job.is_none()) {
                match (run.state, run.attempt.round.stage()) {
                    (RunState::Running, Stage::Aggregating) => runs.start_aggregation(run),
                    (RunState::Finishing, _) => runs.start_finishing(run),
                    _ => {}
                }
            }
            if active.is_empty() {
                HEARTBEAT
            } else {
                if HEARTBEAT <= alive.elapsed() {
                    runs.0.archive.write_alive(now_ms()).await?;
                    *alive = Instant::now();
                }
                let moving = active
                    .iter()
                    .filter(|(name, run)| run.state == RunState::Running && !stuck.contains(*name));
                let next = moving.map(|(_, run)| run.attempt.round.deadline_ms()).min();
                let left = next.map_or(i64::MAX, |deadline| deadline.saturating_sub(now_ms()));
                let most = if stuck.is_empty() {
                    HEARTBEAT
                } else {
                    PAUSE_AFTER_FAILURE
                };
                Duration::from_millis(u64::try_from(left).unwrap_or_default()).min(most)
            }
        };
        if runs.0.sweep.swap(false, Ordering::Relaxed) {
            runs.remove_unneeded().await?;
        }
        Ok(pause)
    }
}

impl ActiveRun {
    fn is_due(&self, now_ms: i64) -> bool {
        self.state == RunState::Running && self.attempt.round.deadline_ms() <= now_ms
    }
}
