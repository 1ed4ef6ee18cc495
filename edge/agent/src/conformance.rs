//! `docs/CONFORMANCE.md` tells what the program's own services say.
//!
//! `UPDATE_CONFORMANCE=1 cargo test` writes the tables anew.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::dimse::Service;
use crate::pipeline::offered_services;
use crate::storage_scp::{NAMED_SYNTAXES, STANDARD_CLASSES};
use crate::study_folder::StateDirectory;

/// Every service class of PS3.4 that a peer might ask an archive for, and its name.
const ASKED_FOR: &[(&str, &str)] = &[
    ("1.2.840.10008.1.1", "Verification"),
    ("1.2.840.10008.1.20.1", "Storage Commitment Push Model"),
    ("1.2.840.10008.3.1.2.3.3", "Modality Performed Procedure Step"),
    (
        "1.2.840.10008.3.1.2.3.4",
        "Modality Performed Procedure Step Retrieve",
    ),
    (
        "1.2.840.10008.3.1.2.3.5",
        "Modality Performed Procedure Step Notification",
    ),
    ("1.2.840.10008.5.1.1.1", "Basic Film Session"),
    (
        "1.2.840.10008.5.1.4.1.2.1.1",
        "Patient Root Query/Retrieve - FIND",
    ),
    (
        "1.2.840.10008.5.1.4.1.2.1.2",
        "Patient Root Query/Retrieve - MOVE",
    ),
    ("1.2.840.10008.5.1.4.1.2.1.3", "Patient Root Query/Retrieve - GET"),
    ("1.2.840.10008.5.1.4.1.2.2.1", "Study Root Query/Retrieve - FIND"),
    ("1.2.840.10008.5.1.4.1.2.2.2", "Study Root Query/Retrieve - MOVE"),
    ("1.2.840.10008.5.1.4.1.2.2.3", "Study Root Query/Retrieve - GET"),
    (
        "1.2.840.10008.5.1.4.1.2.3.1",
        "Patient/Study Only Query/Retrieve - FIND (Retired)",
    ),
    (
        "1.2.840.10008.5.1.4.1.2.4.2",
        "Composite Instance Root Retrieve - MOVE",
    ),
    (
        "1.2.840.10008.5.1.4.1.2.4.3",
        "Composite Instance Root Retrieve - GET",
    ),
    (
        "1.2.840.10008.5.1.4.31",
        "Modality Worklist Information Model - FIND",
    ),
    ("1.2.840.10008.5.1.4.33", "Instance Availability Notification"),
    ("1.2.840.10008.5.1.4.34.6.1", "Unified Procedure Step - Push"),
    ("1.2.840.10008.5.1.4.38.1", "Hanging Protocol Storage"),
];

const EXAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../provisioning/sites/example.toml"
);
const STATEMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CONFORMANCE.md");

fn services() -> (tempfile::TempDir, Vec<Arc<dyn Service>>) {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDirectory::open(folder.path()).unwrap();
    let config = Config::load(Path::new(EXAMPLE)).unwrap();
    let services = offered_services(&config, &state).unwrap();
    (folder, services)
}

fn services_table(services: &[Arc<dyn Service>]) -> String {
    let mut table = "\n| SOP class | UID | transfer syntaxes |\n|---|---|---|\n".to_owned();
    for (uid, name) in ASKED_FOR {
        if let Some(offered) = services.iter().find_map(|service| service.offer(uid)) {
            let syntaxes: Vec<_> = offered.transfer_syntaxes.iter().map(|uid| name_of(uid)).collect();
            table.push_str(&format!("| {name} | {uid} | {} |\n", syntaxes.join(", ")));
        }
    }
    table
}

fn name_of(transfer_syntax: &str) -> &'static str {
    let known = NAMED_SYNTAXES.iter().find(|(uid, _)| *uid == transfer_syntax);
    known.unwrap().1
}

fn list(head: &str, rows: &[(&str, &str)]) -> String {
    let mut table = format!("\n| {head} | UID |\n|---|---|\n");
    for (uid, name) in rows {
        table.push_str(&format!("| {name} | {uid} |\n"));
    }
    table
}

/// The statement with `content` between the marks of `name`.
fn filled(statement: &str, name: &str, content: &str) -> String {
    let begin = format!("<!-- generated: {name} -->\n");
    let (before, rest) = statement.split_once(&begin).expect("the mark is there");
    let (_, after) = rest.split_once("<!-- end -->").expect("its end is there");
    format!("{before}{begin}{content}\n<!-- end -->{after}")
}

#[test]
fn the_conformance_statement_tells_what_the_services_offer() {
    let (_folder, services) = services();
    let statement = fs::read_to_string(STATEMENT).unwrap();
    let mut expected = filled(&statement, "services", &services_table(&services));
    expected = filled(
        &expected,
        "storage-classes",
        &list("storage class", STANDARD_CLASSES),
    );
    expected = filled(
        &expected,
        "transfer-syntaxes",
        &list("transfer syntax", NAMED_SYNTAXES),
    );
    if std::env::var_os("UPDATE_CONFORMANCE").is_some() {
        fs::write(STATEMENT, &expected).unwrap();
        return;
    }
    assert!(
        statement == expected,
        "docs/CONFORMANCE.md is behind the code: UPDATE_CONFORMANCE=1 cargo test writes its tables"
    );
}

#[test]
fn storage_is_offered_for_every_class_and_syntax_of_the_statement() {
    let (_folder, services) = services();
    for (class, name) in STANDARD_CLASSES {
        let offered = services.iter().find_map(|service| service.offer(class)).unwrap();
        for (syntax, _) in NAMED_SYNTAXES {
            assert!(offered.transfer_syntaxes.contains(syntax), "{name} in {syntax}");
        }
    }
}
