//! What a machine remembers, through restarts, damage and wrong clocks.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::sync::OnceLock;

use barefoot_trust::release::{DirectorySource, ReadMetadata, SigningKey, TrustedState, verify_repository};
use proptest::prelude::*;
use serde_json::{Value, json};
use time::Duration;

use crate::repository::{Maintainers, START, days};

#[test]
fn nothing_is_fetched_again_that_is_known() {
    let maintainers = Maintainers::new();
    maintainers.publish("0.2.0", days(1));
    let machine = maintainers.new_box();
    let folder = DirectorySource::new(&maintainers.path());
    let read = RefCell::new(Vec::new());
    let source = |path: &str, limit: usize| -> io::Result<Option<Vec<u8>>> {
        let found = folder.read(path, limit)?;
        if found.is_some() {
            read.borrow_mut().push(path.to_owned());
        }
        Ok(found)
    };
    verify_repository(&mut machine.state(), &source, days(2)).unwrap();
    assert_eq!(
        read.take(),
        [
            "metadata/timestamp.json",
            "metadata/2.snapshot.json",
            "metadata/2.targets.json"
        ]
    );
    verify_repository(&mut machine.state(), &source, days(2)).unwrap();
    assert_eq!(read.take(), ["metadata/timestamp.json"]);
    let known = machine.state().last_targets(days(2)).unwrap().unwrap();
    assert_eq!(known.releases.len(), 1);
    assert_eq!(
        machine.state().last_targets(days(900)).unwrap_err().code(),
        "expired"
    );
}

#[test]
fn a_look_without_trace_goes_by_what_is_known_and_adds_nothing() {
    let maintainers = Maintainers::new();
    let machine = maintainers.new_box();
    let folder = maintainers.path();
    let before = machine.update(&folder, days(1)).unwrap();
    maintainers.publish("0.2.0", days(1));
    let source = DirectorySource::new(&folder);
    let looked = verify_repository(&mut machine.state().without_trace(), &source, days(1)).unwrap();
    assert_eq!(looked.releases.len(), before.releases.len() + 1);
    let known = machine.state().last_targets(days(1)).unwrap().unwrap();
    assert_eq!(known, before);
    // Not even the time.
    verify_repository(&mut machine.state().without_trace(), &source, days(20)).unwrap();
    machine.update(&folder, days(2)).unwrap();
    assert!(verify_repository(&mut machine.state().without_trace(), &source, days(1)).is_err());
}

#[test]
fn a_clock_set_back_is_noticed() {
    let maintainers = Maintainers::new();
    let machine = maintainers.new_box();
    machine.update(&maintainers.path(), days(20)).unwrap();
    let error = machine.refuses(&maintainers.path(), days(10), "clock");
    assert!(error.to_string().contains("set the clock"), "{error}");
    // A correction of some minutes is none of an attacker's, and does not make anything younger either.
    machine
        .update(&maintainers.path(), days(20) - Duration::minutes(5))
        .unwrap();
    machine.update(&maintainers.path(), days(29)).unwrap();
    machine.refuses(&maintainers.path(), days(28), "clock");
    // A clock that once ran years ahead does not shut the machine out.
    let machine = maintainers.new_box();
    machine.refuses(&maintainers.path(), days(5000), "expired");
    machine.update(&maintainers.path(), days(2)).unwrap();
}

#[test]
fn every_file_of_the_state_may_be_damaged_or_lost() {
    let maintainers = Maintainers::new();
    maintainers.editor().rotate(&maintainers.roles(), START).unwrap();
    maintainers.sign_all(START);
    maintainers.publish("0.2.0", days(1));
    for file in [
        "root.json",
        "timestamp.json",
        "snapshot.json",
        "targets.json",
        "clock",
    ] {
        for damage in [&b""[..], b"{}", b"\xff\xfe rubbish"] {
            let machine = maintainers.new_box();
            machine.update(&maintainers.path(), days(2)).unwrap();
            fs::write(machine.state_folder().join(file), damage).unwrap();
            assert_eq!(
                machine.versions(&maintainers.path(), days(2)),
                ["0.2.0"],
                "{file}"
            );
            assert_eq!(machine.state().root_version(), 2);
        }
        let machine = maintainers.new_box();
        machine.update(&maintainers.path(), days(2)).unwrap();
        fs::remove_file(machine.state_folder().join(file)).unwrap();
        assert_eq!(
            machine.versions(&maintainers.path(), days(2)),
            ["0.2.0"],
            "{file}"
        );
    }
}

#[test]
fn the_operators_newer_root_counts_and_an_older_one_does_not() {
    let maintainers = Maintainers::new();
    let machine = maintainers.new_box();
    machine.update(&maintainers.path(), START).unwrap();
    maintainers.editor().rotate(&maintainers.roles(), START).unwrap();
    maintainers.sign_all(START);
    let second = fs::read(maintainers.path().join("metadata/2.root.json")).unwrap();
    let state = TrustedState::open(&machine.state_folder(), &second).unwrap();
    assert_eq!(state.root_version(), 2);
    machine.update(&maintainers.path(), START).unwrap();
    let state = TrustedState::open(&machine.state_folder(), &maintainers.first_root()).unwrap();
    assert_eq!(state.root_version(), 2);
    let unsigned = TrustedState::open(&machine.state_folder(), b"{\"signed\": {}, \"signatures\": []}");
    assert_eq!(unsigned.unwrap_err().code(), "wrong_type");
}

