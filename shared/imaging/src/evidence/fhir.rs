//! The assessment as a FHIR R4 Bundle of the kind `collection`: a preliminary report, an observation a finding, the images
//! and the model.
//!
//! Resources are named by UUIDs made of study and version, so a bundle that is made again is the same.

use barefoot_domain::{Call, FindingRegion, FindingResult, ModelVersion, Presence};
use serde_json::{Value, json};

use super::wording::{self, DEMONSTRATION, DEMONSTRATION_ZH, NO_ANSWER, NO_ANSWER_ZH, NOTICE, NOTICE_ZH};
use super::{Error, Evidence, Kind, names, sites};
use crate::report::codes::{self, Scheme, code, finding_code, title};
use crate::report::fhir::findings::{decimal, device, presence, word_of_model};
use crate::report::fhir::{concept, escaped, imaging_study, people, put, study_time, visible};
use crate::report::modules::checked;
use crate::report::{self, Language, moment, uids};

/// The bundle as JSON.
///
/// # Errors
/// When the study's UID or an image's is none.
pub fn fhir_bundle(evidence: &Evidence<'_>) -> Result<Vec<u8>, Error> {
    let subject = evidence.subject;
    checked(&subject.study.uid, "study")?;
    let patient = reference(evidence, "Patient");
    let study = imaging_study(subject, evidence.modality, evidence.utc_offset, patient)?;
    let observations = observations(evidence);
    let mut entries = vec![
        entry(
            evidence,
            "DiagnosticReport",
            diagnostic_report(evidence, &observations),
        ),
        entry(evidence, "Patient", people::patient(&subject.who, "")),
        entry(evidence, "ImagingStudy", study),
    ];
    for model in models(evidence) {
        entries.push(entry(evidence, &device_name(model), device(model)));
    }
    for (name, observation) in observations {
        entries.push(entry(evidence, &name, observation));
    }
    let bundle = json!({
        "resourceType": "Bundle",
        "type": "collection",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": urn(evidence, "Bundle")},
        "timestamp": moment::instant(evidence.at()),
        "entry": entries,
    });
    // Maps of text keys always become JSON.
    Ok(bundle.to_string().into_bytes())
}

fn device_name(model: &ModelVersion) -> String {
    format!("Device {model}")
}

fn models<'a>(evidence: &Evidence<'a>) -> Vec<&'a ModelVersion> {
    let assessment = evidence.assessment;
    let others = assessment.others.iter().map(|other| &other.model);
    let mut models: Vec<&ModelVersion> = Vec::new();
    for model in assessment.model.iter().chain(others) {
        if !models.contains(&model) {
            models.push(model);
        }
    }
    models
}

fn uuid(evidence: &Evidence<'_>, name: &str) -> String {
    let version = evidence.version.to_string();
    uids::uuid(&["fhir result", &evidence.subject.study.uid, &version, name])
}

fn urn(evidence: &Evidence<'_>, name: &str) -> String {
    format!("urn:uuid:{}", uuid(evidence, name))
}

fn reference(evidence: &Evidence<'_>, name: &str) -> Value {
    json!({"reference": urn(evidence, name)})
}

fn entry(evidence: &Evidence<'_>, name: &str, mut resource: Value) -> Value {
    if let Some(resource) = resource.as_object_mut() {
        resource.insert("id".into(), uuid(evidence, name).into());
    }
    json!({"fullUrl": urn(evidence, name), "resource": resource})
}

fn diagnostic_report(evidence: &Evidence<'_>, observations: &[(String, Value)]) -> Value {
    let (study, version) = (&evidence.subject.study, evidence.version);
    let sr = names::sop_instance_uid(Kind::StructuredReport, &study.uid, version);
    let mut resource = json!({
        "resourceType": "DiagnosticReport",
        "identifier": [{"system": "urn:dicom:uid", "value": format!("urn:oid:{sr}")}],
        "status": "preliminary",
        "category": [{"coding": [
            {"system": "http://loinc.org", "code": "LP29684-5", "display": "Radiology"},
            {"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD", "display": "Radiology"},
        ]}],
        "code": concept(&title(evidence.modality), None),
        "subject": reference(evidence, "Patient"),
        "issued": moment::instant(evidence.at()),
        "imagingStudy": [reference(evidence, "ImagingStudy")],
        "text": narrative(evidence),
    });
    put(
        &mut resource,
        "effectiveDateTime",
        &study_time(study, evidence.utc_offset),
    );
    put(&mut resource, "conclusion", &lines(evidence).join("\n"));
    let results: Vec<Value> = observations
        .iter()
        .map(|(name, _)| reference(evidence, name))
        .collect();
    if let (false, Some(fields)) = (results.is_empty(), resource.as_object_mut()) {
        fields.insert("result".into(), results.into());
    }
    resource
}

