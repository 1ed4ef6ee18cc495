//! The one screen that wires the stages.
//!
//! ```text
//! storage_scp ─▶ spool ─▶ study ─▶ assess ─▶ case_book ─▶ queue ─▶ link ─▶ hub
//!                              (quality)        ▲   │                 │
//!                                               │   ▼                 │
//!                              receipts ────────┘  clinic_page   ◀────┘
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use barefoot_domain::FindingCode;
use barefoot_inference::Bundle;
use barefoot_queue::{Opened, Queue};
use barefoot_trust::PseudonymKey;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use crate::addresses::AddressFile;
use crate::assess::Assessor;
use crate::case_book::{CaseBook, Outgoing, Recovery};
use crate::case_index::CaseIndex;
use crate::clinic_page::{ClinicPage, DicomAddress, FindingName, Sources};
use crate::clock::now_ms;
use crate::config::Config;
use crate::handoff::{HubReceipt, SettledStudy, StudyInput};
use crate::link::Link;
use crate::model::open_model;
use crate::scanners::Scanners;
use crate::spool::Spool;
use crate::status::Status;
use crate::storage_scp::{Opener, StorageScp, UnknownScanners};
use crate::study_folder::{StateDirectory, StudyKey};
use crate::{quality, study};

/// Stored instances not yet seen by the study stage. When full, the answer to the scanner waits.
const STORED: usize = 1024;
/// Settled studies not yet assessed. When full, studies simply settle later.
const SETTLED: usize = 64;
/// Receipts not yet written down. When full, the link waits, and the hub with it.
const RECEIPTS: usize = 256;
/// Pause before something that failed on the disk is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the state directory {path} cannot be used")]
    State { path: String, source: std::io::Error },
    #[error("the list of allowed scanners {path} cannot be read: repair or remove it")]
    Scanners { path: String, source: std::io::Error },
    #[error("the key for pseudonyms cannot be used")]
    Pseudonyms { source: barefoot_trust::Error },
    #[error("the queue cannot be opened")]
    Queue { source: barefoot_queue::Error },
    #[error("the link to the hub cannot be set up")]
    Link { source: crate::link::Error },
    #[error("cannot listen for {what} on {address}: another program may have the port")]
    Listen {
        what: &'static str,
        address: std::net::SocketAddr,
        source: std::io::Error,
    },
    #[error("a part of the daemon stopped by itself")]
    PartStopped,
}

/// Runs the daemon until `shutdown`; `ready` is called once every port listens.
///
/// # Errors
/// When a part cannot start, or stops by itself.
pub async fn run(config: Config, shutdown: CancellationToken, ready: impl FnOnce()) -> Result<(), Error> {
    let directory = &config.storage.directory;
    let in_state = |source| Error::State {
        path: directory.display().to_string(),
        source,
    };
    let state = StateDirectory::open(directory).map_err(in_state)?;
    let pseudonyms = PseudonymKey::load_or_create(&directory.join("pseudonym.key"))
        .map_err(|source| Error::Pseudonyms { source })?;
    let queue = open_queue(&state)?;
    let status = Status::new(queue.clone());
    let scanners = open_scanners(&config)?;

    let cases = CaseIndex::default();
    let book = CaseBook::new(state.clone(), config.clinic.clone(), pseudonyms, cases.clone());
    let recovery = book.recover().map_err(in_state)?;
    let parts = Parts {
        book: Arc::new(book),
        queue: queue.clone(),
        waiting: Arc::default(),
    };
    let (unsettled, unassessed) = parts.resume(recovery)?;

    let (stored_in, stored) = mpsc::channel(STORED);
    let (study_in, study_out) = mpsc::channel(STORED);
    let (settled_in, settled) = mpsc::channel(SETTLED);
    let (receipts_in, receipts) = mpsc::channel(RECEIPTS);

    let opened = open_model(&config.model, &status).await;
    let finding_names = opened
        .iter()
        .flat_map(|(_, bundle)| finding_names(bundle))
        .collect();
    let model = opened.map(|(model, _)| model);
    let assessor = Arc::new(Assessor::new(&config.decision, model, quality::grade));

    let spool =
        Spool::open(&config.storage, state.clone(), stored_in.clone(), status.clone()).map_err(in_state)?;
    let open: Opener = Arc::new(move |incoming| spool.receive(incoming));
    let door = StorageScp::bind(config.dicom.clone(), scanners.clone(), open, stored_in)
        .await
        .map_err(|source| Error::Listen {
            what: "scanners",
            address: config.dicom.listen,
            source,
        })?;
    let dicom = door.local_addr().map_err(in_state)?;

    let sources = Sources {
        clinic: config.clinic.clone(),
        cases,
        scanners,
        status: status.clone(),
        state: state.clone(),
        review_below: config.decision.review_below,
        finding_names,
        dicom: DicomAddress {
            ae_title: config.dicom.ae_title.clone(),
            port: dicom.port(),
        },
    };
    let page_listen = config.page.listen;
    let page = ClinicPage::bind(config.page, sources)
        .await
        .map_err(|source| Error::Listen {
            what: "the clinic page",
            address: page_listen,
            source,
        })?;
    let page_address = page.local_addr().map_err(in_state)?;
    let link = Link::new(config.link, config.clinic, queue, receipts_in, status)
        .map_err(|source| Error::Link { source })?;

    let _addresses = AddressFile::write(
        directory.join("addresses.json"),
        &[("dicom", dicom), ("page", page_address)],
    )
    .map_err(in_state)?;
    tracing::info!(%dicom, page = %page_address, "Ready for scanners.");
    ready();

    let mut tasks = JoinSet::new();
    tasks.spawn(link.run(shutdown.clone()));
    tasks.spawn(page.run(shutdown.clone()));
    tasks.spawn(parts.clone().take_receipts(receipts, shutdown.clone()));
    tasks.spawn(
        parts
            .clone()
            .assess(assessor, state, unassessed, settled, shutdown.clone()),
    );
    tasks.spawn(study::run(config.study, study_out, settled_in, shutdown.clone()));
    for instance in unsettled {
        // The study stage runs already, so this cannot block for ever.
        let _ = study_in.send(StudyInput::Stored(instance)).await;
    }
    tasks.spawn(show_arrivals(
        Arc::clone(&parts.book),
        stored,
        study_in,
        shutdown.clone(),
    ));
    tasks.spawn(door.run(shutdown.clone()));

    // The first part to end is either the shutdown or a fault; all others follow it.
    let first = tasks.join_next().await;
    let by_itself = !shutdown.is_cancelled() || matches!(first, Some(Err(_)));
    shutdown.cancel();
    while tasks.join_next().await.is_some() {}
    if by_itself {
        Err(Error::PartStopped)
    } else {
        Ok(())
    }
}

