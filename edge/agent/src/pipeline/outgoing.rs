//! The results without the hub's word: which study each belongs to, and that the queue holds them as soon as it has room.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barefoot_domain::Urgency;
use barefoot_queue::{Lane, Queue};
use tokio_util::sync::CancellationToken;

use crate::case_book::{CaseBook, Outgoing, Recovery};
use crate::clock::now_ms;
use crate::error_chain::chain;
use crate::handoff::HubReceipt;
use crate::image_upload::ImageUploads;
use crate::study_folder::StudyKey;

/// Clones share it. Everything here waits for the disk.
#[derive(Debug, Clone)]
pub(crate) struct OutgoingResults {
    book: Arc<CaseBook>,
    queue: Queue,
    images: Option<ImageUploads>,
    /// Which study an unreceipted envelope belongs to. As large as the queue, no larger.
    waiting: Arc<Mutex<HashMap<String, StudyKey>>>,
    /// What the queue had no room for, the most urgent first. The studies' logs hold it.
    overdue: Arc<Mutex<BTreeMap<(Lane, String), StudyKey>>>,
    /// Damaged records that were queued again.
    mended: Arc<Mutex<HashSet<u64>>>,
}

/// Between looks at whether the queue has lost something or has room again.
const LOOKS: Duration = Duration::from_secs(30);

impl OutgoingResults {
    pub(crate) fn new(book: Arc<CaseBook>, queue: Queue, images: Option<ImageUploads>) -> Self {
        Self {
            book,
            queue,
            images,
            waiting: Arc::default(),
            overdue: Arc::default(),
            mended: Arc::default(),
        }
    }

    /// The study of a result that waits for the hub's word.
    pub(super) fn study_of(&self, envelope_id: &str) -> Option<StudyKey> {
        self.waiting().get(envelope_id).cloned()
    }

    /// Takes up what the last run left: the queue is made to hold exactly the results without the hub's word.
    ///
    /// # Errors
    /// When the queue fails.
    pub(crate) fn resume(&self, recovery: &Recovery) -> Result<(), barefoot_queue::Error> {
        let receipted: Vec<&str> = recovery.receipted.iter().map(String::as_str).collect();
        self.queue.receipts(&receipted)?;
        for outgoing in &recovery.undelivered {
            self.enqueue(outgoing)?;
        }
        self.write_down_given_up();
        for (outgoing, reason) in &recovery.refused {
            self.enqueue(outgoing)?;
            self.queue.set_aside(&outgoing.envelope_id, reason)?;
        }
        tracing::info!(
            undelivered = recovery.undelivered.len(),
            unassessed = recovery.unassessed.len(),
            unsettled = recovery.unsettled.len(),
            "The last run's open ends are taken up."
        );
        Ok(())
    }

    /// What the queue gave up just before the last run ended: its study's log does not say so yet.
    fn write_down_given_up(&self) {
        for kept in self.queue.set_aside_records(usize::MAX).unwrap_or_default() {
            let Some(study) = self.waiting().get(&kept.record.id).cloned() else {
                continue;
            };
            let refusal = HubReceipt {
                envelope_id: kept.record.id,
                refused: Some(kept.reason),
                hub_time_ms: 0,
            };
            if let Err(error) = self.book.record_receipt(&study, &refusal, now_ms()) {
                tracing::error!(%study, error = chain(&error), "That a result was set aside could not be written down; the next start tries again.");
            }
        }
    }

    pub(super) fn enqueue(&self, outgoing: &Outgoing) -> Result<(), barefoot_queue::Error> {
        self.waiting()
            .insert(outgoing.envelope_id.clone(), outgoing.study.clone());
        match self.append(outgoing) {
            Err(full @ barefoot_queue::Error::Full { .. }) => {
                tracing::warn!(
                    study = %outgoing.study,
                    error = chain(&full),
                    "The queue is full; a result waits in its study's folder until there is room."
                );
                let place = (outgoing.lane, outgoing.envelope_id.clone());
                self.overdue().insert(place, outgoing.study.clone());
                Ok(())
            }
            other => other,
        }
    }

    /// What a disk that fails keeps out of the queue waits in its study's folder, as where the queue is full.
    pub(super) fn enqueue_or_wait(&self, outgoing: &Outgoing) {
        if let Err(error) = self.enqueue(outgoing) {
            tracing::error!(
                study = %outgoing.study,
                error = chain(&error),
                "What the clinic says to the hub could not be queued; tried again later."
            );
            let place = (outgoing.lane, outgoing.envelope_id.clone());
            self.overdue().insert(place, outgoing.study.clone());
        }
    }

