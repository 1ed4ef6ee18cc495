//! A model's assessment as other systems take it: DICOM objects for any archive, a FHIR bundle for who wants it.
//!
//! Pure: the assessment, whose it is and the image that was looked at come in as [`Evidence`], bytes go out, the same for
//! the same evidence. Nothing here was seen by a person, and every form says so. `docs/RESULTS.md` tells tag by tag what
//! each holds.

mod algorithm;
mod capture;
mod error;
mod fhir;
mod lettering;
mod mask;
mod measurements;
mod names;
mod presentation;
mod report_content;
mod segmentation;
mod sites;
mod source;
mod subject;
mod wording;

use std::fmt;

use barefoot_domain::{Assessment, FindingCode};
use time::{OffsetDateTime, UtcOffset};

pub use capture::secondary_capture;
pub use error::Error;
pub use fhir::fhir_bundle;
pub use mask::Mask;
pub use measurements::structured_report;
pub use names::{Kind, sop_instance_uid};
pub use presentation::presentation_state;
pub use segmentation::{Segment, segmentation};
pub use source::Source;
pub use subject::subject_of;

use crate::report::modules::Making;
use crate::report::{FindingName, Subject, moment};
use crate::tags::Tag;

const DERIVATION: Tag = Tag(0x0008, 0x2111);

/// What was concluded about one version of a study, and all that its objects say beside it.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    pub assessment: &'a Assessment,
    pub subject: &'a Subject,
    /// Of the study.
    pub version: u32,
    /// The version whose result this one takes the place of.
    pub replaces: Option<u32>,
    pub assessed_at_ms: i64,
    /// The image the model looked at. Regions lie on it.
    pub looked_at: Option<&'a Source>,
    /// Of the images.
    pub modality: &'a str,
    /// What the models' bundles call their findings; they go before our own table.
    pub names: &'a [(FindingCode, FindingName)],
    pub institution: &'a str,
    pub utc_offset: UtcOffset,
}

/// Holds a patient: says nothing.
impl fmt::Debug for Evidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Evidence(version {}, redacted)", self.version)
    }
}

impl<'a> Evidence<'a> {
    fn at(&self) -> OffsetDateTime {
        moment::local(self.assessed_at_ms, self.utc_offset)
    }

    /// An object of this evidence, with `description` as its series'.
    fn making(&self, kind: Kind, modality: &'a str, description: &'a str) -> Making<'a> {
        let study = &self.subject.study.uid;
        Making {
            subject: self.subject,
            unnamed: "",
            institution: self.institution,
            at: self.at(),
            sop_class: kind.sop_class(),
            modality,
            series_number: kind.series_number(),
            description,
            sop_instance_uid: sop_instance_uid(kind, study, self.version),
            series_uid: names::series_uid(kind, study, self.version),
        }
    }

    /// Which version it is and what became of the one before, for people who look at a list of series.
    fn series_description(&self, what: &str) -> String {
        match self.replaces {
            Some(before) => format!("{what}, version {}, replaces version {before}", self.version),
            None => format!("{what}, version {}", self.version),
        }
    }
}
