//! Each address of the hub by each kind of caller, as the hub's own document lists them.

use serde_json::Value;

use super::hall::{Hall, Visitor};
use super::http::{Answer, Request, escaped};
use super::ledger::{Attack, Ledger};
use crate::story::CLINIC;

/// One method of one address, as the hub publishes it.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
    people: Vec<String>,
    programs: Vec<String>,
    /// Anybody may ask.
    pub(crate) is_open: bool,
    body: Option<(String, Value)>,
    query: Vec<(String, Value)>,
}

/// Whom a caller is.
#[derive(Debug, Clone)]
enum Kind {
    Nobody,
    Person(&'static str),
    Program(&'static str),
}

struct Caller {
    name: String,
    kind: Kind,
    visitor: Visitor,
}

pub(crate) async fn operations(hall: &Hall, visitor: &Visitor) -> (Value, Vec<Operation>) {
    let answer = visitor.asks("GET", "/api/openapi.json").send(hall.page()).await;
    let document: Value = serde_json::from_slice(&answer.body).unwrap();
    let words = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, said) in methods.as_object().unwrap() {
            let content = said["requestBody"]["content"].as_object();
            let asked = said["parameters"].as_array().unwrap().iter();
            all.push(Operation {
                method: method.to_ascii_uppercase(),
                path: path.clone(),
                people: words(&said["x-barefoot-people"]),
                programs: words(&said["x-barefoot-programs"]),
                is_open: said["security"].as_array().unwrap().is_empty(),
                body: content.and_then(|content| {
                    let (kind, about) = content.iter().next()?;
                    Some((kind.clone(), about["schema"].clone()))
                }),
                query: asked
                    .filter(|one| one["in"] == "query" && one["required"] == true)
                    .map(|one| (one["name"].as_str().unwrap().to_owned(), one["schema"].clone()))
                    .collect(),
            });
        }
    }
    (document, all)
}

/// Something that fits a field.
fn fitting(schema: &Value) -> String {
    if let Some(word) = schema["enum"][0].as_str() {
        return word.to_owned();
    }
    match (schema["type"].as_str(), schema["pattern"].as_str()) {
        (Some("integer"), _) => "1".to_owned(),
        (_, Some(pattern)) if pattern.starts_with("^20") => "2026-11-23T08:30".to_owned(),
        (_, Some(_)) => "08:30".to_owned(),
        _ => "x".to_owned(),
    }
}

impl Operation {
    /// The address with what `value` puts into its places.
    pub(crate) fn address(&self, value: impl Fn(&str) -> String) -> String {
        let mut pieces = self.path.split('{');
        let mut path = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('}').unwrap();
            path.push_str(&value(name));
            path.push_str(rest);
        }
        let query: Vec<String> = self
            .query
            .iter()
            .map(|(name, schema)| format!("{name}={}", escaped(&fitting(schema))))
            .collect();
        if query.is_empty() {
            path
        } else {
            format!("{path}?{}", query.join("&"))
        }
    }

    pub(crate) fn is_form(&self) -> bool {
        self.body
            .as_ref()
            .is_some_and(|(kind, _)| kind == "application/x-www-form-urlencoded")
    }

    /// With a body that fits, and the token of forms.
    pub(crate) fn request(&self, visitor: &Visitor, path: &str) -> Request {
        let request = visitor.asks(&self.method, path);
        let request = if visitor.csrf.is_empty() {
            request
        } else {
            request.header("x-csrf-token", &visitor.csrf)
        };
        match &self.body {
            None => request,
            Some((kind, schema)) if kind.contains("urlencoded") => {
                let required: Vec<String> =
                    serde_json::from_value(schema["required"].clone()).unwrap_or_default();
                let fields: Vec<(String, String)> = required
                    .into_iter()
                    .map(|name| (name.clone(), fitting(&schema["properties"][&name])))
                    .collect();
                let fields: Vec<(&str, &str)> = fields
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect();
                request.form(&fields)
            }
            Some((kind, _)) if kind.contains("json") => request.body(kind, "{}"),
            Some((kind, _)) => request.body(kind, "x"),
        }
    }

    fn is_for(&self, kind: &Kind) -> bool {
        match kind {
            Kind::Nobody => self.is_open,
            Kind::Person(role) => self.people.iter().any(|word| word == role),
            Kind::Program(role) => self.programs.iter().any(|word| word == role),
        }
    }

    fn ends_sessions(&self) -> bool {
        self.path.starts_with("/sign-out")
    }
}

/// Where the front page is not for somebody, they are led to their own.
fn is_refused(operation: &Operation, answer: &Answer) -> bool {
    let led_away = operation.path == "/" && answer.status == 303 && answer.header("location") != Some("/");
    led_away || !answer.is_let_in()
}

