//! The registry with a real archive and a real chunk store, on data that is made here.

mod gate;
mod registering;
mod report;
mod subgroups;

use barefoot_federation::chunk::ChunkId;
use barefoot_federation::encoding::{Encoding, encode};
use barefoot_federation::layout::{Layout, TensorSpec};
use barefoot_wire::v1;
use futures_util::stream;
use prost::Message;
use tempfile::TempDir;

use super::report::Report;
use super::*;
use crate::archive::Archive;
use crate::changes::Changes;
use crate::chunks::ChunkStore;
use crate::clock::now_ms;

pub(super) const MODEL: &str = "cxr";
pub(super) const PLAN: &str = include_str!("plan.toml");

/// Finds the finding by its first channel.
pub(super) const GOOD: [f32; 3] = [1.6, 0.0, 0.0];
/// What boxes run: it listens to a channel of noise as well.
pub(super) const BASE: [f32; 3] = [1.0, 0.7, 0.0];
/// Calls the healthy ill.
pub(super) const WRONG: [f32; 3] = [-1.0, 0.2, 0.0];

pub(super) struct House {
    pub(super) registry: Registry,
    pub(super) archive: Archive,
    _dir: TempDir,
}

impl House {
    /// A base version 0.1.0, nothing else.
    pub(super) async fn new() -> Self {
        Self::with_base(&BASE).await
    }

    pub(super) async fn with_base(head: &[f32; 3]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::open_with_keys(&dir.path().join("barefoot.db"))
            .await
            .unwrap();
        let chunks = ChunkStore::open(&dir.path().join("chunks"), 1 << 30).unwrap();
        let registry = Registry::new(archive.clone(), chunks, Changes::new());
        let house = Self {
            registry,
            archive,
            _dir: dir,
        };
        house
            .registry
            .register_model(base_request("0.1.0", head))
            .await
            .unwrap();
        house
    }

    /// Sets and plan as most tests need them.
    pub(super) async fn furnished() -> Self {
        let house = Self::new().await;
        house.lock(&evaluation_set()).await.unwrap();
        house.lock(&calibration_set()).await.unwrap();
        house.registry.register_plan(PLAN).await.unwrap();
        house
    }

    pub(super) async fn lock(&self, set: &v1::TestSet) -> Result<v1::RegisterTestSetReply, Error> {
        self.lock_bytes(&set.encode_to_vec()).await
    }

    /// In pieces of an odd size.
    pub(super) async fn lock_bytes(&self, bytes: &[u8]) -> Result<v1::RegisterTestSetReply, Error> {
        let pieces: Vec<Result<v1::Chunk, ()>> = bytes
            .chunks(1000)
            .map(|piece| {
                Ok(v1::Chunk {
                    content: piece.to_vec().into(),
                })
            })
            .collect();
        self.registry.register_test_set(stream::iter(pieces)).await
    }

    /// What a run with this outcome leads to: the version and its report.
    pub(super) async fn run(&self, run: &str, head: &[f32; 3]) -> (String, Report) {
        let provenance = self.provenance(run).await;
        self.run_with(provenance, head).await
    }

    pub(super) async fn run_with(&self, provenance: Provenance, head: &[f32; 3]) -> (String, Report) {
        let chunks = self.store(head).await;
        let version = self.registry.add_candidate(provenance, chunks).await.unwrap();
        let report = self.registry.report(&name(&version)).await.unwrap();
        let parsed: Report = serde_json::from_str(&report.json).unwrap();
        assert_eq!(parsed.passed, report.passed);
        (version, parsed)
    }

    pub(super) async fn store(&self, head: &[f32; 3]) -> Vec<ChunkId> {
        self.registry.store(vec![chunk(head).into()]).await.unwrap()
    }

    pub(super) async fn provenance(&self, run: &str) -> Provenance {
        Provenance {
            plan: Some(self.registry.pin_plan("plan-1", MODEL).await.unwrap()),
            ..provenance(run)
        }
    }

    pub(super) async fn state(&self, version: &str) -> ModelState {
        self.archive.model(MODEL, version).await.unwrap().unwrap().state
    }
}

pub(super) fn name(version: &str) -> v1::ModelName {
    v1::ModelName {
        id: MODEL.to_owned(),
        version: version.to_owned(),
    }
}

