//! The one screen that wires the stages.
//!
//! ```text
//! front_door ─▶ storage_scp ─▶ spool ─▶ study ─▶ assess ─▶ case_book ─▶ queue ─▶ link ─▶ hub
//!                    └─▶ quality ─────────────────┘        ▲   │                 │
//!                                                              │   ▼                 │
//!                                             receipts ────────┘  clinic_page   ◀────┘
//!
//! case_book ─▶ queue ─▶ image_upload ─▶ hub: images of hard cases, without identity
//!
//! case_book ─▶ results ─▶ deliver: what assessments become for the clinic's own archives
//!
//! archive ◀─ query_retrieve, worklist ◀─ mpps: what else scanners ask of the door
//!
//! labels ─▶ case_book ─▶ local_training ◀─▶ federation ◀─▶ hub
//! ```

mod bookkeeping;
mod clinic_services;
mod error;
mod film_lane;
mod first_boot;
mod kept;
mod learning;
mod models;
mod outgoing;
mod retiring;
mod self_test;
mod speaking;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barefoot_audit::Source;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::addresses::AddressFile;
use crate::archive::Archive;
use crate::assess::Assessor;
use crate::at_rest;
use crate::audit::{Answering, Audit, PeerLog};
use crate::carrying::Carrying;
use crate::case_book::CaseBook;
use crate::case_index::CaseIndex;
use crate::character_sets::CharacterSets;
use crate::clinic_page::{
    ClinicPage, DicomAddress, HubNames, NodesDesk, Paper, PolicyDesk, SelfTestDesk, Sources,
};
use crate::clock::now_ms;
use crate::commitment::Commitment;
use crate::config::Config;
use crate::deliver::{Deliveries, Leave};
use crate::films::Films;
use crate::finding_names::FindingNames;
use crate::front_door::FrontDoor;
use crate::handoff::{StoredInstance, StudyInput};
use crate::hub_services;
use crate::idle::Idle;
use crate::image_upload::{self, ImageUploads};
use crate::import::Importer;
use crate::import_desk::ImportDesk;
use crate::learning_status::LearningStatus;
use crate::link::Link;
use crate::membership::{Keeper, Membership};
use crate::metrics::Metrics;
use crate::model::ModelHandle;
use crate::model_slot::HubAccess;
use crate::nodes::What;
use crate::paper::PaperWriter;
use crate::picture_quality::PictureQuality;
use crate::quality::Grader;
use crate::report_check::ReportCheck;
use crate::reports_aside::ReportsAside;
use crate::research;
use crate::results::{ResultsDesk, ResultsWriter};
use crate::self_test::TestIntake;
use crate::site_policy::PolicyHandle;
use crate::spool::Spool;
use crate::stage_times::StageTimes;
use crate::status::Status;
use crate::storage_scp::StorageScp;
use crate::study_folder::{StateDirectory, StudyKey};
use crate::users::Users;
use crate::{link, study};
use bookkeeping::Bookkeeping;
use clinic_services::ClinicServices;
pub use error::Error;
pub(crate) use kept::{load_pseudonym_key, open_queue, pseudonym_key};
use kept::{open_scanners, say_how_it_is_sealed};
use learning::Learning;
use models::Models;
use outgoing::OutgoingResults;
use retiring::Retiring;
use self_test::SelfTest;

/// Stored instances not yet seen by the study stage. When full, the answer to the scanner waits.
const STORED: usize = 1024;
/// Stored instances not yet graded for the technician. When full, one is left out: its study's assessment grades it.
const UNGRADED: usize = 256;
/// Settled studies not yet assessed. When full, studies simply settle later.
const SETTLED: usize = 64;
/// What came from the hub and is not yet written down. When full, the link waits, and the hub with it.
const FROM_HUB: usize = 256;
/// Our words on it not yet sent. When full, one is dropped: the hub then sends again.
const ACKNOWLEDGEMENTS: usize = 256;

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
    StateDirectory::open(directory).map_err(in_state)?;
    let vault = at_rest::unlock(directory, &config.at_rest).map_err(|source| Error::AtRest { source })?;
    say_how_it_is_sealed(&vault);
    match Membership::of(&config).map_err(|source| Error::Membership { source })? {
        Some(membership) => run_member(config, membership, shutdown, ready).await,
        None => match first_boot::run(&config, &shutdown, ready).await? {
            // The service manager was told already: the page was there.
            Some(membership) => run_member(config, membership, shutdown, || {}).await,
            None => Ok(()),
        },
    }
}

