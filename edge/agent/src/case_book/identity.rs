//! Who a study is about and what made it, as its images say.

use barefoot_imaging::header::Header;
use barefoot_imaging::text::person_name_display;

use crate::case_log::PatientText;

pub(super) fn modality_of(header: &Header) -> String {
    header.modality().filter(|text| is_code(text)).unwrap_or_default()
}

fn is_code(text: &str) -> bool {
    text.len() <= 16 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

pub(super) fn patient_of(header: &Header) -> PatientText {
    let patient = header.patient();
    let guessed = [&patient.name, &patient.id]
        .into_iter()
        .flatten()
        .any(|text| text.guessed);
    let name = patient.name.as_ref().map(person_name_display).unwrap_or_default();
    PatientText {
        other_names: patient
            .name
            .as_ref()
            .map(|text| others(&text.value, &name))
            .unwrap_or_default(),
        accession: header
            .accession_number()
            .map(|text| text.value)
            .unwrap_or_default(),
        name,
        id: patient.id.map(|text| text.value).unwrap_or_default(),
        sex: patient.sex.unwrap_or_default(),
        birth_date: patient.birth_date.unwrap_or_default(),
        guessed,
    }
}

/// One patient is one ID; where a scanner sends none, one name.
pub(super) fn same_patient(one: &PatientText, other: &PatientText) -> bool {
    if one.id.is_empty() && other.id.is_empty() {
        one.name == other.name
    } else {
        one.id == other.id
    }
}

/// The groups of a name that are not the one shown.
fn others(name: &str, shown: &str) -> String {
    let spaced = |group: &str| {
        let words = group.split(|c: char| c == '^' || c.is_whitespace());
        words
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let groups = name.split('=').map(spaced);
    groups
        .filter(|group| !group.is_empty() && group != shown)
        .collect::<Vec<_>>()
        .join(" ")
}
