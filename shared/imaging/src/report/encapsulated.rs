//! The page as a DICOM object (Encapsulated PDF, PS3.3 section A.45.1).

use super::codes::title;
use super::modules::{Kind, bytes, code_item, common, object, put, reference};
use super::words::words;
use super::{Document, Error, Object, Sheet, Who, moment};
use crate::data_set::Vr;
use crate::tags::{self, Tag};

const ACQUISITION_DATE_TIME: Tag = Tag(0x0008, 0x002A);
const CONCEPT_NAME: Tag = Tag(0x0040, 0xA043);
const VERIFICATION: Tag = Tag(0x0040, 0xA493);
const DOCUMENT_TITLE: Tag = Tag(0x0042, 0x0010);
const DOCUMENT: Tag = Tag(0x0042, 0x0011);
const MIME_TYPE: Tag = Tag(0x0042, 0x0012);
const SOURCES: Tag = Tag(0x0042, 0x0013);
const DOCUMENT_LENGTH: Tag = Tag(0x0042, 0x0015);

const KIND: Kind = Kind {
    document: Document::EncapsulatedPdf,
    sop_class: "1.2.840.10008.5.1.4.1.1.104.1",
    modality: "DOC",
    series_number: "9002",
    description: "Signed report, PDF",
};

/// Wraps the page that [`super::pdf`] made of the same sheet.
///
/// # Errors
/// When the study's UID or an image's is none, or the page is too long for an element.
pub fn encapsulated_pdf(sheet: &Sheet<'_>, pdf: &[u8]) -> Result<Object, Error> {
    let mut set = common(sheet, &KIND)?;
    set.put_code(tags::CONVERSION_TYPE, "WSD");
    set.put_code(
        ACQUISITION_DATE_TIME,
        &moment::dt(moment::local(sheet.report.signed_at_ms, sheet.utc_offset)),
    );
    // Whether the page says who the patient is.
    let names_patient = matches!(sheet.subject.who, Who::Patient(_));
    set.put_code(tags::BURNED_IN, if names_patient { "YES" } else { "NO" });
    let words = words(sheet.language);
    let said = match sheet.report.addendum_to {
        Some(_) => words.addendum_title,
        None => words.title,
    };
    put(&mut set, DOCUMENT_TITLE, said);
    set.put_items(CONCEPT_NAME, vec![code_item(&title(&sheet.report.modality))]);
    set.put_code(VERIFICATION, "VERIFIED");
    let mut sources = Vec::new();
    for image in &sheet.subject.images {
        super::modules::checked(&image.sop_instance, "image")?;
        super::modules::checked(&image.sop_class, "image's class")?;
        sources.push(reference(&image.sop_class, &image.sop_instance));
    }
    if !sources.is_empty() {
        set.put_items(SOURCES, sources);
    }
    set.put_code(MIME_TYPE, "application/pdf");
    let length = u32::try_from(pdf.len()).unwrap_or(u32::MAX);
    set.put(DOCUMENT_LENGTH, bytes(Vr::UL, length.to_le_bytes().to_vec()));
    set.put(DOCUMENT, bytes(Vr::OB, pdf.to_vec()));
    object(&set, sheet, &KIND)
}
