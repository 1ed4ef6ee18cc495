//! The parts every DICOM object of a report or a result has: patient, study, equipment, SOP common (PS3.3 section C).

use barefoot_domain::StudyUid;
use time::OffsetDateTime;

use super::codes::{Code, OWN_SYSTEM, Scheme};
use super::{Document, Error, Object, Sheet, Subject, Who, moment, series_uid, sop_instance_uid};
use crate::data_set::{Coding, Content, DataSet, Element, Vr};
use crate::part10;
use crate::tags::{self, Tag};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";

const INSTANCE_CREATION_TIME: Tag = Tag(0x0008, 0x0013);
const CODING_SCHEME_UID: Tag = Tag(0x0008, 0x010C);
const CODING_SCHEMES: Tag = Tag(0x0008, 0x0110);
const CODING_SCHEME_NAME: Tag = Tag(0x0008, 0x0115);
const LONG_CODE_VALUE: Tag = Tag(0x0008, 0x0119);
const SOFTWARE_VERSIONS: Tag = Tag(0x0018, 0x1020);

/// Longest LO and SH, in characters.
const LO: usize = 64;
const SH: usize = 16;

pub(crate) struct Kind {
    pub(crate) document: Document,
    pub(crate) sop_class: &'static str,
    pub(crate) modality: &'static str,
    /// Series of one study are told apart by people too.
    pub(crate) series_number: &'static str,
    pub(crate) description: &'static str,
}

/// What an object is and whose.
pub(crate) struct Making<'a> {
    pub(crate) subject: &'a Subject,
    /// Stands for a patient whose pseudonym is not known.
    pub(crate) unnamed: &'a str,
    pub(crate) institution: &'a str,
    /// When what it says was said.
    pub(crate) at: OffsetDateTime,
    pub(crate) sop_class: &'static str,
    pub(crate) modality: &'a str,
    pub(crate) series_number: &'a str,
    pub(crate) description: &'a str,
    pub(crate) sop_instance_uid: String,
    pub(crate) series_uid: String,
}

impl<'a> Making<'a> {
    fn of(sheet: &Sheet<'a>, kind: &'a Kind) -> Self {
        let (report, study) = (&sheet.report.id, &sheet.subject.study.uid);
        Self {
            subject: sheet.subject,
            unnamed: sheet.report.case.as_str(),
            institution: sheet.institution,
            at: moment::local(sheet.report.signed_at_ms, sheet.utc_offset),
            sop_class: kind.sop_class,
            modality: kind.modality,
            series_number: kind.series_number,
            description: kind.description,
            sop_instance_uid: sop_instance_uid(kind.document, report, study),
            series_uid: series_uid(kind.document, report, study),
        }
    }

    /// A data set that says whose it is, of which study, by what it was made and when.
    pub(crate) fn data_set(&self) -> Result<DataSet, Error> {
        let study = &self.subject.study;
        let mut set = DataSet::default();
        set.put_code(tags::CHARACTER_SET, "ISO_IR 192");
        patient(&mut set, &self.subject.who, self.unnamed);
        set.put_code(tags::STUDY_UID, checked(&study.uid, "study")?);
        put_date(&mut set, tags::STUDY_DATE, &study.date);
        put_time(&mut set, tags::STUDY_TIME, &study.time);
        put(&mut set, tags::REFERRING_PHYSICIAN, &name(&study.referring));
        put(&mut set, tags::STUDY_ID, &line(&study.id, SH));
        put(&mut set, tags::ACCESSION, &line(&study.accession, SH));
        if !study.description.is_empty() {
            put(&mut set, tags::STUDY_DESCRIPTION, &line(&study.description, LO));
        }

        set.put_code(tags::SOP_CLASS, self.sop_class);
        set.put_code(tags::SOP_INSTANCE, &self.sop_instance_uid);
        set.put_code(tags::SERIES_UID, &self.series_uid);
        set.put_code(tags::MODALITY, self.modality);
        set.put_code(tags::SERIES_NUMBER, self.series_number);
        put(&mut set, tags::SERIES_DESCRIPTION, &line(self.description, LO));
        set.put_code(tags::INSTANCE_NUMBER, "1");
        let (day, clock) = (moment::da(self.at), moment::tm(self.at));
        for tag in [
            tags::INSTANCE_CREATION_DATE,
            tags::SERIES_DATE,
            tags::CONTENT_DATE,
        ] {
            set.put_code(tag, &day);
        }
        for tag in [INSTANCE_CREATION_TIME, tags::SERIES_TIME, tags::CONTENT_TIME] {
            set.put_code(tag, &clock);
        }
        set.put_code(tags::UTC_OFFSET, &moment::dicom_offset(self.at.offset()));

        let mut scheme = DataSet::default();
        scheme.put_code(tags::CODING_SCHEME, Scheme::Own.designator());
        scheme.put_code(CODING_SCHEME_UID, OWN_SYSTEM.trim_start_matches("urn:oid:"));
        scheme.put_code(CODING_SCHEME_NAME, "Barefoot");
        set.put_items(CODING_SCHEMES, vec![scheme]);
        set.put_code(tags::MANUFACTURER, "Barefoot");
        set.put_code(tags::MODEL_NAME, "Barefoot");
        set.put_code(SOFTWARE_VERSIONS, env!("CARGO_PKG_VERSION"));
        if !self.institution.trim().is_empty() {
            put(&mut set, tags::INSTITUTION, &line(self.institution, LO));
        }
        Ok(set)
    }

