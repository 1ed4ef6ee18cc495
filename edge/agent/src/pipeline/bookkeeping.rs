//! What must be written down before the next thing may happen: a version before it is assessed, an assessment before it
//! is queued, a receipt before its record goes.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use barefoot_domain::CaseId;
use barefoot_wire::{DecodeError, decode_case_state, decode_message, v1};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use super::film_lane::{FilmLane, Ready};
use super::outgoing::OutgoingResults;
use crate::assess::{Assessor, HeldFilms};
use crate::case_book::{CaseBook, Heard, Labelled, Moment};
use crate::clock::now_ms;
use crate::deliver::Deliveries;
use crate::error_chain::chain;
use crate::handoff::{
    Acknowledgement, AssessedStudy, FromHub, HubCorrection, HubReceipt, HubWord, Restoration, SettledStudy,
};
use crate::hub_clock::HubClock;
use crate::idle::Idle;
use crate::labels::Label;
use crate::report_check::{ReportCheck, read_kept};
use crate::reports_aside::ReportsAside;
use crate::results::ResultsDesk;
use crate::stage_times::Stage;
use crate::study_folder::{StateDirectory, StudyKey};

/// Pause before something that failed on the disk is tried again.
const RETRY: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 5 });

/// One study that cannot be written down is waited for this long before the others go on.
const HOLDS_UP: Duration = Duration::from_secs(15);

/// Receipts of one message that are written down at the same time, each into its study's log.
const RECEIPTS_AT_ONCE: usize = 8;

#[derive(Clone)]
pub(crate) struct Bookkeeping {
    book: Arc<CaseBook>,
    outgoing: OutgoingResults,
    /// Studies to settle once more after a failure.
    again: mpsc::Sender<StudyKey>,
    deliveries: Deliveries,
    hub_clock: HubClock,
    check: ReportCheck,
    aside: ReportsAside,
    results: ResultsDesk,
}

impl Bookkeeping {
    /// `again` leads back to the studies that have settled.
    pub(crate) fn new(
        book: Arc<CaseBook>,
        outgoing: OutgoingResults,
        again: mpsc::Sender<StudyKey>,
        deliveries: Deliveries,
        hub_clock: HubClock,
        check: ReportCheck,
        aside: ReportsAside,
    ) -> Self {
        Self {
            book,
            outgoing,
            again,
            deliveries,
            hub_clock,
            check,
            aside,
            results: ResultsDesk::default(),
        }
    }

    /// Assessed versions are handed in at `desk`, to become objects for archives.
    pub(crate) fn with_results(self, desk: ResultsDesk) -> Self {
        Self {
            results: desk,
            ..self
        }
    }

