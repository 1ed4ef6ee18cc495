//! Rounds as a clinic lives them: kills, hostile hubs, and three clinics in one secure sum.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use barefoot_domain::ClinicId;
use barefoot_federation::chunk::ChunkId;
use barefoot_trust::{Authority, TlsIdentity, TlsPaths};
use barefoot_wire::v1;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use super::folder::{Claim, Store};
use super::rules::Rules;
use super::stages::{Stages, Stop};
use super::terms::Terms;
use super::terms::tests::trainable;
use crate::local_training::{
    Budget, Evaluated, FitOrder, Fitted, GoOn, LearnError, Learner, Policy, Trainable,
};
use crate::site_policy::PolicyHandle;

mod line;
mod plain;
mod secure;

/// An authority with the certificates of its clinics.
struct Region(TempDir);

impl Region {
    fn new(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let authority = Authority::create(folder.path(), "Test region", now).unwrap();
        let day = Duration::days(1);
        for name in names {
            let issued = authority.issue_clinic(&clinic(name), now, day).unwrap();
            issued.save(folder.path(), name).unwrap();
        }
        let hub = authority
            .issue_hub(&["localhost".into(), "127.0.0.1".into()], now, day)
            .unwrap();
        hub.save(folder.path(), "hub").unwrap();
        Self(folder)
    }

    fn paths(&self, name: &str) -> TlsPaths {
        let file = |file: String| self.0.path().join(file);
        TlsPaths {
            authority: file("authority.crt".into()),
            certificate: file(format!("{name}.crt")),
            key: file(format!("{name}.key")),
        }
    }

    fn identity(&self, name: &str) -> TlsIdentity {
        TlsIdentity::load(&self.paths(name)).unwrap()
    }
}

fn clinic(name: &str) -> ClinicId {
    ClinicId::new(name).unwrap()
}

/// Gives the same update every time and counts how often it was asked to.
struct Fixed {
    delta: Mutex<Vec<f32>>,
    examples: AtomicU32,
    trained: AtomicU32,
}

impl Fixed {
    fn new(delta: [f32; 4]) -> Arc<Self> {
        Arc::new(Self {
            delta: Mutex::new(delta.to_vec()),
            examples: AtomicU32::new(50),
            trained: AtomicU32::new(0),
        })
    }

    fn trained(&self) -> u32 {
        self.trained.load(Ordering::SeqCst)
    }
}

impl Learner for Fixed {
    fn trainable(&self) -> Option<Trainable> {
        Some(trainable())
    }

    fn examples(&self) -> u32 {
        self.examples.load(Ordering::SeqCst)
    }

    fn fit(&self, global: &[f32], _: &FitOrder, go_on: GoOn<'_>) -> Result<Fitted, LearnError> {
        assert_eq!(global.len(), 4);
        if go_on().is_break() {
            return Err(LearnError::Stopped);
        }
        self.trained.fetch_add(1, Ordering::SeqCst);
        Ok(Fitted {
            delta: self.delta.lock().unwrap().clone(),
            examples: self.examples(),
            metrics: vec![("auc".into(), 0.75)],
        })
    }

    fn evaluate(&self, _: &[f32]) -> Result<Evaluated, LearnError> {
        Ok(Evaluated {
            examples: 7,
            metrics: vec![("auc".into(), 0.5)],
        })
    }
}

/// A clinic as it starts: whatever it knew before is on disk.
fn start(region: &Region, name: &str, directory: &Path, policy: &Policy, learner: &Arc<Fixed>) -> Stages {
    std::fs::create_dir_all(directory).unwrap();
    if !directory.join("rounds").exists() {
        Budget::begin(directory).unwrap();
    }
    let handle = PolicyHandle::of_learning(Some(policy.clone()));
    let mut rules = Rules::new(handle, directory.to_owned());
    assert_eq!(rules.look(), None);
    let store = Store::open(directory).unwrap();
    let learner: Arc<dyn Learner> = Arc::<Fixed>::clone(learner);
    Stages {
        _claim: Claim::lay(directory).unwrap(),
        clinic: clinic(name),
        identity: region.identity(name),
        rules,
        learner,
        store,
    }
}

/// The head of zeros the terms of the tests start from.
fn put_zeros(stages: &Stages) {
    let zeros = vec![0_u8; 16];
    stages.store.put_global(&ChunkId::of(&zeros), &zeros).unwrap();
}

fn checked(stages: &Stages, terms: &v1::RoundTerms) -> Terms {
    stages.check(Some(terms)).unwrap()
}

/// Everything a clinic does for one fit.
fn fit(stages: &mut Stages, task: &v1::FitTask) -> Result<v1::FitReply, Stop> {
    let terms = stages.check(task.terms.as_ref())?;
    if let Some(reply) = stages.sealed_fit(&terms, 1)? {
        return Ok(reply);
    }
    put_zeros(stages);
    stages.fit(task, &terms, || 1, &mut || std::ops::ControlFlow::Continue(()))
}

fn chunk_ids(reply: &v1::FitReply) -> Vec<ChunkId> {
    let chunks = &reply.update.as_ref().unwrap().chunk;
    chunks
        .iter()
        .map(|id| ChunkId::try_from(id.as_slice()).unwrap())
        .collect()
}

/// The bytes of an update as the hub would get them.
fn update(stages: &Stages, terms: &Terms, reply: &v1::FitReply) -> Vec<u8> {
    let chunks = chunk_ids(reply);
    let read = |id: &ChunkId| stages.chunk(&terms.id, id).unwrap().unwrap();
    chunks.iter().flat_map(read).collect()
}

fn declined(stop: Stop) -> v1::DeclineReason {
    match stop {
        Stop::Declined(declined) => declined.reason,
        Stop::Interrupted | Stop::Disk(_) => panic!("{stop:?}"),
    }
}
