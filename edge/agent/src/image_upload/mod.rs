//! Images of hard cases to the hub: de-identified, compressed, by HTTPS beside the results' line.
//!
//! ```text
//! job         what waits in the queue's lane of images, and how far it has come (its folder's log)
//! owed        what is to be sent, made anew at every start
//! prepare     images as they leave, made one at a time from the study's folder
//! sending     a job's way: small pictures first, then image by image in ranges, then the commit
//! allowance   the site's pace, hours and daily allowance; results go ahead
//! client      the HTTPS connection
//! ```
//! `<state>/images/sent.log` says what the hub has committed; what is to be sent follows from it and the cases. So the
//! queue's record goes only on the hub's word, and a lost line costs a second asking, never a missing image. At most one
//! image that was made ready lies on the disk for each job in work.
//!
//! All jobs' small pictures go before any job's images, critical cases first.

mod allowance;
mod client;
mod config;
mod job;
mod owed;
mod pace;
mod prepare;
mod sending;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barefoot_domain::StudyUid;
use barefoot_queue::{Lane, Queue};
use barefoot_trust::{PseudonymKey, TlsIdentity};
use barefoot_wire::images::ImageSetResult;
use tokio::task::spawn_blocking;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::sync::CancellationToken;

use crate::audit::{Action, Actor, Counts, PeerLog};
use crate::backoff;
use crate::case_index::CaseIndex;
use crate::case_log::{self, Entry};
use crate::character_sets::CharacterSets;
use crate::checked_lines;
use crate::clock::now_ms;
use crate::error_chain::chain;
use crate::site_policy::PolicyHandle;
use crate::status::Status;
use crate::study_folder::{StateDirectory, StudyKey};
use allowance::Allowance;
use client::Hub;
pub(crate) use config::Config;
use job::Job;
use owed::SentLine;
use prepare::Preparation;
use sending::{Sending, Turn, Version};

/// Jobs looked at to choose the next; more wait their turn behind these.
const CHOSEN_AMONG: usize = 256;

/// A job that failed by its own fault this often is set aside for a person: trying does not cure it.
const MOST_FAULTS: u32 = 20;

/// Where images go, as the audit log names it.
const HUB: &str = "hub";

/// Who sends them.
fn uploader() -> Actor {
    Actor::Daemon("image_upload")
}

/// Why images cannot even be tried to be sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("[images] hub must be host:port, for instance hub.example:8444")]
    Address,
    #[error("[link.tls] the identity cannot be used")]
    Identity { source: barefoot_trust::Error },
    #[error("the folder of images to send cannot be used")]
    Folder { source: io::Error },
    #[error("the queue failed")]
    Queue { source: barefoot_queue::Error },
}

/// The stage; clones share it.
#[derive(Clone)]
pub(crate) struct ImageUploads(Arc<Inner>);

impl std::fmt::Debug for ImageUploads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ImageUploads")
    }
}

struct Inner {
    config: Config,
    policy: PolicyHandle,
    state: StateDirectory,
    queue: Queue,
    sending: Sending,
    /// Versions and images that the hub has committed.
    sent: Mutex<(usize, usize)>,
    /// What waits, and the studies it is of.
    waiting: Mutex<BTreeMap<StudyKey, BTreeSet<u32>>>,
    /// Quick looks that the hub has: of jobs that still wait.
    looked_at: Mutex<HashSet<String>>,
    /// How often a job failed by its own fault.
    faults: Mutex<HashMap<String, u32>>,
    /// How often a job failed while the hub was there: others go first.
    stands_back: Mutex<HashMap<String, u32>>,
    /// Jobs that the queue had no room for.
    overdue: Mutex<BTreeMap<String, Job>>,
}

/// What the stage is built from.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) state: StateDirectory,
    pub(crate) queue: Queue,
    pub(crate) status: Status,
    pub(crate) pseudonyms: PseudonymKey,
    pub(crate) character_sets: CharacterSets,
    pub(crate) policy: PolicyHandle,
    pub(crate) log: PeerLog,
}

