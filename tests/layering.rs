//! The shape of the house, kept by a test: which crate may use which, and where each outside system is touched.
//!
//! The rules are those of `docs/ARCHITECTURE.md`. A failure names the rule, the place, and what stands there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose assumption breaks must stop"
)]

mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Which of our crates a crate may use in what it ships.
const MAY_USE: [(&str, &[&str]); 15] = [
    ("barefoot-domain", &[]),
    ("barefoot-queue", &[]),
    ("barefoot-wire", &["barefoot-domain"]),
    ("barefoot-trust", &["barefoot-domain"]),
    ("barefoot-audit", &["barefoot-trust"]),
    ("barefoot-imaging", &["barefoot-domain"]),
    ("barefoot-federation", &["barefoot-domain"]),
    ("barefoot-http", &[]),
    ("barefoot-journal", &[]),
    ("barefoot-inference", &["barefoot-domain", "barefoot-imaging"]),
    (
        "barefoot-edge",
        &[
            "barefoot-domain",
            "barefoot-wire",
            "barefoot-trust",
            "barefoot-audit",
            "barefoot-imaging",
            "barefoot-federation",
            "barefoot-http",
            "barefoot-journal",
            "barefoot-inference",
            "barefoot-queue",
        ],
    ),
    (
        "barefoot-hub",
        &[
            "barefoot-domain",
            "barefoot-wire",
            "barefoot-trust",
            "barefoot-audit",
            "barefoot-imaging",
            "barefoot-federation",
            "barefoot-http",
            "barefoot-journal",
        ],
    ),
    (
        "barefoot-ctl",
        &[
            "barefoot-domain",
            "barefoot-wire",
            "barefoot-trust",
            "barefoot-imaging",
            "barefoot-federation",
            "barefoot-inference",
        ],
    ),
    (
        "barefoot-tests",
        &[
            "barefoot-domain",
            "barefoot-wire",
            "barefoot-trust",
            "barefoot-audit",
            "barefoot-imaging",
            "barefoot-federation",
            "barefoot-inference",
            "barefoot-queue",
            "barefoot-edge",
            "barefoot-hub",
            "barefoot-ctl",
        ],
    ),
    ("xtask", &[]),
];

/// An outside system: its Rust name, and the only paths whose sources may name it.
const TOUCHED_IN: [(&str, &[&str]); 13] = [
    ("quick_xml", &["shared/audit/src/message"]),
    (
        "dicom_ul",
        &["edge/agent/src/upper_layer", "tests/support/scanner"],
    ),
    ("openjp2", &["shared/imaging/src/recompress"]),
    (
        "krilla",
        &["shared/imaging/src/report/pdf", "shared/imaging/src/report/fonts"],
    ),
    ("tract_onnx", &["edge/inference/src"]),
    ("ort", &["edge/inference/src"]),
    ("sled", &["edge/queue/src", "edge/agent/src/case_index"]),
    ("rumqttc", &["edge/agent/src/link", "cloud/hub/src/mqtt"]),
    ("rmqtt_codec", &["cloud/hub/src/mqtt"]),
    ("sqlx", &["cloud/hub/src/archive"]),
    ("systemd_journal_logger", &["shared/journal/src"]),
    ("rcgen", &["shared/trust/src"]),
    (
        "tonic",
        &[
            "edge/agent/src/hub_services",
            "edge/agent/src/federation",
            "edge/agent/src/federated",
            "edge/agent/src/model_slot",
            "edge/agent/src/membership",
            "edge/agent/src/pipeline/learning",
            "cloud/hub/src/grpc",
            "cloud/hub/src/federation",
            "cloud/hub/src/rollout",
            "cloud/hub/src/dispatch",
            "provisioning/ctl/src",
            "tests/support/federation",
            "tests/bench/federation",
        ],
    ),
];