async fn callers(hall: &Hall) -> Vec<Caller> {
    let mut all = Vec::new();
    let mut add = |name: &str, kind: Kind, visitor: Visitor| {
        all.push(Caller {
            name: name.to_owned(),
            kind,
            visitor,
        });
    };
    add("nobody", Kind::Nobody, Visitor::from("10.3.0.1"));
    add(
        "a made-up token",
        Kind::Nobody,
        Visitor::program("bft_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    );
    let mut made_up = Visitor::from("10.3.0.2");
    made_up.put_cookie("__Host-session", &"A".repeat(43));
    made_up.csrf = "A".repeat(43);
    add("a made-up session", Kind::Nobody, made_up);

    let gone = hall.person("gone", &["reader", "chief", "operator"]).await;
    let done = gone.clone().post(hall, "/sign-out", &[]).await;
    assert_eq!(done.status, 303, "{}", done.text());
    add("a session that was ended", Kind::Nobody, gone);
    let blocked = hall.person("blocked", &["reader", "chief", "operator"]).await;
    hall.console(&["person", "disable", "blocked"]);
    add("somebody who was blocked", Kind::Nobody, blocked);
    let revoked = hall.token("revoked", "reader");
    hall.console(&["token", "revoke", "revoked"]);
    add("a revoked token", Kind::Nobody, Visitor::program(&revoked));

    for role in ["reader", "chief", "operator", "maintainer", "auditor"] {
        add(role, Kind::Person(role), hall.person(role, &[role]).await);
    }
    for role in ["viewer", "reader", "sender", "monitor"] {
        let token = hall.token(&format!("a {role}"), role);
        add(
            &format!("a {role} program"),
            Kind::Program(role),
            Visitor::program(&token),
        );
    }
    all
}

/// Every cell of the matrix: who may is served, who may not is turned away.
#[tokio::test(flavor = "multi_thread")]
async fn every_address_by_every_caller() {
    let mut ledger = Ledger::default();
    let hall = Hall::open().await;
    let edge = hall.with_a_case().await;
    let viewer = hall.token("before all", "viewer");
    let [study, series, instance] = hall.study(&viewer).await;
    let callers = callers(&hall).await;
    let (_, operations) = operations(&hall, &Visitor::program(&viewer)).await;
    assert!(80 < operations.len(), "{}", operations.len());
    // What is there is asked for: a right that is missing must be seen before a thing that is missing.
    let real = |name: &str| match name {
        "clinic" => CLINIC.to_owned(),
        "case" | "study" => study.clone(),
        "series" => series.clone(),
        "uid" | "instance" => instance.clone(),
        "version" | "list" => "1".to_owned(),
        "place" => "0".to_owned(),
        "element" => "7FE00010".to_owned(),
        "aetitle" => "SOMEBODY".to_owned(),
        _ => "01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
    };
    let before = Visitor::before_sign_in(&hall, "10.3.0.3").await;
    let ordered = operations
        .iter()
        .filter(|operation| !operation.ends_sessions())
        .chain(operations.iter().filter(|operation| operation.ends_sessions()));
    for operation in ordered {
        for caller in &callers {
            let cell = format!("{} {} as {}", operation.method, operation.path, caller.name);
            let may = operation.is_for(&caller.kind);
            if may && operation.ends_sessions() {
                // Controlled once, by who is gone.
                continue;
            }
            let mut visitor = caller.visitor.clone();
            if operation.is_open && operation.is_form() {
                // These forms are for who is not signed in yet: with their own cookie and token.
                visitor.put_cookie("__Host-form", before.cookie("__Host-form").unwrap());
                visitor.csrf.clone_from(&before.csrf);
            }
            let mut request = operation.request(&visitor, &operation.address(real));
            if operation.path.contains("/ws/") {
                request = request
                    .header("upgrade", "websocket")
                    .header("sec-websocket-version", "13")
                    .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
            }
            let answer = request.send(hall.page()).await;
            assert!(answer.status < 500, "{cell}: {} {}", answer.status, answer.text());
            if may {
                // An open form may say no to what is in it.
                let works = operation.is_open || !is_refused(operation, &answer);
                ledger.control(
                    Attack::Routes,
                    &format!("{cell}: {}", answer.status),
                    works && answer.status != 0,
                );
            } else {
                ledger.tried(
                    Attack::Routes,
                    &format!("{cell}: {}", answer.status),
                    !is_refused(operation, &answer),
                );
            }
        }
        // A method in no row does not exist, not even for who may all the others.
        let chief = &callers
            .iter()
            .find(|caller| caller.name == "chief")
            .unwrap()
            .visitor;
        for method in [
            "GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND",
        ] {
            let is_listed = operations
                .iter()
                .any(|one| one.path == operation.path && one.method == method);
            if is_listed
                || operations
                    .iter()
                    .any(|one| one.path == operation.path && one.method < operation.method)
            {
                continue;
            }
            let answer = chief
                .asks(method, &operation.address(real))
                .send(hall.page())
                .await;
            let is_shut = matches!(answer.status, 0 | 400 | 401 | 403 | 404 | 405);
            let cell = format!(
                "{method} {}, which is in no row: {}",
                operation.path, answer.status
            );
            ledger.tried(Attack::Routes, &cell, !is_shut);
        }
    }
    // The sessions are still good: nothing of this has ended them.
    for caller in &callers {
        if let Kind::Person(_) = caller.kind {
            let answer = caller.visitor.clone().get(&hall, "/account").await;
            ledger.control(
                Attack::Routes,
                &format!("{} at the end", caller.name),
                answer.status == 200,
            );
        }
    }
    drop(edge);
    ledger.settle();
}
