//! Each address of the clinic page by each role, from another machine than the box.

use std::collections::BTreeSet;

use super::clinic::Clinic;
use super::http::{Answer, Request};
use super::ledger::{Attack, Ledger};

/// Who is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Anybody,
    /// Whoever has signed in.
    Somebody,
    Doctor,
    /// Technician or manager.
    Handling,
    Manager,
    /// A manager, or a program on the box itself.
    Box,
    /// Only somebody at the box itself, while there is no manager yet.
    AtTheBox,
}

const ADDRESSES: &[(&str, &str, Who)] = &[
    ("GET", "/", Who::Somebody),
    ("GET", "/cases/fragment", Who::Somebody),
    ("GET", "/case/{key}", Who::Somebody),
    ("GET", "/case/{key}/fragment", Who::Somebody),
    ("POST", "/case/{key}/finding", Who::Doctor),
    ("POST", "/case/{key}/consent", Who::Doctor),
    ("GET", "/case/{key}/preview.jpg", Who::Somebody),
    ("GET", "/case/{key}/heat_map.jpg", Who::Somebody),
    ("GET", "/case/{key}/presented.jpg", Who::Somebody),
    ("POST", "/scanners/allow", Who::Handling),
    ("POST", "/stick/look", Who::Handling),
    ("GET", "/orders", Who::Somebody),
    ("POST", "/orders", Who::Somebody),
    ("POST", "/orders/take-back", Who::Somebody),
    ("GET", "/quality", Who::Somebody),
    ("GET", "/api/quality", Who::Box),
    ("GET", "/scanner-card", Who::Somebody),
    ("GET", "/self-test", Who::Somebody),
    ("POST", "/self-test", Who::Handling),
    ("GET", "/self-test/picture.jpg", Who::Somebody),
    ("POST", "/api/self-test", Who::Box),
    ("GET", "/exchange", Who::Somebody),
    ("GET", "/exchange/fragment", Who::Somebody),
    ("POST", "/import/start", Who::Handling),
    ("POST", "/import/cancel", Who::Handling),
    ("POST", "/nodes/again", Who::Handling),
    ("GET", "/api/import", Who::Box),
    ("POST", "/api/import", Who::Box),
    ("POST", "/api/import/cancel", Who::Box),
    ("GET", "/api/nodes", Who::Box),
    ("GET", "/api/queue/export", Who::Box),
    ("POST", "/api/queue/receipts", Who::Box),
    ("POST", "/case/{key}/message", Who::Doctor),
    ("GET", "/case/{key}/ask", Who::Doctor),
    ("POST", "/case/{key}/seen", Who::Doctor),
    ("POST", "/case/{key}/report/{report}/read", Who::Doctor),
    ("GET", "/case/{key}/report/{report}/print", Who::Doctor),
    ("GET", "/case/{key}/report/{report}/paper.pdf", Who::Doctor),
    (
        "GET",
        "/case/{key}/report/{report}/{number}/image.jpg",
        Who::Doctor,
    ),
    (
        "GET",
        "/case/{key}/report/{report}/{number}/marks.svg",
        Who::Doctor,
    ),
    ("GET", "/aside", Who::Somebody),
    ("POST", "/aside/clear", Who::Doctor),
    ("POST", "/search", Who::Somebody),
    ("GET", "/wall", Who::Anybody),
    ("GET", "/wall/fragment", Who::Anybody),
    ("GET", "/fault", Who::Somebody),
    ("POST", "/fault", Who::Somebody),
    ("GET", "/policy", Who::Somebody),
    ("POST", "/policy", Who::Manager),
    ("GET", "/events", Who::Anybody),
    ("GET", "/api/cases", Who::Box),
    ("GET", "/api/status", Who::Box),
    ("GET", "/assets/page.css", Who::Anybody),
    ("GET", "/assets/page.js", Who::Anybody),
    ("GET", "/assets/icon.svg", Who::Anybody),
    ("GET", "/sign-in", Who::Anybody),
    ("POST", "/sign-in", Who::Anybody),
    ("POST", "/sign-in/first", Who::AtTheBox),
    ("GET", "/people", Who::Manager),
    ("POST", "/people/add", Who::Manager),
    ("POST", "/people/pin", Who::Manager),
    ("GET", "/people/own-pin", Who::Somebody),
    ("POST", "/people/own-pin", Who::Somebody),
    ("POST", "/people/roles", Who::Manager),
    ("POST", "/people/remove", Who::Manager),
    ("POST", "/sign-out", Who::Anybody),
];

