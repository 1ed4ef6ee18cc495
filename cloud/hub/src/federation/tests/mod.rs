//! Runs with a real archive, registry and chunk store, and no clock: what is due is done when a test says so.

mod moving_on;
mod updates;

use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::encoding::{Encoding, encode};
use barefoot_federation::layout::{Layout, TensorSpec};
use barefoot_trust::{Authority, Person, Role, TlsIdentity, TlsPaths};
use barefoot_wire::v1;
use futures_util::stream;
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::replies::Reply;
use super::runs::Runs;
use super::{Driver, Error, wire};
use crate::Shutdown;
use crate::archive::{Archive, AttemptKey};
use crate::changes::Changes;
use crate::chunks::ChunkStore;
use crate::model_registry::Registry;

const VALUES: [f32; 3] = [0.1, 0.2, 0.3];

struct House {
    runs: Runs,
    archive: Archive,
    dir: TempDir,
}

/// A maintainer.
fn mara() -> Person {
    Person::new(Role::Maintainer, "mara").unwrap()
}

impl House {
    /// Two models, no run.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let authority = Authority::create(dir.path(), "Test region", now).unwrap();
        let hub = authority.issue_hub(&["localhost".into()], now, time::Duration::days(1));
        hub.unwrap().save(dir.path(), "hub").unwrap();
        let archive = Archive::open_with_keys(&dir.path().join("barefoot.db"))
            .await
            .unwrap();
        let runs = open(&dir, &archive).await;
        for model in ["one", "two"] {
            runs.0.registry.register_model(base(model)).await.unwrap();
        }
        Self { runs, archive, dir }
    }

    /// As after a restart.
    async fn opened_again(self) -> Self {
        let runs = open(&self.dir, &self.archive).await;
        Self { runs, ..self }
    }

    async fn start(&self, settings: v1::RunSettings) -> Result<String, Error> {
        Ok(self.runs.start(settings, &mara()).await?.run)
    }

    /// One turn of the driver; how long it would wait.
    async fn turn(&self) -> Result<Duration, Error> {
        let driver = Driver::new(self.runs.clone(), Shutdown::new());
        driver.turn(&mut Instant::now()).await
    }

    async fn view(&self, run: &str) -> v1::RunView {
        self.runs.view(run).await.unwrap()
    }

    async fn key(&self, run: &str) -> AttemptKey {
        self.runs.lock().await[run].attempt.key.clone()
    }

    async fn upload(&self, clinic: &ClinicId) -> ChunkId {
        let content = encode(&VALUES, Encoding::F32).unwrap();
        let id = ChunkId::of(&content);
        let chunk = v1::Chunk {
            content: content.into(),
        };
        self.runs.push(clinic, stream::iter([Ok(chunk)])).await.unwrap();
        id
    }

    /// A sound update without metrics, its chunk sent.
    async fn update(&self, run: &str, clinic: &ClinicId) -> v1::FitReply {
        let id = self.upload(clinic).await;
        v1::FitReply {
            id: Some(wire::round_id(&self.key(run).await)),
            update: Some(wire::parameters(&layout(), Encoding::F32, &[id])),
            examples: 50,
            metric: vec![],
        }
    }

    async fn submit(&self, clinic: &ClinicId, reply: &v1::FitReply) -> v1::Answer {
        let submitted = self.runs.submit(clinic, Reply::Fit(reply.clone()));
        submitted.await.unwrap()
    }

    /// Brings a run of one clinic and one round to its evaluation; gives the update that was accepted.
    async fn evaluating(&self, run: &str, clinic: &ClinicId) -> v1::FitReply {
        let update = self.update(run, clinic).await;
        assert!(self.submit(clinic, &update).await.accepted);
        self.turn().await.unwrap();
        until(async || self.view(run).await.round[0].stage == "evaluating").await;
        update
    }
}

async fn open(dir: &TempDir, archive: &Archive) -> Runs {
    let chunks = ChunkStore::open(&dir.path().join("chunks"), 1 << 30).unwrap();
    let registry = Registry::new(archive.clone(), chunks.clone(), Changes::new());
    let identity = TlsIdentity::load(&TlsPaths {
        authority: dir.path().join("authority.crt"),
        certificate: dir.path().join("hub.crt"),
        key: dir.path().join("hub.key"),
    });
    let (changes, identity) = (Changes::new(), identity.unwrap().into());
    let opened = Runs::open(
        archive.clone(),
        chunks,
        registry,
        changes,
        identity,
        Shutdown::new(),
    );
    opened.await.unwrap()
}

async fn until(mut there: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !there().await {
        assert!(start.elapsed() < Duration::from_secs(20), "it does not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn clinic(name: &str) -> ClinicId {
    ClinicId::new(name).unwrap()
}

fn layout() -> Layout {
    let spec = |name: &str, shape: &[u64]| TensorSpec {
        name: name.to_owned(),
        shape: shape.to_vec(),
    };
    Layout::new(vec![spec("weight", &[1, 2]), spec("bias", &[1])]).unwrap()
}

fn base(model: &str) -> v1::RegisterModelRequest {
    let content = encode(&[0.0; 3], Encoding::F32).unwrap();
    let ids = [ChunkId::of(&content)];
    v1::RegisterModelRequest {
        id: model.to_owned(),
        version: "0.1.0".to_owned(),
        backbone: vec![ChunkId::of(b"backbone").to_string()],
        finding: vec![v1::FindingSetting {
            code: "pneumonia".to_owned(),
            temperature: 1.0,
            operating_point: 0.5,
        }],
        parameters: Some(wire::parameters(&layout(), Encoding::F32, &ids)),
        content: vec![content],
    }
}

/// One round with as many clinics.
fn settings(model: &str, clinics: u32) -> v1::RunSettings {
    v1::RunSettings {
        model_id: model.to_owned(),
        base_version: "0.1.0".to_owned(),
        rounds: 1,
        strategy: "FedAvg".to_owned(),
        quorum: clinics,
        target: clinics,
        stage_ms: 60_000,
        late: v1::LatePolicy::Drop.into(),
        fit: Some(v1::FitSettings {
            epochs: 1,
            learning_rate: 0.1,
            batch_size: 32,
            example_cap: 1000,
            minimum_examples: 10,
            ..v1::FitSettings::default()
        }),
        ..v1::RunSettings::default()
    }
}