fn open_queue(state: &StateDirectory) -> Result<Queue, Error> {
    let opened = Queue::open_or_set_aside(&state.queue(), barefoot_queue::Config::default())
        .map_err(|source| Error::Queue { source })?;
    if let Opened::Fresh { set_aside, .. } = &opened {
        tracing::warn!(
            set_aside = %set_aside.display(),
            "The queue was damaged and set aside; a fresh one is filled from the studies."
        );
    }
    let queue = opened.into_queue();
    let damage = queue.damage();
    if !damage.is_none() {
        tracing::error!(
            ?damage,
            "The queue was damaged; what is missing is queued again from the case logs."
        );
    }
    Ok(queue)
}

fn open_scanners(config: &Config) -> Result<Scanners, Error> {
    let file = config.storage.directory.join("scanners.json");
    let path = file.display().to_string();
    let known = config
        .dicom
        .scanners
        .iter()
        .map(|scanner| scanner.ae_title.clone());
    let accept_all = config.dicom.unknown_scanners == UnknownScanners::Accept;
    Scanners::open(file, known, accept_all).map_err(|source| Error::Scanners { path, source })
}

fn finding_names(bundle: &Bundle) -> impl Iterator<Item = (FindingCode, FindingName)> {
    bundle.finding_names().map(|(code, en, zh)| {
        (
            code.clone(),
            FindingName {
                en: en.to_owned(),
                zh: zh.to_owned(),
            },
        )
    })
}

/// Every arrival shows at once, then goes to the study stage.
async fn show_arrivals(
    book: Arc<CaseBook>,
    mut stored: mpsc::Receiver<StudyInput>,
    studies: mpsc::Sender<StudyInput>,
    shutdown: CancellationToken,
) {
    loop {
        let input = tokio::select! {
            () = shutdown.cancelled() => return,
            input = stored.recv() => match input {
                Some(input) => input,
                None => return,
            },
        };
        if let StudyInput::Stored(instance) = &input {
            let (book, instance) = (Arc::clone(&book), instance.clone());
            let _ = tokio::task::spawn_blocking(move || book.instance_stored(&instance)).await;
        }
        if studies.send(input).await.is_err() {
            return;
        }
    }
}

/// What assessing and receipting share.
#[derive(Clone)]
struct Parts {
    book: Arc<CaseBook>,
    queue: Queue,
    /// Which study an unreceipted envelope belongs to. As large as the queue, no larger.
    waiting: Arc<Mutex<HashMap<String, StudyKey>>>,
}

