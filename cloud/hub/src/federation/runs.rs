use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex};

use barefoot_domain::ClinicId;
use barefoot_federation::encoding::{Encoding, encode};
use barefoot_federation::layout::{CHUNK_VALUES, Layout};
use barefoot_federation::round::{Input, Round, RunRules, RunStep, Stage};
use barefoot_trust::{Person, TlsIdentity};
use barefoot_wire::v1;
use prost::Message;
use tokio::sync::{Mutex, MutexGuard, Notify, Semaphore};
use tokio::task::spawn_blocking;
use tokio_util::task::TaskTracker;
use ulid::Ulid;

use super::ledger::{self, Applied, With};
use super::run::{ActiveRun, Attempt};
use super::settings::Setup;
use super::{Error, view, wire};
use crate::Shutdown;
use crate::archive::{Archive, AttemptKey, GlobalRow, RunRow, RunState};
use crate::audit::{Action, Actor, Entry, Object};
use crate::changes::Changes;
use crate::chunks::ChunkStore;
use crate::clock::now_ms;
use crate::model_registry::Registry;

/// Newest runs that a list shows.
const LISTED: u32 = 200;

/// Updates read through at once; more wait. Each takes a core and three megabytes.
const READERS: usize = 4;

/// Federated runs: a handle, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Runs(pub(super) Arc<Inner>);

pub(super) type Active = BTreeMap<String, ActiveRun>;

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) archive: Archive,
    pub(super) chunks: ChunkStore,
    pub(super) registry: Registry,
    pub(super) changes: Changes,
    /// Checks who signed the keys of secure aggregation.
    pub(super) identity: Arc<TlsIdentity>,
    pub(super) shutdown: Shutdown,
    /// By id, which is by start. Held over the journal's transactions.
    active: Mutex<Active>,
    /// Something moved: the driver looks what is to be done.
    pub(super) wake: Notify,
    /// A run has ended: its candidate may wait for its judgement.
    pub(super) unjudged: Notify,
    /// Chunks may have become unneeded.
    pub(super) sweep: AtomicBool,
    pub(super) readers: Semaphore,
    /// Updates that came as far as to wait for a reader.
    #[cfg(test)]
    pub(super) to_read: std::sync::atomic::AtomicUsize,
    /// Uploads going on, by clinic.
    pub(super) uploading: StdMutex<HashMap<ClinicId, usize>>,
    /// The hub's own work, to be waited for at the end.
    pub(super) jobs: TaskTracker,
}

impl Runs {
    /// Takes up what the journal says is going on.
    pub(crate) async fn open(
        archive: Archive,
        chunks: ChunkStore,
        registry: Registry,
        changes: Changes,
        identity: Arc<TlsIdentity>,
        shutdown: Shutdown,
    ) -> Result<Self, Error> {
        let active = super::resume::active_runs(&archive, now_ms()).await?;
        Ok(Self(Arc::new(Inner {
            archive,
            chunks,
            registry,
            changes,
            identity,
            shutdown,
            active: Mutex::new(active),
            wake: Notify::new(),
            unjudged: Notify::new(),
            sweep: AtomicBool::new(true),
            readers: Semaphore::new(READERS),
            #[cfg(test)]
            to_read: Default::default(),
            uploading: StdMutex::default(),
            jobs: TaskTracker::new(),
        })))
    }

    /// Starts a run; its first round is open when this returns.
    ///
    /// # Errors
    /// [`Error::Settings`], [`Error::Busy`], and what the registry says of base and plan.
    pub(crate) async fn start(&self, settings: v1::RunSettings, by: &Person) -> Result<v1::RunName, Error> {
        let setup = Arc::new(Setup::new(settings)?);
        let settings = &setup.settings;
        let (archive, registry) = (&self.0.archive, &self.0.registry);
        let base = registry.base(&settings.model_id, &settings.base_version).await?;
        let plan = match settings.plan.as_str() {
            "" => None,
            name => {
                let pin = registry.pin_plan(name, &settings.model_id).await?;
                Some((pin.name, pin.sha256))
            }
        };
        // Nothing is swept between storing the zeros and writing down who needs them.
        let _hold = self.0.chunks.hold().await;
        let chunks = if settings.from_zero {
            self.zeros(&base.layout).await?
        } else {
            base.chunks
        };
        let mut active = self.lock().await;
        let busy = active
            .values()
            .find(|run| run.setup.settings.model_id == settings.model_id);
        if let Some(run) = busy {
            return Err(Error::Busy {
                run: run.row.id.clone(),
            });
        }
        let now = now_ms();
        let row = RunRow {
            id: Ulid::generate().to_string(),
            settings: settings.encode_to_vec(),
            tensors: wire::parameters(&base.layout, Encoding::F32, &[]).encode_to_vec(),
            backbone: base.backbone,
            plan,
            started_by: by.name.clone(),
            started_at_ms: now,
            ended_at_ms: None,
            state: RunState::Running,
            reason: String::new(),
            candidate: String::new(),
        };
        let RunStep::Attempt { round, attempt } = RunRules::FIRST else {
            return Err(Error::settings("A run begins with a round."));
        };
        let key = AttemptKey {
            run: row.id.clone(),
            round,
            attempt,
        };
        let global = GlobalRow {
            round,
            chunks,
            first: None,
            second: None,
        };
        let opened = Attempt::start(key, Round::start(setup.rules, now), global.clone(), now);
        archive
            .start_run(&settings.model_id, &row, &global, &opened.row())
            .await?;
        let name = row.id.clone();
        let run = ActiveRun {
            row,
            layout: Arc::new(base.layout),
            state: RunState::Running,
            attempt: opened,
            banned: HashSet::new(),
            job: None,
            finishing_failures: 0,
            setup: Arc::clone(&setup),
        };
        active.insert(name.clone(), run);
        if let Err(error) = archive.write_alive(now).await {
            tracing::warn!(run = name, %error, "The time of a run's start was not written down; it is with the next beat.");
        }
        self.announce();
        Ok(v1::RunName { run: name })
    }