/// Without a plan.
pub(super) fn provenance(run: &str) -> Provenance {
    Provenance {
        run: run.to_owned(),
        settings: v1::RunSettings {
            model_id: MODEL.to_owned(),
            base_version: "0.1.0".to_owned(),
            rounds: 2,
            strategy: "FedAdam".to_owned(),
            strategy_parameter: vec![v1::Metric {
                name: "eta".to_owned(),
                value: 0.1,
            }],
            quorum: 3,
            delta: 1e-5,
            privacy: Some(v1::PrivacyTerms {
                clip_norm: 1.0,
                noise_multiplier: 4.0,
                secure_aggregation: true,
            }),
            ..v1::RunSettings::default()
        },
        plan: None,
        rounds: (1..=2)
            .map(|round| RoundTaken {
                round,
                participants: 5,
                declined: 1,
                refused: 0,
            })
            .collect(),
        epsilon_spent: Some(1.53),
        started_at_ms: now_ms(),
        ended_at_ms: now_ms(),
    }
}

pub(super) fn layout() -> Layout {
    let spec = |name: &str, shape: &[u64]| TensorSpec {
        name: name.to_owned(),
        shape: shape.to_vec(),
    };
    Layout::new(vec![spec("weight", &[1, 2]), spec("bias", &[1])]).unwrap()
}

pub(super) fn chunk(head: &[f32; 3]) -> Vec<u8> {
    encode(head, Encoding::F32).unwrap()
}

pub(super) fn base_request(version: &str, head: &[f32; 3]) -> v1::RegisterModelRequest {
    let content = chunk(head);
    v1::RegisterModelRequest {
        id: MODEL.to_owned(),
        version: version.to_owned(),
        backbone: vec![backbone()],
        finding: vec![v1::FindingSetting {
            code: "pneumonia".to_owned(),
            temperature: 1.0,
            operating_point: 0.5,
        }],
        parameters: Some(v1::Parameters {
            tensors: layout()
                .specs()
                .iter()
                .map(|spec| v1::TensorSpec {
                    name: spec.name.clone(),
                    shape: spec.shape.clone(),
                })
                .collect(),
            encoding: v1::Encoding::F32.into(),
            chunk: vec![ChunkId::of(&content).0.to_vec()],
        }),
        content: vec![content],
    }
}

pub(super) fn backbone() -> String {
    ChunkId::of(b"backbone").to_string()
}

pub(super) fn evaluation_set() -> v1::TestSet {
    set("validation", "evaluation", cases(1, 600, |_, _| {}))
}

pub(super) fn calibration_set() -> v1::TestSet {
    set("calibration", "calibration", cases(2, 400, |_, _| {}))
}

pub(super) fn set(name: &str, purpose: &str, case: Vec<v1::TestCase>) -> v1::TestSet {
    v1::TestSet {
        name: name.to_owned(),
        purpose: purpose.to_owned(),
        model_id: MODEL.to_owned(),
        backbone: backbone(),
        finding: vec!["pneumonia".to_owned()],
        channels: 2,
        case,
        source: "made for a test".to_owned(),
    }
}

/// Two in five have the finding; it shows in the first channel, the second is noise. Half are women. `bend` gets each
/// case and its number.
pub(super) fn cases(seed: u32, number: usize, bend: impl Fn(usize, &mut v1::TestCase)) -> Vec<v1::TestCase> {
    let mut noise = Noise(seed);
    (0..number)
        .map(|place| {
            let present = place % 5 < 2;
            let signal = if present { 1.2 } else { -1.2 };
            let mut case = v1::TestCase {
                feature: vec![signal + noise.next(), noise.next()],
                present: vec![present],
                subgroup: vec![if place % 2 == 0 { "sex=F" } else { "sex=M" }.to_owned()],
            };
            bend(place, &mut case);
            case
        })
        .collect()
}

/// About normal: the sum of twelve uniform draws of a small generator (Numerical Recipes' LCG).
pub(super) struct Noise(u32);

impl Noise {
    pub(super) fn next(&mut self) -> f32 {
        let draws = (0..12).map(|_| {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from(u16::try_from(self.0 >> 16).unwrap()) / 65536.0
        });
        draws.sum::<f32>() - 6.0
    }
}
