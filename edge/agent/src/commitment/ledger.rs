//! Which transactions are still to be answered, durably.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::message::{Reference, Wanted};
use crate::checked_lines;
use crate::study_folder::sync_directory;

/// A caller that cannot be reached this long has given the transaction up itself.
const LIFETIME_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// Open transactions at once, of all callers; a request beyond is refused, and asked again by its caller.
const MAX_OPEN: usize = 10_000;

/// Answered lines before the log is written anew.
const MANY_LINES: usize = 1_000;

/// Lines of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Entry {
    Asked {
        at_ms: i64,
        ae_title: String,
        transaction: String,
        references: Vec<Reference>,
    },
    /// Answered, or given up.
    Closed { ae_title: String, transaction: String },
}

/// Who asked, and under which UID.
type Key = (String, String);

/// A transaction that waits for its answer.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) ae_title: String,
    pub(super) wanted: Wanted,
    pub(super) at_ms: i64,
}

#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    open: BTreeMap<Key, Open>,
    /// Just being answered to who asked.
    in_hand: HashSet<Key>,
    lines: usize,
}

impl Ledger {
    /// # Errors
    /// When the log is there but cannot be read.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let checked_lines::Replay { entries, damaged } = checked_lines::replay::<Entry>(&path)?;
        if 0 < damaged {
            tracing::warn!(
                lines = damaged,
                "The log of storage commitment has damaged lines: what they asked is not answered, and is asked again by its caller."
            );
        }
        let mut ledger = Self {
            path,
            open: BTreeMap::new(),
            in_hand: HashSet::new(),
            lines: entries.len(),
        };
        entries.into_iter().for_each(|entry| ledger.remember(entry));
        Ok(ledger)
    }

    fn remember(&mut self, entry: Entry) {
        match entry {
            Entry::Asked {
                at_ms,
                ae_title,
                transaction,
                references,
            } => {
                let key = (ae_title.clone(), transaction.clone());
                let wanted = Wanted {
                    transaction,
                    references,
                };
                self.open.insert(
                    key,
                    Open {
                        ae_title,
                        wanted,
                        at_ms,
                    },
                );
            }
            Entry::Closed {
                ae_title,
                transaction,
            } => {
                let key = (ae_title, transaction);
                self.in_hand.remove(&key);
                self.open.remove(&key);
            }
        }
    }

    /// Writes a request down and takes it in hand; asked twice under one UID, the later counts. `false`: too many are
    /// open.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub(super) fn ask(&mut self, ae_title: &str, wanted: &Wanted, at_ms: i64) -> io::Result<bool> {
        if MAX_OPEN <= self.open.len() {
            return Ok(false);
        }
        self.write(Entry::Asked {
            at_ms,
            ae_title: ae_title.to_owned(),
            transaction: wanted.transaction.clone(),
            references: wanted.references.clone(),
        })?;
        self.in_hand
            .insert((ae_title.to_owned(), wanted.transaction.clone()));
        Ok(true)
    }

    /// It could not be answered at once.
    pub(super) fn let_go(&mut self, ae_title: &str, transaction: &str) {
        self.in_hand
            .remove(&(ae_title.to_owned(), transaction.to_owned()));
    }

    /// It is answered, or nobody wants the answer any more.
    ///
    /// # Errors
    /// When the log cannot be written: it is then answered again.
    pub(super) fn close(&mut self, ae_title: &str, transaction: &str) -> io::Result<()> {
        self.write(Entry::Closed {
            ae_title: ae_title.to_owned(),
            transaction: transaction.to_owned(),
        })?;
        if MANY_LINES < self.lines && self.lines / 2 > self.open.len() {
            self.compact()?;
        }
        Ok(())
    }

    fn write(&mut self, entry: Entry) -> io::Result<()> {
        checked_lines::append(&self.path, std::slice::from_ref(&entry))?;
        self.lines += 1;
        self.remember(entry);
        Ok(())
    }

    fn compact(&mut self) -> io::Result<()> {
        let entries: Vec<Entry> = self
            .open
            .values()
            .map(|open| Entry::Asked {
                at_ms: open.at_ms,
                ae_title: open.ae_title.clone(),
                transaction: open.wanted.transaction.clone(),
                references: open.wanted.references.clone(),
            })
            .collect();
        let written = self.path.with_extension("new");
        match fs::remove_file(&written) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        checked_lines::append(&written, &entries)?;
        fs::rename(&written, &self.path)?;
        self.lines = entries.len();
        self.path.parent().map_or(Ok(()), sync_directory)
    }

    /// Those that nobody has in hand, the oldest first.
    pub(super) fn waiting(&self) -> Vec<Open> {
        let waiting = self.open.iter().filter(|(key, _)| !self.in_hand.contains(*key));
        let mut all: Vec<Open> = waiting.map(|(_, open)| open.clone()).collect();
        all.sort_by_key(|open| open.at_ms);
        all
    }
}

impl Open {
    pub(super) fn is_stale(&self, now_ms: i64) -> bool {
        LIFETIME_MS < now_ms - self.at_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(transaction: &str) -> Wanted {
        let reference = Reference {
            class: "1.2".to_owned(),
            instance: "1.3".to_owned(),
        };
        Wanted {
            transaction: transaction.to_owned(),
            references: vec![reference],
        }
    }

    #[test]
    fn what_was_asked_is_open_until_closed_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("commitment.log");
        let open = || Ledger::open(path.clone()).unwrap();
        let mut ledger = open();
        assert!(ledger.ask("CT1", &wanted("1.1"), 5).unwrap());
        assert!(ledger.ask("CT2", &wanted("1.1"), 4).unwrap());
        assert!(ledger.ask("CT1", &wanted("1.1"), 6).unwrap(), "asked again");
        ledger.close("CT1", "9.9").unwrap();
        assert!(ledger.waiting().is_empty(), "all are in hand");
        ledger.let_go("CT2", "1.1");
        assert_eq!(ledger.waiting().len(), 1);
        let mut ledger = open();
        let titles: Vec<String> = ledger.waiting().into_iter().map(|open| open.ae_title).collect();
        assert_eq!(titles, ["CT2", "CT1"]);
        ledger.close("CT2", "1.1").unwrap();
        ledger.compact().unwrap();
        let ledger = open();
        let waiting = ledger.waiting();
        assert_eq!(waiting.len(), 1);
        assert_eq!(
            (waiting[0].ae_title.as_str(), &waiting[0].wanted),
            ("CT1", &wanted("1.1"))
        );
        assert!(!waiting[0].is_stale(7) && waiting[0].is_stale(7 + LIFETIME_MS));
    }
}