impl ImageUploads {
    /// Brings the queue's lane of images to hold exactly what is owed.
    ///
    /// # Errors
    /// When the identity, the folder or the queue cannot be used.
    pub(crate) fn open(
        config: Config,
        identity: &TlsIdentity,
        parts: Parts,
        cases: &CaseIndex,
    ) -> Result<Self, Error> {
        let folder = |source| Error::Folder { source };
        std::fs::create_dir_all(parts.state.images()).map_err(folder)?;
        let (host, port) = config.host_and_port().ok_or(Error::Address)?;
        let hub = Hub {
            host: host.into(),
            port,
            name: ServerName::try_from(host.to_owned()).map_err(|_| Error::Address)?,
            tls: identity
                .client_config()
                .map_err(|source| Error::Identity { source })?,
        };
        let preparation = Preparation {
            key: Arc::new(parts.pseudonyms),
            policy: parts.policy.get().hub.deidentification(config.banners()),
            character_sets: parts.character_sets,
            quick_look_bytes: config.quick_look_kib as usize * 1024,
        };
        let day = parts.state.images().join("day");
        let allowance = Allowance::open(config.clone(), parts.status, day);
        let this = Self(Arc::new(Inner {
            sending: Sending {
                hub,
                preparation,
                policy: parts.policy.clone(),
                banners: config.banners(),
                allowance: Arc::new(allowance),
                log: parts.log,
                line: tokio::sync::Mutex::default(),
            },
            config,
            policy: parts.policy,
            sent: Mutex::default(),
            state: parts.state,
            queue: parts.queue,
            waiting: Mutex::default(),
            looked_at: Mutex::default(),
            faults: Mutex::default(),
            stands_back: Mutex::default(),
            overdue: Mutex::default(),
        }));
        this.resume(cases)?;
        Ok(this)
    }

    /// Whether the study's images are still to be sent.
    #[must_use]
    pub(crate) fn is_waiting(&self, study: &StudyKey) -> bool {
        self.waiting().contains_key(study)
    }

