//! What must be written down before the next thing may happen: a version before it is assessed, an assessment before it
//! is queued, a receipt before its record goes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use super::outgoing::OutgoingResults;
use crate::assess::Assessor;
use crate::case_book::{CaseBook, Labelled, Moment};
use crate::clock::now_ms;
use crate::deliver::Deliveries;
use crate::error_chain::chain;
use crate::handoff::{Acknowledgement, FromHub, HubCorrection, HubReceipt, SettledStudy};
use crate::hub_clock::HubClock;
use crate::idle::Idle;
use crate::labels::Label;
use crate::study_folder::{StateDirectory, StudyKey};

/// Pause before something that failed on the disk is tried again.
const RETRY: Duration = Duration::from_secs(5);

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
}

impl Bookkeeping {
    /// `again` leads back to the studies that have settled.
    pub(crate) fn new(
        book: Arc<CaseBook>,
        outgoing: OutgoingResults,
        again: mpsc::Sender<StudyKey>,
        deliveries: Deliveries,
        hub_clock: HubClock,
    ) -> Self {
        Self {
            book,
            outgoing,
            again,
            deliveries,
            hub_clock,
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
        for version in unassessed {
            if !self.assess_version(&assessor, &state, version, &shutdown).await {
                return;
            }
        }
        loop {
            idle.set_busy(!settled.is_empty());
            let study = tokio::select! {
                () = shutdown.cancelled() => return,
                study = settled.recv() => match study {
                    Some(study) => study,
                    None => return,
                },
            };
            idle.set_busy(true);
            let (book, deliveries, key) = (Arc::clone(&self.book), self.deliveries.clone(), study.clone());
            let settled = move || {
                let settled = book.settle(&key, now_ms());
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
            if !self.assess_version(&assessor, &state, version, &shutdown).await {
                return;
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
        shutdown: &CancellationToken,
    ) -> bool {
        let (assessor, pictures) = (
            Arc::clone(assessor),
            state.pictures(&version.study, version.version),
        );
        let settled = version.clone();
        let Ok(assessed) = tokio::task::spawn_blocking(move || assessor.assess(&settled, &pictures)).await
        else {
            tracing::error!(study = %version.study, "Assessing stopped; the next start tries again.");
            return false;
        };
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
        let record = move || book.record_assessed(&version, &assessed, &envelope_id, assessed_at);
        let Some(outgoing) = until_done("record an assessment", shutdown, record).await else {
            return true;
        };
        let results = self.outgoing.clone();
        let queue = move || {
            // The result first: it is what is waited for.
            results.enqueue(&outgoing)?;
            results.offer_images(&study, number, urgency)
        };
        queued(shutdown, queue).await
    }

    /// What comes down is written down in the order it came. What cannot be written down holds back what is behind it,
    /// and in the end the hub.
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
                FromHub::Correction(correction) => {
                    self.take_correction(correction, &acknowledgements, &shutdown)
                        .await
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
        for receipt in receipts.clone() {
            if RECEIPTS_AT_ONCE <= writing.len() && !matches!(writing.join_next().await, Some(Ok(true))) {
                return false;
            }
            let (parts, shutdown) = (self.clone(), shutdown.clone());
            writing.spawn(async move { parts.write_down(receipt, &shutdown).await });
        }
        while let Some(written) = writing.join_next().await {
            if !matches!(written, Ok(true)) {
                return false;
            }
        }
        let results = self.outgoing.clone();
        queued(shutdown, move || results.settle(&receipts)).await
    }

    /// `false` at shutdown.
    async fn write_down(&self, receipt: HubReceipt, shutdown: &CancellationToken) -> bool {
        // Without a study it was receipted before (the hub answers every copy): only the queue may still hold it.
        let Some(study) = self.outgoing.study_of(&receipt.envelope_id) else {
            return true;
        };
        let (book, at_ms) = (Arc::clone(&self.book), now_ms());
        let record = move || book.record_receipt(&study, &receipt, at_ms);
        until_done("write down a receipt", shutdown, record)
            .await
            .is_some()
    }

    /// The label is in the case's log before the hub hears that we have it.
    async fn take_correction(
        &self,
        word: HubCorrection,
        acknowledgements: &mpsc::Sender<Acknowledgement>,
        shutdown: &CancellationToken,
    ) -> bool {
        let refused = match self.book.study_of(&word.correction.case) {
            Some(study) => {
                let book = Arc::clone(&self.book);
                let (label, at_ms) = (Label::from_expert(&word.correction), now_ms());
                let record = move || book.record_label(&study, &label, at_ms);
                match until_done("write down a correction", shutdown, record).await {
                    Some(Labelled::New | Labelled::Known) => None,
                    Some(Labelled::Impossible(reason)) => Some(reason.to_owned()),
                    None => return false,
                }
            }
            None => Some("this clinic has no such case".to_owned()),
        };
        // Where the link is behind, the hub sends the correction again and it is acknowledged then.
        let _ = acknowledgements.try_send(Acknowledgement {
            envelope_id: word.envelope_id,
            refused,
        });
        true
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