    /// Queues what the hub receipted since then, by its clock, and images that it took since then, by this box's. How many of
    /// each.
    pub(super) fn owe_again(
        &self,
        since_ms: i64,
        since_here_ms: i64,
        now_ms: i64,
    ) -> io::Result<(usize, usize)> {
        let (mut results, mut studies) = (0, HashSet::new());
        for case in self.book.cases().all() {
            let owed = self
                .book
                .owe_again(&case.study, since_ms, now_ms)
                .map_err(io::Error::other)?;
            for outgoing in &owed {
                self.enqueue(outgoing).map_err(io::Error::other)?;
            }
            results += owed.len();
            if !owed.is_empty() {
                studies.insert(case.study.clone());
            }
        }
        let images = match &self.images {
            Some(images) => images.owe_again(&studies, since_here_ms, self.book.cases())?,
            None => 0,
        };
        Ok((results, images))
    }

    fn append(&self, outgoing: &Outgoing) -> Result<(), barefoot_queue::Error> {
        if self.queue.contains(&outgoing.envelope_id)? {
            return Ok(());
        }
        let now = u64::try_from(now_ms()).unwrap_or_default();
        self.queue
            .append(outgoing.lane, &outgoing.envelope_id, &outgoing.envelope, now)
            .map(drop)
    }

