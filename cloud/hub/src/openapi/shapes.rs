//! The JSON that programs read, as JSON Schema. Nothing stands in an answer that does not stand here.

use serde_json::{Map, Value, json};

/// An object of exactly these members.
fn object(members: &[(&str, Value)]) -> Value {
    let named: Map<String, Value> = members
        .iter()
        .map(|(name, shape)| ((*name).to_owned(), shape.clone()))
        .collect();
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "properties": named, "required": required, "additionalProperties": false })
}

fn list(of: &Value) -> Value {
    json!({ "type": "array", "items": of })
}

fn by_name(of: &Value) -> Value {
    json!({ "type": "object", "additionalProperties": of })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn number() -> Value {
    json!({ "type": "number" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn moment() -> Value {
    json!({ "type": "integer", "description": "Milliseconds since 1970, UTC" })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn one_of(words: &[&str]) -> Value {
    json!({ "enum": words })
}

fn or_null(shape: &Value) -> Value {
    json!({ "anyOf": [shape, { "type": "null" }] })
}

pub(super) fn anything() -> Value {
    json!({ "type": "object" })
}

pub(super) fn document() -> Value {
    json!({ "type": "object", "required": ["openapi", "info", "paths"] })
}

pub(super) fn results() -> Value {
    let finding = object(&[
        ("code", text()),
        ("score", number()),
        ("call", one_of(&["positive", "negative"])),
        ("confidence", number()),
    ]);
    let images = object(&[
        ("instances", or_null(&count())),
        ("withheld", count()),
        ("quick_look", flag()),
    ]);
    let result = object(&[
        ("envelope_id", text()),
        ("clinic", text()),
        ("case_id", text()),
        ("version", count()),
        ("modality", text()),
        ("instances", count()),
        ("received_at_ms", moment()),
        ("assessed_at_ms", moment()),
        ("clock_offset_ms", or_null(&moment())),
        ("detected_at_ms", moment()),
        ("model", or_null(&text())),
        ("engine", or_null(&text())),
        ("precision", or_null(&text())),
        ("findings", list(&finding)),
        ("quality", one_of(&["A", "B", "C"])),
        ("urgency", one_of(&["routine", "review", "critical"])),
        ("reasons", list(&text())),
        ("images", or_null(&images)),
    ]);
    object(&[("results", list(&result))])
}

pub(super) fn status() -> Value {
    let health = object(&[
        ("at_ms", moment()),
        ("uptime_s", count()),
        ("pending", by_name(&count())),
        ("oldest_ms", count()),
        ("set_aside", count()),
        ("disk_free_bytes", count()),
        ("disk_total_bytes", count()),
        ("model", or_null(&text())),
        ("images_stored", count()),
        ("quarantined", count()),
    ]);
    let clinic = object(&[
        ("clinic", text()),
        ("online", flag()),
        ("copied", flag()),
        ("since_ms", or_null(&moment())),
        ("last_seen_ms", moment()),
        ("version", or_null(&text())),
        ("health", or_null(&health)),
    ]);
    object(&[
        ("results", count()),
        ("envelopes", count()),
        ("duplicates", count()),
        ("refused", count()),
        ("clinics", list(&clinic)),
    ])
}

pub(super) fn models() -> Value {
    let model = object(&[
        ("id", text()),
        ("version", text()),
        ("state", text()),
        ("made_at_ms", moment()),
        ("run", or_null(&text())),
        ("base_version", or_null(&text())),
        ("gate", or_null(&anything())),
    ]);
    object(&[("models", list(&model))])
}

pub(super) fn runs() -> Value {
    let refusal = object(&[
        ("clinic", text()),
        ("code", text()),
        ("reason", text()),
        ("at_ms", moment()),
    ]);
    let round = object(&[
        ("round", count()),
        ("attempt", count()),
        ("stage", text()),
        ("reason", text()),
        ("accepted", count()),
        ("declined", count()),
        ("refused", list(&refusal)),
        ("metrics", by_name(&number())),
        ("started_at_ms", moment()),
        ("ended_at_ms", or_null(&moment())),
    ]);
    let run = object(&[
        ("run", text()),
        ("model", text()),
        ("base_version", text()),
        ("candidate_version", or_null(&text())),
        ("state", text()),
        ("reason", text()),
        ("rounds_planned", count()),
        ("strategy", text()),
        ("strategy_parameters", by_name(&number())),
        ("quorum", count()),
        ("plan", or_null(&text())),
        ("noise_multiplier", number()),
        ("clip_norm", number()),
        ("secure_aggregation", flag()),
        ("delta", number()),
        ("epsilon_spent", or_null(&number())),
        ("started_at_ms", moment()),
        ("ended_at_ms", or_null(&moment())),
        ("rounds", list(&round)),
    ]);
    object(&[("runs", list(&run))])
}

pub(super) fn revision() -> Value {
    object(&[("revision", count())])
}

/// `cloud/viewer/README.md` says more.
pub(super) fn viewer() -> Value {
    let place = object(&[
        ("url", text()),
        ("instance", text()),
        ("rows", count()),
        ("columns", count()),
    ]);
    let instance = object(&[
        ("url", text()),
        ("instance", text()),
        ("series", text()),
        ("frames", count()),
        ("rows", count()),
        ("columns", count()),
        ("modality", text()),
    ]);
    let series = object(&[
        ("uid", text()),
        ("description", text()),
        ("instances", list(&text())),
    ]);
    let heat_map = object(&[
        ("url", text()),
        ("instance", text()),
        ("frame", count()),
        ("finding", text()),
        ("label", text()),
    ]);
    object(&[
        ("quickLook", list(&place)),
        ("instances", list(&instance)),
        ("series", list(&series)),
        ("prior", or_null(&anything())),
        ("heatMaps", list(&heat_map)),
        ("marks", list(&anything())),
        ("findings", list(&object(&[("code", text()), ("label", text())]))),
        ("mayMark", flag()),
    ])
}

/// One data set, or several (PS3.18 annex F.2).
pub(super) fn data_sets() -> Value {
    let one = data_set();
    json!({ "anyOf": [one, { "type": "array", "items": one }] })
}

pub(super) fn data_set() -> Value {
    json!({
        "type": "object",
        "patternProperties": {
            "^[0-9A-F]{8}$": {
                "type": "object",
                "properties": {
                    "vr": { "type": "string", "pattern": "^[A-Z]{2}$" },
                    "Value": { "type": "array" },
                    "InlineBinary": { "type": "string" },
                    "BulkDataURI": { "type": "string" },
                },
                "required": ["vr"],
            },
        },
        "additionalProperties": false,
    })
}