/// What a person reads.
fn lines(evidence: &Evidence<'_>) -> Vec<String> {
    let assessment = evidence.assessment;
    let mut lines = vec![wording::both(NOTICE, NOTICE_ZH)];
    if assessment.model.as_ref().is_some_and(|model| model.demonstration) {
        lines.push(wording::both(DEMONSTRATION, DEMONSTRATION_ZH));
    }
    if assessment.findings.is_empty() {
        lines.push(wording::both(NO_ANSWER, NO_ANSWER_ZH));
    }
    lines.extend(
        assessment
            .findings
            .iter()
            .map(|result| wording::score(evidence, result)),
    );
    for language in [Language::En, Language::Zh] {
        let urgency = report::of_urgency(assessment.urgency, language);
        lines.push(format!(
            "{urgency}: {}",
            wording::reasons(evidence, language).join("; ")
        ));
    }
    if let Some(before) = evidence.replaces {
        lines.push(format!(
            "Takes the place of the result of study version {before}."
        ));
    }
    lines
}

fn narrative(evidence: &Evidence<'_>) -> Value {
    let lines: Vec<String> = lines(evidence).iter().map(|line| escaped(line)).collect();
    let html = format!(
        "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{}</p></div>",
        lines.join("<br/>")
    );
    json!({"status": "generated", "div": html})
}

fn observations(evidence: &Evidence<'_>) -> Vec<(String, Value)> {
    let assessment = evidence.assessment;
    let first = assessment.model.iter().flat_map(|model| {
        let findings = assessment.findings.iter();
        findings.map(move |result| (model, result, assessment.regions.as_slice()))
    });
    let others = assessment.others.iter().flat_map(|other| {
        let findings = other.findings.iter();
        findings.map(move |result| (&other.model, result, [].as_slice()))
    });
    first
        .chain(others)
        .map(|(model, result, regions)| {
            let name = format!("Observation of {} by {model}", result.code);
            (name, observation(evidence, model, result, regions))
        })
        .collect()
}

fn observation(
    evidence: &Evidence<'_>,
    model: &ModelVersion,
    result: &FindingResult,
    regions: &[FindingRegion],
) -> Value {
    let name = wording::finding(evidence, &result.code);
    let said = match result.call {
        Call::Positive => Presence::Present,
        Call::Negative => Presence::Absent,
    };
    let mut components = word_of_model(result);
    for region in regions.iter().filter(|region| region.finding == result.code) {
        if let Some(side) = region.side {
            components.push(json!({
                "code": concept(&code(Scheme::Snomed, "272741003", "Laterality"), None),
                "valueCodeableConcept": concept(&codes::side(side), None),
            }));
        }
        if region.extent.is_finite() {
            components.push(json!({
                "code": concept(&code(Scheme::Own, "EXTENT", "Share of the anatomy covered"), None),
                "valueQuantity": {
                    "value": decimal(region.extent), "unit": "1",
                    "system": Scheme::Ucum.fhir(), "code": "1",
                },
            }));
        }
    }
    let mut resource = json!({
        "resourceType": "Observation",
        "status": "preliminary",
        "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "imaging",
            "display": "Imaging",
        }]}],
        "code": concept(&finding_code(&result.code, &name), Some(&name)),
        "subject": reference(evidence, "Patient"),
        "issued": moment::instant(evidence.at()),
        "derivedFrom": [reference(evidence, "ImagingStudy")],
        "device": reference(evidence, &device_name(model)),
        "method": {"text": visible(&wording::both(NOTICE, NOTICE_ZH))},
        "valueCodeableConcept": concept(&presence(said), None),
        "component": components,
    });
    if let (Some(site), Some(fields)) = (sites::site_of(&result.code), resource.as_object_mut()) {
        fields.insert("bodySite".into(), concept(&site, None));
    }
    resource
}
