use std::fmt;

use barefoot_domain::{FindingCode, Report};
use time::UtcOffset;

use super::FindingName;

/// A report and all that stands on its documents beside it.
#[derive(Clone, Copy)]
pub struct Sheet<'a> {
    pub report: &'a Report,
    pub subject: &'a Subject,
    /// Stands at the head of the page; where it is empty, the signer's institution does.
    pub institution: &'a str,
    /// SHA-256 of the bytes that were signed.
    pub fingerprint: [u8; 32],
    /// The whole signed report as it travels, for who wants to check it from the FHIR bundle.
    pub signature: Option<&'a [u8]>,
    pub key_image: Option<KeyImage<'a>>,
    /// What the models' bundles call their findings; they go before our own table.
    pub names: &'a [(FindingCode, FindingName)],
    /// Of the printed words. What people wrote stays as they wrote it.
    pub language: Language,
    /// Of the printed times.
    pub utc_offset: UtcOffset,
}

/// May hold a patient: says nothing.
impl fmt::Debug for Sheet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sheet({}, redacted)", self.report.id)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    Zh,
    En,
}

impl Language {
    /// BCP 47, as PDF and DICOM want it.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }
}

/// Whose report it is, and of which images.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    pub who: Who,
    pub study: Study,
    /// Those the report's regions name, and any other of the study.
    pub images: Vec<Image>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({} images, redacted)", self.images.len())
    }
}

#[derive(Clone, PartialEq, Eq)]
pub enum Who {
    /// At the hub: nobody's name. The patient's pseudonym as the case's images have it; empty where no image came.
    Case { pseudonym: String },
    /// In the clinic.
    Patient(Identity),
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Case { .. } => f.write_str("Case"),
            Self::Patient(identity) => identity.fmt(f),
        }
    }
}

/// A patient, in the words of the images (decoded, see [`crate::text`]); empty is unknown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// DICOM person name, its groups parted by `=`.
    pub name: String,
    pub id: String,
    pub id_issuer: String,
    /// `19620403`.
    pub birth_date: String,
    /// `M`, `F` or `O`.
    pub sex: String,
    /// At the examination, `058Y`.
    pub age: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(redacted)")
    }
}

/// The study that was read, in the words of its images: the real one in the clinic, the case at the hub. Empty is unknown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Study {
    pub uid: String,
    /// Study ID.
    pub id: String,
    /// `20261122`.
    pub date: String,
    /// `093015`, with or without a fraction.
    pub time: String,
    pub accession: String,
    pub description: String,
    /// DICOM person name of who asked for it.
    pub referring: String,
}

impl fmt::Debug for Study {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Study(redacted)")
    }
}

/// An image of the study.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// As [`barefoot_domain::Region`] names it.
    pub named: String,
    /// As the documents name it: at the hub the same, in the clinic the image's own.
    pub sop_instance: String,
    pub sop_class: String,
    pub series: String,
    pub frames: u32,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Image(redacted)")
    }
}

/// The picture on the page.
#[derive(Clone, Copy)]
pub struct KeyImage<'a> {
    /// Grey or RGB.
    pub jpeg: &'a [u8],
    /// Which image it shows, as regions name it, so that their marks are drawn on it.
    pub named: &'a str,
    /// From 1.
    pub frame: u32,
    /// The image's own size in pixels, in which marks are given; the JPEG may be smaller, and has square pixels.
    pub columns: u32,
    pub rows: u32,
}

impl fmt::Debug for KeyImage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyImage({} bytes)", self.jpeg.len())
    }
}
