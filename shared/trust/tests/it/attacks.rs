//! Every attack The Update Framework names, each refused with its reason.

use std::fs;

use serde_json::{Value, json};

use crate::repository::{Copy, Maintainers, START, days};

/// Version 0.2.0 seen by a box, 0.3.0 published after.
fn two_states() -> (Maintainers, Copy, Copy) {
    let maintainers = Maintainers::new();
    maintainers.publish("0.2.0", days(1));
    let old = maintainers.copy();
    maintainers.publish("0.3.0", days(2));
    let new = maintainers.copy();
    (maintainers, old, new)
}

fn bump(signed: &mut Value) {
    signed["version"] = json!(signed["version"].as_u64().unwrap() + 1);
}

#[test]
fn an_honest_repository_is_taken() {
    let (maintainers, old, new) = two_states();
    let machine = maintainers.new_box();
    assert_eq!(machine.versions(old.path(), days(3)), ["0.2.0"]);
    assert_eq!(machine.versions(new.path(), days(3)), ["0.2.0", "0.3.0"]);
    let targets = machine.update(new.path(), days(3)).unwrap();
    let release = targets.release("cxr", "0.3.0").unwrap();
    assert_eq!(
        (release.details.sequence, release.details.demonstration),
        (2, true)
    );
    let paths: Vec<&str> = release.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["backbone.onnx", "golden/golden.json", "manifest.toml"]);
    for file in &release.files {
        file.verify(fs::File::open(new.path().join(file.stored_at())).unwrap())
            .unwrap();
    }
}

#[test]
fn rollback_of_the_whole_repository() {
    let (maintainers, old, new) = two_states();
    let machine = maintainers.new_box();
    machine.update(new.path(), days(3)).unwrap();
    let error = machine.refuses(old.path(), days(3), "rollback");
    assert!(error.to_string().contains("timestamp"), "{error}");
    assert_eq!(machine.versions(new.path(), days(3)), ["0.2.0", "0.3.0"]);
}

#[test]
fn rollback_of_the_snapshot_under_a_fresh_timestamp() {
    let (maintainers, old, new) = two_states();
    let machine = maintainers.new_box();
    machine.update(new.path(), days(3)).unwrap();
    // The attacker holds the timestamp key alone.
    new.forge("timestamp.json", &["timestamp"], |signed| {
        bump(signed);
        signed["meta"]["snapshot.json"] = old.describe("2.snapshot.json");
    });
    let error = machine.refuses(new.path(), days(3), "rollback");
    assert!(error.to_string().contains("snapshot"), "{error}");
}

#[test]
fn rollback_of_the_list_under_fresh_snapshot_and_timestamp() {
    let (maintainers, old, new) = two_states();
    let machine = maintainers.new_box();
    machine.update(new.path(), days(3)).unwrap();
    // The attacker holds the keys of snapshot and timestamp.
    fs::copy(new.file("3.snapshot.json"), new.file("4.snapshot.json")).unwrap();
    new.forge("4.snapshot.json", &["snapshot"], |signed| {
        bump(signed);
        signed["meta"]["targets.json"] = old.describe("2.targets.json");
    });
    let snapshot = new.describe("4.snapshot.json");
    new.forge("timestamp.json", &["timestamp"], |signed| {
        bump(signed);
        signed["meta"]["snapshot.json"] = snapshot;
    });
    let error = machine.refuses(new.path(), days(3), "rollback");
    assert!(error.to_string().contains("targets"), "{error}");
}

#[test]
fn a_list_dropped_from_the_snapshot() {
    let (maintainers, _, new) = two_states();
    let machine = maintainers.new_box();
    machine.update(new.path(), days(3)).unwrap();
    fs::copy(new.file("3.snapshot.json"), new.file("4.snapshot.json")).unwrap();
    new.forge("4.snapshot.json", &["snapshot"], |signed| {
        bump(signed);
        signed["meta"] = json!({});
    });
    let snapshot = new.describe("4.snapshot.json");
    new.forge("timestamp.json", &["timestamp"], |signed| {
        bump(signed);
        signed["meta"]["snapshot.json"] = snapshot;
    });
    machine.refuses(new.path(), days(3), "rollback");
}

