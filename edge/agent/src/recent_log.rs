//! The last lines of the log, in memory: for a fault report, where nobody can get at the journal.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

const MOST_LINES: usize = 500;
const LONGEST_LINE: usize = 1000;

static LINES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

fn lines() -> MutexGuard<'static, VecDeque<String>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The oldest first.
#[must_use]
pub(crate) fn recent() -> Vec<String> {
    lines().iter().cloned().collect()
}

fn keep(level: &dyn fmt::Display, text: &str) {
    let at = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    let line = format!("{at} {level} {text}").replace(['\n', '\r'], " ");
    let mut lines = lines();
    if MOST_LINES <= lines.len() {
        lines.pop_front();
    }
    lines.push_back(line.chars().take(LONGEST_LINE).collect());
}

/// Beside whatever else writes `tracing` events down.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RecentLayer;

impl<S: Subscriber> Layer<S> for RecentLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        keep(event.metadata().level(), &words.0);
    }
}

#[derive(Default)]
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        // A string takes everything.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, "{name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_no_more() {
        let subscriber = tracing_subscriber::registry().with(RecentLayer);
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..MOST_LINES + 3 {
                tracing::info!(number, "Line\nof a test.");
            }
            tracing::warn!("{}", "x".repeat(5000));
        });
        let lines = recent();
        assert!(lines.len() <= MOST_LINES);
        let last = lines
            .iter()
            .rev()
            .find(|line| line.contains("number=502"))
            .unwrap();
        assert!(
            last.contains("INFO Line of a test.") && !last.contains('\n'),
            "{last}"
        );
        assert!(lines.iter().all(|line| line.chars().count() <= LONGEST_LINE));
    }
}
