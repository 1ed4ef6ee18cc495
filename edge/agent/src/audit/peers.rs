//! What other systems ask of the box and get from it, and what it sends by itself.
//!
//! What comes in is told with a study's first image, before the sender hears that it is kept, and summed up and written when the
//! association ends, or sooner where it lasts: two entries a study, not one an image. What goes out is written before its first byte goes: where the log cannot be written, nothing is given out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use barefoot_domain::{CaseId, StudyUid};
use barefoot_trust::PseudonymKey;

use super::{Action, Actor, Audit, Entry};
use crate::case_index::CaseIndex;
use crate::study_folder::StudyKey;

/// Studies summed up at once; with more the sums are written and begun anew.
const MOST_STUDIES: usize = 32;
/// Studies of which an association remembers that it has told their beginning; with more it begins anew.
const MOST_BEGUN: usize = 1000;
/// Sums are not older, where the association goes on.
const OLDEST: Duration = Duration::from_secs(300);

/// The log refused an entry: what it tells of must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written, so nothing is given out")]
pub(crate) struct NotWritten;

/// Images of each study that go out together.
pub(crate) type Counts = BTreeMap<StudyKey, u64>;

/// The log, for the parts that speak with other systems; clones are one.
#[derive(Clone)]
pub(crate) struct PeerLog {
    audit: Audit,
    cases: CaseIndex,
    names: Arc<PseudonymKey>,
}

impl fmt::Debug for PeerLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerLog")
    }
}

impl PeerLog {
    #[must_use]
    pub(crate) fn new(audit: Audit, cases: CaseIndex, names: PseudonymKey) -> Self {
        Self {
            audit,
            cases,
            names: Arc::new(names),
        }
    }

    /// In a folder of its own.
    #[cfg(test)]
    pub(crate) fn for_tests(folder: &std::path::Path) -> Self {
        let clinic = barefoot_domain::ClinicId::new("clinic-7").unwrap();
        let key = PseudonymKey::from_bytes(&[7; 32], folder).unwrap();
        Self::new(Audit::open(folder, &clinic).unwrap(), CaseIndex::default(), key)
    }

    /// What an association does, once it is known whose it is.
    #[must_use]
    pub(crate) fn acts_of(&self, actor: Actor) -> Acts {
        Acts(Arc::new(Inner {
            log: self.clone(),
            actor,
            sums: Mutex::default(),
            begun: Mutex::default(),
        }))
    }

    /// Instances are about to go `to` somebody: an entry for each study, on the disk after `Ok`.
    pub(crate) async fn disclose(
        &self,
        actor: &Actor,
        action: Action,
        to: &str,
        studies: &Counts,
    ) -> Result<(), NotWritten> {
        let (audit, entries) = (self.audit.clone(), self.entries(actor, action, to, studies, ""));
        let written = tokio::task::spawn_blocking(move || audit.must_record(entries)).await;
        written.unwrap_or(Err(NotWritten))
    }

    /// As [`Self::disclose`], on a thread that may wait.
    pub(crate) fn disclose_here(
        &self,
        actor: &Actor,
        action: Action,
        to: &str,
        studies: &Counts,
    ) -> Result<(), NotWritten> {
        self.audit
            .must_record(self.entries(actor, action, to, studies, ""))
    }

    /// They went; `after` says what did not.
    pub(crate) async fn disclosed(
        &self,
        actor: &Actor,
        action: Action,
        to: &str,
        studies: &Counts,
        after: &str,
    ) {
        self.note(self.entries(actor, action, to, studies, after)).await;
    }

    /// What cannot be written is counted.
    pub(crate) async fn note(&self, entries: Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        let audit = self.audit.clone();
        let _ = tokio::task::spawn_blocking(move || audit.record_all(entries)).await;
    }

    fn entries(&self, actor: &Actor, action: Action, to: &str, studies: &Counts, after: &str) -> Vec<Entry> {
        let entry = |(study, images): (&StudyKey, &u64)| {
            let case = self.cases.get(study).map(|case| case.case.clone());
            // A study that the book does not know yet has the name that the box's journal gives it.
            let unknown = match &case {
                Some(_) => String::new(),
                None => format!(" of {study}"),
            };
            Entry::new(actor.clone(), action)
                .of_case(case)
                .subject(to)
                .details(&format!("{images} images{unknown}{after}"))
        };
        studies.iter().map(entry).collect()
    }
}