    /// Versions of studies, and images, that the hub has.
    #[must_use]
    pub(crate) fn so_far(&self) -> (usize, usize) {
        *self.0.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends until `shutdown`; what is under way then goes on after the next start.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.send() => {}
        }
    }

    async fn send(&self) {
        let mut news = self.0.queue.changed();
        let mut policy = self.0.policy.watch();
        let mut failures = 0;
        loop {
            // Before it is looked: what comes while it is looked is news again.
            news.borrow_and_update();
            policy.borrow_and_update();
            let this = self.clone();
            let next = spawn_blocking(move || this.next()).await;
            let job = match next {
                Ok(Ok(Some(job))) => job,
                Ok(Ok(None)) => {
                    let changed = tokio::select! {
                        changed = news.changed() => changed,
                        changed = policy.changed() => changed,
                    };
                    if changed.is_err() {
                        return;
                    }
                    continue;
                }
                Ok(Err(error)) => {
                    tracing::error!(error = chain(&error), "The queue of images cannot be read.");
                    failures += 1;
                    tokio::time::sleep(backoff::pause(failures, self.0.config.max_backoff().as_secs())).await;
                    continue;
                }
                Err(_) => return,
            };
            self.0.sending.allowance.opened().await;
            match self.turn(&job).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(
                        error = chain(&error),
                        "Images could not be sent; they are sent on from there later."
                    );
                    self.fault(&job, &error).await;
                    tokio::time::sleep(backoff::pause(failures, self.0.config.max_backoff().as_secs())).await;
                }
            }
        }
    }

    /// One job that cannot be sent must not hold up the others.
    async fn fault(&self, job: &Job, error: &sending::Error) {
        let key = job_key(job);
        if error.lets_others_go_first() {
            *self.stands_back().entry(key.clone()).or_default() += 1;
        }
        if !error.is_the_jobs() {
            return;
        }
        let faults = {
            let mut faults = self.faults();
            let count = faults.entry(key).or_default();
            *count += 1;
            *count
        };
        if MOST_FAULTS <= faults {
            tracing::error!(
                study = job.study,
                version = job.version,
                "A study's images failed again and again; they were set aside for a person."
            );
            let reason = chain(error);
            // Where that fails too, the next fault tries again.
            let _ = self.settle(job, Settled::SetAside(&reason)).await;
        }
    }

    /// One turn of work on a job.
    async fn turn(&self, job: &Job) -> Result<(), sending::Error> {
        let (this, wanted) = (self.clone(), job.clone());
        let version = spawn_blocking(move || this.version(&wanted)).await;
        let version = match version.map_err(|_| sending::Error::Cut)? {
            Ok(Some(version)) => version,
            Ok(None) => {
                tracing::error!(
                    study = job.study,
                    version = job.version,
                    "A study's log does not say which images its version has; they are not sent."
                );
                return self
                    .settle(job, Settled::SetAside("its log does not name its images"))
                    .await;
            }
            Err(source) => return Err(sending::Error::Disk { source }),
        };
        let begun_at = *self.0.queue.changed().borrow();
        let queue = self.0.queue.clone();
        let allowance = Arc::clone(&self.0.sending.allowance);
        // Whatever is newly queued may be more urgent: the next turn chooses anew.
        let (policy, under) = (self.0.policy.clone(), self.0.policy.fingerprint());
        let yields = move || {
            *queue.changed().borrow() != begun_at || !allowance.is_open() || policy.fingerprint() != under
        };
        let turn = self.0.sending.work(&version, self.folder(job), &yields).await?;
        match turn {
            Turn::Yielded => Ok(()),
            Turn::QuickLookSent => {
                self.looked_at().insert(job_key(job));
                Ok(())
            }
            Turn::Done(result) => {
                for failed in &result.failed {
                    tracing::error!(
                        study = job.study,
                        version = job.version,
                        instance = failed.sop_instance_uid,
                        reason = failed.reason,
                        why = failed.why,
                        "The hub refused an image."
                    );
                }
                let images = u64::try_from(result.referenced.len()).unwrap_or(u64::MAX);
                if let Some(study) = job.study() {
                    let counts = Counts::from([(study, images)]);
                    let log = &self.0.sending.log;
                    log.disclosed(&uploader(), Action::Uploaded, HUB, &counts, "")
                        .await;
                }
                tracing::info!(
                    study = job.study,
                    version = job.version,
                    images = result.referenced.len(),
                    "A study's images are at the hub."
                );
                self.settle(job, Settled::Committed(result)).await
            }
            Turn::Refused(why) => {
                tracing::error!(
                    study = job.study,
                    version = job.version,
                    why,
                    "The hub refused a study's images, all of them; they were set aside for a person."
                );
                self.settle(job, Settled::SetAside(&why)).await
            }
        }
    }

    /// The hub's word is written down before the record goes.
    async fn settle(&self, job: &Job, settled: Settled<'_>) -> Result<(), sending::Error> {
        let Some(study) = job.study() else {
            return Ok(());
        };
        let (this, job) = (self.clone(), job.clone());
        if let Settled::Committed(result) = &settled {
            let mut sent = self.0.sent.lock().unwrap_or_else(PoisonError::into_inner);
            *sent = (sent.0 + 1, sent.1 + result.referenced.len());
        }
        let (line, reason) = match settled {
            Settled::Committed(result) => (
                Some(SentLine::Committed {
                    study: job.study.clone(),
                    version: job.version,
                    at_ms: now_ms(),
                    images: result.referenced.len(),
                    refused: result.failed.len(),
                }),
                String::new(),
            ),
            Settled::SetAside(reason) => (None, reason.to_owned()),
        };
        let written = spawn_blocking(move || -> io::Result<()> {
            let id = Job::id(&study, job.version);
            if let Some(line) = line {
                checked_lines::append(&this.sent_log(), &[line])?;
                this.0.queue.receipt(&id).map_err(io::Error::other)?;
            } else {
                this.0.queue.set_aside(&id, &reason).map_err(io::Error::other)?;
            }
            this.forget(&study, job.version);
            this.queue_overdue().map_err(io::Error::other)
        });
        written
            .await
            .map_err(|_| sending::Error::Cut)?
            .map_err(|source| sending::Error::Disk { source })
    }

    /// The most urgent job: small pictures before images, critical cases before others, the oldest first.
    fn next(&self) -> Result<Option<Job>, Error> {
        let records = self
            .0
            .queue
            .pending_of(&[Lane::Images], CHOSEN_AMONG, |_| false)
            .map_err(|source| Error::Queue { source })?;
        let mut best: Option<((u32, bool, bool, u64), Job)> = None;
        for record in records {
            let Some(job) = Job::of(&record) else {
                tracing::error!(
                    sequence = record.sequence,
                    "A queued record is no study's images; it was set aside."
                );
                self.0
                    .queue
                    .set_aside(&record.id, "the queued bytes are no study's images")
                    .map_err(|source| Error::Queue { source })?;
                continue;
            };
            if !self.0.policy.get().hub.images_of.contains(&job.urgency()) {
                self.forbidden(&job)?;
                continue;
            }
            let key = job_key(&job);
            let looked_at = self.looked_at().contains(&key);
            let failures = self.stands_back().get(&key).copied().unwrap_or_default();
            let rank = (failures, looked_at, !job.critical, record.sequence);
            if best.as_ref().is_none_or(|(first, _)| rank < *first) {
                best = Some((rank, job));
            }
        }
        Ok(best.map(|(_, job)| job))
    }

    /// The policy lets images of this kind leave no more. The case stays as it is; a looser one is asked again at a start.
    fn forbidden(&self, job: &Job) -> Result<(), Error> {
        let Some(study) = job.study() else { return Ok(()) };
        let id = Job::id(&study, job.version);
        self.0
            .queue
            .receipt(&id)
            .map_err(|source| Error::Queue { source })?;
        self.forget(&study, job.version);
        tracing::info!(
            study = job.study,
            version = job.version,
            "The policy does not let a study's images leave any more."
        );
        Ok(())
    }

    /// What a job's version consists of, from the study's own log.
    fn version(&self, job: &Job) -> io::Result<Option<Version>> {
        let Some(study) = job.study() else {
            return Ok(None);
        };
        let replay = case_log::replay(&self.0.state.case_log(&study))?;
        let settled = replay.entries.into_iter().rev().find_map(|entry| match entry {
            Entry::Settled {
                version,
                study_uid,
                instances,
                ..
            } if version == job.version => Some((study_uid, instances)),
            _ => None,
        });
        let Some((study_uid, files)) = settled else {
            return Ok(None);
        };
        let Ok(study_uid) = StudyUid::new(study_uid) else {
            return Ok(None);
        };
        let case = self.0.sending.preparation.key.case_of(&study_uid);
        Ok(Some(Version {
            study: study.clone(),
            case: case.as_str().to_owned(),
            version: job.version,
            instances: self.0.state.instances(&study),
            pictures: self.0.state.pictures(&study, job.version),
            files,
        }))
    }

    fn forget(&self, study: &StudyKey, version: u32) {
        let mut waiting = self.waiting();
        if let Some(versions) = waiting.get_mut(study) {
            versions.remove(&version);
            if versions.is_empty() {
                waiting.remove(study);
            }
        }
        drop(waiting);
        let key = format!("{study}-{version}");
        self.looked_at().remove(&key);
        self.faults().remove(&key);
        self.stands_back().remove(&key);
        self.overdue().remove(&Job::id(study, version));
        job::remove_folder(&self.0.state.images().join(key));
    }

    fn folder(&self, job: &Job) -> PathBuf {
        self.0.state.images().join(job_key(job))
    }

    fn sent_log(&self) -> PathBuf {
        self.0.state.images().join("sent.log")
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<StudyKey, BTreeSet<u32>>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stands_back(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.0.stands_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn overdue(&self) -> MutexGuard<'_, BTreeMap<String, Job>> {
        self.0.overdue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looked_at(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.looked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Settled<'a> {
    Committed(ImageSetResult),
    SetAside(&'a str),
}

/// A job's name in memory and its folder's: the study's is a hash.
fn job_key(job: &Job) -> String {
    format!("{}-{}", job.study, job.version)
}

#[cfg(test)]
mod tests;
