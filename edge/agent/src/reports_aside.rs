//! Reports of the hub that could not be attached to a patient: kept for a person, shown on the page, never beside a name.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::checked_lines;
use crate::study_folder::{StateDirectory, hex};

/// Kept whole; of later ones only the reason. A hub at fault must not fill the disk.
const MOST_WHOLE: usize = 200;
/// Not even noted beyond this; the hub's own log has them.
const MOST: usize = 2000;

/// One report that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aside {
    pub envelope_id: String,
    pub at_ms: i64,
    pub reason: String,
    /// The case it says it is of, as the hub names it; empty when it cannot be read.
    pub case: String,
    /// Hex of what came; empty when there were too many.
    pub body: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Refused(Aside),
    /// Somebody has seen to all of them.
    Cleared {
        at_ms: i64,
        by: String,
    },
}

/// Cheap to clone; all clones see the same.
#[derive(Debug, Clone)]
pub(crate) struct ReportsAside {
    path: Arc<PathBuf>,
    entries: Arc<Mutex<Entries>>,
    revision: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Entries {
    all: Vec<Aside>,
    /// Entries before this one have been seen to.
    open_from: usize,
}

impl ReportsAside {
    /// # Errors
    /// When the file is there but cannot be read.
    pub(crate) fn open(state: &StateDirectory) -> io::Result<Self> {
        let path = state.root().join("reports_aside.log");
        let replay = checked_lines::replay::<Line>(&path)?;
        if 0 < replay.damaged {
            tracing::error!(
                lines = replay.damaged,
                "The list of refused reports has damaged lines; the rest is used."
            );
        }
        let mut entries = Entries::default();
        for line in replay.entries {
            match line {
                Line::Refused(aside) => entries.all.push(aside),
                Line::Cleared { .. } => entries.open_from = entries.all.len(),
            }
        }
        Ok(Self {
            path: Arc::new(path),
            entries: Arc::new(Mutex::new(entries)),
            revision: watch::Sender::new(0),
        })
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps one; after `Ok` it survives a power cut. The same envelope twice is once.
    ///
    /// # Errors
    /// When the disk fails; then the hub must send it again.
    pub(crate) fn keep(
        &self,
        envelope_id: &str,
        case: &str,
        reason: &str,
        body: &[u8],
        at_ms: i64,
    ) -> io::Result<()> {
        let mut entries = self.entries();
        let known = entries.all.iter().any(|aside| aside.envelope_id == envelope_id);
        if known || MOST <= entries.all.len() {
            return Ok(());
        }
        let whole = entries.all.len() < MOST_WHOLE;
        let aside = Aside {
            envelope_id: envelope_id.to_owned(),
            at_ms,
            reason: reason.to_owned(),
            case: case.to_owned(),
            body: if whole { hex(body.iter()) } else { String::new() },
        };
        checked_lines::append(&self.path, &[Line::Refused(aside.clone())])?;
        entries.all.push(aside);
        drop(entries);
        self.revision.send_modify(|revision| *revision += 1);
        Ok(())
    }

    /// Those nobody has seen to.
    #[must_use]
    pub(crate) fn open_ones(&self) -> Vec<Aside> {
        let entries = self.entries();
        entries.all.iter().skip(entries.open_from).cloned().collect()
    }

    /// Somebody has seen to all that there are.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn clear(&self, by: &str, at_ms: i64) -> io::Result<()> {
        let mut entries = self.entries();
        if entries.open_from == entries.all.len() {
            return Ok(());
        }
        let line = Line::Cleared {
            at_ms,
            by: by.to_owned(),
        };
        checked_lines::append(&self.path, &[line])?;
        entries.open_from = entries.all.len();
        drop(entries);
        self.revision.send_modify(|revision| *revision += 1);
        Ok(())
    }

    /// Changes whenever one comes or all were seen to.
    #[must_use]
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_kept_once_until_somebody_has_seen_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDirectory::open(folder.path()).unwrap();
        let open = || ReportsAside::open(&state).unwrap();
        let aside = open();
        aside.keep("A", "2.25.1", "unknown case", b"\x01\x02", 5).unwrap();
        aside.keep("A", "2.25.1", "unknown case", b"\x01\x02", 6).unwrap();
        for aside in [aside, open()] {
            let all = aside.open_ones();
            assert_eq!((all.len(), all[0].body.as_str(), all[0].at_ms), (1, "0102", 5));
        }
        let aside = open();
        aside.clear("Wang", 7).unwrap();
        aside.keep("A", "2.25.1", "unknown case", b"", 8).unwrap();
        assert!(aside.open_ones().is_empty() && open().open_ones().is_empty());
        aside.keep("B", "", "unreadable", b"", 9).unwrap();
        assert_eq!(open().open_ones().len(), 1);
    }
}
