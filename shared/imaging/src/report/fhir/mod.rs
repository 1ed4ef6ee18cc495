//! The report as a FHIR R4 Bundle of the kind `collection`: what another system needs to take it over, in one file.
//!
//! Resources are named by UUIDs made of the report's id, so a bundle that is made again is the same. What is known of nobody
//! is left out: FHIR has no empty elements.

pub(crate) mod findings;
pub(crate) mod people;

use serde_json::{Map, Value, json};
use time::UtcOffset;

use super::codes::{Code, title};
use super::words::words;
use super::{Document, Error, Sheet, Study, Subject, moment, sop_instance_uid, uids};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The bundle as JSON. `pdf` is the page that [`super::pdf`] made of the same sheet, to travel within.
///
/// # Errors
/// When the study's UID or an image's is none.
pub fn fhir_bundle(sheet: &Sheet<'_>, pdf: Option<&[u8]>) -> Result<Vec<u8>, Error> {
    super::modules::checked(&sheet.subject.study.uid, "study")?;
    let mut entries = vec![
        entry(sheet, "DiagnosticReport", diagnostic_report(sheet, pdf)),
        entry(
            sheet,
            "Patient",
            people::patient(&sheet.subject.who, sheet.report.case.as_str()),
        ),
        entry(
            sheet,
            "ImagingStudy",
            imaging_study(
                sheet.subject,
                &sheet.report.modality,
                sheet.utc_offset,
                reference(sheet, "Patient"),
            )?,
        ),
        entry(sheet, "Provenance", people::provenance(sheet)),
    ];
    for (index, reader) in sheet.report.readers.iter().enumerate() {
        // Who read twice is one person.
        if sheet
            .report
            .readers
            .iter()
            .take(index)
            .all(|other| other.person != reader.person)
        {
            entries.push(entry(
                sheet,
                &practitioner(&reader.person),
                people::practitioner(reader),
            ));
            entries.push(entry(sheet, &role(&reader.person), people::role(sheet, reader)));
        }
    }
    if let Some(model) = sheet
        .report
        .assessment
        .as_ref()
        .and_then(|said| said.model.as_ref())
    {
        entries.push(entry(sheet, "Device", findings::device(model)));
    }
    for (name, observation) in findings::observations(sheet) {
        entries.push(entry(sheet, &name, observation));
    }
    let at = moment::local(sheet.report.signed_at_ms, sheet.utc_offset);
    let bundle = json!({
        "resourceType": "Bundle",
        "type": "collection",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": urn(sheet, "Bundle")},
        "timestamp": moment::instant(at),
        "entry": entries,
    });
    // Maps of text keys always become JSON.
    Ok(bundle.to_string().into_bytes())
}

fn practitioner(person: &str) -> String {
    format!("Practitioner {person}")
}

fn role(person: &str) -> String {
    format!("PractitionerRole {person}")
}

fn uuid(sheet: &Sheet<'_>, name: &str) -> String {
    uids::uuid(&["fhir", &sheet.report.id, &sheet.subject.study.uid, name])
}

fn urn(sheet: &Sheet<'_>, name: &str) -> String {
    format!("urn:uuid:{}", uuid(sheet, name))
}

fn reference(sheet: &Sheet<'_>, name: &str) -> Value {
    json!({"reference": urn(sheet, name)})
}

fn entry(sheet: &Sheet<'_>, name: &str, mut resource: Value) -> Value {
    if let Some(resource) = resource.as_object_mut() {
        resource.insert("id".into(), uuid(sheet, name).into());
    }
    json!({"fullUrl": urn(sheet, name), "resource": resource})
}

pub(crate) fn concept(code: &Code, text: Option<&str>) -> Value {
    let mut concept = json!({
        "coding": [{"system": code.scheme.fhir(), "code": code.value, "display": code.meaning}]
    });
    put(&mut concept, "text", text.unwrap_or_default());
    concept
}

/// Sets a field where there is something to say.
pub(crate) fn put(object: &mut Value, key: &str, text: &str) {
    let text = visible(text);
    if let (false, Some(object)) = (text.trim().is_empty(), object.as_object_mut()) {
        object.insert(key.to_owned(), text.into());
    }
}

/// FHIR strings take no controls but tabs and ends of lines.
pub(crate) fn visible(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\r' | '\t' => character,
            control if control.is_control() => char::REPLACEMENT_CHARACTER,
            character => character,
        })
        .collect()
}