    /// The finished file.
    pub(crate) fn finish(self, set: &DataSet) -> Result<Object, Error> {
        let file = part10::write(set, self.sop_class, &self.sop_instance_uid, EXPLICIT)
            .map_err(|source| Error::Write { source })?;
        Ok(Object {
            file,
            sop_class_uid: self.sop_class,
            sop_instance_uid: self.sop_instance_uid,
            series_uid: self.series_uid,
        })
    }
}

/// A data set that says whose it is, of which study, and by what it was made, at the time of the signature.
pub(crate) fn common(sheet: &Sheet<'_>, kind: &Kind) -> Result<DataSet, Error> {
    Making::of(sheet, kind).data_set()
}

fn patient(set: &mut DataSet, who: &Who, unnamed: &str) {
    match who {
        Who::Patient(identity) => {
            put(set, tags::PATIENT_NAME, &name(&identity.name));
            put(set, tags::PATIENT_ID, &line(&identity.id, LO));
            if !identity.id_issuer.is_empty() {
                put(set, tags::PATIENT_ID_ISSUER, &line(&identity.id_issuer, LO));
            }
            put_date(set, tags::PATIENT_BIRTH_DATE, &identity.birth_date);
            let sex = identity.sex.trim();
            set.put_code(
                tags::PATIENT_SEX,
                if matches!(sex, "M" | "F" | "O") { sex } else { "" },
            );
            if is_age(&identity.age) {
                set.put_code(tags::PATIENT_AGE, &identity.age);
            }
        }
        Who::Case { pseudonym } => {
            // As the case's images have it; a case without images stands for itself.
            let pseudonym = match line(pseudonym, LO) {
                pseudonym if pseudonym.is_empty() => unnamed.to_owned(),
                pseudonym => pseudonym,
            };
            put(set, tags::PATIENT_NAME, &pseudonym);
            put(set, tags::PATIENT_ID, &pseudonym);
            set.put_empty(tags::PATIENT_BIRTH_DATE);
            set.put_empty(tags::PATIENT_SEX);
            set.put_code(tags::IDENTITY_REMOVED, "YES");
            set.put_code(tags::DEIDENTIFICATION_METHOD, "Barefoot: never held an identity");
        }
    }
}

/// The finished file.
pub(crate) fn object(set: &DataSet, sheet: &Sheet<'_>, kind: &Kind) -> Result<Object, Error> {
    Making::of(sheet, kind).finish(set)
}

pub(crate) fn checked<'a>(uid: &'a str, which: &'static str) -> Result<&'a str, Error> {
    StudyUid::new(uid).map_err(|_| Error::Uid { which })?;
    Ok(uid)
}

pub(crate) fn put(set: &mut DataSet, tag: Tag, value: &str) {
    set.put_text(tag, value, Coding::Utf8);
}

fn put_date(set: &mut DataSet, tag: Tag, value: &str) {
    let value = if moment::date_of(value).is_some() {
        value.trim()
    } else {
        ""
    };
    set.put_code(tag, value);
}

fn put_time(set: &mut DataSet, tag: Tag, value: &str) {
    let is_time = moment::clock_of(value).is_some()
        && value.len() <= 13
        && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    set.put_code(tag, if is_time { value } else { "" });
}

