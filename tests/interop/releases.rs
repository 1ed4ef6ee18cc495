//! Our release metadata against the reference implementation of The Update Framework: each reads what the other makes,
//! and both refuse the same attacks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use barefoot_test_support::daemons::workspace;
use serde_json::{Value, json};
use tempfile::TempDir;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[path = "../../shared/trust/tests/it/repository.rs"]
#[expect(dead_code, reason = "the attack suite of `trust` uses the rest")]
mod repository;

use repository::{Copy, Maintainers, TrustedBox, days};

/// `None`, said aloud, when the test environment has not been made.
fn python(arguments: &[&str], now: OffsetDateTime) -> Option<Value> {
    let python = workspace().join("target/test-venv/bin/python");
    if !python.is_file() {
        assert!(
            std::env::var_os("CI").is_none(),
            "target/test-venv must be there in CI: `cargo xtask test` makes it"
        );
        eprintln!("SKIPPED: target/test-venv is missing; run `cargo xtask test`.");
        return None;
    }
    let output = Command::new(python)
        .arg(workspace().join("tests/interop/tuf_peer.py"))
        .args(arguments)
        .arg(now.format(&Rfc3339).unwrap())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The reference client, with what it keeps between calls.
struct Reference(TempDir);

impl Reference {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn update(&self, repository: &Path, now: OffsetDateTime) -> Option<Value> {
        python(
            &[
                "update",
                repository.to_str().unwrap(),
                self.0.path().to_str().unwrap(),
            ],
            now,
        )
    }
}

fn sizes(answer: &Value) -> BTreeMap<String, u64> {
    let files = answer["files"].as_object();
    let files = files.unwrap_or_else(|| panic!("refused: {answer}"));
    files
        .iter()
        .map(|(path, size)| (path.clone(), size.as_u64().unwrap()))
        .collect()
}

fn our_sizes(machine: &TrustedBox, repository: &Path, now: OffsetDateTime) -> BTreeMap<String, u64> {
    let targets = machine.update(repository, now).unwrap();
    let files = targets.releases.iter().flat_map(|release| {
        let folder = format!("{}/{}", release.details.model, release.details.version);
        release.files.iter().map(move |file| {
            file.verify(fs::File::open(repository.join(file.stored_at())).unwrap())
                .unwrap();
            (format!("{folder}/{}", file.path), file.length)
        })
    });
    files.collect()
}

#[test]
fn the_reference_client_follows_our_repository() {
    let maintainers = Maintainers::new();
    let (ours, reference) = (maintainers.new_box(), Reference::new());
    maintainers.publish("0.2.0", days(1));
    let Some(answer) = reference.update(&maintainers.path(), days(1)) else {
        return;
    };
    assert_eq!(sizes(&answer), our_sizes(&ours, &maintainers.path(), days(1)));
    assert_eq!(sizes(&answer).len(), 3);
    // A rotated root, a second release, a refreshed and a withdrawn one.
    let mut roles = maintainers.roles();
    roles.root = maintainers.setting(&["root-2", "root-4"], 2);
    maintainers.editor().rotate(&roles, days(2)).unwrap();
    maintainers.sign(&["root-1", "root-2", "root-4", "snapshot", "timestamp"], days(2));
    maintainers.publish("0.3.0", days(3));
    maintainers.editor().refresh(true, days(4)).unwrap();
    maintainers.sign_all(days(4));
    let both = sizes(&reference.update(&maintainers.path(), days(5)).unwrap());
    assert_eq!(both.len(), 6);
    assert_eq!(both, our_sizes(&ours, &maintainers.path(), days(5)));
    maintainers.editor().withdraw("cxr", "0.2.0", days(6)).unwrap();
    maintainers.sign_all(days(6));
    let left = sizes(&reference.update(&maintainers.path(), days(6)).unwrap());
    assert_eq!(left.len(), 3);
    assert_eq!(left, our_sizes(&ours, &maintainers.path(), days(6)));
}

#[test]
fn our_client_follows_the_references_repository() {
    let maintainers = Maintainers::new();
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("repository");
    let bundle = maintainers.bundle("0.2.0");
    let Some(answer) = python(
        &["make", made.to_str().unwrap(), bundle.to_str().unwrap()],
        days(1),
    ) else {
        return;
    };
    let machine = TrustedBox::new(&fs::read(made.join("metadata/1.root.json")).unwrap());
    assert_eq!(our_sizes(&machine, &made, days(2)), sizes(&answer));
    assert_eq!(machine.state().root_version(), 2);
    let targets = machine.update(&made, days(2)).unwrap();
    assert_eq!(targets.release("cxr", "0.2.0").unwrap().details.sequence, 7);
    machine.refuses(&made, days(11), "freeze");
}

struct Attack {
    name: &'static str,
    /// Our code, and the reference's exception.
    refused: [&'static str; 2],
    /// How many days after the first release.
    day: i64,
    /// Does the victim know the newest state already?
    knows: bool,
    /// Before and after the second release; the victim is shown the second copy.
    make: fn(&Maintainers, &Copy, &Copy),
}

fn bump(signed: &mut Value) {
    signed["version"] = json!(signed["version"].as_u64().unwrap() + 1);
}

/// With the keys of snapshot and timestamp: both name whatever lies there now.
fn relist(copy: &Copy, snapshot: &str, targets: &str) {
    let list = copy.describe(targets);
    copy.forge(snapshot, &["snapshot"], |signed| {
        signed["meta"]["targets.json"] = list
    });
    restamp(copy, snapshot);
}

fn restamp(copy: &Copy, snapshot: &str) {
    let listed = copy.describe(snapshot);
    copy.forge("timestamp.json", &["timestamp"], |signed| {
        bump(signed);
        signed["meta"]["snapshot.json"] = listed;
    });
}

const ATTACKS: [Attack; 13] = [
    Attack {
        name: "rollback of everything",
        refused: ["rollback", "BadVersionNumberError"],
        day: 3,
        knows: true,
        make: |_, old, new| {
            fs::copy(old.file("timestamp.json"), new.file("timestamp.json")).unwrap();
        },
    },
    Attack {
        name: "rollback of the snapshot",
        refused: ["rollback", "BadVersionNumberError"],
        day: 3,
        knows: true,
        make: |_, _, new| restamp(new, "2.snapshot.json"),
    },
    Attack {
        name: "rollback of the list",
        refused: ["rollback", "BadVersionNumberError"],
        day: 3,
        knows: true,
        make: |_, _, new| {
            fs::copy(new.file("3.snapshot.json"), new.file("4.snapshot.json")).unwrap();
            new.forge("4.snapshot.json", &["snapshot"], bump);
            relist(new, "4.snapshot.json", "2.targets.json");
        },
    },
    Attack {
        name: "freeze",
        refused: ["freeze", "ExpiredMetadataError"],
        day: 40,
        knows: true,
        make: |_, _, _| {},
    },
    Attack {
        name: "mix and match",
        refused: ["mix_and_match", "LengthOrHashMismatchError"],
        day: 3,
        knows: false,
        make: |_, old, new| {
            fs::copy(old.file("2.targets.json"), new.file("3.targets.json")).unwrap();
        },
    },
    Attack {
        name: "unsigned",
        refused: ["unsigned", "UnsignedMetadataError"],
        day: 3,
        knows: false,
        make: |_, _, new| {
            new.edit_envelope("timestamp.json", |envelope| envelope["signatures"] = json!([]));
        },
    },
    Attack {
        name: "altered under its signature",
        refused: ["unsigned", "UnsignedMetadataError"],
        day: 3,
        knows: false,
        make: |_, _, new| new.edit("timestamp.json", |signed| signed["more"] = json!("注释")),
    },
    Attack {
        name: "below the threshold",
        refused: ["threshold", "UnsignedMetadataError"],
        day: 3,
        knows: false,
        make: |_, _, new| {
            new.forge("3.targets.json", &["targets-1"], |_| {});
            relist(new, "3.snapshot.json", "3.targets.json");
        },
    },
    Attack {
        name: "one key twice",
        refused: ["threshold", "DeserializationError"],
        day: 3,
        knows: false,
        make: |_, _, new| {
            new.forge("3.targets.json", &["targets-1", "targets-1"], |_| {});
            relist(new, "3.snapshot.json", "3.targets.json");
        },
    },
    Attack {
        name: "keys of other roles",
        refused: ["unsigned", "UnsignedMetadataError"],
        day: 3,
        knows: false,
        make: |_, _, new| {
            new.forge("3.targets.json", &["snapshot", "timestamp"], |_| {});
            relist(new, "3.snapshot.json", "3.targets.json");
        },
    },
    Attack {
        name: "a replayed root",
        refused: ["rollback", "BadVersionNumberError"],
        day: 3,
        knows: false,
        make: |_, _, new| {
            fs::copy(new.file("1.root.json"), new.file("2.root.json")).unwrap();
        },
    },
    Attack {
        name: "a root the old keys did not sign",
        refused: ["unsigned", "UnsignedMetadataError"],
        day: 3,
        knows: false,
        make: |_, _, new| {
            fs::copy(new.file("1.root.json"), new.file("2.root.json")).unwrap();
            new.forge("2.root.json", &["snapshot", "timestamp"], bump);
        },
    },
    Attack {
        name: "endless data",
        refused: ["too_large", "DownloadLengthMismatchError"],
        day: 3,
        knows: false,
        make: |_, _, new| fs::write(new.file("timestamp.json"), vec![b' '; 1 << 20]).unwrap(),
    },
];

#[test]
fn both_clients_refuse_the_same_attacks() {
    let maintainers = Maintainers::new();
    maintainers.publish("0.2.0", days(1));
    let old = maintainers.copy();
    maintainers.publish("0.3.0", days(2));
    let honest = maintainers.copy();
    for attack in ATTACKS {
        let new = maintainers.copy();
        (attack.make)(&maintainers, &old, &new);
        let (ours, reference) = (maintainers.new_box(), Reference::new());
        if attack.knows {
            ours.update(honest.path(), days(3)).unwrap();
            if reference.update(honest.path(), days(3)).is_none() {
                return;
            }
        }
        let error = ours.update(new.path(), days(attack.day)).expect_err(attack.name);
        assert_eq!(error.code(), attack.refused[0], "{}: {error}", attack.name);
        let Some(answer) = reference.update(new.path(), days(attack.day)) else {
            return;
        };
        assert_eq!(answer["refused"], attack.refused[1], "{}: {answer}", attack.name);
    }
}

#[test]
fn both_clients_refuse_other_content_under_a_signed_name() {
    let maintainers = Maintainers::new();
    maintainers.publish("0.2.0", days(1));
    let targets = maintainers
        .new_box()
        .update(&maintainers.path(), days(1))
        .unwrap();
    let file = targets.releases[0].file("backbone.onnx").unwrap();
    let signed = fs::read(maintainers.path().join(file.stored_at())).unwrap();
    let swapped: Vec<u8> = signed.iter().rev().copied().collect();
    for content in [swapped, signed[1..].to_vec(), [&signed[..], b"!"].concat()] {
        let copy = maintainers.copy();
        fs::write(copy.path().join(file.stored_at()), &content).unwrap();
        file.verify(&content[..]).unwrap_err();
        let Some(answer) = Reference::new().update(copy.path(), days(1)) else {
            return;
        };
        let refused = answer["refused"].as_str().unwrap_or_default();
        assert!(
            ["LengthOrHashMismatchError", "DownloadLengthMismatchError"].contains(&refused),
            "{answer}"
        );
    }
}

#[test]
fn both_clients_come_back_from_a_fast_forward() {
    let maintainers = Maintainers::new();
    maintainers.publish("0.2.0", days(1));
    let stolen = maintainers.copy();
    stolen.forge("timestamp.json", &["timestamp"], |signed| {
        signed["version"] = json!(u32::MAX)
    });
    let (ours, reference) = (maintainers.new_box(), Reference::new());
    ours.update(stolen.path(), days(1)).unwrap();
    let Some(answer) = reference.update(stolen.path(), days(1)) else {
        return;
    };
    sizes(&answer);
    ours.refuses(&maintainers.path(), days(1), "rollback");
    let answer = reference.update(&maintainers.path(), days(1)).unwrap();
    assert_eq!(answer["refused"], "BadVersionNumberError", "{answer}");
    let mut roles = maintainers.roles();
    roles.timestamp = maintainers.setting(&["timestamp-new"], 1);
    maintainers.editor().rotate(&roles, days(2)).unwrap();
    maintainers.sign(&["root-1", "root-2", "snapshot", "timestamp-new"], days(2));
    let answer = reference.update(&maintainers.path(), days(2)).unwrap();
    assert_eq!(sizes(&answer), our_sizes(&ours, &maintainers.path(), days(2)));
}