#[test]
fn replayed_old_root() {
    let maintainers = Maintainers::new();
    maintainers
        .editor()
        .rotate(&maintainers.roles(), days(1))
        .unwrap();
    maintainers.sign_all(days(1));
    let copy = maintainers.copy();
    let machine = maintainers.new_box();
    machine.update(copy.path(), days(2)).unwrap();
    assert_eq!(machine.state().root_version(), 2);
    // The first root, whose keys are still good, in the place of a third.
    fs::copy(copy.file("1.root.json"), copy.file("3.root.json")).unwrap();
    let error = machine.refuses(copy.path(), days(2), "rollback");
    assert!(error.to_string().contains("root"), "{error}");
    assert_eq!(machine.state().root_version(), 2);
}

#[test]
fn a_root_that_skips_a_version() {
    let maintainers = Maintainers::new();
    let copy = maintainers.copy();
    fs::copy(copy.file("1.root.json"), copy.file("2.root.json")).unwrap();
    copy.forge("2.root.json", &["root-1", "root-2"], |signed| {
        signed["version"] = json!(3)
    });
    maintainers.new_box().refuses(copy.path(), START, "wrong_version");
}

#[test]
fn freeze() {
    let (maintainers, old, _) = two_states();
    let machine = maintainers.new_box();
    assert_eq!(machine.versions(old.path(), days(30)), ["0.2.0"]);
    // The line goes on giving the old state, every byte of it signed.
    let error = machine.refuses(old.path(), days(31), "freeze");
    assert!(error.to_string().contains("refresh"), "{error}");
    maintainers.new_box().refuses(old.path(), days(31), "freeze");
}

#[test]
fn expired_root_list_and_snapshot() {
    let (maintainers, _, new) = two_states();
    let extend = |signed: &mut Value| {
        bump(signed);
        signed["expires"] = json!("2040-01-01T00:00:00Z");
    };
    // Fresh timestamps alone keep nothing else alive.
    new.forge("timestamp.json", &["timestamp"], extend);
    let error = maintainers.new_box().refuses(new.path(), days(100), "expired");
    assert!(error.to_string().contains("snapshot"), "{error}");
    new.forge("3.snapshot.json", &["snapshot"], |signed| {
        signed["expires"] = json!("2040-01-01T00:00:00Z");
    });
    let snapshot = new.describe("3.snapshot.json");
    new.forge("timestamp.json", &["timestamp"], |signed| {
        signed["meta"]["snapshot.json"] = snapshot;
    });
    let error = maintainers.new_box().refuses(new.path(), days(400), "expired");
    assert!(error.to_string().contains("targets"), "{error}");
    let error = maintainers.new_box().refuses(new.path(), days(800), "expired");
    assert!(error.to_string().contains("root"), "{error}");
}

#[test]
fn mix_and_match() {
    let (maintainers, old, new) = two_states();
    let machine = maintainers.new_box();
    // Another list, truly signed, in the place of the one the snapshot means.
    fs::copy(old.file("2.targets.json"), new.file("3.targets.json")).unwrap();
    machine.refuses(new.path(), days(3), "mix_and_match");
    // Another snapshot.
    let (_, old, new) = two_states();
    let machine = crate::repository::TrustedBox::new(&fs::read(new.file("1.root.json")).unwrap());
    fs::copy(old.file("2.snapshot.json"), new.file("3.snapshot.json")).unwrap();
    machine.refuses(new.path(), days(3), "mix_and_match");
}

#[test]
fn two_files_of_one_version_are_told_apart() {
    let (maintainers, _, new) = two_states();
    new.forge("3.targets.json", &["targets-1", "targets-2"], |signed| {
        signed["targets"] = json!({});
    });
    maintainers
        .new_box()
        .refuses(new.path(), days(3), "mix_and_match");
}

