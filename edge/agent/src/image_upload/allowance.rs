//! What of the line images may take: the site's pace, its hours, its daily allowance, and results ahead of them.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barefoot_queue::Lane;
use tokio::time::{Instant, sleep};

use super::config::Config;
use super::pace::{Bucket, Opening, day_of, opening};
use crate::clock::now_ms;
use crate::durable;
use crate::status::Status;

/// While results wait on a line that stands, a piece of an image goes only this often: results are never starved, and
/// images neither.
const BESIDE_RESULTS: Duration = Duration::from_secs(1);

/// How often it is looked whether results still wait.
const LOOK: Duration = Duration::from_millis(50);

/// How long a closed window is slept through before the clock is asked again: it may have been set.
const MOST_SLEEP: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Allowance {
    config: Config,
    status: Status,
    /// Holds the day and what was sent on it.
    file: PathBuf,
    epoch: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bucket: Bucket,
    day: i64,
    sent: u64,
    unsaved: u64,
}

/// The counter is written this often: what a power cut forgets is no more.
const SAVED_EVERY: u64 = 1024 * 1024;

impl Allowance {
    pub(super) fn open(config: Config, status: Status, file: PathBuf) -> Self {
        let (day, sent) = read(&file).unwrap_or_default();
        Self {
            config,
            status,
            file,
            epoch: Instant::now(),
            state: Mutex::new(State {
                bucket: Bucket::new(),
                day,
                sent,
                unsaved: 0,
            }),
        }
    }

    /// Returns when images may go.
    pub(super) async fn opened(&self) {
        while let Opening::Closed { wait } = self.opening() {
            sleep(wait.min(MOST_SLEEP)).await;
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.opening(), Opening::Open { .. })
    }

    /// Returns when this many bytes may go; they count from then on. A window that closes in the middle of a range lets
    /// the range end.
    pub(super) async fn take(&self, bytes: usize) {
        let begun = Instant::now();
        while self.results_wait() && begun.elapsed() < BESIDE_RESULTS {
            sleep(LOOK).await;
        }
        let rate = match self.opening() {
            Opening::Open { bytes_per_s } => bytes_per_s,
            Opening::Closed { .. } => None,
        };
        let wait = {
            let mut state = self.lock();
            self.count(&mut state, bytes as u64);
            let now = self.epoch.elapsed().as_secs_f64() * 1000.0;
            rate.map(|rate| state.bucket.wait(bytes, rate, now))
        };
        if let Some(wait) = wait {
            sleep(wait).await;
        }
    }

    fn opening(&self) -> Opening {
        let now = now_ms();
        let today = day_of(&self.config, now);
        let state = self.lock();
        let sent = if state.day == today { state.sent } else { 0 };
        opening(&self.config, now, sent)
    }

    fn results_wait(&self) -> bool {
        let depth = self.status.queue_depth();
        let waiting = [Lane::Critical, Lane::Reports, Lane::Results]
            .iter()
            .any(|lane| 0 < depth.of(*lane));
        waiting && self.status.connected()
    }

    fn count(&self, state: &mut State, bytes: u64) {
        if self.config.daily_mib.is_none() {
            return;
        }
        let today = day_of(&self.config, now_ms());
        if state.day != today {
            (state.day, state.sent) = (today, 0);
        }
        state.sent += bytes;
        state.unsaved += bytes;
        if state.unsaved < SAVED_EVERY {
            return;
        }
        state.unsaved = 0;
        let content = format!("{} {}", state.day, state.sent);
        if let Err(error) = durable::replace(&self.file, content.as_bytes()) {
            tracing::warn!(%error, "What images sent today could not be written down; a restart counts anew.");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(file: &std::path::Path) -> Option<(i64, u64)> {
    let content = durable::read(file).ok().flatten()?;
    let (day, sent) = std::str::from_utf8(&content).ok()?.split_once(' ')?;
    Some((day.parse().ok()?, sent.parse().ok()?))
}
