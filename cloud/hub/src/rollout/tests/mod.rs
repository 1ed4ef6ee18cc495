//! Publishing and rolling out with a real archive, a real registry and repositories as maintainers make them.

mod going_out;
mod mishaps;
mod publishing;

use std::fs;
use std::path::{Path, PathBuf};

use barefoot_federation::chunk::ChunkId;
use barefoot_federation::layout::{Layout, TensorSpec};
use barefoot_trust::release::{Lifetimes, NewRelease, RepositoryEditor, RoleSetting, Roles, SigningKey};
use barefoot_trust::{Person, Role};
use barefoot_wire::v1::ReleasePart;
use futures_util::stream;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use tempfile::TempDir;
use time::OffsetDateTime;
use tonic::Status;

use super::*;
use crate::archive::{Archive, ModelRow};
use crate::changes::Changes;
use crate::chunks::ChunkStore;
use crate::config;
use crate::model_registry::{BaseModel, FindingSetting, ModelState, Registry};

const MODEL: &str = "cxr";
const BACKBONE: &[u8] = b"a backbone";

/// A hub's rollout part and the maintainers it trusts.
struct House {
    dir: TempDir,
    archive: Archive,
    registry: Registry,
    changes: Changes,
    rollouts: Rollouts,
    maintainers: Maintainers,
}

/// One key signs everything; how many must is `trust`'s matter.
struct Maintainers {
    folder: PathBuf,
}

impl House {
    /// Base 0.1.0 and version 0.2.0, which passed its gate, are in the registry; nothing is published.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::open_with_keys(&dir.path().join("barefoot.db"))
            .await
            .unwrap();
        let chunks = ChunkStore::open(&dir.path().join("chunks"), 1 << 30).unwrap();
        let changes = Changes::new();
        let registry = Registry::new(archive.clone(), chunks, changes.clone());
        let base = head(0.1);
        registry
            .register_base(MODEL, "0.1.0", model(0.1), vec![base])
            .await
            .unwrap();
        let row = archive.model(MODEL, "0.1.0").await.unwrap().unwrap();
        let (old, new) = (ChunkId::of(&head(0.1)), ChunkId::of(&head(0.2)));
        for (version, state) in [("0.2.0", ModelState::Passed), ("0.3.0", ModelState::Refused)] {
            let row = ModelRow {
                version: version.into(),
                state,
                record: row.record.replace(&old.to_string(), &new.to_string()),
                ..row.clone()
            };
            assert!(archive.insert_model(&row).await.unwrap());
        }
        let maintainers = Maintainers::new(&dir.path().join("maintainers"));
        let releases = open(&dir, &maintainers, &registry).await;
        let rollouts = Rollouts::new(archive.clone(), registry.clone(), releases, changes.clone());
        Self {
            dir,
            archive,
            registry,
            changes,
            rollouts,
            maintainers,
        }
    }

    /// As after the hub was killed.
    async fn restart(&mut self) {
        let releases = open(&self.dir, &self.maintainers, &self.registry).await;
        self.rollouts = Rollouts::new(
            self.archive.clone(),
            self.registry.clone(),
            releases,
            self.changes.clone(),
        );
    }

    async fn publish(&self, files: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        self.rollouts
            .releases()
            .publish(stream::iter(parts(files)), &ada())
            .await
    }

    async fn publish_all(&self) -> Result<(), Error> {
        self.publish(self.maintainers.files()).await
    }

    async fn state(&self, version: &str) -> ModelState {
        self.archive.model(MODEL, version).await.unwrap().unwrap().state
    }
}

/// A maintainer.
fn ada() -> Person {
    Person::new(Role::Maintainer, "ada").unwrap()
}

async fn open(dir: &TempDir, maintainers: &Maintainers, registry: &Registry) -> Releases {
    let config = config::Releases {
        root: maintainers.folder.join("root.json"),
    };
    Releases::open(Some(&config), dir.path().join("releases"), registry.clone())
        .await
        .unwrap()
}

