//! Who did what on this box: a log that is only added to, each entry bound to the one before it, its newest hash signed by
//! the box now and then (`barefoot_trust::audit`). It lies below `audit/` in the state directory; `barefootctl audit verify
//! --clinic` checks an export of it anywhere.
//!
//! Entries hold ids and pseudonyms, never a name. A log that cannot be written keeps no doctor from a picture, and no scanner
//! from sending: what is missing is counted, and told by the next entry that can be written. Images for other systems do not go
//! out without their entry ([`PeerLog`]). What many write at once is one write and one sync.

mod clock;
mod command;
mod entry;
mod peers;
mod store;
mod telling;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use barefoot_domain::{CaseId, ClinicId};
use barefoot_trust::TlsIdentity;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::clock::now_ms;
use crate::error_chain::chain;

use self::clock::ClockWatch;
use self::store::Store;

pub use command::{ConsoleAct, Form, export, note};
pub(crate) use entry::{Action, Actor, Entry};
pub(crate) use peers::{Acts, Counts, Given, NotWritten, PeerLog};

const FOLDER: &str = "audit";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How often the clock and the models are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How often the newest hash is signed where something came since.
const BETWEEN_HEADS: Duration = Duration::from_secs(600);
/// The same look at the same thing is one act until nobody has looked for so long.
const ONE_ACT: Duration = Duration::from_secs(300);
/// Acts remembered for that; with more everything is simply written.
const MOST_ACTS: usize = 10_000;

/// How long the log is kept, and who else is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Days an entry stays, at least 183: the law asks for six months. Default 400.
    #[serde(default = "default_keep_days")]
    pub keep_days: u32,
    /// An audit record repository (DICOM PS3.15 annex A.5, syslog over TLS). What it was not told is kept longer than
    /// `keep_days`. Default none.
    #[serde(default)]
    pub repository: Option<barefoot_audit::Config>,
}

fn default_keep_days() -> u32 {
    400
}

impl Default for Config {
    fn default() -> Self {
        Self {
            keep_days: default_keep_days(),
            repository: None,
        }
    }
}

impl Config {
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.keep_days < 183 {
            return Err("[audit] keep_days must be at least 183: the law asks for six months".to_owned());
        }
        self.repository
            .as_ref()
            .map_or(Ok(()), barefoot_audit::Config::check)
    }
}

/// Why the log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the audit log's files cannot be used")]
    Disk {
        #[from]
        source: io::Error,
    },
    #[error("the audit log could not be signed")]
    Sign { source: barefoot_trust::Error },
    #[error("what is kept here cannot be opened")]
    AtRest { source: crate::at_rest::Error },
    #[error("this box cannot say whose it is")]
    Membership { source: crate::membership::Error },
}

/// What the log says of models; read anew at each look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answering {
    /// `id version`; empty where none works.
    pub(crate) model: String,
    /// The last one that was refused, or (`true`) answered and went back, and why.
    pub(crate) ended: Option<(String, bool, &'static str)>,
}

/// The log; cheap to clone, all clones write the same.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    book: Arc<Mutex<Book>>,
    waiting: Arc<Mutex<Batch>>,
}

/// Entries of all who wait for the book: whoever has it next writes them all. Each waits for its own, so there are never more
/// than callers.
#[derive(Debug, Default)]
struct Batch {
    entries: Vec<Entry>,
    /// Whether they are on the disk.
    written: Arc<OnceLock<bool>>,
}

#[derive(Debug)]
struct Book {
    store: Store,
    /// Entries that could not be written.
    lost: u64,
    acts: HashMap<(Actor, Action, Option<CaseId>), Instant>,
}

impl Audit {
    /// # Errors
    /// When the folder cannot be made or read.
    pub(crate) fn open(state: &Path, clinic: &ClinicId) -> io::Result<Self> {
        let store = Store::open(state.join(FOLDER), clinic.clone())?;
        Ok(Self {
            book: Arc::new(Mutex::new(Book {
                store,
                lost: 0,
                acts: HashMap::new(),
            })),
            waiting: Arc::default(),
        })
    }

    /// The daemon begins; `with` says what it begins with.
    pub(crate) fn started(&self, with: &str) {
        let killed = if self.book().store.ended_well() {
            ""
        } else {
            "; the last run ended without a stop"
        };
        self.record(Entry::new(Actor::Daemon("daemon"), Action::Start).details(&format!("{with}{killed}")));
    }

    /// The daemon ends; the last word is signed.
    pub(crate) fn stopped(&self, identity: &TlsIdentity) {
        self.record(Entry::new(Actor::Daemon("daemon"), Action::Stop));
        self.sign(identity);
    }

    /// After it the entry is on the disk, or counted as lost. Blocking.
    pub(crate) fn record(&self, entry: Entry) {
        self.record_all(vec![entry]);
    }

    /// As [`record`](Self::record), in one write.
    pub(crate) fn record_all(&self, entries: Vec<Entry>) {
        let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        if !self.write(entries) {
            let mut book = self.book();
            book.lost = book.lost.saturating_add(count);
            let lost = book.lost;
            drop(book);
            tracing::error!(lost, "What is done now is not in the audit log.");
        }
    }

    /// Of what must not happen without its entry. Blocking.
    pub(crate) fn must_record(&self, entries: Vec<Entry>) -> Result<(), NotWritten> {
        if self.write(entries) {
            Ok(())
        } else {
            Err(NotWritten)
        }
    }

    /// As [`record`](Self::record), once where the same is looked at again and again.
    pub(crate) fn record_look(&self, entry: Entry) {
        let is_written = self.book().is_written(&entry);
        if !is_written {
            self.record(entry);
        }
    }