    /// Stops a run at once; its candidate is not made.
    ///
    /// # Errors
    /// [`Error::UnknownRun`], [`Error::Ended`].
    pub(crate) async fn stop(&self, name: &str, by: &Person) -> Result<(), Error> {
        let mut active = self.lock().await;
        let mut is_noted = false;
        loop {
            let Some(run) = active.get(name) else {
                let known = self.0.archive.run(name).await?.is_some();
                return Err(if known { Error::Ended } else { Error::UnknownRun });
            };
            if run.state == RunState::Finishing {
                return Err(Error::Ended);
            }
            if !is_noted {
                let entry = Entry::new(Actor::certified(by), Action::RunStopped, Object::subject(name));
                self.0.archive.append_audit(&entry, now_ms()).await?;
                is_noted = true;
            }
            let applied = self
                .apply(&mut active, name, &Input::Stop, With::default())
                .await?;
            if applied.taken.is_ok() {
                return Ok(());
            }
            // Time counts first: it may have ended the attempt, and then the one that followed is to be stopped.
            if !applied.moved {
                return Err(Error::Ended);
            }
        }
    }

    /// The newest runs first.
    pub(crate) async fn list(&self) -> Result<Vec<v1::RunView>, Error> {
        let mut views = Vec::new();
        for row in self.0.archive.runs(LISTED).await? {
            views.push(view::of(&self.0.archive, row).await?);
        }
        Ok(views)
    }

    /// One run.
    ///
    /// # Errors
    /// [`Error::UnknownRun`].
    pub(crate) async fn view(&self, name: &str) -> Result<v1::RunView, Error> {
        let row = self.0.archive.run(name).await?.ok_or(Error::UnknownRun)?;
        view::of(&self.0.archive, row).await
    }

    pub(super) async fn lock(&self) -> MutexGuard<'_, Active> {
        self.0.active.lock().await
    }

    /// Gives a run an input, and lets everybody know who waits for what it changed.
    pub(super) async fn apply(
        &self,
        active: &mut Active,
        name: &str,
        input: &Input<'_>,
        with: With,
    ) -> Result<Applied, Error> {
        let run = active.get_mut(name).ok_or(Error::UnknownRun)?;
        let applied = ledger::apply(&self.0.archive, run, input, with, now_ms()).await?;
        let over = !run.state.is_active();
        if over {
            active.remove(name);
        }
        if applied.moved {
            let fitting = |run: &ActiveRun| run.attempt.round.stage() == Stage::Fitting;
            if !active.values().any(fitting) {
                self.0.archive.forget_uploads().await?;
            }
            self.0.sweep.store(true, Ordering::Relaxed);
        }
        self.announce();
        Ok(applied)
    }

    pub(super) fn announce(&self) {
        self.0.wake.notify_one();
        self.0.changes.announce();
    }

    async fn zeros(&self, layout: &Layout) -> Result<Vec<barefoot_federation::chunk::ChunkId>, Error> {
        let (mut batch, layout) = (self.0.chunks.batch(), layout.clone());
        let stored = spawn_blocking(move || {
            let values = vec![0.0_f32; CHUNK_VALUES];
            let mut ids = Vec::with_capacity(layout.chunks());
            for chunk in 0..layout.chunks() {
                let values = values.get(..layout.chunk_values(chunk)).unwrap_or_default();
                let bytes = encode(values, Encoding::F32).map_err(Error::settings)?;
                ids.push(batch.add(&bytes)?);
            }
            batch.commit()?;
            Ok(ids)
        });
        stored.await.unwrap_or(Err(Error::Stored { what: "zero model" }))
    }
}
