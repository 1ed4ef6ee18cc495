//! Each method of the hub's gRPC services by each kind of certificate.

use std::fs;

use barefoot_test_support::daemons::workspace;
use barefoot_test_support::federation::call_any_method;
use barefoot_trust::Role;

use super::hall::Hall;
use super::ledger::{Attack, Ledger};

/// Whose work each service is. That of enrolment has a port of its own.
const SERVICES: [(&str, &str); 5] = [
    ("Federation", "clinic"),
    ("Releases", "clinic"),
    ("Maintenance", "maintainer"),
    ("Corrections", "expert"),
    ("Sites", "operator"),
];

/// `Service` and `Method`, as the interface's files name them.
fn methods() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for file in fs::read_dir(workspace().join("shared/wire/proto")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let mut service = String::new();
        for line in text.lines() {
            let mut words = line.trim().split([' ', '(', '{']).filter(|word| !word.is_empty());
            match (words.next(), words.next()) {
                (Some("service"), Some(name)) => name.clone_into(&mut service),
                (Some("rpc"), Some(name)) => found.push((service.clone(), name.to_owned())),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_by_every_certificate() {
    let mut ledger = Ledger::default();
    let hall = Hall::open().await;
    let region = &hall.region;
    region.clinic("clinic-7").unwrap();
    for (role, name) in [
        (Role::Operator, "operator"),
        (Role::Maintainer, "maintainer"),
        (Role::Expert, "expert"),
        (Role::Listener, "listener"),
    ] {
        region.person(role, name).unwrap();
    }
    let port = hall.hub.address("grpc").unwrap().rsplit_once(':').unwrap().1;
    let hub = format!("localhost:{port}");
    let mut known = 0;
    for (service, method) in methods() {
        if service == "Enrolment" {
            continue;
        }
        let (_, whose) = SERVICES
            .iter()
            .find(|(name, _)| *name == service)
            .unwrap_or_else(|| panic!("{service} is new"));
        known += 1;
        for caller in ["clinic", "operator", "maintainer", "expert", "listener"] {
            let name = if caller == "clinic" { "clinic-7" } else { caller };
            let path = format!("/barefoot.v1.{service}/{method}");
            let code = call_any_method(&hub, &region.tls_paths(name), &path)
                .await
                .unwrap();
            let cell = format!("{path} by a {caller}: {code}");
            if caller == *whose {
                let works = !matches!(
                    code.as_str(),
                    "PermissionDenied" | "Unauthenticated" | "Unimplemented" | "Unreachable"
                );
                ledger.control(Attack::Services, &cell, works);
            } else {
                ledger.tried(
                    Attack::Services,
                    &cell,
                    code != "PermissionDenied" && code != "Unauthenticated",
                );
            }
        }
    }
    assert!(25 < known, "{known}");
    ledger.settle();
}