/// What somebody at the box would type to become its first manager.
const FIRST: [(&str, &str); 3] = [("name", "Evil"), ("pin", "471193"), ("again", "471193")];

/// Methods and addresses as the router's source names them.
fn routed() -> BTreeSet<(String, String)> {
    let source = include_str!("../../../edge/agent/src/clinic_page/routes.rs");
    let mut found = BTreeSet::new();
    for route in source.split(".route(").skip(1) {
        let path = route.split('"').nth(1).unwrap().to_owned();
        // As far as the next one, or the end of the routers.
        let handlers = route.split("#[derive").next().unwrap();
        for (method, word) in [
            ("GET", "get("),
            ("POST", "post("),
            ("PUT", "put("),
            ("DELETE", "delete("),
            ("PATCH", "patch("),
        ] {
            if handlers.contains(word) {
                found.insert((method.to_owned(), path.clone()));
            }
        }
    }
    found
}

/// The forms' addresses, for who forges them.
pub(crate) fn forms() -> impl Iterator<Item = String> {
    let posts = ADDRESSES.iter().filter(|(method, ..)| *method == "POST");
    posts.map(|(_, path, _)| address(path))
}

fn address(path: &str) -> String {
    path.replace("{key}", "0123456789abcdef0123456789abcdef")
        .replace("{report}", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
        .replace("{number}", "0")
}

impl Who {
    fn lets_in(self, role: &str) -> bool {
        match self {
            Self::Anybody => true,
            Self::Somebody => role != "nobody",
            Self::Doctor => role == "doctor",
            Self::Handling => matches!(role, "technician" | "manager"),
            Self::Manager | Self::Box => role == "manager",
            Self::AtTheBox => false,
        }
    }
}

fn is_refused(answer: &Answer) -> bool {
    let to_sign_in = answer
        .header("location")
        .is_some_and(|to| to.starts_with("/sign-in"));
    matches!(answer.status, 0 | 401 | 403) || (answer.status == 303 && to_sign_in)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_of_the_clinic_page_by_every_role() {
    let mut ledger = Ledger::default();
    let listed: BTreeSet<(String, String)> = ADDRESSES
        .iter()
        .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    assert_eq!(routed(), listed, "each route of the page has its row here");

    let clinic = Clinic::open("").await;
    let mut people = vec![("nobody", String::new())];
    for role in ["doctor", "technician", "manager"] {
        clinic.add(role, &[role]);
        people.push((role, clinic.signed_in(role).await));
    }
    clinic.add("gone", &["doctor", "technician", "manager"]);
    let gone = clinic.signed_in("gone").await;
    let out = Request::new("POST", "/sign-out")
        .header("cookie", &gone)
        .send(clinic.page())
        .await;
    assert_eq!(out.status, 303);
    people.push(("nobody", gone));
    for (method, path, who) in ADDRESSES {
        for (role, cookie) in &people {
            // Who signs out here is not there any more, and whoever takes another PIN signs in anew.
            let ends = *path == "/sign-out" || (*path == "/people/own-pin" && *method == "POST");
            if ends && *role != "nobody" {
                continue;
            }
            let request = Request::new(method, &address(path));
            let request = if cookie.is_empty() {
                request
            } else {
                request.header("cookie", cookie)
            };
            let request = if *method == "POST" {
                // Whole, where a form that is not would be refused for that alone.
                request.form(if *who == Who::AtTheBox { &FIRST[..] } else { &[] })
            } else {
                request
            };
            let answer = request.send(clinic.page()).await;
            let cell = format!("{method} {path} as {role}: {}", answer.status);
            assert!(answer.status < 500, "{cell}: {}", answer.text());
            if who.lets_in(role) {
                let led_to_sign_in = *path == "/sign-out";
                ledger.control(
                    Attack::RoutesOfTheBox,
                    &cell,
                    led_to_sign_in || !is_refused(&answer),
                );
            } else {
                ledger.tried(Attack::RoutesOfTheBox, &cell, !is_refused(&answer));
            }
        }
    }
    ledger.settle();
}