/// Whatever makes a file by itself. In the agent only these may, since what they write holds neither pixels nor identity, or is
/// sealed there.
const MAKES_FILES: [&str; 5] = [
    "File::create",
    "File::options",
    "OpenOptions::new",
    "fs::write(",
    "fs::copy(",
];
/// At the hub, and why elsewhere than in its sealing layer.
const HUB_MAY_MAKE_FILES: [&str; 8] = [
    "cloud/hub/src/at_rest",
    // Copies what is sealed, as it is.
    "cloud/hub/src/backup",
    // Seals its pieces itself.
    "cloud/hub/src/image_store/partial",
    // Parameters and updates of rounds, and test sets' features: nobody's images, no names.
    "cloud/hub/src/chunks",
    // Signed releases, for everybody.
    "cloud/hub/src/rollout/repository",
    // The lock, and the ports.
    "cloud/hub/src/state",
    // A copy of the audit log for who asked for it.
    "cloud/hub/src/console",
    // Receipts for a clinic, sealed to its box.
    "cloud/hub/src/import_queue",
];
const MAY_MAKE_FILES: [&str; 14] = [
    "edge/agent/src/at_rest",
    // Seals its lines itself.
    "edge/agent/src/checked_lines",
    // Writes zeros.
    "edge/agent/src/durable",
    // Ports and process.
    "edge/agent/src/addresses",
    // Who did what to which pseudonym, signed; users' names stand in it.
    "edge/agent/src/audit",
    // A count.
    "edge/agent/src/assess/attempts",
    // The lock.
    "edge/agent/src/federation/folder",
    // Opens a stick's files, and writes none.
    "edge/agent/src/import/medium",
    // An empty log.
    "edge/agent/src/local_training/budget",
    // Names and files of models.
    "edge/agent/src/model/at_work",
    "edge/agent/src/model_slot",
    // AE titles and addresses.
    "edge/agent/src/scanners",
    // Onto a stick, sealed for the hub.
    "edge/agent/src/stick_commands",
    // In a folder of another system, that system's messages.
    "edge/agent/src/worklist/drop_folder",
];

/// What only `shared/trust` may say: one place decides who is trusted.
const TLS_DECISIONS: [&str; 4] = [
    "ServerConfig::builder",
    "ClientConfig::builder",
    "RootCertStore::empty",
    "dangerous()",
];

/// The stages of the agent, in the order an image passes them, then those of learning. Only `pipeline.rs` and `lib.rs`
/// name several. (`federation` takes part in rounds with what `local_training` learnt: it is no stage, it stands above.)
const STAGES: [&str; 18] = [
    "front_door",
    "storage_scp",
    "spool",
    "study",
    "quality",
    "assess",
    "case_book",
    "link",
    "clinic_page",
    "query_retrieve",
    "worklist",
    "mpps",
    "deliver",
    "commitment",
    "import",
    "image_upload",
    "local_training",
    "model_slot",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(["--locked".to_owned(), "--offline".to_owned()])
        .exec()
        .expect("cargo metadata answers (is Cargo.lock up to date?)")
}

/// Every Rust file below a folder of the repository, or the file itself.
fn sources(folder: &str) -> Vec<PathBuf> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        if path.is_dir() {
            let skipped = ["target", "gen", "fuzz"].map(|name| path.ends_with(name));
            if skipped.contains(&true) {
                return;
            }
            let mut entries: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
            entries.sort();
            entries.iter().for_each(|entry| walk(entry, found));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path.to_owned());
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found
}

fn all_sources() -> Vec<PathBuf> {
    ["shared", "edge", "cloud", "provisioning", "tests"]
        .into_iter()
        .flat_map(sources)
        .collect()
}

/// `edge/queue/tests/…`, not `tests/…`: there an outside system may play the peer, or be broken on purpose.
fn is_a_crates_own_test(path: &Path) -> bool {
    let inside = path.strip_prefix(root()).unwrap();
    inside
        .components()
        .skip(1)
        .any(|part| part.as_os_str() == "tests")
}