impl Maintainers {
    fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let this = Self {
            folder: folder.to_owned(),
        };
        let key = SigningKey::create(&folder.join("key")).unwrap();
        let role = || RoleSetting {
            keys: vec![key.public().clone()],
            threshold: 1,
        };
        let roles = Roles {
            root: role(),
            targets: role(),
            snapshot: role(),
            timestamp: role(),
        };
        RepositoryEditor::create(&this.repository(), &roles, Lifetimes::default(), now()).unwrap();
        this.sign();
        let root = this.repository().join("metadata/1.root.json");
        fs::copy(root, folder.join("root.json")).unwrap();
        this
    }

    fn repository(&self) -> PathBuf {
        self.folder.join("repository")
    }

    fn editor(&self) -> RepositoryEditor {
        RepositoryEditor::open(&self.repository()).unwrap()
    }

    fn sign(&self) {
        let key = SigningKey::load(&self.folder.join("key")).unwrap();
        self.editor().sign(&[key], now()).unwrap();
    }

    /// Signs a bundle with these parameters; `change` alters the manifest.
    fn release(&self, version: &str, value: f32, change: impl Fn(String) -> String) {
        let bundle = self.folder.join(format!("bundle-{version}"));
        write_bundle(&bundle, version, value, change);
        let release = NewRelease {
            model: MODEL.into(),
            version: version.into(),
            demonstration: true,
            report_sha256: None,
            base_version: None,
        };
        self.editor().add_release(&bundle, release, now()).unwrap();
        self.sign();
    }

    /// Everything that is published, by path.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let files = self.editor().published_files().unwrap();
        files
            .into_iter()
            .map(|path| {
                let bytes = fs::read(self.repository().join(&path)).unwrap();
                (path, bytes)
            })
            .collect()
    }
}

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

fn parts(files: Vec<(String, Vec<u8>)>) -> Vec<Result<ReleasePart, Status>> {
    let part = |path: &str, content: &[u8]| {
        Ok(ReleasePart {
            path: path.to_owned(),
            content: content.to_vec(),
        })
    };
    let mut parts = Vec::new();
    for (path, bytes) in &files {
        // In pieces of an odd size.
        parts.extend(bytes.chunks(777).map(|piece| part(path, piece)));
    }
    parts
}

/// Two findings over two channels: weight, then bias, all of one value.
fn head(value: f32) -> Vec<u8> {
    [value; 6].iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn model(value: f32) -> BaseModel {
    let spec = |name: &str, shape: &[u64]| TensorSpec {
        name: name.into(),
        shape: shape.to_vec(),
    };
    BaseModel {
        layout: Layout::new(vec![spec("weight", &[2, 2]), spec("bias", &[2])]).unwrap(),
        chunks: vec![ChunkId::of(&head(value))],
        backbone: vec![ChunkId::of(BACKBONE).to_string()],
        findings: ["pneumonia", "nodule"]
            .map(|code| FindingSetting {
                code: code.into(),
                temperature: 0.54,
                operating_point: 0.68,
            })
            .to_vec(),
    }
}

fn write_bundle(bundle: &Path, version: &str, value: f32, change: impl Fn(String) -> String) {
    let bytes = head(value);
    let (weight, bias) = bytes.split_at(16);
    let view = |shape: Vec<usize>, data| TensorView::new(Dtype::F32, shape, data).unwrap();
    let tensors = [
        ("weight", view(vec![2, 2], weight)),
        ("bias", view(vec![2], bias)),
    ];
    let head = safetensors::serialize(tensors, None).unwrap();
    let manifest = format!(
        "id = \"{MODEL}\"\nversion = \"{version}\"\n[head]\nfile = \"head.safetensors\"\n[[artefact]]\n\
         sha256 = \"{}\"\n[[finding]]\ncode = \"pneumonia\"\ntemperature = 0.5400\noperating_point = 0.68\n\
         [[finding]]\ncode = \"nodule\"\ntemperature = 0.5400\noperating_point = 0.68\n",
        ChunkId::of(BACKBONE)
    );
    fs::create_dir_all(bundle).unwrap();
    fs::write(bundle.join("head.safetensors"), head).unwrap();
    fs::write(bundle.join("backbone.onnx"), BACKBONE).unwrap();
    fs::write(bundle.join("manifest.toml"), change(manifest)).unwrap();
}
