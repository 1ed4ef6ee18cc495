//! Release metadata: as it comes from anywhere, and behind a signature that is right.

use std::io;
use std::sync::OnceLock;

use barefoot_trust::release::{SigningKey, TrustedState, verify_repository};
use serde_json::{Value, json};
use time::macros::datetime;

const EXPIRES: &str = "2040-01-01T00:00:00Z";

struct Signer {
    key: SigningKey,
    root: Vec<u8>,
}

impl Signer {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("barefoot-fuzz-release-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let key = SigningKey::create(&folder.join("a.key")).unwrap();
        let public: Value = serde_json::from_slice(&std::fs::read(folder.join("a.pub")).unwrap()).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let id = key.public().id();
        let role = json!({"keyids": [id], "threshold": 1});
        let mut this = Self {
            key,
            root: Vec::new(),
        };
        this.root = this.sign(json!({
            "_type": "root", "spec_version": "1.0.31", "version": 1, "expires": EXPIRES,
            "consistent_snapshot": true, "keys": {&id: public},
            "roles": {"root": role, "targets": role, "snapshot": role, "timestamp": role},
        }));
        this
    }

    fn sign(&self, signed: Value) -> Vec<u8> {
        let unsigned = json!({"signed": signed, "signatures": []}).to_string();
        let Ok(made) = self.key.sign_detached(unsigned.as_bytes()) else {
            return unsigned.into_bytes();
        };
        let made = serde_json::to_value(made).unwrap();
        let signature = json!({"keyid": made["keyid"], "sig": made["sig"]});
        json!({"signed": signed, "signatures": [signature]})
            .to_string()
            .into_bytes()
    }
}

pub(crate) fn check(bytes: &[u8]) {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    let signer = SIGNER.get_or_init(Signer::new);
    let now = datetime!(2030-01-01 00:00 UTC);
    let _ = TrustedState::in_memory(bytes);
    let rubbish = |_: &str, _: usize| -> io::Result<Option<Vec<u8>>> { Ok(Some(bytes.to_vec())) };
    let mut state = TrustedState::in_memory(&signer.root).unwrap();
    assert!(verify_repository(&mut state, &rubbish, now).is_err());

    let Ok(signed) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let listing = |kind: &str, file: &str| {
        signer.sign(json!({
            "_type": kind, "spec_version": "1.0.31", "version": 1, "expires": EXPIRES,
            "meta": {file: {"version": 1}},
        }))
    };
    let source = |path: &str, _: usize| -> io::Result<Option<Vec<u8>>> {
        Ok(match path {
            "metadata/timestamp.json" => Some(listing("timestamp", "snapshot.json")),
            "metadata/1.snapshot.json" => Some(listing("snapshot", "targets.json")),
            "metadata/1.targets.json" => Some(signer.sign(signed.clone())),
            _ => None,
        })
    };
    let mut state = TrustedState::in_memory(&signer.root).unwrap();
    if let Ok(targets) = verify_repository(&mut state, &source, now) {
        for file in targets.releases.iter().flat_map(|release| &release.files) {
            assert!(!file.stored_at().contains(".."));
        }
    }
}