/// What was found right before the power went stays right: every prefix of an update's writes is a state to go on from.
#[test]
fn an_update_broken_off_anywhere_goes_on() {
    let maintainers = Maintainers::new();
    maintainers.publish("0.2.0", days(1));
    let old = maintainers.copy();
    let mut roles = maintainers.roles();
    roles.timestamp = maintainers.setting(&["timestamp-new"], 1);
    maintainers.editor().rotate(&roles, days(2)).unwrap();
    maintainers.sign(&["root-1", "root-2", "snapshot", "timestamp-new"], days(2));
    maintainers
        .editor()
        .add_release(
            &maintainers.bundle("0.3.0"),
            Maintainers::release("0.3.0"),
            days(3),
        )
        .unwrap();
    maintainers.sign(&["targets-1", "targets-2", "snapshot", "timestamp-new"], days(3));
    let folder = DirectorySource::new(&maintainers.path());
    for reads in 0..6 {
        let machine = maintainers.new_box();
        machine.update(old.path(), days(3)).unwrap();
        let left = RefCell::new(reads);
        let source = |path: &str, limit: usize| {
            let mut left = left.borrow_mut();
            if *left == 0 {
                return Err(io::Error::other("the line is gone"));
            }
            *left -= 1;
            folder.read(path, limit)
        };
        let broken = verify_repository(&mut machine.state(), &source, days(3));
        assert_eq!(broken.is_ok(), 5 <= reads, "{reads}");
        if let Err(error) = broken {
            assert_eq!(error.code(), "unreadable");
        }
        assert_eq!(machine.versions(&maintainers.path(), days(3)), ["0.2.0", "0.3.0"]);
    }
}

/// Signed metadata of any shape: refused or taken, never a panic.
struct Signer {
    _folder: tempfile::TempDir,
    key: SigningKey,
    root: Vec<u8>,
}

impl Signer {
    /// One key is enough for all cases.
    fn get() -> &'static Self {
        static SIGNER: OnceLock<Signer> = OnceLock::new();
        SIGNER.get_or_init(Self::new)
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::create(&folder.path().join("a.key")).unwrap();
        let public: Value = serde_json::from_slice(&fs::read(folder.path().join("a.pub")).unwrap()).unwrap();
        let id = key.public().id();
        let role = json!({"keyids": [id], "threshold": 1});
        let mut this = Self {
            _folder: folder,
            key,
            root: Vec::new(),
        };
        this.root = this.sign(&json!({
            "_type": "root", "spec_version": "1.0.31", "version": 1, "expires": "2040-01-01T00:00:00Z",
            "consistent_snapshot": true, "keys": {&id: public},
            "roles": {"root": role, "targets": role, "snapshot": role, "timestamp": role},
        }));
        this
    }

    fn sign(&self, signed: &Value) -> Vec<u8> {
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

    /// A repository whose list is `targets`, with everything around it right.
    fn update(&self, targets: &Value) -> Result<(), String> {
        let listing = |kind: &str, file: &str| {
            self.sign(&json!({
                "_type": kind, "spec_version": "1.0.31", "version": 1, "expires": "2040-01-01T00:00:00Z",
                "meta": {file: {"version": 1}},
            }))
        };
        let source = |path: &str, _: usize| {
            Ok(match path {
                "metadata/timestamp.json" => Some(listing("timestamp", "snapshot.json")),
                "metadata/1.snapshot.json" => Some(listing("snapshot", "targets.json")),
                "metadata/1.targets.json" => Some(self.sign(targets)),
                _ => None,
            })
        };
        let mut state = TrustedState::in_memory(&self.root).unwrap();
        let found = verify_repository(&mut state, &source, START).map_err(|error| error.code().to_owned())?;
        for file in found.releases.iter().flat_map(|release| &release.files) {
            assert!(!file.stored_at().contains("..") && file.stored_at().starts_with("targets/"));
        }
        Ok(())
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("ab".repeat(32))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof![
            Just("length".to_owned()),
            Just("hashes".to_owned()),
            Just("sha256".to_owned()),
            Just("custom".to_owned()),
            Just("release".to_owned()),
            Just("model".to_owned()),
            Just("version".to_owned()),
            Just("cxr/1/manifest.toml".to_owned()),
            ".{0,8}".prop_map(|text| text),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_list_panics(targets in any_json(), memory in any_json()) {
        let signer = Signer::get();
        let _ = signer.update(&targets);
        let _ = signer.update(&json!({
            "_type": "targets", "spec_version": "1.0.31", "version": 1, "expires": "2040-01-01T00:00:00Z",
            "targets": targets, "x-barefoot": memory,
        }));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), text in "[\\{\\}\\[\\]\",:a-z0-9._ ]{0,200}") {
        for bytes in [bytes, text.into_bytes()] {
            prop_assert!(TrustedState::in_memory(&bytes).is_err());
            let signer = Signer::get();
            let source = |_: &str, _: usize| Ok(Some(bytes.clone()));
            let mut state = TrustedState::in_memory(&signer.root).unwrap();
            prop_assert!(verify_repository(&mut state, &source, START).is_err());
        }
    }
}

#[test]
fn an_honest_list_of_that_signer_is_taken() {
    let file = |custom: Option<Value>| {
        let mut file = json!({"length": 1, "hashes": {"sha256": "ab".repeat(32)}});
        if let Some(custom) = custom {
            file["custom"] = custom;
        }
        file
    };
    let release = json!({"release": {"model": "cxr", "version": "1", "sequence": 1, "demonstration": true,
        "report_sha256": null, "base_version": null}});
    let list = json!({
        "_type": "targets", "spec_version": "1.0.31", "version": 1, "expires": "2040-01-01T00:00:00Z",
        "targets": {"cxr/1/manifest.toml": file(Some(release)), "cxr/1/golden/a.png": file(None)},
    });
    Signer::get().update(&list).unwrap();
}
