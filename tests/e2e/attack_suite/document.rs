//! Requests made from the hub's OpenAPI by schemathesis, as each kind of caller.

use std::fs;
use std::path::Path;
use std::process::Command;

use barefoot_test_support::daemons::workspace;
use serde_json::{Value, json};

use super::hall::{Hall, Visitor};
use super::ledger::{Attack, Ledger};
use super::routes::operations;
use crate::peers::{python, run, text};
use crate::story::CLINIC;

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,ignored_auth";

/// A session that ends itself tests nothing more; what never ends its answer is tried elsewhere.
const NOT_CALLED: [&str; 4] = [
    "/sign-out",
    "/sign-out/everywhere",
    "/events",
    "/dicom-web/ws/subscribers/{aetitle}",
];

/// The document with values that are there among those that may stand in an address: else all would be 404.
fn with_what_is_there(document: &Value, [study, series, instance]: &[String; 3]) -> Value {
    let mut document = document.clone();
    let of = |name: &str| match name {
        "clinic" => Some(CLINIC),
        "case" | "study" => Some(study.as_str()),
        "series" => Some(series.as_str()),
        "uid" | "instance" => Some(instance.as_str()),
        _ => None,
    };
    for methods in document["paths"].as_object_mut().unwrap().values_mut() {
        for operation in methods.as_object_mut().unwrap().values_mut() {
            for parameter in operation["parameters"].as_array_mut().unwrap() {
                let known = of(parameter["name"].as_str().unwrap());
                if let (Some(known), true) = (known, parameter["in"] == "path") {
                    let any = parameter["schema"].take();
                    parameter["schema"] = json!({ "anyOf": [{ "enum": [known] }, any] });
                    parameter["example"] = json!(known);
                }
            }
        }
    }
    document
}

/// How much of somebody's calls is made.
#[derive(Debug, Clone, Copy)]
enum Depth {
    /// Each boundary of each parameter, and made-up values.
    Full,
    /// Made-up values.
    Some,
}

/// Calls every operation but those that end or never answer; gives how many there were, and the faults in words.
async fn tested(
    hall: &Hall,
    document: &Path,
    (name, visitor, depth): &(String, Visitor, Depth),
) -> (usize, Vec<String>) {
    let report = document.with_file_name(format!("{name}.json"));
    let mut command = Command::new(python().with_file_name("schemathesis"));
    command
        .arg("run")
        .arg(document)
        .args(["--url", &format!("http://{}", hall.page())]);
    command.args(["--generation-deterministic", "--no-shrink", "--no-color"]);
    command.args([
        "--continue-on-failure",
        "--max-redirects",
        "0",
        // With several its generator trips over itself.
        "--workers",
        "1",
        "--checks",
        CHECKS,
    ]);
    command.args(["--suppress-health-check", "all", "--warnings", "off"]);
    command.args(["--generation-with-security-parameters", "false"]);
    command.env("SCHEMATHESIS_HOOKS", "dicom_bodies");
    command.env("PYTHONPATH", workspace().join("tests/e2e/peers"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    // Whatever it leaves beside its report goes with the folder.
    command.current_dir(document.parent().unwrap());
    command.args(match depth {
        Depth::Full => ["--phases", "coverage,fuzzing", "--max-examples", "5"],
        Depth::Some => ["--phases", "fuzzing", "--max-examples", "2"],
    });
    for path in NOT_CALLED {
        command.args(["--exclude-path", path]);
    }
    command
        .args(["--report", "json", "--report-json-path"])
        .arg(&report);
    let mut headers = vec![format!("X-Forwarded-For: {}", visitor.from)];
    if let Some(token) = &visitor.token {
        headers.push(format!("Authorization: Bearer {token}"));
    }
    if !visitor.cookies.is_empty() {
        let cookies: Vec<String> = visitor
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        headers.push(format!("Cookie: {}", cookies.join("; ")));
    }
    if !visitor.csrf.is_empty() {
        headers.push(format!("X-CSRF-Token: {}", visitor.csrf));
    }
    for header in headers {
        command.args(["-H", &header]);
    }
    let output = run(command).await;
    let said = fs::read(&report).unwrap_or_else(|_| panic!("{name}: {}", text(&output)));
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(said["complete"], true, "{name}: {}", text(&output));
    let mut faults: Vec<String> = said["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    faults.extend(said["errors"].as_array().unwrap().iter().map(Value::to_string));
    if !faults.is_empty() {
        faults.push(text(&output));
    }
    println!(
        "{name}: {} operations, {} requests",
        said["operations"]["tested"], said["test_cases"]["generated"]
    );
    // One whose parameters leave nothing to make up may be left out; it is called in the matrix of addresses.
    let operations = said["operations"]["selected"].as_u64().unwrap();
    (usize::try_from(operations).unwrap(), faults)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_the_document_can_tell_of_breaks_the_hub() {
    let mut ledger = Ledger::default();
    let mut hall = Hall::open().await;
    let edge = hall.with_a_case().await;
    let viewer = Visitor::program(&hall.token("viewer", "viewer"));
    let ids = hall.study(viewer.token.as_deref().unwrap()).await;
    let (document, all) = operations(&hall, &viewer).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    fs::write(&file, with_what_is_there(&document, &ids).to_string()).unwrap();

    let mut callers = vec![
        ("nobody".to_owned(), Visitor::from("10.4.0.1"), Depth::Some),
        (
            "before".to_owned(),
            Visitor::before_sign_in(&hall, "10.4.0.2").await,
            Depth::Some,
        ),
        ("viewer".to_owned(), viewer, Depth::Some),
    ];
    for (role, depth) in [
        ("reader", Depth::Some),
        ("chief", Depth::Full),
        ("operator", Depth::Full),
        ("maintainer", Depth::Some),
        ("auditor", Depth::Some),
    ] {
        callers.push((role.to_owned(), hall.person(role, &[role]).await, depth));
    }
    for (role, depth) in [
        ("reader", Depth::Full),
        ("sender", Depth::Some),
        ("monitor", Depth::Some),
    ] {
        let token = hall.token(&format!("a {role}"), role);
        callers.push((format!("{role}-program"), Visitor::program(&token), depth));
    }
    let secrets: Vec<String> = callers
        .iter()
        .filter_map(|(_, visitor, _)| {
            visitor
                .cookie("__Host-session")
                .map(str::to_owned)
                .or(visitor.token.clone())
        })
        .collect();
    let expected = all
        .iter()
        .filter(|operation| !NOT_CALLED.contains(&operation.path.as_str()))
        .count();
    for caller in &callers {
        let name = &caller.0;
        let (operations, faults) = tested(&hall, &file, caller).await;
        assert_eq!(operations, expected, "{name}");
        for _ in 0..operations {
            ledger.tried(Attack::Document, name, false);
        }
        for fault in &faults {
            ledger.tried(Attack::Document, &format!("{name}: {fault}"), true);
        }
    }
    hall.hub.check().unwrap();
    for (name, visitor, _) in &callers {
        let answer = visitor.asks("GET", "/api/openapi.json").send(hall.page()).await;
        let known = !matches!(name.as_str(), "nobody" | "before");
        ledger.control(
            Attack::Document,
            &format!("{name} at the end: {}", answer.status),
            (answer.status == 200) == known,
        );
    }
    // Nothing of it, however strange, has put a secret into the log.
    let log = hall.hub.log();
    for secret in secrets {
        assert!(!log.contains(&secret), "a secret is in the hub's log");
    }
    drop(edge);
    ledger.settle();
}
