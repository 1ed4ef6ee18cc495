//! What readers and the model say of each finding.

use barefoot_domain::{Call, FindingResult, ModelVersion, Presence, Statement};
use serde_json::{Value, json};

use super::super::codes::{self, Code, Scheme, code, finding_code};
use super::super::words::words;
use super::super::{Sheet, moment, uids};
use super::{concept, put, reference, role, visible};

pub(crate) fn device(model: &ModelVersion) -> Value {
    let mut resource = json!({
        "resourceType": "Device",
        "identifier": [{
            "system": "urn:ietf:rfc:3986",
            "value": format!("urn:oid:{}", uids::device_uid(&model.id, &model.version)),
        }],
        "deviceName": [{"name": visible(&model.id), "type": "model-name"}],
        "type": {"coding": [{
            "system": Scheme::Dicom.fhir(), "code": "123110", "display": "Artificial Intelligence",
        }]},
        "version": [{"value": visible(&model.version)}],
    });
    if model.demonstration {
        let note = json!([{"text": "Demonstration model, not for clinical use."}]);
        if let Some(fields) = resource.as_object_mut() {
            fields.insert("note".into(), note);
        }
    }
    resource
}

/// One a statement, with the model's word as its components where it had one on the same finding; then one for each finding
/// that only the model spoke of, preliminary since no person took it up.
pub(crate) fn observations(sheet: &Sheet<'_>) -> Vec<(String, Value)> {
    let results = sheet
        .report
        .assessment
        .as_ref()
        .map(|said| said.findings.as_slice())
        .unwrap_or_default();
    let mut observations = Vec::new();
    for (index, statement) in sheet.report.statements.iter().enumerate() {
        let result = results.iter().find(|result| result.code == statement.finding);
        observations.push((format!("Observation {index}"), stated(sheet, statement, result)));
    }
    let is_stated = |result: &&FindingResult| {
        let statements = &sheet.report.statements;
        statements
            .iter()
            .any(|statement| statement.finding == result.code)
    };
    for result in results.iter().filter(|result| !is_stated(result)) {
        observations.push((format!("Observation of {}", result.code), answered(sheet, result)));
    }
    observations
}

fn base(sheet: &Sheet<'_>, status: &str, finding: &barefoot_domain::FindingCode, value: &Code) -> Value {
    let name = words(sheet.language).finding(finding, sheet.names);
    json!({
        "resourceType": "Observation",
        "status": status,
        "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "imaging",
            "display": "Imaging",
        }]}],
        "code": concept(&finding_code(finding, &name), Some(&name)),
        "subject": reference(sheet, "Patient"),
        "issued": moment::instant(moment::local(sheet.report.signed_at_ms, sheet.utc_offset)),
        "derivedFrom": [reference(sheet, "ImagingStudy")],
        "valueCodeableConcept": concept(value, None),
    })
}

pub(crate) fn presence(presence: Presence) -> Code {
    match presence {
        Presence::Present => code(Scheme::Snomed, "52101004", "Present"),
        Presence::Absent => code(Scheme::Snomed, "272519000", "Absent"),
        Presence::Possible => code(Scheme::Snomed, "373068000", "Undetermined"),
    }
}

fn stated(sheet: &Sheet<'_>, statement: &Statement, result: Option<&FindingResult>) -> Value {
    let mut resource = base(sheet, "final", &statement.finding, &presence(statement.presence));
    let Some(fields) = resource.as_object_mut() else {
        return resource;
    };
    if let Some(signer) = sheet.report.readers.last() {
        fields.insert(
            "performer".into(),
            json!([reference(sheet, &role(&signer.person))]),
        );
    }
    if !statement.note.trim().is_empty() {
        fields.insert(
            "note".into(),
            json!([{"text": visible(statement.note.trim_end())}]),
        );
    }
    let mut components = Vec::new();
    if let Some(side) = statement.side {
        components.push(json!({
            "code": concept(&code(Scheme::Snomed, "272741003", "Laterality"), None),
            "valueCodeableConcept": concept(&codes::side(side), None),
        }));
    }
    if let Some(result) = result {
        components.extend(word_of_model(result));
        with_device(sheet, fields);
    }
    if !components.is_empty() {
        fields.insert("component".into(), components.into());
    }
    resource
}

fn answered(sheet: &Sheet<'_>, result: &FindingResult) -> Value {
    let said = match result.call {
        Call::Positive => Presence::Present,
        Call::Negative => Presence::Absent,
    };
    let mut resource = base(sheet, "preliminary", &result.code, &presence(said));
    if let Some(fields) = resource.as_object_mut() {
        fields.insert("component".into(), word_of_model(result).into());
        with_device(sheet, fields);
    }
    let mut method = json!({});
    put(&mut method, "text", words(sheet.language).assisted);
    if let Some(fields) = resource.as_object_mut() {
        fields.insert("method".into(), method);
    }
    resource
}

fn with_device(sheet: &Sheet<'_>, fields: &mut serde_json::Map<String, Value>) {
    let has_model = sheet
        .report
        .assessment
        .as_ref()
        .is_some_and(|said| said.model.is_some());
    if has_model {
        fields.insert("device".into(), reference(sheet, "Device"));
    }
}

pub(crate) fn word_of_model(result: &FindingResult) -> Vec<Value> {
    let component = |value: &str, meaning: &str, number: f32, unit: &str| {
        json!({
            "code": concept(&code(Scheme::Own, value, meaning), None),
            "valueQuantity": {
                "value": decimal(number),
                "unit": unit,
                "system": Scheme::Ucum.fhir(),
                "code": "1",
            },
        })
    };
    let call = match result.call {
        Call::Positive => Presence::Present,
        Call::Negative => Presence::Absent,
    };
    vec![
        json!({
            "code": concept(&code(Scheme::Own, "CALL", "Model's call"), None),
            "valueCodeableConcept": concept(&presence(call), None),
        }),
        component(
            "SCORE",
            "Calibrated probability of the finding",
            result.score.value(),
            "1",
        ),
        component(
            "CONFIDENCE",
            "Calibrated probability of the call",
            result.confidence.value(),
            "1",
        ),
    ]
}

/// Four places: what `f32` adds behind them says nothing.
pub(crate) fn decimal(value: f32) -> f64 {
    (f64::from(value) * 10_000.0).round() / 10_000.0
}