#[test]
fn unsigned_and_altered_metadata() {
    let files = ["timestamp.json", "3.snapshot.json", "3.targets.json"];
    for file in files {
        let (maintainers, _, new) = two_states();
        new.edit_envelope(file, |envelope| envelope["signatures"] = json!([]));
        maintainers.new_box().refuses(new.path(), days(3), "unsigned");

        let (maintainers, _, new) = two_states();
        new.edit(file, |signed| signed["expires"] = json!("2040-01-01T00:00:00Z"));
        maintainers.new_box().refuses(new.path(), days(3), "unsigned");

        // A field nobody knows is signed as well.
        let (maintainers, _, new) = two_states();
        new.edit(file, |signed| signed["more"] = json!(1));
        maintainers.new_box().refuses(new.path(), days(3), "unsigned");
    }
}

#[test]
fn below_the_threshold() {
    let (maintainers, _, new) = two_states();
    new.forge("3.targets.json", &["targets-3"], |_| {});
    let error = maintainers.new_box().refuses(new.path(), days(3), "threshold");
    assert!(error.to_string().contains("1 of its keys, 2 must"), "{error}");
    // One signature more, but of a broken kind.
    new.edit_envelope("3.targets.json", |envelope| {
        let broken = json!({"keyid": maintainers.key("targets-1").public().id(), "sig": "00".repeat(64)});
        envelope["signatures"].as_array_mut().unwrap().push(broken);
    });
    maintainers.new_box().refuses(new.path(), days(3), "threshold");
}

#[test]
fn one_key_counts_once() {
    let (maintainers, _, new) = two_states();
    new.forge("3.targets.json", &["targets-3", "targets-3"], |_| {});
    maintainers.new_box().refuses(new.path(), days(3), "threshold");
}

#[test]
fn one_key_under_two_ids_counts_once() {
    let maintainers = Maintainers::new();
    let copy = maintainers.copy();
    // A root that lists one public key twice, under two ids, for a threshold of two.
    fs::copy(copy.file("1.root.json"), copy.file("2.root.json")).unwrap();
    let id = maintainers.key("targets-1").public().id();
    copy.forge("2.root.json", &["root-1", "root-2"], |signed| {
        bump(signed);
        signed["keys"]["another name"] = signed["keys"][&id].clone();
        signed["roles"]["targets"]["keyids"] = json!([id, "another name"]);
    });
    copy.forge("1.targets.json", &["targets-1"], |_| {});
    copy.edit_envelope("1.targets.json", |envelope| {
        let mut second = envelope["signatures"][0].clone();
        second["keyid"] = json!("another name");
        envelope["signatures"].as_array_mut().unwrap().push(second);
    });
    maintainers.new_box().refuses(copy.path(), START, "threshold");
}

#[test]
fn a_key_of_another_role_and_a_strangers_key() {
    let (maintainers, _, new) = two_states();
    new.forge("3.targets.json", &["snapshot", "timestamp"], |_| {});
    maintainers.new_box().refuses(new.path(), days(3), "unsigned");
    maintainers.key("stranger-1");
    maintainers.key("stranger-2");
    new.forge("3.targets.json", &["stranger-1", "stranger-2"], |_| {});
    maintainers.new_box().refuses(new.path(), days(3), "unsigned");
    let (maintainers, _, new) = two_states();
    new.forge("timestamp.json", &["snapshot"], |_| {});
    maintainers.new_box().refuses(new.path(), days(3), "unsigned");
}

#[test]
fn a_root_without_the_old_roots_keys() {
    let maintainers = Maintainers::new();
    maintainers.key("stranger");
    for signers in [vec!["stranger"], vec!["stranger", "root-1"]] {
        let copy = maintainers.copy();
        fs::copy(copy.file("1.root.json"), copy.file("2.root.json")).unwrap();
        let stranger = maintainers.key("stranger");
        let id = stranger.public().id();
        copy.forge("2.root.json", &signers, |signed| {
            bump(signed);
            let public: Value = serde_json::from_slice(
                &fs::read(maintainers.path().parent().unwrap().join("stranger.pub")).unwrap(),
            )
            .unwrap();
            signed["keys"][&id] = public;
            signed["roles"]["root"] = json!({"keyids": [id], "threshold": 1});
        });
        let machine = maintainers.new_box();
        let error = machine.update(copy.path(), START).unwrap_err();
        assert!(["unsigned", "threshold"].contains(&error.code()), "{error}");
        assert_eq!(machine.state().root_version(), 1);
    }
}

