use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::address::{Address, Content, Field, Gives, Kind, Takes, Verb, Who};
use super::{addresses, shapes};
use crate::people::{ProgramRole, Right, Role};

/// Shorter than what a form may hold, longer than what anybody types into one line.
const LONGEST_TEXT: u32 = 20_000;

/// The whole document.
pub(super) fn document() -> Value {
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for address in addresses() {
        let methods = paths.entry(path(address)).or_default();
        methods.insert(address.verb.word().to_owned(), operation(address));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Barefoot hub",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Pages, results and images of a regional hub. `x-barefoot-people` and `x-barefoot-programs` say whose \
                requests are looked at, by role; everybody else is refused. Addresses of parts that a hub's settings leave out \
                answer 404.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-session",
                    "description": "A person who has signed in. Without HTTPS, on loopback, the cookie is called session.",
                },
                "token": { "type": "http", "scheme": "bearer", "description": "A program." },
            },
        },
    })
}

/// OpenAPI knows no rest of a path: `{*element}` is one parameter.
fn path(address: &Address) -> String {
    address.path.replace("{*", "{")
}

fn operation(address: &Address) -> Value {
    let mut operation = Map::new();
    let words: Vec<&str> = address
        .path
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let mut put = |name: &str, value: Value| operation.insert(name.to_owned(), value);
    put(
        "operationId",
        json!(format!("{}-{}", address.verb.word(), words.join("-"))),
    );
    put("summary", json!(address.says));
    put("x-barefoot-people", json!(people(address.who)));
    put("x-barefoot-programs", json!(programs(address.who)));
    put("security", security(address.who));
    put("parameters", parameters(address));
    if let Some(body) = body(address) {
        put("requestBody", body);
    }
    put("responses", responses(address));
    Value::Object(operation)
}

fn people(who: Who) -> Vec<&'static str> {
    let may = |right: Right| Role::ALL.into_iter().filter(move |role| role.may(right));
    let of = |roles: Vec<Role>| roles.into_iter().map(Role::word).collect();
    match who {
        Who::Anybody | Who::Known | Who::KnownPerson => of(Role::ALL.to_vec()),
        Who::Caller(right) | Who::Person(right) => of(may(right).collect()),
        Who::Program(_) => Vec::new(),
    }
}

fn programs(who: Who) -> Vec<&'static str> {
    let may = |right: Right| ProgramRole::ALL.into_iter().filter(move |role| role.may(right));
    let of = |roles: Vec<ProgramRole>| roles.into_iter().map(ProgramRole::word).collect();
    match who {
        Who::Anybody | Who::Known => of(ProgramRole::ALL.to_vec()),
        Who::Caller(right) | Who::Program(right) => of(may(right).collect()),
        Who::KnownPerson | Who::Person(_) => Vec::new(),
    }
}

fn security(who: Who) -> Value {
    match who {
        Who::Anybody => json!([]),
        Who::Known | Who::Caller(_) => json!([{ "session": [] }, { "token": [] }]),
        Who::KnownPerson | Who::Person(_) => json!([{ "session": [] }]),
        Who::Program(_) => json!([{ "token": [] }]),
    }
}

fn parameters(address: &Address) -> Value {
    let in_path = address.path.split('{').skip(1).filter_map(|rest| {
        let name = rest.split('}').next()?.trim_start_matches('*');
        Some(json!({ "name": name, "in": "path", "required": true, "schema": of_path(name) }))
    });
    let asked = address.query.iter().map(|field| {
        json!({ "name": field.name, "in": "query", "required": field.required, "schema": schema(field.kind) })
    });
    let mut all: Vec<Value> = in_path.chain(asked).collect();
    if matches!(address.takes, Takes::Form(_)) {
        all.push(json!({
            "name": "x-csrf-token",
            "in": "header",
            "required": false,
            "description": "Where the form has no field csrf",
            "schema": { "type": "string" },
        }));
    }
    Value::Array(all)
}

/// What stands in a path, by its name.
fn of_path(name: &str) -> Value {
    match name {
        "version" | "place" => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        _ => json!({ "type": "string", "minLength": 1, "maxLength": 128 }),
    }
}

fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string", "maxLength": LONGEST_TEXT }),
        Kind::Secret => json!({ "type": "string", "format": "password", "maxLength": 1024 }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Number => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        Kind::Flag => json!({ "enum": ["yes"] }),
        Kind::Time => json!({ "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$" }),
        Kind::Moment => {
            json!({ "type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])-[0-2][0-9]T[01][0-9]:[0-5][0-9]$" })
        }
    }
}

fn form(fields: &[Field], with_token: bool) -> Value {
    let mut named: Map<String, Value> = fields
        .iter()
        .map(|field| (field.name.to_owned(), schema(field.kind)))
        .collect();
    if with_token {
        named.insert("csrf".to_owned(), json!({ "type": "string" }));
    }
    let required: Vec<&str> = fields
        .iter()
        .filter(|field| field.required)
        .map(|field| field.name)
        .collect();
    json!({ "type": "object", "properties": named, "required": required })
}

fn body(address: &Address) -> Option<Value> {
    const FORM: &str = "application/x-www-form-urlencoded";
    let binary = json!({ "schema": { "type": "string", "format": "binary" } });
    Some(match address.takes {
        Takes::Nothing => return None,
        Takes::Form(fields) => json!({
            "required": true,
            "content": { FORM: { "schema": form(fields, true) } },
        }),
        Takes::OpenForm(fields) => {
            let mut with_file = form(fields, false);
            if let Some(Value::Object(named)) = with_file.get_mut("properties") {
                named.insert("file".to_owned(), json!({ "type": "string", "format": "binary" }));
            }
            json!({
                "required": true,
                "content": {
                    FORM: { "schema": form(fields, false) },
                    "multipart/form-data": { "schema": with_file },
                },
            })
        }
        Takes::DicomJson => json!({
            "required": true,
            "content": { "application/dicom+json": { "schema": shapes::data_sets() } },
        }),
        Takes::Objects => json!({
            "required": true,
            "content": { "application/dicom": binary, "multipart/related": binary },
        }),
    })
}

/// What an address says of itself, and what any may answer.
fn responses(address: &Address) -> Value {
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    let mut common = |status: u16, why: &str| {
        all.insert(status.to_string(), json!({ "description": why }));
    };
    let is_open = address.who == Who::Anybody;
    let changes = !matches!(address.verb, Verb::Get | Verb::Options);
    common(400, "The request cannot be read");
    common(414, "The address is too long");
    common(431, "The head is too large");
    if !is_open {
        common(
            401,
            "Nobody is signed in, and no token that is known came with it",
        );
        common(303, "A browser without a session is led to the sign-in");
    }
    if !is_open || changes {
        common(
            403,
            "This account or token may not do this, or the form is not of this hub and this session",
        );
    }
    if address.path == "/set-up" {
        common(403, "The one-time code is none");
    }
    if address.path.contains('{') {
        common(404, "What is named is not there");
    }
    if changes {
        common(408, "The body did not come in time");
        common(413, "The body is too large");
        common(415, "The body is of another kind");
        common(422, "What was sent does not do");
    }
    for gives in address.gives {
        all.insert(gives.status.to_string(), answer(gives));
    }
    json!(all)
}

fn answer(gives: &Gives) -> Value {
    let description = match gives.status {
        101 => "From here on a WebSocket",
        200 => "As asked for",
        201 => "Made",
        202 => "Taken",
        204 => "Nothing to say",
        206 => "A part",
        303 => "On to another page",
        304 => "As it was",
        404 => "What is named is not there",
        406 => "Not in the form that is asked for",
        409 => "As things stand it cannot be done",
        410 => "It was there, and is no more",
        416 => "There is no such part",
        422 => "What was sent does not do",
        426 => "This is for WebSockets",
        429 => "Too many tries: wait",
        503 => "Not at the moment",
        _ => "See docs",
    };
    let with = |content: Value| json!({ "description": description, "content": content });
    match gives.content {
        Content::Any => json!({ "description": description }),
        Content::Media(kinds) => {
            let content: Map<String, Value> =
                kinds.iter().map(|kind| ((*kind).to_owned(), json!({}))).collect();
            with(Value::Object(content))
        }
        Content::Json(shape) => with(json!({ "application/json": { "schema": shape() } })),
        Content::DicomJson => {
            let schema = json!({ "schema": shapes::data_sets() });
            with(json!({ "application/dicom+json": schema, "application/json": schema }))
        }
    }
}
