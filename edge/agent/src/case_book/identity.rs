//! Who a study is about and what made it, as its images say.

use barefoot_imaging::header::Header;
use barefoot_imaging::text::person_name_display;
use barefoot_trust::PseudonymKey;
use barefoot_wire::MadeBy;

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
        study_date: header.study_date().unwrap_or_default(),
        name,
        id: patient.id.map(|text| text.value).unwrap_or_default(),
        sex: patient.sex.unwrap_or_default(),
        birth_date: patient.birth_date.unwrap_or_default(),
        age: patient.age.unwrap_or_default().into(),
        guessed,
    }
}

/// The scanner by the name it calls with; who operated it by a pseudonym that only this clinic can make.
pub(super) fn made_by(header: &Header, pseudonyms: &PseudonymKey) -> MadeBy {
    let operator = header.operator().map(|name| person_name_display(&name));
    let operator = operator.filter(|name| !name.is_empty());
    let operator = operator.map(|name| pseudonyms.operator_of(&name));
    let title = header.source_ae_title().unwrap_or_default();
    MadeBy::new(
        &title.trim().replace(' ', "_"),
        operator.as_deref().unwrap_or_default(),
    )
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

#[cfg(test)]
mod tests {
    use barefoot_imaging::header::read_header;

    use super::*;

    fn put(file: &mut Vec<u8>, tag: (u16, u16), vr: &[u8; 2], value: &str) {
        let mut value = value.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(if vr == b"UI" { 0 } else { b' ' });
        }
        file.extend(tag.0.to_le_bytes());
        file.extend(tag.1.to_le_bytes());
        file.extend(vr);
        file.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
        file.extend(value);
    }

    fn image(operator: Option<&str>, ae_title: Option<&str>) -> Header {
        let mut file = vec![0; 128];
        file.extend(b"DICM");
        put(&mut file, (2, 0x0010), b"UI", "1.2.840.10008.1.2.1");
        if let Some(ae_title) = ae_title {
            put(&mut file, (2, 0x0016), b"AE", ae_title);
        }
        put(&mut file, (8, 0x0005), b"CS", "ISO_IR 192");
        put(&mut file, (8, 0x0016), b"UI", "1.2.840.10008.5.1.4.1.1.7");
        put(&mut file, (8, 0x0018), b"UI", "1.2.3.4");
        if let Some(operator) = operator {
            put(&mut file, (8, 0x1070), b"PN", operator);
        }
        put(&mut file, (0x20, 0x000D), b"UI", "1.2.3");
        put(&mut file, (0x20, 0x000E), b"UI", "1.2.3.9");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.dcm");
        std::fs::write(&path, file).unwrap();
        read_header(&path).unwrap()
    }

    #[test]
    fn a_result_names_the_scanner_and_hides_who_operated_it() {
        let folder = tempfile::tempdir().unwrap();
        let key = PseudonymKey::load_or_create(&folder.path().join("key")).unwrap();
        let made = made_by(&image(Some("Li^Na=李^娜"), Some("DR1")), &key);
        assert_eq!((made.scanner.as_str(), made.operator.len()), ("DR1", 9));
        assert!(!made.operator.contains("Li"));
        // The same person however the scanner writes the name.
        assert_eq!(
            made_by(&image(Some("Li^Na=李^娜 "), None), &key).operator,
            made.operator
        );
        assert_ne!(
            made_by(&image(Some("Wang^Wei"), None), &key).operator,
            made.operator
        );
        assert_eq!(
            made_by(&image(None, Some("CR ROOM 2")), &key).scanner,
            "CR_ROOM_2"
        );
        let unknown = made_by(&image(None, Some("CR\\2")), &key);
        assert_eq!(unknown, MadeBy::default(), "a title of another form is not sent");
    }
}