fn is_age(age: &str) -> bool {
    let bytes = age.as_bytes();
    bytes.len() == 4
        && bytes.iter().take(3).all(u8::is_ascii_digit)
        && bytes.last().is_some_and(|unit| b"DWMY".contains(unit))
}

/// A value on one line, no longer than the value representation takes: what does not fit ends in an ellipsis.
pub(crate) fn line(text: &str, longest: usize) -> String {
    let clean: String = text
        .trim()
        .chars()
        .map(|character| match character {
            '\\' => '/',
            control if control.is_control() => ' ',
            character => character,
        })
        .collect();
    if clean.chars().count() <= longest {
        return clean;
    }
    let kept: String = clean.chars().take(longest.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

pub(crate) fn long_line(text: &str) -> String {
    line(text, LO)
}

/// A person name as it was, without what would end the value.
fn name(name: &str) -> String {
    name.trim()
        .chars()
        .map(|character| match character {
            '\\' => '/',
            control if control.is_control() => ' ',
            character => character,
        })
        .collect()
}

/// A name that a person typed in one field. Names that are not in Latin letters belong in the second group; they stand in
/// the first too, since many workstations show only that.
pub(crate) fn observer(typed: &str) -> String {
    let plain: String = line(typed, LO)
        .chars()
        .map(|character| {
            if matches!(character, '^' | '=') {
                ' '
            } else {
                character
            }
        })
        .collect();
    if plain.is_ascii() {
        plain
    } else {
        format!("{plain}={plain}")
    }
}

/// Prose as UT takes it: lines end with CR LF, other controls are seen.
pub(crate) fn prose(text: &str) -> String {
    let text = text.trim_end().replace("\r\n", "\n").replace('\r', "\n");
    text.chars()
        .map(|character| match character {
            '\n' | '\t' => character,
            control if control.is_control() => char::REPLACEMENT_CHARACTER,
            character => character,
        })
        .collect::<String>()
        .replace('\t', "    ")
        .replace('\n', "\r\n")
}

/// One item of a code sequence (PS3.3 section 8.8).
pub(crate) fn code_item(code: &Code) -> DataSet {
    let mut item = DataSet::default();
    let value = long_line(&code.value);
    if value.len() <= SH {
        put(&mut item, tags::CODE_VALUE, &value);
    } else {
        put(&mut item, LONG_CODE_VALUE, &value);
    }
    item.put_code(tags::CODING_SCHEME, code.scheme.designator());
    put(&mut item, tags::CODE_MEANING, &long_line(&code.meaning));
    item
}

/// One item that names an object.
pub(crate) fn reference(sop_class: &str, sop_instance: &str) -> DataSet {
    let mut item = DataSet::default();
    item.put_code(tags::REFERENCED_SOP_CLASS, sop_class);
    item.put_code(tags::REFERENCED_SOP_INSTANCE, sop_instance);
    item
}

/// Objects by study and series (PS3.3 table C.17-3).
pub(crate) fn hierarchy(study: &str, objects: &[(&str, &str, &str)]) -> DataSet {
    let mut series: Vec<(&str, Vec<DataSet>)> = Vec::new();
    for (series_uid, sop_class, sop_instance) in objects {
        let item = reference(sop_class, sop_instance);
        match series.iter_mut().find(|(uid, _)| uid == series_uid) {
            Some((_, items)) => items.push(item),
            None => series.push((series_uid, vec![item])),
        }
    }
    let series = series
        .into_iter()
        .map(|(uid, objects)| {
            let mut item = DataSet::default();
            item.put_code(tags::SERIES_UID, uid);
            item.put_items(tags::REFERENCED_SOP_SEQUENCE, objects);
            item
        })
        .collect();
    let mut item = DataSet::default();
    item.put_code(tags::STUDY_UID, study);
    item.put_items(tags::REFERENCED_SERIES, series);
    item
}

pub(crate) fn bytes(vr: Vr, value: Vec<u8>) -> Element {
    Element {
        vr,
        content: Content::Value(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_become_two() {
        assert_eq!(line(" a\\b\nc ", LO), "a/b c");
        assert_eq!(line("一二三四五", 4), "一二三…");
        assert_eq!(observer("Li^Huimin"), "Li Huimin");
        assert_eq!(observer("李慧敏"), "李慧敏=李慧敏");
        assert_eq!(prose("a\r\nb\n\u{7}c\n"), "a\r\nb\r\n\u{fffd}c");
    }
}
