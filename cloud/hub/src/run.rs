use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use barefoot_audit::Standing;
use barefoot_trust::TlsIdentity;
use time::OffsetDateTime;

use crate::archive::{self, Archive, bind_rows};
use crate::at_rest::{self, Vault};
use crate::audit::{self, Audit};
use crate::changes::Changes;
use crate::chunks::{self, ChunkStore};
use crate::clock::Clock;
use crate::config::{Config, Mqtt};
use crate::dicomweb::ups::{Events, Workitems};
use crate::dicomweb::{self, Accounts, Log};
use crate::dispatch::{CorrectionsService, Dispatch};
use crate::enrolment::Desk;
use crate::federation::{Driver, FederationService, Runs};
use crate::grpc::{self, EnrolmentPort, Listener, Maintenance, Services, SitesService};
use crate::image_store::{self, ImageStore};
use crate::ingest::{Committer, Ingest, forget_duplicates};
use crate::metrics::{self, Metrics};
use crate::model_registry::Registry;
use crate::models_page;
use crate::mqtt::{self, Broker, Endpoint, OwnCertificate};
use crate::own_certificates::{Identity, OwnCertificates};
use crate::people::{self, People, Right};
use crate::presence::{Connection, Presence};
use crate::reading_room::{self, Looks, Room};
use crate::results_page;
use crate::revocation::Revocations;
use crate::rollout::{self, Releases, ReleasesService, Rollouts};
use crate::shutdown::Shutdown;
use crate::state::{self, StateDirectory};
use crate::web::{self, Web};
use crate::worklist::alarms::{AlarmFeed, Webhook};
use crate::worklist::roster::Candidate;
use crate::worklist::{CaseWorkitems, Reconciler, Worklist};