    /// Looks now and then, until `shutdown`, whether the queue lost something or has room for what it had none for.
    pub(crate) async fn watch(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOKS) => {}
            }
            let this = self.clone();
            let looked = tokio::task::spawn_blocking(move || {
                this.queue_damaged()?;
                this.queue_overdue()
            });
            if let Ok(Err(error)) = looked.await {
                tracing::warn!(
                    error = chain(&error),
                    "The queue cannot be completed now; tried again later."
                );
            }
        }
    }

    /// Queues again what the queue found damaged: the studies' folders still have it.
    fn queue_damaged(&self) -> Result<(), barefoot_queue::Error> {
        for damaged in self.queue.damage().records {
            let Some(id) = damaged.id.filter(|_| !self.mended().contains(&damaged.sequence)) else {
                continue;
            };
            if let Some(study) = self.study_of(&id) {
                match self.book.undelivered(&study, &id) {
                    Ok(Some(outgoing)) => self.enqueue(&outgoing)?,
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!(%study, %error, "A result that the queue lost cannot be read; tried again later.");
                        continue;
                    }
                }
                tracing::warn!(%study, why = %damaged.flaw, "A queued result was damaged and was queued again.");
            } else if let Some(images) = &self.images {
                images.queue_again(&id)?;
            }
            self.mended().insert(damaged.sequence);
        }
        Ok(())
    }

    /// Queues what there was no room for, as far as there is room now.
    fn queue_overdue(&self) -> Result<(), barefoot_queue::Error> {
        let overdue: Vec<_> = {
            let overdue = self.overdue();
            overdue
                .iter()
                .map(|(place, study)| (place.clone(), study.clone()))
                .collect()
        };
        for (place, study) in overdue {
            match self.book.undelivered(&study, &place.1) {
                Ok(Some(outgoing)) => match self.append(&outgoing) {
                    Ok(()) => {}
                    Err(barefoot_queue::Error::Full { .. }) => return Ok(()),
                    Err(error) => return Err(error),
                },
                // The hub has spoken on it meanwhile.
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%study, %error, "A result that waits for room in the queue cannot be read; tried again later.");
                    continue;
                }
            }
            self.overdue().remove(&place);
        }
        self.images.as_ref().map_or(Ok(()), ImageUploads::queue_overdue)
    }

    /// A version's images go where its urgency says so.
    pub(super) fn offer_images(
        &self,
        study: &StudyKey,
        version: u32,
        urgency: Urgency,
    ) -> Result<(), barefoot_queue::Error> {
        match &self.images {
            Some(images) => images.offer(study, version, urgency),
            None => Ok(()),
        }
    }

    /// What the hub has is deleted, what it will never take is set aside; what had no room may have it now.
    pub(super) fn settle(&self, receipts: &[HubReceipt]) -> Result<(), barefoot_queue::Error> {
        let mut stored = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            match &receipt.refused {
                Some(reason) => {
                    tracing::error!(
                        envelope = receipt.envelope_id,
                        reason,
                        "The hub refused a result; it was set aside for a person."
                    );
                    self.queue.set_aside(&receipt.envelope_id, reason)?;
                }
                None => stored.push(receipt.envelope_id.as_str()),
            }
        }
        self.queue.receipts(&stored)?;
        for receipt in receipts {
            self.waiting().remove(&receipt.envelope_id);
        }
        self.queue_overdue()
    }

    fn overdue(&self) -> MutexGuard<'_, BTreeMap<(Lane, String), StudyKey>> {
        self.overdue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mended(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.mended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, StudyKey>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use barefoot_domain::{ClinicId, StudyUid};
    use barefoot_trust::PseudonymKey;

    use super::*;
    use crate::case_book::Moment;
    use crate::case_index::{CaseIndex, samples};
    use crate::case_log::{self, Entry, PatientText};
    use crate::character_sets::CharacterSets;
    use crate::handoff::{AssessedStudy, SettledStudy};
    use crate::study_folder::StateDirectory;

    /// Eight records, seven of them for what is not critical.
    pub(in crate::pipeline) fn small_queue(root: &Path) -> Queue {
        let config = barefoot_queue::Config {
            max_records: 8,
            ..barefoot_queue::Config::default()
        };
        Queue::open(&root.join("queue"), config).unwrap()
    }

    pub(in crate::pipeline) fn book(root: &Path) -> Arc<CaseBook> {
        let state = StateDirectory::open(&root.join("state")).unwrap();
        let key = PseudonymKey::load_or_create(&root.join("pseudonym.key")).unwrap();
        let clinic = ClinicId::new("clinic-7").unwrap();
        let sets = CharacterSets::default();
        Arc::new(CaseBook::new(state, clinic, key, CaseIndex::default(), sets))
    }

    pub(in crate::pipeline) fn assessed(
        root: &Path,
        book: &CaseBook,
        number: u32,
        urgency: Urgency,
    ) -> Outgoing {
        let study_uid = StudyUid::new(format!("1.2.{number}")).unwrap();
        let study = StudyKey::of(&study_uid);
        let state = StateDirectory::open(&root.join("state")).unwrap();
        std::fs::create_dir_all(state.instances(&study)).unwrap();
        let logged = Entry::Settled {
            version: 1,
            at_ms: 1,
            received_at_ms: 1,
            study_uid: study_uid.as_str().to_owned(),
            instances: Vec::new(),
            modality: "DX".to_owned(),
            patient: PatientText::default(),
            conflicts: 0,
            strangers: 0,
        };
        case_log::append(&state.case_log(&study), &[logged]).unwrap();
        let settled = SettledStudy {
            study,
            version: 1,
            study_uid,
            received_at_ms: 1,
            identity_conflict: false,
            instances: Vec::new(),
        };
        let mut assessment = samples::assessed("1.2").assessment.unwrap();
        assessment.urgency = urgency;
        let assessed = AssessedStudy {
            assessment,
            pictures: Vec::new(),
        };
        let at = Moment {
            at_ms: 2,
            clock_offset_ms: None,
        };
        book.record_assessed(&settled, &assessed, &format!("envelope-{number:02}"), at)
            .unwrap()
    }

    pub(in crate::pipeline) fn receipt(envelope_id: &str, refused: Option<&str>) -> HubReceipt {
        HubReceipt {
            envelope_id: envelope_id.to_owned(),
            refused: refused.map(str::to_owned),
            hub_time_ms: 3,
        }
    }

    pub(in crate::pipeline) fn waiting(queue: &Queue) -> Vec<String> {
        let records = queue.pending(usize::MAX, |_| false).unwrap();
        records.into_iter().map(|record| record.id).collect()
    }

    #[test]
    fn what_the_queue_had_no_room_for_is_queued_as_receipts_make_room() {
        let root = tempfile::tempdir().unwrap();
        let (book, queue) = (book(root.path()), small_queue(root.path()));
        let results = OutgoingResults::new(Arc::clone(&book), queue.clone(), None);
        for number in 0..10 {
            let outgoing = assessed(root.path(), &book, number, Urgency::Routine);
            results.enqueue(&outgoing).unwrap();
        }
        for number in 10..12 {
            let outgoing = assessed(root.path(), &book, number, Urgency::Critical);
            results.enqueue(&outgoing).unwrap();
        }
        assert_eq!(queue.depth().pending, 8, "full, and nothing failed");
        results.settle(&[receipt("envelope-00", None)]).unwrap();
        assert_eq!(
            waiting(&queue)[..2],
            ["envelope-10", "envelope-11"],
            "the critical ones first"
        );
        let mut all = vec!["envelope-00".to_owned()];
        while let Some(next) = waiting(&queue).into_iter().next() {
            results.settle(&[receipt(&next, None)]).unwrap();
            all.push(next);
        }
        all.sort();
        assert_eq!(all.len(), 12);
        all.dedup();
        assert_eq!(all.len(), 12, "each of them once");
    }

    #[test]
    fn what_was_given_up_just_before_the_end_is_written_down_at_the_next_start() {
        let root = tempfile::tempdir().unwrap();
        let queue = small_queue(root.path());
        {
            let book = book(root.path());
            let results = OutgoingResults::new(Arc::clone(&book), queue.clone(), None);
            let outgoing = assessed(root.path(), &book, 1, Urgency::Routine);
            results.enqueue(&outgoing).unwrap();
        }
        queue.set_aside("envelope-01", "the hub cannot read it").unwrap();
        let again = || {
            let book = book(root.path());
            let recovery = book.recover().unwrap();
            let results = OutgoingResults::new(book, queue.clone(), None);
            results.resume(&recovery).unwrap();
            (recovery.undelivered.len(), recovery.refused.len())
        };
        assert_eq!((again(), again()), ((1, 0), (0, 1)));
        assert_eq!(queue.depth().set_aside, 1);
    }

    #[test]
    fn what_the_queue_lost_is_queued_again_from_its_study() {
        let root = tempfile::tempdir().unwrap();
        let (book, queue) = (book(root.path()), small_queue(root.path()));
        let results = OutgoingResults::new(Arc::clone(&book), queue.clone(), None);
        let lost = assessed(root.path(), &book, 1, Urgency::Critical);
        for outgoing in [&lost, &assessed(root.path(), &book, 2, Urgency::Routine)] {
            results.enqueue(outgoing).unwrap();
        }
        for segment in std::fs::read_dir(root.path().join("queue/log")).unwrap() {
            let path = segment.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            let found = bytes
                .windows(lost.envelope.len())
                .position(|window| window == lost.envelope);
            if let Some(at) = found {
                bytes[at + 5] ^= 1;
                std::fs::write(&path, bytes).unwrap();
            }
        }
        assert_eq!(waiting(&queue), ["envelope-02"]);
        for _ in 0..2 {
            results.queue_damaged().unwrap();
            assert_eq!(waiting(&queue), ["envelope-01", "envelope-02"]);
        }
    }

    fn receipted(id: &str, hub_time_ms: i64) -> HubReceipt {
        HubReceipt {
            hub_time_ms,
            ..receipt(id, None)
        }
    }

    #[test]
    fn what_a_restored_hub_may_have_lost_is_sent_once_more_also_after_a_restart() {
        let root = tempfile::tempdir().unwrap();
        let (first, queue) = (book(root.path()), small_queue(root.path()));
        let results = OutgoingResults::new(Arc::clone(&first), queue.clone(), None);
        // Receipted before the backup, after it, and by a hub that names no time; the last waits still.
        let times = [Some(99), Some(100), Some(0), None];
        let mut studies = Vec::new();
        for (number, time) in (1..).zip(times) {
            let outgoing = assessed(root.path(), &first, number, Urgency::Routine);
            results.enqueue(&outgoing).unwrap();
            if let Some(time) = time {
                let receipt = receipted(&outgoing.envelope_id, time);
                first.record_receipt(&outgoing.study, &receipt, 5).unwrap();
                results.settle(&[receipt]).unwrap();
            }
            studies.push(outgoing.study);
        }
        assert_eq!(waiting(&queue), ["envelope-04"]);
        let owe = |book: &Arc<CaseBook>, since_ms: i64| {
            let owed: usize = studies
                .iter()
                .map(|study| book.owe_again(study, since_ms, 6).unwrap().len())
                .sum();
            owed
        };
        assert_eq!(owe(&first, 100), 2);
        // A power cut before they were queued: the start finds them in the logs.
        let again = || {
            let book = book(root.path());
            let recovery = book.recover().unwrap();
            let results = OutgoingResults::new(Arc::clone(&book), queue.clone(), None);
            results.resume(&recovery).unwrap();
            (book, results)
        };
        let (second, results) = again();
        let mut all = waiting(&queue);
        all.sort();
        assert_eq!(all, ["envelope-02", "envelope-03", "envelope-04"]);
        let undelivered = second.undelivered(&studies[1], "envelope-02").unwrap();
        assert_eq!(undelivered.unwrap().envelope_id, "envelope-02");
        // The restored hub has taken one; the same restoration finds the others where they are.
        let receipt = receipted("envelope-02", 300);
        second.record_receipt(&studies[1], &receipt, 7).unwrap();
        results.settle(&[receipt]).unwrap();
        assert!(second.undelivered(&studies[1], "envelope-02").unwrap().is_none());
        let (third, results) = again();
        assert_eq!(waiting(&queue).len(), 2);
        assert_eq!(
            results.owe_again(301, 301, 8).unwrap(),
            (1, 0),
            "the one without a time"
        );
        assert_eq!(waiting(&queue).len(), 2, "it waited already");
        // Another restoration, of a still older state.
        assert_eq!(owe(&third, 1), 3);
        let (_, _) = again();
        assert_eq!(waiting(&queue).len(), 4);
    }
}