/// The lines of a file that are code, with their numbers: comments and this test's own tables say names freely.
fn code(path: &Path) -> Vec<(usize, String)> {
    if path.ends_with("tests/layering.rs") {
        return Vec::new();
    }
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line.split("//").next().unwrap_or("").to_owned()))
        .filter(|(_, line)| !line.trim().is_empty())
        .collect()
}

fn within(path: &Path, places: &[&str]) -> bool {
    places.iter().any(|place| {
        let place = root().join(place);
        path.starts_with(&place) || path == place.with_extension("rs")
    })
}

/// `name` as a whole word that is the first part of a path: `name::` or `use name`.
fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + name.len()..];
        let starts =
            before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':' && c != '.' && c != '"');
        let used = after.starts_with("::")
            || (line.trim_start().starts_with("use ") && after.starts_with([';', ' ']));
        starts && used
    })
}

fn fail_with(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn crates_depend_only_downwards() {
    let metadata = metadata();
    let members: BTreeSet<String> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let rules: BTreeMap<&str, &[&str]> = MAY_USE.into_iter().collect();
    let mut violations = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(allowed) = rules.get(package.name.as_str()) else {
            violations.push(format!(
                "RULE every crate has its place: {} stands in no row of MAY_USE",
                package.name
            ));
            continue;
        };
        let used = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != DependencyKind::Development)
            .filter(|dependency| members.contains(&dependency.name));
        for dependency in used {
            if !allowed.contains(&dependency.name.as_str()) {
                violations.push(format!(
                    "RULE direction (tests -> programs -> inference, queue -> federation, http, imaging, journal, trust, wire -> domain; never edge <-> cloud): {} uses {}",
                    package.name, dependency.name
                ));
            }
        }
    }
    fail_with(&violations);
}

#[test]
fn domain_has_no_dependencies_at_all() {
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    let domain = packages
        .iter()
        .find(|package| package.name.as_str() == "barefoot-domain");
    let used: Vec<_> = domain
        .expect("barefoot-domain is a member")
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| format!("RULE domain is plain words: it uses {}", dependency.name))
        .collect();
    fail_with(&used);
}

#[test]
fn each_outside_system_is_touched_in_one_module() {
    let mut violations = Vec::new();
    for path in all_sources()
        .into_iter()
        .filter(|path| !is_a_crates_own_test(path))
    {
        for (number, line) in code(&path) {
            for (name, places) in TOUCHED_IN {
                if names_crate(&line, name) && !within(&path, places) {
                    violations.push(format!(
                        "RULE {name} only in {}: {}:{number}",
                        places.join(", "),
                        path.display()
                    ));
                }
            }
        }
    }
    fail_with(&violations);
}

#[test]
fn what_the_box_writes_goes_through_the_sealing_layer() {
    let mut violations = Vec::new();
    for path in sources("edge/agent/src") {
        let is_a_test = path.ends_with("test_instances.rs")
            || path.ends_with("conformance.rs")
            || path
                .file_stem()
                .is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
        if is_a_test || within(&path, &MAY_MAKE_FILES) || is_a_crates_own_test(&path) {
            continue;
        }
        let lines = code(&path);
        let is_tests = |line: &str| line.contains("mod ") && line.contains("tests {");
        let shipped = lines.iter().take_while(|(_, line)| !is_tests(line));
        for (number, line) in shipped {
            for maker in MAKES_FILES {
                if line.contains(maker) {
                    violations.push(format!(
                        "RULE what the box keeps is written by at_rest, durable or checked_lines: {}:{number} says {maker}",
                        path.display()
                    ));
                }
            }
        }
    }
    fail_with(&violations);
}

#[test]
fn what_the_hub_writes_goes_through_its_sealing_layer() {
    let mut violations = Vec::new();
    for path in sources("cloud/hub/src") {
        let is_a_test = path
            .file_stem()
            .is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
        if is_a_test || within(&path, &HUB_MAY_MAKE_FILES) || is_a_crates_own_test(&path) {
            continue;
        }
        let lines = code(&path);
        let is_tests = |line: &str| line.contains("mod ") && line.contains("tests {");
        for (number, line) in lines.iter().take_while(|(_, line)| !is_tests(line)) {
            for maker in MAKES_FILES.iter().filter(|maker| line.contains(**maker)) {
                violations.push(format!(
                    "RULE what the hub keeps is written by at_rest: {}:{number} says {maker}",
                    path.display()
                ));
            }
        }
    }
    fail_with(&violations);
}