/// What ends the hub. All but `Page` and `Stopped` happen at the start, before anything was promised.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the state directory is not usable")]
    State {
        #[from]
        source: state::Error,
    },
    #[error("what the hub keeps cannot be opened")]
    AtRest {
        #[from]
        source: at_rest::Error,
    },
    #[error("the archive is not usable")]
    Archive {
        #[from]
        source: archive::Error,
    },
    #[error("the chunk store is not usable")]
    Chunks {
        #[from]
        source: chunks::Error,
    },
    #[error("the certificate settings under [tls] are not usable")]
    Identity {
        #[from]
        source: barefoot_trust::Error,
    },
    #[error("the line to the clinics is not usable")]
    Mqtt {
        #[from]
        source: mqtt::Error,
    },
    #[error("the federated runs in the archive are not usable")]
    Federation {
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the gRPC port is not usable")]
    Grpc {
        #[from]
        source: grpc::Error,
    },
    #[error("the port for images is not usable")]
    Images {
        #[from]
        source: image_store::Error,
    },
    #[error("the release repository is not usable")]
    Releases {
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the accounts are not usable")]
    People {
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the pages are not usable")]
    Page {
        #[from]
        source: web::Error,
    },
    #[error("the port for metrics is not usable")]
    Metrics {
        #[from]
        source: metrics::Error,
    },
    #[error("a part of the hub stopped by itself: {part}")]
    Stopped { part: &'static str },
}

/// Parameters, updates and test sets together.
const MOST_CHUNK_BYTES: u64 = 64 * 1024 * 1024 * 1024;

/// One of the two ways clinics reach the hub.
enum Line {
    Embedded(Box<Endpoint>),
    Broker(Box<Broker>),
}

/// Runs the hub until `shutdown`. `ready` is called once, when everything is bound.
///
/// # Errors
/// When a part cannot start, or ends by itself.
pub async fn run(config: Config, shutdown: Shutdown, ready: impl FnOnce() + Send) -> Result<(), Error> {
    let (own_files, page_files) = identities(&config);
    let identity = Arc::new(TlsIdentity::load(&config.tls)?);
    let directory = StateDirectory::open(&config.directory)?;
    let vault = Arc::new(Vault::open(&config.directory, &config.at_rest)?);
    say_where_the_key_is(&vault);
    let archive = Archive::open(&directory.database(), Arc::clone(&vault)).await?;
    let changes = Changes::new();
    let connection = match config.mqtt {
        Mqtt::Embedded(_) => Connection::Seen,
        Mqtt::Broker { .. } => Connection::Unseen,
    };
    let lines = archive.lines().await?;
    let presence = Presence::new(changes.clone(), connection, archive.clinics().await?, lines);
    let revocations = Revocations::open(archive.clone()).await?;
    let dispatch = Dispatch::new(archive.clone());
    let worklist = config
        .worklist
        .clone()
        .map(|rules| Worklist::new(archive.clone(), rules, changes.clone(), dispatch.clone()));
    let (ingest, committer) = Committer::new(
        archive.clone(),
        changes.clone(),
        dispatch.clone(),
        presence.clone(),
    );

    let chunks = ChunkStore::open(&directory.chunks(), MOST_CHUNK_BYTES)?;
    let registry = Registry::new(archive.clone(), chunks.clone(), changes.clone());

    let releases = Releases::open(config.releases.as_ref(), directory.releases(), registry.clone())
        .await
        .map_err(|error: rollout::Error| Error::Releases {
            source: Box::new(error),
        })?;
    let rollouts = Rollouts::new(archive.clone(), registry.clone(), releases, changes.clone());
    let runs = Runs::open(
        archive.clone(),
        chunks,
        registry.clone(),
        changes.clone(),
        Arc::clone(&identity),
        shutdown.clone(),
    )
    .await
    .map_err(|source| Error::Federation {
        source: source.into(),
    })?;
    let driver = Driver::new(runs.clone(), shutdown.clone());

    let desk = match config.enrolment.clone() {
        Some(settings) => Some(Desk::open(
            settings,
            &config.tls.authority,
            identity.as_ref().clone(),
            archive.clone(),
            revocations.clone(),
            Clock::system(),
        )?),
        None => None,
    };
    let (desk_of_own, identity_of_own, paths) = (desk.clone(), identity.as_ref().clone(), config.tls.clone());
    let mut own_certificates = OwnCertificates::new(own_files, move || {
        let desk = desk_of_own.as_ref();
        let trusted = desk.map(|desk| desk.trusted_in(&paths.authority)).transpose()?;
        identity_of_own.reload_hub(&paths, OffsetDateTime::now_utc())?;
        if let Some((desk, trusted)) = desk.zip(trusted) {
            desk.trust(trusted);
        }
        Ok(())
    });
    let services = Services::default()
        .federation(FederationService(runs.clone()))
        .releases(ReleasesService(rollouts.clone()))
        .corrections(CorrectionsService(dispatch.clone()))
        .sites(SitesService {
            revocations: revocations.clone(),
            desk: desk.clone(),
        })
        .maintenance(Maintenance {
            registry: registry.clone(),
            runs: runs.clone(),
            rollouts: rollouts.clone(),
        });
    let heard_by_mqtt = config.worklist.as_ref().is_some_and(|rules| rules.alarm_by_mqtt);
    let feed = heard_by_mqtt.then(|| AlarmFeed::new(archive.clone(), changes.clone()));
    let line = open_line(
        &config.mqtt,
        &identity,
        (&presence, &revocations),
        (ingest, dispatch, feed),
        &shutdown,
    )
    .await?;
    let port = match &config.grpc {
        Some(grpc) => {
            let tls = identity.http2_server_config()?;
            Some(Listener::bind(grpc, tls, revocations.clone(), shutdown.clone()).await?)
        }
        None => None,
    };
    let enrolment = match (&config.enrolment, desk) {
        (Some(settings), Some(desk)) => {
            let port = EnrolmentPort::bind(settings, identity.open_http2_server_config()?).await?;
            Some((port, desk))
        }
        _ => None,
    };
    let images = match &config.images {
        Some(images) => {
            let store = ImageStore::open(
                images,
                directory.images(),
                vault,
                archive.clone(),
                changes.clone(),
            )?;
            let tls = identity.server_config()?;
            let port =
                image_store::Listener::bind(images, tls, revocations.clone(), shutdown.clone()).await?;
            Some((port, store))
        }
        None => None,
    };
    let audit = Audit::new(archive.clone(), Arc::clone(&identity));
    let of_hub = |action| audit::Entry::new(audit::Actor::Hub("hub"), action, audit::Object::none());
    let started = format!("version {}", env!("CARGO_PKG_VERSION"));
    audit
        .record(of_hub(audit::Action::Start).details(&started))
        .await?;
    let repository = Standing::default();
    let told = config.audit_repository.is_some().then(|| repository.clone());
    let people = config.people.clone().map(|settings| {
        People::new(
            archive.clone(),
            Arc::clone(&identity),
            settings,
            &config.page,
            Clock::system(),
        )
    });
    let usable = people.transpose().and_then(|people| {
        people.as_ref().map_or(Ok(()), People::check_provider)?;
        Ok(people)
    });
    let people = usable.map_err(|source| Error::People {
        source: source.into(),
    })?;
    // The case pages look up images by the same index, with or without DICOMweb's addresses.
    let index = images
        .as_ref()
        .map(|(_, store)| dicomweb::keep(archive.clone(), store.clone(), changes.clone(), shutdown.clone()));
    let web = Web::bind(
        &config.page,
        people.is_some(),
        config.worklist.is_some(),
        changes.clone(),
        shutdown.clone(),
    )
    .await?;
    if let (Some(files), Some(shown), Some(tls)) = (page_files, web.shown(), config.page.tls.clone()) {
        own_certificates = own_certificates.and(files, move || shown.reload(&tls.certificate, &tls.key));
    }
    let metrics = match &config.metrics {
        Some(settings) => {
            let sources = metrics::Sources {
                archive: archive.clone(),
                presence: presence.clone(),
                images: images.as_ref().map(|(_, store)| store.clone()),
                audit_repository: told.clone(),
            };
            Some(Metrics::bind(settings, sources, shutdown.clone()).await?)
        }
        None => None,
    };
    let shown = images.as_ref().map(|(_, store)| store.clone());
    let mut pages = results_page::router(archive.clone(), shown, presence, web.look()).merge(
        models_page::router(registry.clone(), runs.clone(), rollouts.clone(), web.look()),
    );
    let mut case_workitems = None;
    if let (Some(settings), Some(people), Some((_, store))) = (&config.dicomweb, &people, &images) {
        let events = Events::default();
        case_workitems = worklist
            .clone()
            .map(|worklist| CaseWorkitems::new(worklist, events.clone()));
        let places = case_workitems.iter().cloned();
        pages = pages.merge(dicomweb::router(
            settings,
            dicomweb::Parts {
                archive: archive.clone(),
                store: store.clone(),
                changes: changes.clone(),
                access: Arc::new(Accounts),
                audit: Arc::new(Log(people.audit().clone())),
                workitems: places
                    .map(|place| Arc::new(place) as Arc<dyn Workitems>)
                    .collect(),
                events,
                shutdown: shutdown.clone(),
            },
        ));
    }
    if let (Some(people), Some(worklist)) = (&people, &worklist) {
        pages = pages.merge(reading_room::router(Room {
            worklist: worklist.clone(),
            archive: archive.clone(),
            people: people.clone(),
            images: images.as_ref().map(|(_, store)| store.clone()),
            identity: Arc::clone(&identity),
            look: web.look(),
            looks: Looks::default(),
        }));
    }
    if let Some(people) = &people {
        pages = pages
            .merge(people::router(people.clone(), web.look()))
            .merge(audit::router(people.audit().clone(), web.look(), told));
    }
    let mut addresses = BTreeMap::<&'static str, SocketAddr>::from([("page", web.address())]);
    if let Line::Embedded(endpoint) = &line {
        addresses.insert("mqtt", endpoint.address());
    }
    if let Some(port) = &port {
        addresses.insert("grpc", port.address());
    }
    if let Some(metrics) = &metrics {
        addresses.insert("metrics", metrics.address());
    }
    if let Some((port, _)) = &images {
        addresses.insert("images", port.address());
    }
    if let Some((port, _)) = &enrolment {
        addresses.insert("enrolment", port.address());
    }
    let published = directory.publish_addresses(&addresses)?;
    tracing::info!(?addresses, "The hub is ready.");
    ready();

    let readers = people.clone();
    let mut line = tokio::spawn(line.run());
    let committer = committer
        .with_worklist(worklist.clone())
        .with_revocations(revocations.clone());
    let mut committer = tokio::spawn(committer.run());
    let mut page = tokio::spawn(web.run(pages, people));
    let last_word = audit.clone();
    let mut telling = tokio::spawn(audit::tell(
        audit.clone(),
        config.audit_repository.clone(),
        Arc::clone(&identity),
        repository,
        shutdown.clone(),
    ));
    let mut own_certificates = tokio::spawn(own_certificates.run(audit.clone(), shutdown.clone()));
    let mut audit = tokio::spawn(audit.run(shutdown.clone()));
    let mut revocations = tokio::spawn(revocations.run(shutdown.clone()));
    let mut driver = tokio::spawn(driver.run());
    let mut port = tokio::spawn(serve(port, services, shutdown.clone()));
    let mut images = tokio::spawn(take_images(images, shutdown.clone()));
    let mut enrolment = tokio::spawn(enrol(enrolment, shutdown.clone()));
    let mut rollouts = tokio::spawn(rollouts.run(shutdown.clone()));
    let mut metrics = tokio::spawn(measure(metrics, shutdown.clone()));
    let alarms = config
        .alarm_address
        .clone()
        .map(|address| Webhook::new(archive.clone(), changes.clone(), address));
    let mut alarms = tokio::spawn(alarm(alarms, shutdown.clone()));
    let reconciler = worklist.map(|worklist| Reconciler {
        worklist,
        readers: Arc::new(move || {
            let people = readers.clone();
            Box::pin(async move { candidates(people).await })
        }),
        utc_offset_minutes: config.page.utc_offset_minutes,
    });
    let mut reconciler = tokio::spawn(reconcile(reconciler, shutdown.clone()));
    let mut dicomweb = tokio::spawn(keep_dicomweb(index, shutdown.clone()));
    let mut workitems = tokio::spawn(tell_of_cases(case_workitems, shutdown.clone()));
    let mut binding = tokio::spawn(bind_rows(archive.clone(), shutdown.clone()));
    let mut retention = tokio::spawn(forget_duplicates(
        archive.clone(),
        config.dedupe_days,
        shutdown.clone(),
    ));
    let ended = tokio::select! {
        () = shutdown.triggered() => Ok(()),
        _ = &mut line => Err(Error::Stopped { part: "the line to the clinics" }),
        _ = &mut committer => Err(Error::Stopped { part: "the committer" }),
        _ = &mut driver => Err(Error::Stopped { part: "the driver of rounds" }),
        _ = &mut port => Err(Error::Stopped { part: "the gRPC port" }),
        _ = &mut images => Err(Error::Stopped { part: "the port for images" }),
        _ = &mut enrolment => Err(Error::Stopped { part: "the port for enrolment" }),
        _ = &mut dicomweb => Err(Error::Stopped { part: "DICOMweb" }),
        _ = &mut rollouts => Err(Error::Stopped { part: "the rollouts" }),
        _ = &mut metrics => Err(Error::Stopped { part: "the metrics" }),
        _ = &mut alarms => Err(Error::Stopped { part: "the alarms" }),
        _ = &mut reconciler => Err(Error::Stopped { part: "the list of cases" }),
        _ = &mut workitems => Err(Error::Stopped { part: "the cases' workitems" }),
        _ = &mut revocations => Err(Error::Stopped { part: "the reading of revocations" }),
        _ = &mut own_certificates => Err(Error::Stopped { part: "the look at the hub's own certificates" }),
        _ = &mut retention => Err(Error::Stopped { part: "the forgetting of duplicates" }),
        _ = &mut audit => Err(Error::Stopped { part: "the signing of the audit log" }),
        _ = &mut telling => Err(Error::Stopped { part: "the telling of the audit log" }),
        _ = &mut page => Err(Error::Stopped { part: "the pages" }),
    };
    let ended = if shutdown.is_triggered() { Ok(()) } else { ended };

    // The line first: it holds the way to the committer, which ends when nothing can come any more.
    shutdown.trigger();
    for part in [
        &mut line,
        &mut committer,
        &mut driver,
        &mut port,
        &mut images,
        &mut enrolment,
        &mut dicomweb,
        &mut rollouts,
        &mut metrics,
        &mut alarms,
        &mut reconciler,
        &mut workitems,
        &mut revocations,
        &mut own_certificates,
        &mut binding,
        &mut retention,
        &mut telling,
        &mut page,
    ] {
        finish(part).await;
    }
    // Last: what the others did at the end stands under it.
    finish(&mut audit).await;
    say_the_last_word(&last_word, of_hub(audit::Action::Stop)).await;
    archive.close().await;
    drop(published);
    tracing::info!("The hub has stopped.");
    ended
}

/// The files of what the hub shows: to boxes and programs, and to browsers.
fn identities(config: &Config) -> (Identity, Option<Identity>) {
    let tls = &config.tls;
    let own = [&tls.authority, &tls.certificate, &tls.key].map(Clone::clone);
    let page = config.page.tls.as_ref();
    (
        Identity::new("[tls]", own.to_vec()),
        page.map(|tls| Identity::new("[page.tls]", vec![tls.certificate.clone(), tls.key.clone()])),
    )
}

/// The hub's end, signed.
async fn say_the_last_word(audit: &Audit, stop: audit::Entry) {
    let said = async {
        audit.record(stop).await?;
        audit.sign_head(false).await
    };
    if let Err(error) = said.await {
        tracing::error!(%error, "The hub's end is not in the audit log.");
    }
}

fn say_where_the_key_is(vault: &Vault) {
    let place = vault.key_place();
    if vault.is_key_beside() {
        tracing::warn!(
            place,
            "The key of what the hub keeps lies beside it: whoever takes the whole disk can read it. See OPERATING.md, The hub's key."
        );
    } else {
        tracing::info!(place, "What the hub keeps is sealed.");
    }
}

/// Waits for a part that may have ended before; each has its own time limit for the shutdown.
async fn finish(part: &mut tokio::task::JoinHandle<()>) {
    if !part.is_finished() {
        let _ = part.await;
    }
}

/// The gRPC port's part; without a port it only waits for the shutdown.
async fn serve(port: Option<Listener>, services: Services, shutdown: Shutdown) {
    match port {
        Some(port) => port.run(services).await,
        None => shutdown.triggered().await,
    }
}

/// The metrics' part; without a port for them it only waits for the shutdown.
async fn measure(metrics: Option<Metrics>, shutdown: Shutdown) {
    match metrics {
        Some(metrics) => metrics.run().await,
        None => shutdown.triggered().await,
    }
}

/// Who may be offered cases.
async fn candidates(people: Option<People>) -> Result<Vec<Candidate>, archive::Error> {
    let Some(people) = people else {
        return Ok(Vec::new());
    };
    let all = people
        .list()
        .await
        .map_err(|_| archive::Error::Stored { what: "account" })?;
    Ok(all
        .into_iter()
        .filter(|person| person.active && person.may(Right::SignReports))
        .map(|person| Candidate {
            person: person.id,
            tier: person.tier,
            subspecialties: person.subspecialties,
        })
        .collect())
}

/// The same for alarms.
async fn alarm(alarms: Option<Webhook>, shutdown: Shutdown) {
    match alarms {
        Some(alarms) => alarms.run(shutdown).await,
        None => shutdown.triggered().await,
    }
}

/// The same for the list of cases.
async fn reconcile(reconciler: Option<Reconciler>, shutdown: Shutdown) {
    match reconciler {
        Some(reconciler) => reconciler.run(shutdown).await,
        None => shutdown.triggered().await,
    }
}

/// The same for the workitems of its cases.
async fn tell_of_cases(workitems: Option<CaseWorkitems>, shutdown: Shutdown) {
    match workitems {
        Some(workitems) => workitems.run(shutdown).await,
        None => shutdown.triggered().await,
    }
}

/// The same for images.
async fn take_images(images: Option<(image_store::Listener, ImageStore)>, shutdown: Shutdown) {
    match images {
        Some((port, store)) => port.run(store).await,
        None => shutdown.triggered().await,
    }
}

/// The same for boxes that are not known yet.
async fn enrol(enrolment: Option<(EnrolmentPort, Desk)>, shutdown: Shutdown) {
    match enrolment {
        Some((port, desk)) => port.run(desk, shutdown).await,
        None => shutdown.triggered().await,
    }
}

/// The same for what DICOMweb keeps.
async fn keep_dicomweb(keeping: Option<impl Future<Output = ()>>, shutdown: Shutdown) {
    match keeping {
        Some(keeping) => keeping.await,
        None => shutdown.triggered().await,
    }
}

async fn open_line(
    config: &Mqtt,
    identity: &TlsIdentity,
    (presence, revocations): (&Presence, &Revocations),
    (ingest, dispatch, alarms): (Ingest, Dispatch, Option<AlarmFeed>),
    shutdown: &Shutdown,
) -> Result<Line, Error> {
    let own = identity.clone();
    let certificate = OwnCertificate::new(move || own.certificate());
    Ok(match config {
        Mqtt::Embedded(embedded) => Line::Embedded(Box::new(
            Endpoint::bind(
                embedded,
                (identity.server_config()?, certificate),
                (presence.clone(), revocations.clone()),
                ingest,
                dispatch,
                alarms,
                shutdown.clone(),
            )
            .await?,
        )),
        Mqtt::Broker { host, port } => Line::Broker(Box::new(Broker::new(
            (host, *port),
            (identity.client_config()?, certificate),
            ingest,
            dispatch,
            (presence.clone(), revocations.clone()),
            alarms,
            shutdown.clone(),
        ))),
    })
}

impl Line {
    async fn run(self) {
        match self {
            Self::Embedded(endpoint) => endpoint.run().await,
            Self::Broker(broker) => broker.run().await,
        }
    }
}
