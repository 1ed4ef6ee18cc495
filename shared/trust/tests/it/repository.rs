//! A repository as its maintainers keep it, and the tools an attacker would have.

use std::fs;
use std::path::{Path, PathBuf};

use barefoot_trust::release::{
    DirectorySource, Lifetimes, NewRelease, Progress, ReleaseError, RepositoryEditor, RoleSetting, Roles,
    SigningKey, Targets, TrustedState, verify_repository,
};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime, macros::datetime};

pub(crate) const START: OffsetDateTime = datetime!(2030-01-01 00:00 UTC);

pub(crate) fn days(days: i64) -> OffsetDateTime {
    START + Duration::days(days)
}

/// Keys by name in one folder, the repository in another.
pub(crate) struct Maintainers {
    folder: TempDir,
}

impl Maintainers {
    /// Two of three for root and targets, one for the rest; nothing released yet.
    pub(crate) fn new() -> Self {
        let this = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for name in [
            "root-1",
            "root-2",
            "root-3",
            "targets-1",
            "targets-2",
            "targets-3",
            "snapshot",
            "timestamp",
        ] {
            SigningKey::create(&this.key_path(name)).unwrap();
        }
        RepositoryEditor::create(&this.path(), &this.roles(), Lifetimes::default(), START).unwrap();
        this.sign_all(START);
        this
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    fn key_path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.key"))
    }

    pub(crate) fn key(&self, name: &str) -> SigningKey {
        let path = self.key_path(name);
        if path.exists() {
            SigningKey::load(&path).unwrap()
        } else {
            SigningKey::create(&path).unwrap()
        }
    }

    pub(crate) fn setting(&self, names: &[&str], threshold: u32) -> RoleSetting {
        RoleSetting {
            keys: names.iter().map(|name| self.key(name).public().clone()).collect(),
            threshold,
        }
    }

    pub(crate) fn roles(&self) -> Roles {
        Roles {
            root: self.setting(&["root-1", "root-2", "root-3"], 2),
            targets: self.setting(&["targets-1", "targets-2", "targets-3"], 2),
            snapshot: self.setting(&["snapshot"], 1),
            timestamp: self.setting(&["timestamp"], 1),
        }
    }

    pub(crate) fn editor(&self) -> RepositoryEditor {
        RepositoryEditor::open(&self.path()).unwrap()
    }

    pub(crate) fn sign(&self, names: &[&str], now: OffsetDateTime) -> Progress {
        let keys: Vec<_> = names.iter().map(|name| self.key(name)).collect();
        self.editor().sign(&keys, now).unwrap()
    }

    pub(crate) fn sign_all(&self, now: OffsetDateTime) {
        let all = [
            "root-1",
            "root-2",
            "targets-1",
            "targets-2",
            "snapshot",
            "timestamp",
        ];
        assert_eq!(self.sign(&all, now), Progress::Published);
    }

    pub(crate) fn bundle(&self, version: &str) -> PathBuf {
        let bundle = self.folder.path().join(format!("bundle-{version}"));
        fs::create_dir_all(bundle.join("golden")).unwrap();
        fs::write(bundle.join("manifest.toml"), format!("version = \"{version}\"")).unwrap();
        fs::write(bundle.join("backbone.onnx"), b"the same in every version").unwrap();
        fs::write(bundle.join("golden/golden.json"), version).unwrap();
        bundle
    }

    pub(crate) fn release(version: &str) -> NewRelease {
        NewRelease {
            model: "cxr".into(),
            version: version.into(),
            demonstration: true,
            report_sha256: Some("ab".repeat(32)),
            base_version: Some("0.1.0".into()),
        }
    }

    pub(crate) fn publish(&self, version: &str, now: OffsetDateTime) {
        self.editor()
            .add_release(&self.bundle(version), Self::release(version), now)
            .unwrap();
        self.sign_all(now);
    }

    pub(crate) fn first_root(&self) -> Vec<u8> {
        fs::read(self.path().join("metadata/1.root.json")).unwrap()
    }

    pub(crate) fn new_box(&self) -> TrustedBox {
        TrustedBox::new(&self.first_root())
    }

    /// The repository as it is now, for replaying it later.
    pub(crate) fn copy(&self) -> Copy {
        let folder = tempfile::tempdir().unwrap();
        copy_all(&self.path(), folder.path());
        Copy {
            folder,
            keys: self.folder.path().to_owned(),
        }
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A box's memory of repositories.
pub(crate) struct TrustedBox {
    folder: TempDir,
    root: Vec<u8>,
}

impl TrustedBox {
    pub(crate) fn new(root: &[u8]) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            root: root.to_owned(),
        }
    }

    pub(crate) fn state_folder(&self) -> PathBuf {
        self.folder.path().join("trusted")
    }

    pub(crate) fn state(&self) -> TrustedState {
        TrustedState::open(&self.state_folder(), &self.root).unwrap()
    }

    /// Opens the state anew each time, as after a restart.
    pub(crate) fn update(&self, from: &Path, now: OffsetDateTime) -> Result<Targets, ReleaseError> {
        verify_repository(&mut self.state(), &DirectorySource::new(from), now)
    }

    pub(crate) fn versions(&self, from: &Path, now: OffsetDateTime) -> Vec<String> {
        let releases = self.update(from, now).unwrap().releases;
        releases
            .into_iter()
            .map(|release| release.details.version)
            .collect()
    }

    #[track_caller]
    pub(crate) fn refuses(&self, from: &Path, now: OffsetDateTime, code: &str) -> ReleaseError {
        let error = self.update(from, now).expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
        // Reading it changes nothing.
        assert_eq!(self.update(from, now).unwrap_err().code(), code);
        error
    }
}

/// A copy in an attacker's hands. What is signed anew is signed with keys the attacker holds.
pub(crate) struct Copy {
    folder: TempDir,
    keys: PathBuf,
}

impl Copy {
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("metadata").join(name)
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.file(name)).unwrap()).unwrap()
    }

    /// Changes a file's signed part and leaves the signatures as they are.
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut envelope = self.json(name);
        change(&mut envelope["signed"]);
        fs::write(self.file(name), serde_json::to_vec(&envelope).unwrap()).unwrap();
    }

    pub(crate) fn edit_envelope(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut envelope = self.json(name);
        change(&mut envelope);
        fs::write(self.file(name), serde_json::to_vec(&envelope).unwrap()).unwrap();
    }

    /// Changes a file's signed part and signs it with these keys alone.
    pub(crate) fn forge(&self, name: &str, keys: &[&str], change: impl FnOnce(&mut Value)) {
        self.edit(name, change);
        let bytes = fs::read(self.file(name)).unwrap();
        let signatures = keys.iter().map(|key| {
            let key = SigningKey::load(&self.keys.join(format!("{key}.key"))).unwrap();
            let made = serde_json::to_value(key.sign_detached(&bytes).unwrap()).unwrap();
            json!({"keyid": made["keyid"], "sig": made["sig"]})
        });
        let signatures: Value = signatures.collect();
        self.edit_envelope(name, |envelope| envelope["signatures"] = signatures);
    }

    /// What a listing must say of a file as it is now.
    pub(crate) fn describe(&self, name: &str) -> Value {
        let bytes = fs::read(self.file(name)).unwrap();
        let hash: String = digest(&SHA256, &bytes)
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let version = self.json(name)["signed"]["version"].clone();
        json!({"version": version, "length": bytes.len(), "hashes": {"sha256": hash}})
    }
}