#[test]
fn tls_is_decided_in_one_place() {
    let mut violations = Vec::new();
    for path in all_sources() {
        if within(&path, &["shared/trust/src"]) {
            continue;
        }
        for (number, line) in code(&path) {
            for decision in TLS_DECISIONS {
                if line.contains(decision) {
                    violations.push(format!(
                        "RULE TLS configurations only in shared/trust: {}:{number} says {decision}",
                        path.display()
                    ));
                }
            }
        }
    }
    fail_with(&violations);
}

#[test]
fn no_stage_of_the_agent_imports_another() {
    let agent = root().join("edge/agent/src");
    let mut violations = Vec::new();
    for stage in STAGES {
        for path in sources(&format!("edge/agent/src/{stage}"))
            .into_iter()
            .chain(sources(&format!("edge/agent/src/{stage}.rs")))
            .filter(|path| path.starts_with(&agent) && path.is_file() && !is_a_crates_own_test(path))
        {
            for (number, line) in code(&path) {
                for other in STAGES.iter().filter(|other| **other != stage) {
                    let names_it = line.match_indices(&format!("crate::{other}")).any(|(at, name)| {
                        // `crate::study` is a stage, `crate::study_folder` is what stages share.
                        let next = line[at + name.len()..].chars().next();
                        next.is_none_or(|c| !c.is_alphanumeric() && c != '_')
                    });
                    if names_it {
                        violations.push(format!(
                            "RULE a stage never imports another (only pipeline.rs and lib.rs wire): {}:{number} names crate::{other}",
                            path.display()
                        ));
                    }
                }
            }
        }
    }
    fail_with(&violations);
}

#[test]
fn there_is_one_crypto_provider() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let used: BTreeSet<_> = resolve.nodes.iter().map(|node| &node.id).collect();
    let violations: Vec<_> = metadata
        .packages
        .iter()
        .filter(|package| used.contains(&package.id))
        .filter(|package| {
            ["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls"].contains(&package.name.as_str())
        })
        .map(|package| {
            format!(
                "RULE one crypto provider, ring: {} is in the dependency graph",
                package.name
            )
        })
        .collect();
    fail_with(&violations);
}

/// A test is named in a document by its function, in three words or more.
#[test]
fn the_tests_that_the_security_page_names_exist() {
    let page = fs::read_to_string(root().join("docs/SECURITY.md")).unwrap();
    let sources: Vec<String> = all_sources()
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let is_name = |word: &&str| {
        2 <= word.matches('_').count()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let named: BTreeSet<&str> = page.split('`').skip(1).step_by(2).filter(is_name).collect();
    assert!(50 < named.len(), "{named:?}");
    let missing: Vec<&str> = named
        .into_iter()
        .filter(|name| {
            let function = format!("fn {name}(");
            !sources.iter().any(|source| source.contains(&function))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "docs/SECURITY.md names tests that are not there: {missing:?}"
    );
}

#[test]
fn the_rules_see_what_they_must_see() {
    for (line, found) in [
        ("use sled::Db;", true),
        ("    let db = sled::open(path)?;", true),
        ("use sled;", true),
        ("fn sledge() {}", false),
        ("hassled::x", false),
        ("self.sled.get()", false),
    ] {
        assert_eq!(names_crate(line, "sled"), found, "{line}");
    }
    assert!(!all_sources().is_empty());
    assert!(within(
        &root().join("edge/queue/src/store.rs"),
        &["edge/queue/src"]
    ));
    assert!(within(
        &root().join("edge/agent/src/case_index.rs"),
        &["edge/agent/src/case_index"]
    ));
}
