//! A signed report as what people and other systems keep of it: a page to print, a DICOM structured report, the page as a
//! DICOM object, a FHIR bundle.
//!
//! Pure: the report, whose it is ([`Subject`]) and what else stands on it come in a [`Sheet`], bytes go out, the same for the
//! same sheet. The clinic's box passes its patient; the hub, which knows none, a case. Fonts are read by [`Fonts::load`].
//! `docs/REPORTS.md` says what each form holds and which codes it uses.

pub(crate) mod codes;
mod encapsulated;
mod error;
pub(crate) mod fhir;
pub(crate) mod fonts;
pub(crate) mod modules;
pub(crate) mod moment;
pub(crate) mod pdf;
mod sheet;
pub(crate) mod sr;
pub(crate) mod uids;
mod words;

use barefoot_domain::{Call, FindingCode, QualityGrade, QualityProblem, Reason, Urgency};

pub use codes::{FindingName, name_of};
pub use encapsulated::encapsulated_pdf;
pub use error::Error;
pub use fhir::fhir_bundle;
pub use fonts::{FontFile, FontFiles, Fonts};
pub use pdf::{Pdf, pdf};
pub use sheet::{Identity, Image, KeyImage, Language, Sheet, Study, Subject, Who};
pub use sr::structured_report;
pub use uids::{Document, series_uid, sop_instance_uid};

/// Words that stand beside a result too, in the language asked for.
pub(crate) fn of_reason(reason: &Reason, names: &[(FindingCode, FindingName)], language: Language) -> String {
    words::words(language).of_reason(reason, names)
}

pub(crate) fn of_grade(grade: QualityGrade, language: Language) -> &'static str {
    words::words(language).of_grade(grade)
}

pub(crate) fn of_call(call: Call, language: Language) -> &'static str {
    words::words(language).of_call(call)
}

pub(crate) fn of_urgency(urgency: Urgency, language: Language) -> &'static str {
    words::words(language).of_urgency(urgency)
}

/// What is wrong with a picture, in a few words: the same on paper and on pages.
#[must_use]
pub fn name_of_problem(problem: QualityProblem, language: Language) -> &'static str {
    words::words(language).of_problem(problem)
}

/// A DICOM Part 10 file and what it says of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    pub file: Vec<u8>,
    pub sop_class_uid: &'static str,
    pub sop_instance_uid: String,
    pub series_uid: String,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object")
            .field("sop_class_uid", &self.sop_class_uid)
            .field("bytes", &self.file.len())
            .finish_non_exhaustive()
    }
}
