//! Variants of the tiny bundle, and the maintainers who sign them.

use std::fs;
use std::path::{Path, PathBuf};

use barefoot_trust::release::{Lifetimes, NewRelease, RepositoryEditor, RoleSetting, Roles, SigningKey};
use time::OffsetDateTime;

use super::MODEL;
use crate::study_folder::hex;

pub(super) fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../inference/tests/data/tiny")
}

/// The model that comes with the program.
pub(super) fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../inference/bundles/cxr-pneumonia")
}

/// What is other in a bundle than in 0.0.1.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Other {
    /// Golden answers that no engine gives.
    pub(super) wrong_golden: bool,
    /// The manifest names another version than is signed.
    pub(super) mislabelled: bool,
    /// Calls the first finding positive from nearly nothing on.
    pub(super) eager: bool,
    /// Bytes of a file that is in no other bundle.
    pub(super) notes: usize,
}

/// One key signs everything.
#[derive(Debug)]
pub(super) struct Maintainers {
    folder: PathBuf,
}

impl Maintainers {
    pub(super) fn new(folder: &Path) -> Self {
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
        fs::copy(this.repository().join("metadata/1.root.json"), this.root()).unwrap();
        this
    }

    /// `metadata/` and `targets/` as they are published.
    pub(super) fn repository(&self) -> PathBuf {
        self.folder.join("repository")
    }

    pub(super) fn root(&self) -> PathBuf {
        self.folder.join("root.json")
    }

    fn editor(&self) -> RepositoryEditor {
        RepositoryEditor::open(&self.repository()).unwrap()
    }

    fn sign(&self) {
        let key = SigningKey::load(&self.folder.join("key")).unwrap();
        self.editor().sign(&[key], now()).unwrap();
    }

    pub(super) fn release(&self, version: &str, other: Other) {
        let bundle = self.folder.join(format!("bundle-{version}"));
        write(&bundle, version, other);
        self.sign_release(&bundle, MODEL, version);
    }

    /// The shipped model with another head; its folder.
    pub(super) fn release_shipped(&self, version: &str) -> PathBuf {
        let bundle = self.folder.join(format!("shipped-{version}"));
        copy(&shipped(), &bundle);
        shift_head(&bundle, 0.001);
        rename(&bundle, "0.2.0", version);
        self.sign_release(&bundle, "cxr-pneumonia", version);
        bundle
    }

    fn sign_release(&self, bundle: &Path, model: &str, version: &str) {
        let release = NewRelease {
            model: model.into(),
            version: version.into(),
            demonstration: true,
            report_sha256: None,
            base_version: None,
        };
        self.editor().add_release(bundle, release, now()).unwrap();
        self.sign();
    }

    pub(super) fn withdraw(&self, version: &str) {
        self.editor().withdraw(MODEL, version, now()).unwrap();
        self.sign();
    }
}

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// A head that differs a little, so that the golden answers hold within their tolerance.
fn write(bundle: &Path, version: &str, other: Other) {
    copy(&tiny(), bundle);
    let minor: f32 = version.split('.').nth(1).unwrap().parse().unwrap();
    shift_head(bundle, 0.0005 * minor);
    let golden = fs::read_to_string(bundle.join("golden/golden.json")).unwrap();
    if other.wrong_golden {
        replace(
            bundle,
            "golden/golden.json",
            golden.replacen("0.277", "0.777", 1).as_bytes(),
        );
    }
    let named = if other.mislabelled { "9.9.9" } else { version };
    rename(bundle, "0.0.1", named);
    let mut manifest = fs::read_to_string(bundle.join("manifest.toml")).unwrap();
    if other.eager {
        manifest = manifest.replacen("operating_point = 0.3", "operating_point = 0.01", 1);
    }
    fs::write(bundle.join("manifest.toml"), manifest).unwrap();
    if 0 < other.notes {
        let text: Vec<u8> = (0..other.notes).map(|at| (at % 251) as u8).collect();
        fs::write(bundle.join("NOTES.md"), text).unwrap();
    }
}

/// Its last value, a bias, becomes a little larger.
fn shift_head(bundle: &Path, by: f32) {
    let mut bytes = fs::read(bundle.join("head.safetensors")).unwrap();
    let last = bytes.len() - 4;
    let value = f32::from_le_bytes(bytes[last..].try_into().unwrap());
    bytes[last..].copy_from_slice(&(value + by).to_le_bytes());
    replace(bundle, "head.safetensors", &bytes);
}

fn rename(bundle: &Path, from: &str, to: &str) {
    let manifest = fs::read_to_string(bundle.join("manifest.toml")).unwrap();
    let (from, to) = (format!("version = \"{from}\""), format!("version = \"{to}\""));
    assert!(manifest.contains(&from));
    fs::write(bundle.join("manifest.toml"), manifest.replacen(&from, &to, 1)).unwrap();
}

/// Writes a file and its hash into the manifest.
fn replace(bundle: &Path, file: &str, bytes: &[u8]) {
    let sha256 = |bytes: &[u8]| hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().iter());
    let path = bundle.join(file);
    let old = sha256(&fs::read(&path).unwrap());
    fs::write(path, bytes).unwrap();
    let manifest = fs::read_to_string(bundle.join("manifest.toml")).unwrap();
    assert!(manifest.contains(&old));
    fs::write(
        bundle.join("manifest.toml"),
        manifest.replace(&old, &sha256(bytes)),
    )
    .unwrap();
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