/// What one association did and is not written yet; clones are one.
#[derive(Clone)]
pub(crate) struct Acts(Arc<Inner>);

struct Inner {
    log: PeerLog,
    actor: Actor,
    sums: Mutex<Sums>,
    begun: Mutex<BTreeSet<CaseId>>,
}

#[derive(Debug, Default)]
struct Sums {
    since: Option<Instant>,
    stored: BTreeMap<CaseId, Stored>,
    /// Images that were not kept: of which study is not known.
    refused: u64,
    /// How often it was asked, and how many answers there were.
    asked: BTreeMap<&'static str, (Action, u64, u64)>,
}

#[derive(Debug, Default)]
struct Stored {
    images: u64,
    known_before: u64,
}

impl fmt::Debug for Acts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acts")
            .field("actor", &self.0.actor)
            .finish_non_exhaustive()
    }
}

impl Acts {
    /// An image came and is kept. A study's first one is on the disk of the log after this: whatever becomes of the sum.
    pub(crate) async fn stored(&self, study: &StudyUid, known_before: bool) {
        let case = self.0.log.names.case_of(study);
        {
            let mut sums = self.sums();
            let stored = sums.stored.entry(case.clone()).or_default();
            stored.images += 1;
            stored.known_before += u64::from(known_before);
        }
        if self.begins(&case) {
            let begun = Entry::new(self.0.actor.clone(), Action::StoreBegun).of_case(Some(case));
            self.0.log.note(vec![begun]).await;
        }
    }

    fn begins(&self, case: &CaseId) -> bool {
        let mut begun = self.0.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if MOST_BEGUN <= begun.len() {
            begun.clear();
        }
        begun.insert(case.clone())
    }

    /// An image came and is not kept.
    pub(crate) fn refused(&self) {
        self.sums().refused += 1;
    }

    /// Something was asked, and so many answers were given.
    pub(crate) fn asked(&self, action: Action, answers: u64) {
        let mut sums = self.sums();
        let asked = sums.asked.entry(action.word()).or_insert((action, 0, 0));
        asked.1 += 1;
        asked.2 += answers;
    }

    /// As [`PeerLog::disclose`], by whom this association is.
    pub(crate) async fn disclose(
        &self,
        action: Action,
        to: &str,
        studies: &Counts,
    ) -> Result<(), NotWritten> {
        self.0.log.disclose(&self.0.actor, action, to, studies).await
    }

    pub(crate) async fn disclosed(&self, action: Action, to: &str, studies: &Counts, after: &str) {
        let log = &self.0.log;
        log.disclosed(&self.0.actor, action, to, studies, after).await;
    }

    /// The caller as a place that images go to.
    #[must_use]
    pub(crate) fn caller(&self) -> String {
        let (_, id, _) = self.0.actor.words();
        id.to_owned()
    }

    /// Writes what is summed up, where it is much or old.
    pub(crate) async fn write_if_due(&self) {
        let is_due = {
            let sums = self.sums();
            MOST_STUDIES <= sums.stored.len() || sums.since.is_some_and(|since| OLDEST <= since.elapsed())
        };
        if is_due {
            self.write().await;
        }
    }