#[test]
fn fast_forward_is_undone_by_new_keys() {
    let (maintainers, _, new) = two_states();
    let machine = maintainers.new_box();
    // With the stolen keys of snapshot and timestamp, versions jump beyond all that will ever come.
    let far = u64::MAX;
    fs::copy(
        new.file("3.snapshot.json"),
        new.file(&format!("{far}.snapshot.json")),
    )
    .unwrap();
    new.forge(&format!("{far}.snapshot.json"), &["snapshot"], |signed| {
        signed["version"] = json!(far)
    });
    let snapshot = new.describe(&format!("{far}.snapshot.json"));
    new.forge("timestamp.json", &["timestamp"], |signed| {
        signed["version"] = json!(far);
        signed["meta"]["snapshot.json"] = snapshot;
    });
    machine.update(new.path(), days(3)).unwrap();
    // The honest repository looks old now.
    machine.refuses(&maintainers.path(), days(3), "rollback");
    let mut roles = maintainers.roles();
    roles.snapshot = maintainers.setting(&["snapshot-new"], 1);
    roles.timestamp = maintainers.setting(&["timestamp-new"], 1);
    maintainers.editor().rotate(&roles, days(4)).unwrap();
    maintainers.sign(&["root-1", "root-3", "snapshot-new", "timestamp-new"], days(4));
    assert_eq!(machine.versions(&maintainers.path(), days(4)), ["0.2.0", "0.3.0"]);
    // And what the stolen keys sign is worth nothing.
    machine.refuses(
        {
            fs::copy(
                maintainers.path().join("metadata/2.root.json"),
                new.file("2.root.json"),
            )
            .unwrap();
            new.path()
        },
        days(4),
        "unsigned",
    );
}