    /// Studies one after the other: the model has the processor to itself. `idle` tells who can wait whether any study does.
    pub(crate) async fn assess(
        self,
        assessor: Arc<Assessor>,
        state: StateDirectory,
        unassessed: Vec<SettledStudy>,
        mut settled: mpsc::Receiver<StudyKey>,
        idle: Idle,
        shutdown: CancellationToken,
    ) {
        idle.set_busy(true);
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = assessor.ready() => {}
        }
        let mut lane = FilmLane::start(Arc::clone(&assessor), shutdown.clone());
        for version in unassessed {
            if !self
                .assess_next(&assessor, &state, version, &mut lane, &shutdown)
                .await
            {
                return;
            }
        }
        loop {
            idle.set_busy(!settled.is_empty());
            let study = tokio::select! {
                () = shutdown.cancelled() => return,
                Ready { version, films } = lane.ready() => {
                    idle.set_busy(true);
                    if !self.assess_version(&assessor, &state, version, films, &shutdown).await {
                        return;
                    }
                    continue;
                }
                study = settled.recv() => match study {
                    Some(study) => study,
                    None => return,
                },
            };
            if lane.holds(&study) {
                self.settle_again(study, &shutdown);
                continue;
            }
            idle.set_busy(true);
            let (book, deliveries, key) = (Arc::clone(&self.book), self.deliveries.clone(), study.clone());
            let times = assessor.times().clone();
            let settled = move || {
                let settled = times.timed(Stage::Settle, || book.settle(&key, now_ms()));
                // Archives get it as it came, whatever the assessment takes.
                deliveries.look_at(&key);
                settled
            };
            let version = match tokio::task::spawn_blocking(settled).await {
                Ok(Ok(Some(version))) => version,
                Ok(Ok(None)) => continue,
                Ok(Err(error)) => {
                    tracing::error!(%study, error = chain(&error), "A study could not be settled; the others go on, it is tried again.");
                    self.settle_again(study, &shutdown);
                    continue;
                }
                Err(_) => {
                    tracing::error!(%study, "Settling a study panicked; the others go on, it is tried again.");
                    self.settle_again(study, &shutdown);
                    continue;
                }
            };
            if !self
                .assess_next(&assessor, &state, version, &mut lane, &shutdown)
                .await
            {
                return;
            }
        }
    }

    /// Assesses a version now, or lets its films be decoded first. `false` when the daemon cannot go on.
    async fn assess_next(
        &self,
        assessor: &Arc<Assessor>,
        state: &StateDirectory,
        version: SettledStudy,
        lane: &mut FilmLane,
        shutdown: &CancellationToken,
    ) -> bool {
        let (deciding, settled) = (Arc::clone(assessor), version.clone());
        let pictures = state.pictures(&version.study, version.version);
        let assess = move || deciding.assess_unless_film(&settled, &pictures);
        match tokio::task::spawn_blocking(assess).await {
            Ok(Some(assessed)) => self.record(assessor, version, assessed, shutdown).await,
            Ok(None) => match lane.take(version) {
                Ok(()) => true,
                Err(version) => {
                    tracing::error!(study = %version.study, "Too many films wait to be decoded; the study goes to review without.");
                    let films = assessor.leave_films_out(&version);
                    self.assess_version(assessor, state, *version, films, shutdown)
                        .await
                }
            },
            Err(_) => {
                tracing::error!(study = %version.study, "Assessing stopped; the next start tries again.");
                false
            }
        }
    }

    /// One study that cannot be read must not hold up the others.
    fn settle_again(&self, study: StudyKey, shutdown: &CancellationToken) {
        let (again, shutdown) = (self.again.clone(), shutdown.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(RETRY) => {
                    let _ = again.send(study).await;
                }
            }
        });
    }

    /// `false` when the daemon cannot go on.
    async fn assess_version(
        &self,
        assessor: &Arc<Assessor>,
        state: &StateDirectory,
        version: SettledStudy,
        films: HeldFilms,
        shutdown: &CancellationToken,
    ) -> bool {
        let (deciding, settled) = (Arc::clone(assessor), version.clone());
        let pictures = state.pictures(&version.study, version.version);
        let assess = move || {
            let _held = films;
            deciding.assess(&settled, &pictures)
        };
        let Ok(assessed) = tokio::task::spawn_blocking(assess).await else {
            tracing::error!(study = %version.study, "Assessing stopped; the next start tries again.");
            return false;
        };
        self.record(assessor, version, assessed, shutdown).await
    }

    /// `false` when the daemon cannot go on.
    async fn record(
        &self,
        assessor: &Arc<Assessor>,
        version: SettledStudy,
        assessed: AssessedStudy,
        shutdown: &CancellationToken,
    ) -> bool {
        let times = assessor.times().clone();
        tracing::info!(
            study = %version.study,
            version = version.version,
            urgency = ?assessed.assessment.urgency,
            "A study was assessed."
        );
        let book = Arc::clone(&self.book);
        let (envelope_id, at_ms) = (Ulid::generate().to_string(), now_ms());
        let assessed_at = Moment {
            at_ms,
            clock_offset_ms: self.hub_clock.offset_ms(at_ms),
        };
        let (study, number, urgency) = (
            version.study.clone(),
            version.version,
            assessed.assessment.urgency,
        );
        let record = move || {
            times.timed(Stage::Record, || {
                book.record_assessed(&version, &assessed, &envelope_id, assessed_at)
            })
        };
        let (results, desk, stop) = (self.outgoing.clone(), self.results.clone(), shutdown.clone());
        let handed_on = tokio::spawn(async move {
            let Some(outgoing) = until_done("record an assessment", &stop, record).await else {
                return true;
            };
            desk.hand_in(&study, number);
            let queue = move || {
                // The result first: it is what is waited for.
                results.enqueue(&outgoing)?;
                results.offer_images(&study, number, urgency)
            };
            queued(&stop, queue).await
        });
        // One study whose log cannot be written holds up no other: it is tried on beside them.
        match tokio::time::timeout(HOLDS_UP, handed_on).await {
            Ok(handed_on) => matches!(handed_on, Ok(true)),
            Err(_) => true,
        }
    }

    /// What comes down is written down in the order it came.
    pub(crate) async fn take_from_hub(
        self,
        mut from_hub: mpsc::Receiver<FromHub>,
        acknowledgements: mpsc::Sender<Acknowledgement>,
        shutdown: CancellationToken,
    ) {
        loop {
            let word = tokio::select! {
                () = shutdown.cancelled() => return,
                word = from_hub.recv() => match word {
                    Some(word) => word,
                    None => return,
                },
            };
            let goes_on = match word {
                FromHub::Receipts(receipts) => self.take_receipts(receipts, &shutdown).await,
                FromHub::Restored(told) => self.owe_again(told, &shutdown).await,
                FromHub::Correction(correction) => {
                    self.take_correction(correction, &acknowledgements).await;
                    true
                }
                FromHub::Case(word) => {
                    self.take_word(word, &acknowledgements).await;
                    true
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    /// The log first, then the queue: a crash between the two leaves a record that the next start removes. `false` when
    /// the daemon cannot go on.
    async fn take_receipts(&self, receipts: Vec<HubReceipt>, shutdown: &CancellationToken) -> bool {
        // Each study has a log of its own, so several disks' waits pass together.
        let mut writing = JoinSet::new();
        let (mut written, mut waiting) = (Vec::with_capacity(receipts.len()), receipts.into_iter());
        loop {
            while writing.len() < RECEIPTS_AT_ONCE
                && let Some(receipt) = waiting.next()
            {
                let parts = self.clone();
                writing.spawn_blocking(move || (parts.write_down(&receipt), receipt));
            }
            match writing.join_next().await {
                Some(Ok((true, receipt))) => written.push(receipt),
                // One study whose log cannot be written holds up no other.
                Some(Ok((false, receipt))) => {
                    tokio::spawn(self.clone().take_late(receipt, shutdown.clone()));
                }
                Some(Err(_)) => return false,
                None => break,
            }
        }
        let results = self.outgoing.clone();
        queued(shutdown, move || results.settle(&written)).await
    }

    /// The hub went on from a backup: what it may have lost since is sent once more. `false` when the daemon cannot go on.
    async fn owe_again(&self, told: Vec<Restoration>, shutdown: &CancellationToken) -> bool {
        let (book, results, hub_clock) = (
            Arc::clone(&self.book),
            self.outgoing.clone(),
            self.hub_clock.clone(),
        );
        let heed = move || {
            let unheeded = book.unheeded(&told)?;
            let Some(since_ms) = unheeded.iter().map(|one| one.since_ms).min() else {
                return Ok(());
            };
            let now = now_ms();
            let offset_ms = hub_clock.offset_ms(now).unwrap_or_default();
            let (results, images) = results.owe_again(since_ms, since_ms.saturating_sub(offset_ms), now)?;
            // Only now: after a power cut before this it is done again.
            book.heed(&told)?;
            tracing::warn!(
                results,
                images,
                "The hub went on from a backup; what it may have lost is sent again."
            );
            Ok::<_, io::Error>(())
        };
        // Without the hub's word nothing is lost: the next start does it, or the next hello.
        until_done("send again what the hub lost", shutdown, heed).await;
        true
    }

    async fn take_late(self, receipt: HubReceipt, shutdown: CancellationToken) {
        let results = self.outgoing.clone();
        while paused(&shutdown).await {
            let (parts, late) = (self.clone(), receipt.clone());
            let written = tokio::task::spawn_blocking(move || parts.write_down(&late));
            if matches!(written.await, Ok(true)) {
                queued(&shutdown, move || results.settle(std::slice::from_ref(&receipt))).await;
                return;
            }
        }
    }

    /// `false` when the disk failed.
    fn write_down(&self, receipt: &HubReceipt) -> bool {
        // Without a study it was receipted before (the hub answers every copy): only the queue may still hold it.
        let Some(study) = self.outgoing.study_of(&receipt.envelope_id) else {
            return true;
        };
        let written = self.book.record_receipt(&study, receipt, now_ms());
        if let Err(error) = &written {
            tracing::error!(%study, error = chain(error), "A receipt could not be written down; tried again.");
        }
        written.is_ok()
    }

    /// The label is in the case's log before the hub hears that we have it.
    async fn take_correction(&self, word: HubCorrection, acknowledgements: &mpsc::Sender<Acknowledgement>) {
        let refused = match self.book.study_of(&word.correction.case) {
            Some(study) => {
                let book = Arc::clone(&self.book);
                let (label, at_ms) = (Label::from_expert(&word.correction), now_ms());
                let record = move || book.record_label(&study, &label, at_ms);
                match tokio::task::spawn_blocking(record).await {
                    Ok(Ok(Labelled::New | Labelled::Known)) => None,
                    Ok(Ok(Labelled::Impossible(reason))) => Some(reason.to_owned()),
                    Ok(Err(error)) => {
                        // Without an acknowledgement the hub sends it again.
                        tracing::error!(
                            error = chain(&error),
                            "A correction could not be written down; the hub sends it again."
                        );
                        return;
                    }
                    Err(_) => return,
                }
            }
            None => Some("this clinic has no such case".to_owned()),
        };
        // Where the link is behind, the hub sends the correction again and it is acknowledged then.
        let _ = acknowledgements.try_send(Acknowledgement {
            envelope_id: word.envelope_id,
            refused,
        });
    }

    /// In the case's log before the hub hears that we have it. A report that cannot stand beside a patient is kept aside for
    /// a person first.
    async fn take_word(&self, word: HubWord, acknowledgements: &mpsc::Sender<Acknowledgement>) {
        let envelope_id = word.envelope_id.clone();
        let parts = self.clone();
        let refused = match tokio::task::spawn_blocking(move || parts.write_word(&word)).await {
            Ok(Ok(refused)) => refused,
            // Without an acknowledgement the hub sends it again.
            Ok(Err(error)) => {
                tracing::error!(
                    error = chain(&error),
                    "What the hub said of a case could not be written down; the hub sends it again."
                );
                return;
            }
            Err(_) => return,
        };
        // Where the link is behind, the hub sends it again and it is acknowledged then.
        let _ = acknowledgements.try_send(Acknowledgement { envelope_id, refused });
    }

    /// Why the clinic will not take it, ever.
    fn write_word(&self, word: &HubWord) -> io::Result<Option<String>> {
        let at_ms = now_ms();
        let (reason, case) = match read_word(word, &self.check) {
            Ok((heard, case)) => {
                let labelled = match self.book.study_of(&case) {
                    None => Labelled::Impossible("this clinic has no such case"),
                    Some(study) => self
                        .book
                        .record_heard(&study, &heard, &word.envelope_id, &word.body, at_ms)
                        .map_err(io::Error::other)?,
                };
                match labelled {
                    Labelled::New | Labelled::Known => return Ok(None),
                    Labelled::Impossible(reason) => (reason.to_owned(), case.to_string()),
                }
            }
            Err(refusal) => refusal,
        };
        tracing::error!(
            envelope = word.envelope_id,
            kind = ?word.kind,
            reason,
            "What the hub said of a case was refused."
        );
        if word.kind == v1::Kind::Report {
            self.aside
                .keep(&word.envelope_id, &case, &reason, &word.body, at_ms)?;
        }
        Ok(Some(reason))
    }
}

/// What is said of a case, and which; else why it is not taken and the case it names.
fn read_word(word: &HubWord, check: &ReportCheck) -> Result<(Heard, CaseId), (String, String)> {
    let unreadable = |error: DecodeError| (format!("the clinic cannot read it: {error}"), String::new());
    match word.kind {
        v1::Kind::CaseState => {
            let state = decode_case_state(&word.body).map_err(unreadable)?;
            let case = state.case.clone();
            Ok((Heard::State(state), case))
        }
        v1::Kind::Message => {
            let message = decode_message(&word.body).map_err(unreadable)?;
            let case = message.case.clone();
            Ok((Heard::Message(message), case))
        }
        _ => match check.check(&word.body) {
            Ok((report, signer)) => {
                let case = report.case.clone();
                Ok((Heard::Report(Arc::new(report), signer), case))
            }
            Err(doubt) => {
                let case = read_kept(&word.body).map(|(report, _)| report.case.to_string());
                Err((chain(&doubt), case.unwrap_or_default()))
            }
        },
    }
}

/// Repeats what is asked of the queue while the disk has no room for it: the queue goes on without it meanwhile. `false`
/// at shutdown, and when the queue has stopped: it must be opened anew then, and the next start fills it from the case
/// logs.
async fn queued(
    shutdown: &CancellationToken,
    work: impl FnMut() -> Result<(), barefoot_queue::Error> + Send + 'static,
) -> bool {
    let work = Arc::new(Mutex::new(work));
    loop {
        match attempt(&work).await {
            Ok(Ok(())) => return true,
            Ok(Err(error @ barefoot_queue::Error::NotStored { .. })) => {
                tracing::error!(error = chain(&error), "The disk must be seen to; trying again.");
            }
            Ok(Err(error)) => {
                tracing::error!(
                    error = chain(&error),
                    "The queue failed; the daemon ends and must be started again."
                );
                return false;
            }
            Err(_) => return false,
        }
        if !paused(shutdown).await {
            return false;
        }
    }
}

/// Repeats blocking work until it succeeds: a full or failing disk must delay a study, not drop it. `None` only at
/// shutdown; the next start takes it up from the folder.
async fn until_done<T, E>(
    what: &'static str,
    shutdown: &CancellationToken,
    work: impl FnMut() -> Result<T, E> + Send + 'static,
) -> Option<T>
where
    T: Send + 'static,
    E: std::error::Error + Send + 'static,
{
    let work = Arc::new(Mutex::new(work));
    loop {
        match attempt(&work).await {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(error)) => {
                tracing::error!(
                    what,
                    error = chain(&error),
                    "The disk must be seen to; trying again."
                );
            }
            Err(_) => tracing::error!(what, "The work panicked; trying again."),
        }
        if !paused(shutdown).await {
            return None;
        }
    }
}

/// Once, on a thread that may block.
async fn attempt<T: Send + 'static>(
    work: &Arc<Mutex<impl FnMut() -> T + Send + 'static>>,
) -> Result<T, JoinError> {
    let work = Arc::clone(work);
    tokio::task::spawn_blocking(move || {
        let mut work = work.lock().unwrap_or_else(PoisonError::into_inner);
        (*work)()
    })
    .await
}

/// `false` at shutdown.
async fn paused(shutdown: &CancellationToken) -> bool {
    tokio::select! {
        () = shutdown.cancelled() => false,
        () = tokio::time::sleep(RETRY) => true,
    }
}

#[cfg(test)]
mod tests {
    use barefoot_domain::{ClinicId, Urgency};

    use super::*;
    use crate::audit::PeerLog;
    use crate::pipeline::outgoing::tests::{assessed, book, receipt, small_queue, waiting};
    use crate::reading::tests::report;
    use crate::report_check::tests::unsigned;
    use crate::test_instances::TestInstance;

    fn parts(root: &std::path::Path) -> (Bookkeeping, Arc<CaseBook>, ReportsAside) {
        let (book, queue) = (book(root), small_queue(root));
        let state = StateDirectory::open(&root.join("state")).unwrap();
        let aside = ReportsAside::open(&state).unwrap();
        let outgoing = OutgoingResults::new(Arc::clone(&book), queue, None);
        let parts = Bookkeeping::new(
            Arc::clone(&book),
            outgoing,
            mpsc::channel(1).0,
            Deliveries::open(
                Vec::new(),
                "BAREFOOT",
                &state,
                &crate::deliver::Leave::everything(),
                &PeerLog::for_tests(state.root()),
                1,
            )
            .unwrap(),
            HubClock::default(),
            ReportCheck::believing(ClinicId::new("clinic-7").unwrap()),
            aside.clone(),
        );
        (parts, book, aside)
    }

    /// The box's answer to a report.
    async fn answer_to(parts: &Bookkeeping, id: &str, body: Vec<u8>) -> Option<String> {
        let (acknowledge, mut acknowledgements) = mpsc::channel(1);
        let word = HubWord {
            envelope_id: id.to_owned(),
            kind: v1::Kind::Report,
            body,
        };
        parts.take_word(word, &acknowledge).await;
        acknowledgements.try_recv().unwrap().refused
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_report_is_attached_once_and_one_of_nobody_is_kept_aside() {
        let root = tempfile::tempdir().unwrap();
        let (parts, _, aside) = parts(root.path());
        let mut good = report("01JD5Z0000000000000000000R", None);
        good.case = CaseId::new("2.25.1").unwrap();
        let strange = answer_to(&parts, "A", unsigned(&good)).await;
        assert_eq!(strange.as_deref(), Some("this clinic has no such case"));
        good.clinic = ClinicId::new("clinic-8").unwrap();
        let others = answer_to(&parts, "B", unsigned(&good)).await;
        assert!(others.unwrap().contains("another clinic's"));
        let rubbish = answer_to(&parts, "C", b"rubbish".to_vec()).await;
        assert!(rubbish.unwrap().contains("cannot be read"));
        let cases: Vec<String> = aside.open_ones().into_iter().map(|one| one.case).collect();
        assert_eq!(cases, ["2.25.1", "2.25.1", ""]);
        answer_to(&parts, "C", b"rubbish".to_vec()).await;
        assert_eq!(aside.open_ones().len(), 3, "the same envelope is once");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_report_of_a_case_of_ours_is_in_its_log_before_the_hub_hears() {
        let root = tempfile::tempdir().unwrap();
        let (parts, book, aside) = parts(root.path());
        let image = TestInstance::new("1.2.3", "1.2.3.4");
        image.lay_into(&StateDirectory::open(&root.path().join("state")).unwrap());
        book.settle(&image.study(), 1).unwrap().unwrap();
        let mut good = report("01JD5Z0000000000000000000R", None);
        good.case = book.case_number(&image.study()).unwrap();
        let body = unsigned(&good);
        for _ in 0..2 {
            assert_eq!(answer_to(&parts, "A", body.clone()).await, None);
        }
        assert_eq!(
            book.signed_report(&image.study(), &good.id).unwrap(),
            Some(body.clone())
        );
        // A log that cannot be written: no word to the hub, which sends it again.
        let state = StateDirectory::open(&root.path().join("state")).unwrap();
        let log = state.case_log(&image.study());
        std::fs::remove_file(&log).unwrap();
        std::fs::create_dir(&log).unwrap();
        good.id = "01JD5Z0000000000000000000S".into();
        let (acknowledge, mut acknowledgements) = mpsc::channel(1);
        let word = HubWord {
            envelope_id: "B".into(),
            kind: v1::Kind::Report,
            body: unsigned(&good),
        };
        parts.take_word(word, &acknowledge).await;
        assert!(acknowledgements.try_recv().is_err());
        assert!(aside.open_ones().is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_log_that_cannot_be_written_holds_up_no_other_receipt() {
        let root = tempfile::tempdir().unwrap();
        let (book, queue) = (book(root.path()), small_queue(root.path()));
        let state = StateDirectory::open(&root.path().join("state")).unwrap();
        let outgoing = OutgoingResults::new(Arc::clone(&book), queue.clone(), None);
        let parts = Bookkeeping::new(
            Arc::clone(&book),
            outgoing.clone(),
            mpsc::channel(1).0,
            Deliveries::open(
                Vec::new(),
                "BAREFOOT",
                &state,
                &crate::deliver::Leave::everything(),
                &PeerLog::for_tests(state.root()),
                1,
            )
            .unwrap(),
            HubClock::default(),
            ReportCheck::believing(ClinicId::new("clinic-7").unwrap()),
            ReportsAside::open(&state).unwrap(),
        );
        let studies = [1, 2].map(|number| assessed(root.path(), &book, number, Urgency::Routine));
        for one in &studies {
            outgoing.enqueue(one).unwrap();
        }
        // A folder in its place cannot be written to.
        let log = state.case_log(&studies[0].study);
        let kept = std::fs::read(&log).unwrap();
        std::fs::remove_file(&log).unwrap();
        std::fs::create_dir(&log).unwrap();
        let receipts = vec![receipt("envelope-01", None), receipt("envelope-02", None)];
        let shutdown = CancellationToken::new();
        assert!(parts.take_receipts(receipts, &shutdown).await);
        assert_eq!(waiting(&queue), ["envelope-01"], "its record stays");
        std::fs::remove_dir(&log).unwrap();
        std::fs::write(&log, kept).unwrap();
        while !waiting(&queue).is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(
            book.undelivered(&studies[0].study, "envelope-01")
                .unwrap()
                .is_none()
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_restoration_of_the_hub_is_heeded_once() {
        let root = tempfile::tempdir().unwrap();
        let (parts, book, _) = parts(root.path());
        let shutdown = CancellationToken::new();
        let study = assessed(root.path(), &book, 1, Urgency::Critical);
        parts.outgoing.enqueue(&study).unwrap();
        // Assessed before the daemon started: its case is known from its log.
        book.recover().unwrap();
        let mut stored = receipt("envelope-01", None);
        stored.hub_time_ms = 1_000;
        assert!(parts.take_receipts(vec![stored.clone()], &shutdown).await);
        let is_owed = || parts.outgoing.study_of("envelope-01").is_some();
        assert!(!is_owed());
        let told = |id: u8, since_ms| Restoration {
            id: [id; 16],
            since_ms,
        };
        // The hub tells of all with every hello; the earliest counts.
        for (restorations, owed) in [
            (vec![told(1, 1_001)], false),
            (vec![told(1, 0)], false),
            (vec![told(1, 1_001), told(2, 900), told(3, 5_000)], true),
        ] {
            assert!(parts.owe_again(restorations, &shutdown).await);
            assert_eq!(is_owed(), owed);
        }
        assert!(parts.take_receipts(vec![stored], &shutdown).await);
        let again = vec![told(1, 0), told(2, 0), told(3, 0)];
        assert!(parts.owe_again(again, &shutdown).await);
        assert!(!is_owed());
    }
}
