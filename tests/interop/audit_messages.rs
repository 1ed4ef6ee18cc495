//! The audit logs as DICOM tells of them, held against the standard's own grammar: every kind of entry of both.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;

use barefoot_audit::{FILE_BEGIN, FILE_END, Source, file_line};
use barefoot_test_support::daemons::workspace;
use barefoot_trust::audit::AuditEntry;

/// The words of a log, from where they are declared.
fn words(source: &str) -> BTreeSet<String> {
    let begin = source.find("actions! {\n").unwrap();
    let table = &source[begin..source[begin..].find("\n}").unwrap() + begin];
    let words = table.lines().filter_map(|line| line.split('"').nth(1));
    words.map(str::to_owned).collect()
}

#[test]
fn every_kind_of_entry_is_a_message_of_the_standards_grammar() {
    let root = workspace();
    let python = root.join("target/test-venv/bin/python");
    if !python.is_file() {
        assert!(
            std::env::var_os("CI").is_none(),
            "target/test-venv must be there in CI: `cargo xtask test` makes it"
        );
        eprintln!("SKIPPED: target/test-venv is missing; run `cargo xtask test`.");
        return;
    }
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let of_box = words(&read("edge/agent/src/audit/entry.rs"));
    let of_hub = words(&read("cloud/hub/src/audit/entry.rs"));
    assert!(
        45 <= of_box.len() && 45 <= of_hub.len(),
        "{} {}",
        of_box.len(),
        of_hub.len()
    );
    let nasty = "a\"b<c>&'\u{7}\u{FFFF} 李";
    let (mut file, mut number) = (FILE_BEGIN.to_owned(), 0);
    let logs = [
        (
            &of_box,
            Source::of_box("clinic-7", "BAREFOOT").at_site(Some("Region 4".into())),
        ),
        (&of_hub, Source::of_hub()),
    ];
    for (words, source) in logs {
        for action in words {
            for (kind, actor) in [
                ("person", "U1"),
                ("node", "CT 1@10.0.0.5"),
                ("box", "deliver"),
                ("hub", "worklist"),
                ("program", "T1"),
                ("clinic", "clinic-7"),
                ("console", ""),
            ] {
                for (case, said) in [("2.25.77", "3 images"), ("", ""), ("2.25.77", nasty)] {
                    number += 1;
                    let entry = AuditEntry {
                        number,
                        at_ms: 1_795_430_400_123,
                        clock_went_back: number % 2 == 0,
                        actor_kind: kind.into(),
                        actor: actor.into(),
                        actor_name: said.into(),
                        action: action.clone(),
                        clinic: "clinic-7".into(),
                        case: case.into(),
                        subject: said.into(),
                        details: said.into(),
                    };
                    write!(file, "{}", file_line(&entry, &[7; 32], &source)).unwrap();
                }
            }
        }
    }
    file.push_str(FILE_END);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.xml");
    std::fs::write(&path, file).unwrap();
    let output = Command::new(python)
        .arg(root.join("tests/interop/check_audit_messages.py"))
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(said.lines().count() as u64, number, "each entry is one message");
    for event in 110_100..=110_114 {
        assert!(
            said.contains(&format!(" {event} ")),
            "no entry is told as {event}"
        );
    }
}