#[test]
fn other_content_under_a_signed_name() {
    let (maintainers, _, new) = two_states();
    let targets = maintainers.new_box().update(new.path(), days(3)).unwrap();
    let file = targets
        .release("cxr", "0.3.0")
        .unwrap()
        .file("backbone.onnx")
        .unwrap()
        .clone();
    let stored = new.path().join(file.stored_at());
    let signed = fs::read(&stored).unwrap();
    let mut swapped = signed.clone();
    swapped[0] ^= 1;
    let cases = [
        (swapped, "wrong_target", ""),
        (signed[..signed.len() - 1].to_vec(), "wrong_length", "shorter"),
        (Vec::new(), "wrong_length", "shorter"),
        ([&signed[..], b"!"].concat(), "wrong_length", "longer"),
        (vec![0; 1 << 20], "wrong_length", "longer"),
    ];
    for (content, code, says) in cases {
        let error = file.verify(&content[..]).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    file.verify(&signed[..]).unwrap();
}

/// A source that never ends costs no more than the bound.
#[test]
fn endless_data() {
    let (maintainers, _, new) = two_states();
    let machine = maintainers.new_box();
    for file in [
        "timestamp.json",
        "3.snapshot.json",
        "3.targets.json",
        "2.root.json",
    ] {
        let honest = fs::read(new.file(file)).unwrap_or_default();
        fs::write(new.file(file), vec![b' '; 6_000_000]).unwrap();
        machine.refuses(new.path(), days(3), "too_large");
        if honest.is_empty() {
            fs::remove_file(new.file(file)).unwrap();
        } else {
            fs::write(new.file(file), honest).unwrap();
        }
    }
    let targets = machine.update(new.path(), days(3)).unwrap();
    let file = &targets.releases[0].files[0];
    let mut written = Vec::new();
    let error = file
        .copy_verified(std::io::repeat(b'x'), &mut written)
        .unwrap_err();
    assert_eq!(error.code(), "wrong_length");
    assert!((written.len() as u64) <= file.length);
}

#[test]
fn metadata_of_another_kind_or_another_time() {
    let (maintainers, _, new) = two_states();
    let timestamp = fs::read(new.file("timestamp.json")).unwrap();
    fs::write(
        new.file("timestamp.json"),
        fs::read(new.file("3.snapshot.json")).unwrap(),
    )
    .unwrap();
    maintainers.new_box().refuses(new.path(), days(3), "wrong_type");
    fs::write(new.file("timestamp.json"), &timestamp).unwrap();
    new.forge("timestamp.json", &["timestamp"], |signed| {
        signed["spec_version"] = json!("2.0.0")
    });
    maintainers.new_box().refuses(new.path(), days(3), "spec_version");
    fs::write(new.file("timestamp.json"), b"{\"signed\": ").unwrap();
    maintainers.new_box().refuses(new.path(), days(3), "malformed");
    fs::remove_file(new.file("timestamp.json")).unwrap();
    maintainers.new_box().refuses(new.path(), days(3), "missing");
}

#[test]
fn a_names_way_out_of_its_folder() {
    let cases = [
        "../evil",
        "cxr/0.3.0/../../evil",
        "cxr/0.3.0//evil",
        "/cxr/0.3.0/evil",
        "cxr/0.3.0/.hidden",
        "cxr/0.3.0/a\u{0}b",
        "cxr/0.3.0/a\\b",
        "cxr/0.3.0/1/2/3/4/5",
        "cxr",
    ];
    for path in cases {
        let (maintainers, _, new) = two_states();
        // Even enough maintainers together cannot make a box write elsewhere.
        new.forge("3.targets.json", &["targets-1", "targets-2"], |signed| {
            signed["targets"][path] = json!({"length": 1, "hashes": {"sha256": "00".repeat(32)}});
        });
        let list = new.describe("3.targets.json");
        new.forge("3.snapshot.json", &["snapshot"], |signed| {
            signed["meta"]["targets.json"] = list
        });
        let snapshot = new.describe("3.snapshot.json");
        new.forge("timestamp.json", &["timestamp"], |signed| {
            signed["meta"]["snapshot.json"] = snapshot
        });
        maintainers.new_box().refuses(new.path(), days(3), "malformed");
    }
}

/// A hub in wrong hands may name any release that is signed: an older one is still not installed as new.
#[test]
fn downgrade_to_an_older_signed_release() {
    let (maintainers, _, new) = two_states();
    let targets = maintainers.new_box().update(new.path(), days(3)).unwrap();
    let older = targets.release("cxr", "0.2.0").unwrap();
    let newer = targets.release("cxr", "0.3.0").unwrap();
    newer.check_newer_than(Some(older.details.sequence)).unwrap();
    newer.check_newer_than(Some(newer.details.sequence)).unwrap();
    older.check_newer_than(None).unwrap();
    let error = older.check_newer_than(Some(newer.details.sequence)).unwrap_err();
    assert_eq!(error.code(), "downgrade", "{error}");
    assert_eq!(targets.release("cxr", "9.9.9").unwrap_err().code(), "not_listed");
    assert_eq!(
        targets.release("other", "0.3.0").unwrap_err().code(),
        "not_listed"
    );
}

#[test]
fn a_withdrawn_release_is_no_longer_offered_nor_its_version_used_again() {
    let (maintainers, _, _) = two_states();
    maintainers.editor().withdraw("cxr", "0.2.0", days(3)).unwrap();
    maintainers.sign_all(days(3));
    let targets = maintainers
        .new_box()
        .update(&maintainers.path(), days(3))
        .unwrap();
    assert_eq!(targets.release("cxr", "0.2.0").unwrap_err().code(), "withdrawn");
    targets.release("cxr", "0.3.0").unwrap();
    for version in ["0.2.0", "0.3.0"] {
        let again = maintainers.editor().add_release(
            &maintainers.bundle(version),
            Maintainers::release(version),
            days(4),
        );
        let text = again.unwrap_err().to_string();
        assert!(text.contains("used before"), "{text}");
    }
    maintainers.publish("0.4.0", days(4));
    let targets = maintainers
        .new_box()
        .update(&maintainers.path(), days(4))
        .unwrap();
    assert_eq!(targets.release("cxr", "0.4.0").unwrap().details.sequence, 3);
}