async fn run_member(
    mut config: Config,
    membership: Membership,
    shutdown: CancellationToken,
    ready: impl FnOnce(),
) -> Result<(), Error> {
    membership.complete(&mut config);
    let identity = Arc::clone(&membership.identity);
    let directory = &config.storage.directory;
    let in_state = |source| Error::State {
        path: directory.display().to_string(),
        source,
    };
    let state = StateDirectory::open(directory).map_err(in_state)?;
    let audit = Audit::open(directory, &membership.clinic).map_err(in_state)?;
    audit.started(&format!(
        "version {}, settings {}",
        env!("CARGO_PKG_VERSION"),
        config.fingerprint
    ));
    let policy = PolicyHandle::open(directory);
    policy.begin(&audit);
    let pseudonyms = pseudonym_key(&state)?;
    let queue = open_queue(&state)?;
    let status = Status::new(queue.clone());
    let hub_clock = status.hub_clock();
    let test_intake = TestIntake::default();
    let scanners = open_scanners(&config)?.with_tests(test_intake.clone());

    let (stored_in, stored) = mpsc::channel(STORED);
    // Before the book is opened: what the intake still holds belongs into it.
    let (spool, _) =
        Spool::open(&config.storage, state.clone(), stored_in.clone(), status.clone()).map_err(in_state)?;

    let cases = CaseIndex::default();
    let character_sets = CharacterSets::new(config.dicom.character_sets());
    let book = CaseBook::new(
        state.clone(),
        membership.clinic.clone(),
        pseudonyms,
        cases.clone(),
        character_sets.clone(),
    );
    let recovery = book.recover().map_err(in_state)?;
    let book = Arc::new(book);

    let ae_title = &config.dicom.ae_title;
    let leave = Leave {
        policy: policy.clone(),
        pseudonyms: Arc::new(pseudonym_key(&state)?),
        character_sets: character_sets.clone(),
        banners: config
            .images
            .as_ref()
            .map(image_upload::Config::banners)
            .unwrap_or_default(),
    };
    let peer_log = PeerLog::new(audit.clone(), cases.clone(), pseudonym_key(&state)?);
    let deliveries = Deliveries::open(
        config.deliver.clone(),
        ae_title,
        &state,
        &leave,
        &peer_log,
        now_ms(),
    )
    .map_err(in_state)?;
    let nodes = deliveries.clone();
    let find = Arc::new(move |ae_title: &str| nodes.route(ae_title));
    let commitment = Commitment::open(state.clone(), find).map_err(in_state)?;
    let nodes = deliveries.clone();
    let find = Arc::new(move |ae_title: &str| nodes.route_for_originals(ae_title));
    let (study_in, study_out) = mpsc::channel(STORED);
    let (settled_in, settled) = mpsc::channel(SETTLED);
    let (from_hub_in, from_hub) = mpsc::channel(FROM_HUB);
    let (acknowledgements_in, acknowledgements) = mpsc::channel(ACKNOWLEDGEMENTS);
    // Behind the book's recovery: what is owed follows from the cases.
    let images = match config.images.clone() {
        None => None,
        Some(images) => {
            let parts = image_upload::Parts {
                state: state.clone(),
                queue: queue.clone(),
                status: status.clone(),
                pseudonyms: pseudonym_key(&state)?,
                character_sets: character_sets.clone(),
                policy: policy.clone(),
                log: peer_log.clone(),
            };
            let uploads = ImageUploads::open(images, &identity, parts, &cases)
                .map_err(|source| Error::Images { source })?;
            Some(uploads)
        }
    };
    let outgoing = OutgoingResults::new(Arc::clone(&book), queue.clone(), images.clone());
    let check = ReportCheck::new(membership.clinic.clone(), Arc::clone(&identity));
    let aside = ReportsAside::open(&state).map_err(in_state)?;
    let keeping = Bookkeeping::new(
        Arc::clone(&book),
        outgoing.clone(),
        settled_in.clone(),
        deliveries.clone(),
        hub_clock.clone(),
        check,
        aside.clone(),
    );
    let wants_results =
        config.results.fhir.is_some() || config.deliver.iter().any(|node| node.gets(What::Results));
    let (results_desk, assessed_versions) = ResultsDesk::open();
    let keeping = if wants_results {
        keeping.with_results(results_desk)
    } else {
        keeping
    };
    outgoing
        .resume(&recovery)
        .map_err(|source| Error::Queue { source })?;

    let finding_names = FindingNames::default();
    let (models, for_the_model_beside) = ModelHandle::new();
    let services = match &config.services {
        Some(services) => {
            Some(hub_services::channel(services, &identity).map_err(|source| Error::Services { source })?)
        }
        None => None,
    };
    let models_of = Models {
        site: config.model.clone(),
        others: config.other_model.clone(),
        releases: config.releases.clone(),
        access: config
            .services
            .as_ref()
            .zip(services.as_ref())
            .map(|(services, channel)| HubAccess {
                channel: channel.clone(),
                poll: Duration::from_millis(services.poll_ms),
            }),
        directory: directory.clone(),
        models: models.clone(),
        beside: for_the_model_beside,
        names: finding_names.clone(),
        status: status.clone(),
    };
    let (idle, learning_status) = (Idle::default(), LearningStatus::default());
    let learning = Learning::new(
        (&config, &membership, &policy),
        services.clone(),
        &state,
        &cases,
        &models,
        &idle,
        &learning_status,
    )?;
    let picture_quality = PictureQuality::open(&state).map_err(in_state)?;
    let films = Films::open(&config.video);
    status.set_video_decoder(films.version().map(str::to_owned));
    let grader = Grader::new(picture_quality.clone(), films, config.page.utc_offset());
    let assessor = Assessor::new(
        &config.decision,
        models.clone(),
        Arc::new(grader.clone()),
        status.stage_times(),
    );
    let deadline = Duration::from_secs(config.model.deadline_s);
    let assessor = assessor.asking(deadline, config.panel);
    let test_assessor = Assessor::new(
        &config.decision,
        models.clone(),
        Arc::new(grader.clone()),
        StageTimes::default(),
    );
    let test_assessor = test_assessor.asking(deadline, config.panel).counting_nothing();
    let assessor = Arc::new(assessor);
    let (ungraded_in, ungraded) = mpsc::channel(UNGRADED);

    let storage = StorageScp::new(
        config.dicom.keeps_private_classes(),
        test_intake.before(spool.keeper()),
    );
    let clinic_services = ClinicServices::open(&config, &state, stored_in.clone(), find).map_err(in_state)?;
    let archive = clinic_services.archive();
    let door = FrontDoor::bind(
        config.dicom.clone(),
        scanners.clone(),
        clinic_services.answering([Arc::new(storage), Arc::new(commitment.clone())]),
        stored_in,
        peer_log.clone(),
    )
    .await
    .map_err(|source| Error::FrontDoor { source })?;
    let (dicom, dicom_tls) = (door.plain_addr(), door.tls_addr());
    let door_to_test = (config.dicom.ae_title.as_str(), dicom);
    let self_test = SelfTest::open(
        test_intake,
        door_to_test,
        test_assessor,
        status.clone(),
        state.root(),
    )
    .map_err(in_state)?;
    let importer = config.import.clone().map(|import| -> Arc<dyn ImportDesk> {
        Arc::new(Importer::new(
            import,
            spool.keeper(),
            peer_log.clone(),
            shutdown.clone(),
        ))
    });

    let all_cases = cases.clone();
    let hub_names = {
        let names = pseudonym_key(&state)?;
        HubNames::new(move |uid| names.uid_of(uid))
    };
    let results = wants_results.then(|| ResultsWriter {
        config: config.results.clone(),
        state: state.clone(),
        book: Arc::clone(&book),
        cases: cases.clone(),
        character_sets: character_sets.clone(),
        finding_names: finding_names.clone(),
        utc_offset: config.page.utc_offset(),
        font_files: config.page.font_files(),
        fonts: Mutex::default(),
    });
    let paper = PaperWriter {
        state: state.clone(),
        book: Arc::clone(&book),
        hub_names: hub_names.clone(),
        character_sets,
        finding_names: finding_names.clone(),
        utc_offset: config.page.utc_offset(),
        font_files: config.page.font_files(),
        fonts: Mutex::default(),
    };
    let sources = Sources {
        clinic: membership.clinic.clone(),
        cases,
        scanners,
        status: status.clone(),
        state: state.clone(),
        review_below: config.decision.review_below,
        finding_names,
        learning: learning_status,
        say: speaking::say(&book, &outgoing, &hub_clock, &policy),
        dicom: DicomAddress {
            ae_title: config.dicom.ae_title.clone(),
            plain: dicom,
            tls: dicom_tls,
        },
        importer,
        orders: clinic_services.orders(),
        carrying: Some(Carrying {
            queue: queue.clone(),
            identity: Arc::clone(&identity),
            from_hub: Some(from_hub_in.clone()),
            hub_clock: hub_clock.clone(),
            state: directory.clone(),
            policy: policy.clone(),
        }),
        deliveries: {
            let (view, again) = (deliveries.clone(), deliveries.clone());
            NodesDesk::new(move || view.view(), move |name| again.try_again(name))
        },
        aside,
        picture_quality: picture_quality.clone(),
        hub_names,
        paper: Some(Paper::new(move |wish| paper.pdf(wish))),
        users: Users::at(directory),
        audit: audit.clone(),
        policy: PolicyDesk {
            handle: policy.clone(),
            nodes: config.deliver.iter().map(|node| node.name.clone()).collect(),
            sends_images: images.is_some(),
            images_so_far: {
                let images = images.clone();
                Arc::new(move || images.as_ref().map(ImageUploads::so_far).unwrap_or_default())
            },
            exports: {
                let state = directory.clone();
                Arc::new(move || research::exports(&state))
            },
        },
        for_fault_reports: config.for_fault_reports.clone(),
        self_test: SelfTestDesk::new(move || {
            let self_test = self_test.clone();
            Box::pin(async move { self_test.run().await })
        }),
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
    let page_by_tls = page.tls_addr();
    let metrics = match &config.metrics {
        Some(settings) => {
            let bound = Metrics::bind(settings, status.clone(), state.clone(), picture_quality).await;
            Some(bound.map_err(|source| Error::Listen {
                what: "readers of metrics",
                address: settings.listen,
                source,
            })?)
        }
        None => None,
    };
    let metrics_address = metrics
        .as_ref()
        .map(Metrics::local_addr)
        .transpose()
        .map_err(in_state)?;
    let of_models = status.clone();
    let clinic = membership.clinic.clone();
    let repository = status.audit_repository(config.audit.repository.is_some());
    let parts = link::Parts {
        queue,
        from_hub: from_hub_in,
        acknowledgements,
        status,
        hub_clock,
        state: directory.clone(),
    };
    let keeper = Keeper::new(
        &membership,
        directory.clone(),
        Duration::from_secs(config.link.identity_check_s),
        parts.status.standing(),
    );
    let link = Link::new(config.link, membership.clinic, Arc::clone(&identity), parts)
        .map_err(|source| Error::Link { source })?;

    let ports = [
        ("dicom", dicom),
        ("dicom_tls", dicom_tls),
        ("page", Some(page_address)),
        ("page_tls", page_by_tls),
        ("metrics", metrics_address),
    ];
    let open: Vec<(&str, SocketAddr)> = ports
        .into_iter()
        .filter_map(|(name, address)| Some((name, address?)))
        .collect();
    let _addresses = AddressFile::write(directory.join("addresses.json"), &open).map_err(in_state)?;
    tracing::info!(?open, "Ready for scanners.");
    ready();

    let mut tasks = JoinSet::new();
    // Scanners do not wait for it: what they send meanwhile is kept, and assessed once it is known who answers.
    tasks.spawn(models_of.run(shutdown.clone()));
    tasks.spawn(audit.clone().tell(
        config.audit.repository,
        Source::of_box(clinic.as_str(), &config.dicom.ae_title),
        Arc::clone(&identity),
        repository,
        shutdown.clone(),
    ));
    tasks.spawn(audit.clone().run(
        config.audit.keep_days,
        Arc::clone(&identity),
        move || Answering {
            model: of_models.model().model.unwrap_or_default(),
            ended: of_models.releases().ended,
        },
        shutdown.clone(),
    ));
    tasks.spawn(link.run(shutdown.clone()));
    tasks.spawn(policy.run(audit.clone(), shutdown.clone()));
    if let Some(keeper) = keeper {
        tasks.spawn(keeper.run(shutdown.clone()));
    }
    tasks.spawn(deliveries.clone().run(shutdown.clone()));
    tasks.spawn(commitment.run(shutdown.clone()));
    if let Some(results) = results {
        let nodes = deliveries.clone();
        let written = move |study: &StudyKey| nodes.look_at(study);
        tasks.spawn(results.run(assessed_versions, written, shutdown.clone()));
    }
    tasks.spawn(page.run(shutdown.clone()));
    if let Some(metrics) = metrics {
        tasks.spawn(metrics.run(shutdown.clone()));
    }
    tasks.spawn(
        keeping
            .clone()
            .take_from_hub(from_hub, acknowledgements_in, shutdown.clone()),
    );
    learning.spawn(&mut tasks, &shutdown);
    if let Some(images) = images.clone() {
        tasks.spawn(images.run(shutdown.clone()));
    }
    if let Some(retention) = config.retention {
        let (waiting, uploads) = (deliveries.clone(), images.clone());
        let retiring = Retiring {
            config: retention,
            book: Arc::clone(&book),
            cases: all_cases,
            audit: audit.clone(),
            spool,
            archive: archive.clone(),
            needed: Arc::new(move |study| {
                let uploading = uploads.as_ref().is_some_and(|uploads| uploads.is_waiting(study));
                waiting.is_waiting(study) || uploading
            }),
        };
        tasks.spawn(retiring.run(shutdown.clone()));
    }
    tasks.spawn(outgoing.watch(shutdown.clone()));
    tasks.spawn(grader.watch(state.clone(), ungraded, shutdown.clone()));
    tasks.spawn(keeping.assess(
        assessor,
        state,
        recovery.unassessed,
        settled,
        idle,
        shutdown.clone(),
    ));
    tasks.spawn(study::run(config.study, study_out, settled_in, shutdown.clone()));
    for instance in recovery.unsettled {
        // The study stage runs already, so this cannot block for ever.
        let _ = study_in.send(StudyInput::Stored(instance)).await;
    }
    tasks.spawn(show_arrivals(
        Arc::clone(&book),
        archive,
        stored,
        ungraded_in,
        study_in,
        shutdown.clone(),
    ));
    clinic_services.spawn(&mut tasks, &shutdown);
    tasks.spawn(door.run(shutdown.clone()));

    // The first part to end is either the shutdown or a fault; all others follow it.
    let first = tasks.join_next().await;
    let by_itself = !shutdown.is_cancelled() || matches!(first, Some(Err(_)));
    shutdown.cancel();
    while tasks.join_next().await.is_some() {}
    // Last: what the others did at the end stands before it.
    let _ = tokio::task::spawn_blocking(move || audit.stopped(&identity)).await;
    if by_itself {
        Err(Error::PartStopped)
    } else {
        Ok(())
    }
}

/// Every service but C-ECHO, as the daemon would offer them.
#[cfg(test)]
pub(crate) fn offered_services(
    config: &Config,
    state: &StateDirectory,
) -> std::io::Result<Vec<Arc<dyn crate::dimse::Service>>> {
    use crate::handoff::{Incoming, Receiving};

    fn nobody(_: Incoming) -> Box<dyn Receiving> {
        unreachable!("nothing is sent")
    }

    let (studies, _) = mpsc::channel(1);
    let find = Arc::new(|_: &str| None);
    let storage = StorageScp::new(config.dicom.keeps_private_classes(), Arc::new(nobody));
    let commitment = Commitment::open(state.clone(), find.clone())?;
    let services = ClinicServices::open(config, state, studies, find)?;
    Ok(services.answering([Arc::new(storage), Arc::new(commitment)]))
}

/// Arrivals that came together are shown together.
const SHOWN_AT_ONCE: usize = 64;

/// Every arrival shows at once and is graded, then goes to the study stage.
async fn show_arrivals(
    book: Arc<CaseBook>,
    archive: Archive,
    mut stored: mpsc::Receiver<StudyInput>,
    ungraded: mpsc::Sender<StoredInstance>,
    studies: mpsc::Sender<StudyInput>,
    shutdown: CancellationToken,
) {
    let mut inputs = Vec::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            count = stored.recv_many(&mut inputs, SHOWN_AT_ONCE) => if count == 0 {
                return;
            },
        }
        let instances: Vec<StoredInstance> = inputs
            .iter()
            .filter_map(|input| match input {
                StudyInput::Stored(instance) => Some(instance.clone()),
                _ => None,
            })
            .collect();
        if !instances.is_empty() {
            let (archive, book, ungraded) = (archive.clone(), Arc::clone(&book), ungraded.clone());
            let shown = tokio::task::spawn_blocking(move || {
                for instance in instances {
                    archive.note(&instance.study);
                    book.instance_stored(&instance);
                    let _ = ungraded.try_send(instance);
                }
            });
            let _ = shown.await;
        }
        for input in inputs.drain(..) {
            if studies.send(input).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod assess_tests;
#[cfg(test)]
mod door_tests;
#[cfg(test)]
mod tests;