    pub(crate) async fn write(&self) {
        let sums = std::mem::take(&mut *self.0.sums.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.log.note(sums.entries(&self.0.actor)).await;
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        let mut sums = self.0.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.since.get_or_insert_with(Instant::now);
        sums
    }
}

impl Sums {
    fn entries(self, actor: &Actor) -> Vec<Entry> {
        let entry = |action| Entry::new(actor.clone(), action);
        let stored = self.stored.into_iter().map(|(case, stored)| {
            let details = format!("{} images, {} known before", stored.images, stored.known_before);
            entry(Action::Stored).of_case(Some(case)).details(&details)
        });
        let refused = (0 < self.refused)
            .then(|| entry(Action::Stored).details(&format!("refused: {} images", self.refused)));
        let asked = self.asked.into_values().map(|(action, times, answers)| {
            let answers = match action {
                Action::ProcedureStep => String::new(),
                _ => format!(", {answers} answers"),
            };
            entry(action).details(&format!("{times} requests{answers}"))
        });
        stored.chain(refused).chain(asked).collect()
    }
}

/// One question and its answers: told when it is dropped, however the association goes on.
#[derive(Debug)]
pub(crate) struct Given {
    acts: Acts,
    action: Action,
    answers: u64,
}

impl Given {
    #[must_use]
    pub(crate) fn new(acts: Acts, action: Action) -> Self {
        Self {
            acts,
            action,
            answers: 0,
        }
    }

    pub(crate) fn one_more(&mut self) {
        self.answers += 1;
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.acts.asked(self.action, self.answers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::tests_support::entries_in;

    #[tokio::test(flavor = "multi_thread")]
    async fn an_association_is_two_entries_a_study_however_many_images_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let log = PeerLog::for_tests(folder.path());
        let acts = log.acts_of(Actor::node("CT 1", "10.0.0.5", None));
        let study = |number: u32| StudyUid::new(format!("1.2.{number}")).unwrap();
        for image in 0..500 {
            acts.stored(&study(1), image < 3).await;
            acts.write_if_due().await;
        }
        acts.stored(&study(2), false).await;
        acts.refused();
        acts.asked(Action::WorklistQueried, 4);
        acts.asked(Action::WorklistQueried, 5);
        let begun: Vec<_> = entries_in(folder.path())
            .into_iter()
            .map(|entry| entry.action)
            .collect();
        assert_eq!(
            begun,
            ["store_begun", "store_begun"],
            "of each study that it began, nothing else meanwhile"
        );
        acts.write().await;
        acts.write().await;
        let entries = entries_in(folder.path());
        let said: Vec<_> = entries
            .iter()
            .map(|entry| (entry.action.as_str(), entry.details.as_str()))
            .collect();
        assert!(
            said.contains(&("stored", "500 images, 3 known before")),
            "{said:?}"
        );
        assert!(said.contains(&("stored", "1 images, 0 known before")), "{said:?}");
        assert!(said.contains(&("stored", "refused: 1 images")), "{said:?}");
        assert!(
            said.contains(&("worklist_queried", "2 requests, 9 answers")),
            "{said:?}"
        );
        assert_eq!(said.len(), 6);
        assert!(
            entries
                .iter()
                .all(|entry| entry.actor_kind == "node" && entry.actor == "CT 1@10.0.0.5")
        );
        let text = format!("{entries:?}");
        assert!(
            !text.contains("1.2.1"),
            "a study stands there by its pseudonym: {text}"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_studies_are_written_while_the_association_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let log = PeerLog::for_tests(folder.path());
        let acts = log.acts_of(Actor::node("CT 1", "10.0.0.5", None));
        for number in 0..100 {
            acts.stored(&StudyUid::new(format!("1.2.{number}")).unwrap(), false)
                .await;
            acts.write_if_due().await;
            assert!(acts.sums().stored.len() < MOST_STUDIES);
        }
        acts.write().await;
        assert_eq!(entries_in(folder.path()).len(), 200);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn without_a_log_nothing_is_given_out() {
        let folder = tempfile::tempdir().unwrap();
        let log = PeerLog::for_tests(folder.path());
        let studies = Counts::from([(StudyKey::of(&StudyUid::new("1.2.3").unwrap()), 2)]);
        let daemon = Actor::Daemon("deliver");
        let disclose = || log.disclose(&daemon, Action::DeliveryBegun, "PACS@archive", &studies);
        disclose().await.unwrap();
        assert_eq!(entries_in(folder.path()).len(), 1);
        // Neither root nor anybody else writes into a folder that is a file.
        std::fs::remove_dir_all(folder.path().join("audit")).unwrap();
        std::fs::write(folder.path().join("audit"), b"").unwrap();
        assert_eq!(disclose().await, Err(NotWritten));
    }
}
