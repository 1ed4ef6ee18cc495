//! Whose report it is, who read it, who signed.

use barefoot_domain::{Part, Reader};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::super::{Identity, Sheet, Who, moment};
use super::{put, reference, visible};
use crate::text::{Text, person_name_display};

pub(crate) fn patient(who: &Who, unnamed: &str) -> Value {
    match who {
        Who::Patient(identity) => known(identity),
        Who::Case { pseudonym } => {
            let name = match pseudonym.trim() {
                "" => unnamed,
                pseudonym => pseudonym,
            };
            json!({
                "resourceType": "Patient",
                "meta": {"security": [{
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
                    "code": "PSEUDED",
                    "display": "pseudonymized",
                }]},
                "identifier": [{"use": "secondary", "system": "urn:barefoot:pseudonym", "value": visible(name)}],
            })
        }
    }
}

fn known(identity: &Identity) -> Value {
    let mut resource = json!({"resourceType": "Patient"});
    let Some(fields) = resource.as_object_mut() else {
        return resource;
    };
    if !identity.id.trim().is_empty() {
        let mut identifier = json!({"use": "usual", "value": visible(identity.id.trim())});
        if !identity.id_issuer.trim().is_empty() {
            let issuer = visible(identity.id_issuer.trim());
            identifier = json!({
                "use": "usual", "value": visible(identity.id.trim()), "assigner": {"display": issuer},
            });
        }
        fields.insert("identifier".into(), json!([identifier]));
    }
    let name = human_name(&identity.name);
    if let Some(name) = name {
        fields.insert("name".into(), json!([name]));
    }
    let gender = match identity.sex.trim() {
        "M" => Some("male"),
        "F" => Some("female"),
        "O" => Some("other"),
        _ => None,
    };
    if let Some(gender) = gender {
        fields.insert("gender".into(), gender.into());
    }
    if let Some(date) = moment::date_of(&identity.birth_date) {
        fields.insert("birthDate".into(), moment::day(date).into());
    }
    resource
}

/// The group a person reads, with family and given name where the images part them.
fn human_name(dicom: &str) -> Option<Value> {
    let text = person_name_display(&Text {
        value: dicom.to_owned(),
        guessed: false,
    });
    if text.trim().is_empty() {
        return None;
    }
    let groups: Vec<&str> = dicom.split('=').collect();
    let group = groups
        .get(1)
        .filter(|group| !group.trim().is_empty())
        .or(groups.first())
        .copied()
        .unwrap_or_default();
    let mut parts = group.split('^').map(str::trim);
    let (family, given) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut name = json!({"use": "official", "text": visible(&text)});
    if !given.is_empty() {
        put(&mut name, "family", family);
        if let Some(fields) = name.as_object_mut() {
            fields.insert("given".into(), json!([visible(given)]));
        }
    }
    Some(name)
}

pub(crate) fn practitioner(reader: &Reader) -> Value {
    let mut resource = json!({
        "resourceType": "Practitioner",
        "identifier": [{"system": "urn:barefoot:person", "value": visible(&reader.person)}],
    });
    if let (false, Some(fields)) = (reader.name.trim().is_empty(), resource.as_object_mut()) {
        fields.insert("name".into(), json!([{"text": visible(reader.name.trim())}]));
    }
    resource
}

/// Where and as what somebody read.
pub(crate) fn role(sheet: &Sheet<'_>, reader: &Reader) -> Value {
    let mut resource = json!({
        "resourceType": "PractitionerRole",
        "practitioner": reference(sheet, &super::practitioner(&reader.person)),
    });
    let mut organisation = json!({});
    put(&mut organisation, "display", reader.institution.trim());
    let mut title = json!({});
    put(&mut title, "text", reader.title.trim());
    if let Some(fields) = resource.as_object_mut() {
        if organisation.as_object().is_some_and(|said| !said.is_empty()) {
            fields.insert("organization".into(), organisation);
        }
        if title.as_object().is_some_and(|said| !said.is_empty()) {
            fields.insert("code".into(), json!([title]));
        }
    }
    resource
}

/// Who made it of what, and the signature itself where the sheet has it.
pub(crate) fn provenance(sheet: &Sheet<'_>) -> Value {
    let report = sheet.report;
    let signed = moment::instant(moment::local(report.signed_at_ms, sheet.utc_offset));
    let fingerprint: String = sheet
        .fingerprint
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut agents: Vec<Value> = Vec::new();
    for (index, reader) in report.readers.iter().enumerate() {
        let is_signer = index + 1 == report.readers.len();
        let (code, display) = match (is_signer, reader.part) {
            (true, _) => ("attester", "Attester"),
            (false, Part::Adjudicator) => ("verifier", "Verifier"),
            (false, Part::First | Part::Second) => ("author", "Author"),
        };
        agents.push(json!({
            "type": {"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
                "code": code,
                "display": display,
            }]},
            "who": reference(sheet, &super::practitioner(&reader.person)),
        }));
    }
    if report
        .assessment
        .as_ref()
        .is_some_and(|said| said.model.is_some())
    {
        agents.push(json!({
            "type": {"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
                "code": "assembler",
                "display": "Assembler",
            }]},
            "who": reference(sheet, "Device"),
        }));
    }
    let mut entities = vec![json!({
        "role": "source",
        "what": {
            "identifier": {"system": "urn:barefoot:sha256", "value": fingerprint},
            "display": "SHA-256 of the signed content",
        },
    })];
    if let Some(first) = &report.addendum_to {
        entities.push(json!({
            "role": "revision",
            "what": {"identifier": {"system": "urn:barefoot:report", "value": visible(first)}},
        }));
    }
    let mut resource = json!({
        "resourceType": "Provenance",
        "target": [reference(sheet, "DiagnosticReport")],
        "recorded": signed,
        "agent": agents,
        "entity": entities,
    });
    if let (Some(signer), Some(signature), Some(fields)) =
        (report.readers.last(), sheet.signature, resource.as_object_mut())
    {
        let signature = json!([{
            "type": [{
                "system": "urn:iso-astm:E1762-95:2013",
                "code": "1.2.840.10065.1.12.1.1",
                "display": "Author's Signature",
            }],
            "when": signed,
            "who": reference(sheet, &super::practitioner(&signer.person)),
            "sigFormat": "application/vnd.barefoot.signed-report+protobuf",
            "data": BASE64.encode(signature),
        }]);
        fields.insert("signature".into(), signature);
    }
    resource
}
