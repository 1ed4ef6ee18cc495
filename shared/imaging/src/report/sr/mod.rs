//! The report as a DICOM structured report, verified by who signed.
//!
//! Always a Comprehensive SR, also where nothing is coded or drawn: an addendum can then name the report it adds to without
//! having seen it.

mod content;
pub(crate) mod items;

use barefoot_domain::Reader;

use super::codes::{Scheme, code};
use super::modules::{Kind, checked, code_item, common, hierarchy, long_line, object, observer, put};
use super::{Document, Error, Object, Sheet, Study, Subject, moment, series_uid, sop_instance_uid};
use crate::data_set::DataSet;
use crate::tags::{self, Tag};

const VERIFYING_ORGANIZATION: Tag = Tag(0x0040, 0xA027);
const VERIFICATION_DATE_TIME: Tag = Tag(0x0040, 0xA030);
const VERIFYING_OBSERVERS: Tag = Tag(0x0040, 0xA073);
const VERIFYING_NAME: Tag = Tag(0x0040, 0xA075);
const AUTHORS: Tag = Tag(0x0040, 0xA078);
const OBSERVER_TYPE: Tag = Tag(0x0040, 0xA084);
const VERIFYING_IDENTIFICATION: Tag = Tag(0x0040, 0xA088);
const PERSON_NAME: Tag = Tag(0x0040, 0xA123);
const PERSON_IDENTIFICATION: Tag = Tag(0x0040, 0x1101);
const INSTITUTION_CODE: Tag = Tag(0x0008, 0x0082);
pub(crate) const PREDECESSORS: Tag = Tag(0x0040, 0xA360);
const REQUESTS: Tag = Tag(0x0040, 0xA370);
pub(crate) const PERFORMED_CODES: Tag = Tag(0x0040, 0xA372);
const EVIDENCE: Tag = Tag(0x0040, 0xA375);
pub(crate) const COMPLETION: Tag = Tag(0x0040, 0xA491);
pub(crate) const VERIFICATION: Tag = Tag(0x0040, 0xA493);
pub(crate) const PRELIMINARY: Tag = Tag(0x0040, 0xA496);

pub(crate) const COMPREHENSIVE: &str = "1.2.840.10008.5.1.4.1.1.88.33";

const KIND: Kind = Kind {
    document: Document::StructuredReport,
    sop_class: COMPREHENSIVE,
    modality: "SR",
    series_number: "9001",
    description: "Signed report",
};

/// The report as TID 2000, complete and verified.
///
/// # Errors
/// When the study's UID or an image's is none, or something is too long for an element.
pub fn structured_report(sheet: &Sheet<'_>) -> Result<Object, Error> {
    let mut set = common(sheet, &KIND)?;
    set.put_items(tags::REFERENCED_PERFORMED_STEPS, Vec::new());
    set.put_code(COMPLETION, "COMPLETE");
    set.put_code(PRELIMINARY, "FINAL");
    set.put_items(PERFORMED_CODES, Vec::new());
    people(&mut set, sheet);
    request(&mut set, &sheet.subject.study);
    evidence(&mut set, sheet.subject)?;
    predecessor(&mut set, sheet);
    content::document(sheet)?.into_document(&mut set);
    object(&set, sheet, &KIND)
}

fn people(set: &mut DataSet, sheet: &Sheet<'_>) {
    let authors = sheet.report.readers.iter().map(author).collect();
    set.put_items(AUTHORS, authors);
    let Some(signer) = sheet.report.readers.last() else {
        set.put_code(VERIFICATION, "UNVERIFIED");
        return;
    };
    set.put_code(VERIFICATION, "VERIFIED");
    let at = moment::local(sheet.report.signed_at_ms, sheet.utc_offset);
    let mut verifying = DataSet::default();
    put(&mut verifying, VERIFYING_NAME, &observer(&signer.name));
    verifying.put_items(VERIFYING_IDENTIFICATION, account(signer));
    put(&mut verifying, VERIFYING_ORGANIZATION, &organisation(signer));
    verifying.put_code(VERIFICATION_DATE_TIME, &moment::dt(at));
    set.put_items(VERIFYING_OBSERVERS, vec![verifying]);
}

fn author(reader: &Reader) -> DataSet {
    let mut item = DataSet::default();
    item.put_code(OBSERVER_TYPE, "PSN");
    put(&mut item, PERSON_NAME, &observer(&reader.name));
    item.put_items(PERSON_IDENTIFICATION, account(reader));
    put(&mut item, tags::INSTITUTION, &organisation(reader));
    item.put_items(INSTITUTION_CODE, Vec::new());
    item
}

/// The verifying organization must be said; who has none signs for nobody.
fn organisation(reader: &Reader) -> String {
    match long_line(&reader.institution) {
        said if said.is_empty() => "-".to_owned(),
        said => said,
    }
}

/// The account at the hub, with the title in words; no item for who has none.
fn account(reader: &Reader) -> Vec<DataSet> {
    if long_line(&reader.person).is_empty() {
        return Vec::new();
    }
    let name = format!("{} {}", reader.name.trim(), reader.title.trim());
    vec![code_item(&code(Scheme::Own, &reader.person, name.trim()))]
}

/// The order it answers, as far as the images name one.
pub(crate) fn request(set: &mut DataSet, study: &Study) {
    if study.accession.trim().is_empty() {
        return;
    }
    let mut item = DataSet::default();
    item.put_code(tags::STUDY_UID, &study.uid);
    item.put_items(tags::REFERENCED_STUDIES, Vec::new());
    let accession = super::modules::line(&study.accession, 16);
    put(&mut item, tags::ACCESSION, &accession);
    item.put_empty(tags::PLACER_ORDER);
    item.put_empty(tags::FILLER_ORDER);
    item.put_empty(tags::REQUESTED_PROCEDURE_ID);
    item.put_empty(tags::REQUESTED_PROCEDURE_DESCRIPTION);
    item.put_empty(tags::REQUESTED_PROCEDURE_CODES);
    set.put_items(REQUESTS, vec![item]);
}

/// The images it is about.
pub(crate) fn evidence(set: &mut DataSet, subject: &Subject) -> Result<(), Error> {
    let mut objects = Vec::new();
    for image in &subject.images {
        objects.push((
            checked(&image.series, "image's series")?,
            checked(&image.sop_class, "image's class")?,
            checked(&image.sop_instance, "image")?,
        ));
    }
    if !objects.is_empty() {
        set.put_items(EVIDENCE, vec![hierarchy(&subject.study.uid, &objects)]);
    }
    Ok(())
}

/// The report this one adds to, of the same study and so with a known name.
fn predecessor(set: &mut DataSet, sheet: &Sheet<'_>) {
    let Some(first) = &sheet.report.addendum_to else {
        return;
    };
    let study = &sheet.subject.study.uid;
    let instance = sop_instance_uid(Document::StructuredReport, first, study);
    let series = series_uid(Document::StructuredReport, first, study);
    set.put_items(
        PREDECESSORS,
        vec![hierarchy(study, &[(&series, COMPREHENSIVE, &instance)])],
    );
}