    /// What the newest entry on one of these was done to; `None` where the log has none, or cannot be read.
    pub(crate) fn last_subject(&self, of: &[Action]) -> Option<String> {
        self.last(of).map(|(subject, _)| subject)
    }

    #[cfg(test)]
    pub(crate) fn last_details(&self, of: &[Action]) -> Option<String> {
        self.last(of).map(|(_, details)| details)
    }

    fn last(&self, of: &[Action]) -> Option<(String, String)> {
        match self.book().store.last(of) {
            Ok(last) => last,
            Err(error) => {
                tracing::error!(%error, "The audit log cannot be read.");
                None
            }
        }
    }

    /// Whether they are on the disk now.
    fn write(&self, entries: Vec<Entry>) -> bool {
        let written = {
            let mut batch = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            batch.entries.extend(entries);
            Arc::clone(&batch.written)
        };
        let mut book = self.book();
        if let Some(written) = written.get() {
            return *written;
        }
        let batch = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiting)
        };
        let done = book.append(batch.entries);
        let _ = batch.written.set(done);
        done
    }

    fn sign(&self, identity: &TlsIdentity) {
        let mut book = self.book();
        let signed = book.store.sign(identity, now_ms(), false);
        drop(book);
        match signed {
            // The journal keeps it too: who cuts the log's end off must cut the journal as well.
            Ok(Some(head)) => {
                let hash: String = head.hash.iter().map(|byte| format!("{byte:02x}")).collect();
                tracing::info!(number = head.number, %hash, "The audit log's newest hash is signed.");
            }
            Ok(None) => {}
            Err(error) => tracing::error!(error = chain(&error), "The audit log could not be signed."),
        }
    }

    fn tidy(&self, keep_days: u32) {
        let (mut book, now) = (self.book(), now_ms());
        let turned = book.store.turn_over(now);
        let than = now.saturating_sub(i64::from(keep_days) * DAY_MS);
        let removed = book.store.remove_older(than, now);
        drop(book);
        if let Err(error) = turned.and(removed) {
            tracing::error!(%error, "Old parts of the audit log could not be put away.");
        }
    }

    /// Writes down what happens by itself, and signs, until `shutdown`. `answering` tells which model does.
    pub(crate) async fn run(
        self,
        keep_days: u32,
        identity: Arc<TlsIdentity>,
        answering: impl Fn() -> Answering + Send + Sync + 'static,
        shutdown: CancellationToken,
    ) {
        let mut clock = ClockWatch::new(now_ms(), Instant::now());
        let mut before = Answering::default();
        let mut signed: Option<Instant> = None;
        loop {
            let jumped = clock.look(now_ms(), Instant::now());
            let now = answering();
            let mut entries: Vec<Entry> = jumped.into_iter().map(of_clock).collect();
            entries.extend(of_models(&before, &now));
            before = now;
            let is_due = signed.is_none_or(|at| BETWEEN_HEADS <= at.elapsed());
            if is_due {
                signed = Some(Instant::now());
            }
            let (this, identity) = (self.clone(), Arc::clone(&identity));
            let work = move || {
                entries.into_iter().for_each(|entry| this.record(entry));
                if is_due {
                    this.sign(&identity);
                    this.tidy(keep_days);
                }
            };
            let _ = tokio::task::spawn_blocking(work).await;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Whole after any panic: what is half known is read anew from the disk.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn append(&mut self, new: Vec<Entry>) -> bool {
        let mut entries = Vec::new();
        if 0 < self.lost {
            let lost = Entry::new(Actor::Daemon("audit"), Action::EntriesLost);
            entries.push(lost.details(&self.lost.to_string()));
        }
        entries.extend(new);
        match self.store.append(&entries, now_ms()) {
            Ok(()) => {
                self.lost = 0;
                true
            }
            Err(error) => {
                tracing::error!(%error, "The audit log cannot be written.");
                false
            }
        }
    }

    fn is_written(&mut self, entry: &Entry) -> bool {
        let act = (entry.actor.clone(), entry.action, entry.case.clone());
        // A page that stays open looks again and again.
        if let Some(at) = self.acts.get_mut(&act).filter(|at| at.elapsed() < ONE_ACT) {
            *at = Instant::now();
            return true;
        }
        if MOST_ACTS <= self.acts.len() {
            self.acts.retain(|_, at| at.elapsed() < ONE_ACT);
        }
        if self.acts.len() < MOST_ACTS {
            self.acts.insert(act, Instant::now());
        }
        false
    }
}

fn of_clock(jumped_ms: i64) -> Entry {
    let by = format!("by {:+} s", jumped_ms / 1000);
    Entry::new(Actor::Daemon("clock"), Action::ClockJumped).details(&by)
}

fn of_models(before: &Answering, now: &Answering) -> Vec<Entry> {
    let mut entries = Vec::new();
    let entry = |action| Entry::new(Actor::Daemon("models"), action);
    if let Some((model, answered, reason)) = now.ended.as_ref().filter(|_| now.ended != before.ended) {
        let action = if *answered {
            Action::ModelTakenBack
        } else {
            Action::ModelRefused
        };
        entries.push(entry(action).subject(model).details(reason));
    }
    if now.model != before.model {
        entries.push(entry(Action::ModelAnswers).subject(&now.model));
    }
    entries
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) mod tests_support {
    use std::path::Path;

    use barefoot_domain::ClinicId;
    use barefoot_trust::audit::AuditEntry;

    /// All entries of the log in this state directory.
    pub(crate) fn entries_in(state: &Path) -> Vec<AuditEntry> {
        let clinic = ClinicId::new("clinic-7").unwrap();
        let audit = super::Audit::open(state, &clinic).unwrap();
        let all = audit.book().store.behind(0, usize::MAX).unwrap();
        all.into_iter().map(|logged| logged.entry).collect()
    }
}