fn diagnostic_report(sheet: &Sheet<'_>, pdf: Option<&[u8]>) -> Value {
    let report = sheet.report;
    let at = moment::instant(moment::local(report.signed_at_ms, sheet.utc_offset));
    let sr = sop_instance_uid(Document::StructuredReport, &report.id, &sheet.subject.study.uid);
    let mut resource = json!({
        "resourceType": "DiagnosticReport",
        "identifier": [
            {"system": "urn:barefoot:report", "value": report.id},
            {"system": "urn:dicom:uid", "value": format!("urn:oid:{sr}")},
        ],
        "status": if report.addendum_to.is_some() { "appended" } else { "final" },
        "category": [{"coding": [
            {"system": "http://loinc.org", "code": "LP29684-5", "display": "Radiology"},
            {"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD", "display": "Radiology"},
        ]}],
        "code": concept(&title(&report.modality), None),
        "subject": reference(sheet, "Patient"),
        "issued": at,
        "imagingStudy": [reference(sheet, "ImagingStudy")],
    });
    put(&mut resource, "language", language(&report.language));
    put(&mut resource, "conclusion", &report.impression);
    put(
        &mut resource,
        "effectiveDateTime",
        &study_time(&sheet.subject.study, sheet.utc_offset),
    );
    let Some(fields) = resource.as_object_mut() else {
        return resource;
    };
    if let Some(signer) = report.readers.last() {
        fields.insert(
            "performer".into(),
            json!([reference(sheet, &role(&signer.person))]),
        );
    }
    let readers: Vec<Value> = report
        .readers
        .iter()
        .map(|reader| reference(sheet, &practitioner(&reader.person)))
        .collect();
    let results: Vec<Value> = findings::observations(sheet)
        .iter()
        .map(|(name, _)| reference(sheet, name))
        .collect();
    for (key, list) in [("resultsInterpreter", readers), ("result", results)] {
        if !list.is_empty() {
            fields.insert(key.into(), list.into());
        }
    }
    fields.insert("text".into(), narrative(sheet));
    if let Some(pdf) = pdf {
        let words = words(sheet.language);
        let form = json!([{
            "contentType": "application/pdf",
            "language": sheet.language.tag(),
            "data": BASE64.encode(pdf),
            "title": words.title,
            "creation": at,
        }]);
        fields.insert("presentedForm".into(), form);
    }
    resource
}

/// What a person reads where nothing else is understood. Also where description and advice stand: R4 has no field for them.
fn narrative(sheet: &Sheet<'_>) -> Value {
    let (report, words) = (sheet.report, words(sheet.language));
    let mut html = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\">");
    let mut add = |title: &str, text: &str| {
        if !text.trim().is_empty() {
            let text = escaped(text.trim_end()).replace('\n', "<br/>");
            html.push_str(&format!("<p><b>{}</b><br/>{text}</p>", escaped(title)));
        }
    };
    add(words.description, &report.description);
    add(words.impression, &report.impression);
    add(words.advice, &report.advice);
    let ai = if report.assessment.is_some() {
        words.clinician_decides
    } else {
        words.no_ai
    };
    add(words.assisted, ai);
    html.push_str("</div>");
    json!({"status": "additional", "div": html})
}

pub(crate) fn escaped(text: &str) -> String {
    visible(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn language(tag: &str) -> &str {
    let is_tag = (2..=35).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if is_tag { tag } else { "" }
}

/// To the minute where the images say it, in the clinic's zone.
pub(crate) fn study_time(study: &Study, utc_offset: UtcOffset) -> String {
    let Some(date) = moment::date_of(&study.date) else {
        return String::new();
    };
    match moment::clock_of(&study.time) {
        Some((hour, minute)) => {
            let zone = moment::zone(utc_offset);
            let zone = zone.trim_start_matches("UTC");
            format!("{}T{hour:02}:{minute:02}:00{zone}", moment::day(date))
        }
        None => moment::day(date),
    }
}

pub(crate) fn imaging_study(
    subject: &Subject,
    modality: &str,
    utc_offset: UtcOffset,
    patient: Value,
) -> Result<Value, Error> {
    let study = &subject.study;
    let mut identifiers = vec![json!({"system": "urn:dicom:uid", "value": format!("urn:oid:{}", study.uid)})];
    if !study.accession.trim().is_empty() {
        identifiers.push(json!({
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]},
            "value": visible(study.accession.trim()),
        }));
    }
    let mut series: Vec<(&str, Vec<Value>)> = Vec::new();
    for image in &subject.images {
        super::modules::checked(&image.sop_instance, "image")?;
        super::modules::checked(&image.sop_class, "image's class")?;
        super::modules::checked(&image.series, "image's series")?;
        let instance = json!({
            "uid": image.sop_instance,
            "sopClass": {"system": "urn:ietf:rfc:3986", "code": format!("urn:oid:{}", image.sop_class)},
        });
        match series.iter_mut().find(|(uid, _)| *uid == image.series) {
            Some((_, instances)) => instances.push(instance),
            None => series.push((&image.series, vec![instance])),
        }
    }
    let modality = if modality.is_empty() { "OT" } else { modality };
    let modality = json!({"system": "http://dicom.nema.org/resources/ontology/DCM", "code": modality});
    let (count, instances) = (series.len(), subject.images.len());
    let series: Vec<Value> = series
        .into_iter()
        .map(|(uid, instances)| {
            json!({
                "uid": uid,
                "modality": modality,
                "numberOfInstances": instances.len(),
                "instance": instances,
            })
        })
        .collect();
    let mut resource = json!({
        "resourceType": "ImagingStudy",
        "identifier": identifiers,
        "status": "available",
        "modality": [modality],
        "subject": patient,
    });
    put(&mut resource, "started", &study_time(study, utc_offset));
    put(&mut resource, "description", &study.description);
    if let (Some(fields), false) = (resource.as_object_mut(), series.is_empty()) {
        let counts: Map<String, Value> = [
            ("numberOfSeries".to_owned(), count.into()),
            ("numberOfInstances".to_owned(), instances.into()),
            ("series".to_owned(), series.into()),
        ]
        .into_iter()
        .collect();
        fields.extend(counts);
    }
    Ok(resource)
}