impl Parts {
    /// Takes up what the last run left: the queue is made to hold exactly the results without a receipt.
    fn resume(
        &self,
        recovery: Recovery,
    ) -> Result<(Vec<crate::handoff::StoredInstance>, Vec<SettledStudy>), Error> {
        for envelope_id in &recovery.done {
            self.queue
                .receipt(envelope_id)
                .map_err(|source| Error::Queue { source })?;
        }
        let undelivered = recovery.undelivered.len();
        for outgoing in recovery.undelivered {
            self.enqueue(&outgoing)
                .map_err(|source| Error::Queue { source })?;
        }
        tracing::info!(
            undelivered,
            unassessed = recovery.unassessed.len(),
            unsettled = recovery.unsettled.len(),
            "The last run's open ends are taken up."
        );
        Ok((recovery.unsettled, recovery.unassessed))
    }

    fn enqueue(&self, outgoing: &Outgoing) -> Result<(), barefoot_queue::Error> {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(outgoing.envelope_id.clone(), outgoing.study.clone());
        let now = u64::try_from(now_ms()).unwrap_or_default();
        self.queue
            .append(outgoing.lane, &outgoing.envelope_id, &outgoing.envelope, now)?;
        Ok(())
    }

    /// Studies one after the other: the model has the processor to itself.
    async fn assess(
        self,
        assessor: Arc<Assessor>,
        state: StateDirectory,
        unassessed: Vec<SettledStudy>,
        mut settled: mpsc::Receiver<StudyKey>,
        shutdown: CancellationToken,
    ) {
        for version in unassessed {
            if !self.assess_version(&assessor, &state, version, &shutdown).await {
                return;
            }
        }
        loop {
            let study = tokio::select! {
                () = shutdown.cancelled() => return,
                study = settled.recv() => match study {
                    Some(study) => study,
                    None => return,
                },
            };
            let book = Arc::clone(&self.book);
            let settle = move || book.settle(&study, now_ms());
            if let Some(Some(version)) = until_done("settle a study", &shutdown, settle).await
                && !self.assess_version(&assessor, &state, version, &shutdown).await
            {
                return;
            }
        }
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
        let (envelope_id, assessed_at_ms) = (Ulid::generate().to_string(), now_ms());
        let record = move || book.record_assessed(&version, &assessed, &envelope_id, assessed_at_ms);
        let Some(outgoing) = until_done("record an assessment", shutdown, record).await else {
            return true;
        };
        let parts = self.clone();
        let queued = tokio::task::spawn_blocking(move || parts.enqueue(&outgoing)).await;
        match queued {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                // A queue that failed to commit must be opened anew; the next start fills it from the case logs.
                tracing::error!(%error, "The queue failed; the daemon ends and must be started again.");
                false
            }
            Err(_) => false,
        }
    }

    /// The log first, then the queue: a crash between the two leaves a record that the next start removes.
    async fn take_receipts(self, mut receipts: mpsc::Receiver<HubReceipt>, shutdown: CancellationToken) {
        loop {
            let receipt = tokio::select! {
                () = shutdown.cancelled() => return,
                receipt = receipts.recv() => match receipt {
                    Some(receipt) => receipt,
                    None => return,
                },
            };
            let parts = self.clone();
            let taken = tokio::task::spawn_blocking(move || parts.take_receipt(&receipt)).await;
            if !matches!(taken, Ok(true)) {
                tracing::warn!("A receipt could not be written down; the hub will repeat it.");
            }
        }
    }

    fn take_receipt(&self, receipt: &HubReceipt) -> bool {
        let study = self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&receipt.envelope_id);
        // Without a study it was receipted before (the hub answers every copy): only the queue may still hold it.
        if let Some(study) = study
            && let Err(error) = self.book.record_receipt(&study, receipt, now_ms())
        {
            let cause = std::error::Error::source(&error)
                .map(ToString::to_string)
                .unwrap_or_default();
            tracing::error!(%study, %error, cause, "A receipt could not be logged.");
            self.waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(receipt.envelope_id.clone(), study);
            return false;
        }
        let removed = match &receipt.refused {
            Some(reason) => {
                tracing::error!(
                    envelope = receipt.envelope_id,
                    reason,
                    "The hub refused a result; it was set aside for a person."
                );
                self.queue.set_aside(&receipt.envelope_id, reason)
            }
            None => self.queue.receipt(&receipt.envelope_id),
        };
        removed.is_ok()
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
        let attempt = Arc::clone(&work);
        let outcome = tokio::task::spawn_blocking(move || {
            let mut work = attempt.lock().unwrap_or_else(PoisonError::into_inner);
            (*work)()
        })
        .await;
        match outcome {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(error)) => {
                let cause = error.source().map(ToString::to_string).unwrap_or_default();
                tracing::error!(what, %error, cause, "The disk must be seen to; trying again.");
            }
            Err(_) => tracing::error!(what, "The work panicked; trying again."),
        }
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}
