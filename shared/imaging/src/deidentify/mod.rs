//! A stored object as it may leave the clinic: PS3.15 annex E, Basic Application Level Confidentiality Profile.
//!
//! Objects leave for one of two purposes. For **care**, to be read: Clean Descriptors, Retain Longitudinal Temporal Information
//! with Modified Dates (or with Full Dates, by the site's policy), Retain Patient Characteristics (by policy). For
//! **research**: no word of any text, no dates (or modified ones), of the patient at most sex and ten years of age, and no
//! picture that a face can be made of. For both: Clean Pixel Data for every kind of picture that carries burned-in text.
//!
//! Table E.1-1 ([`annex_e`]) says what must change, and a list of our own ([`kept`]) what may stay: whatever is in neither,
//! or has not the shape its attribute has, is gone. [`burned_in`] judges the picture, [`frames`] takes text out of
//! compressed streams. What cannot be made safe is withheld with its reason; the reason names no value.
//!
//! Names come from outside ([`Pseudonyms`]): this module knows no key. Who asks for research gives names by another key than
//! for care, so that nobody can put the two together.

mod annex_e;
mod attributes;
mod burned_in;
mod dates;
#[cfg(test)]
mod document;
mod faces;
mod formal;
mod frames;
mod kept;
mod pixel_data;
mod png;
mod registry;
mod value;
mod words;

use crate::data_set::{self, DataSet, Limits};
use crate::header::{self, Header};
use crate::stored::Stored;
use crate::tags::{self, Tag};
use crate::transcode;

pub use burned_in::Banner;
pub use formal::{Checked, Fault, check, check_attributes, is_pseudonym};
pub use png::is_bare_png;

/// The names a clinic's objects have outside. The same in always gives the same out.
pub trait Pseudonyms {
    /// For any UID but the standard's own; one below 2.25.
    fn uid(&self, uid: &str) -> String;

    /// For a patient, as [`is_pseudonym`] wants it.
    fn patient(&self, identity: &str) -> String;

    /// By how many days a patient's dates move; at least a month, at most ten years, back.
    fn days(&self, identity: &str) -> i64;
}

/// What a site decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub dates: Dates,
    pub characteristics: Characteristics,
    /// The words of descriptions that are in a vocabulary stay; else none do.
    pub descriptors: bool,
    /// Pictures that a face may be made of stay altogether.
    pub withhold_faces: bool,
    /// A picture of a kind that carries burned-in text is believed where it says that it has none.
    pub trust_declared_clean: bool,
    /// Where scanners write text into their pictures.
    pub banners: Vec<Banner>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dates {
    /// Moved by the patient's own number of days.
    Shifted,
    Kept,
    Removed,
}

/// What of the patient stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Characteristics {
    /// Sex, age, size and weight.
    Kept,
    /// Sex, and ten years that the age lies in.
    SexAndAgeBand,
    Removed,
}

impl Policy {
    /// For who reads the images: the most careful one that a reader can work with.
    #[must_use]
    pub fn care() -> Self {
        Self {
            dates: Dates::Shifted,
            characteristics: Characteristics::Kept,
            descriptors: true,
            withhold_faces: false,
            trust_declared_clean: false,
            banners: Vec::new(),
        }
    }

    /// For research: nothing that the question does not need.
    #[must_use]
    pub fn research() -> Self {
        Self {
            dates: Dates::Removed,
            characteristics: Characteristics::Removed,
            descriptors: false,
            withhold_faces: true,
            ..Self::care()
        }
    }
}

/// An object that may leave.
#[derive(Clone, PartialEq, Eq)]
pub struct Deidentified {
    /// A DICOM Part 10 file.
    pub file: Vec<u8>,
    pub sop_class_uid: String,
    pub sop_instance_uid: String,
    pub study_uid: String,
    pub transfer_syntax: &'static str,
    pub pixels: Pixels,
}

impl std::fmt::Debug for Deidentified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deidentified")
            .field("sop_class_uid", &self.sop_class_uid)
            .field("bytes", &self.file.len())
            .field("pixels", &self.pixels)
            .finish_non_exhaustive()
    }
}

/// What was done about text in the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pixels {
    /// Of a kind that carries none.
    NotAtRisk,
    /// Of a kind that may, but it says that it has none, and the site believes it.
    DeclaredClean,
    /// Blanked outside the ultrasound regions.
    RegionsKept,
    /// Blanked where the site says that this scanner writes.
    BannersMasked,
}

/// Why an object stays in the clinic. Names the fault, never a value.
#[derive(Debug, thiserror::Error)]
pub enum Withheld {
    #[error("the stored file cannot be read")]
    Read { source: std::io::Error },
    #[error("the object is larger than the {limit} bytes that are looked at at once")]
    TooLarge { limit: u64 },
    #[error("the object cannot be taken apart")]
    Parse { source: header::Error },
    #[error("the object is none of the images that are sent")]
    NotAnImage,
    #[error("a UID of the object is none")]
    Uid,
    #[error("the picture may have text burned in, and nothing says where")]
    BurnedInText,
    #[error("a face may be made of the picture")]
    Face,
    #[error("a compressed picture of this kind cannot be searched for text: {uid}")]
    Unsearchable { uid: String },
    #[error("the picture cannot be decompressed")]
    Decompress { source: crate::pixels::Error },
    #[error("the pixel data are not laid out as the header says")]
    Layout,
    #[error("the object cannot be written anew")]
    Write { source: data_set::WriteError },
}

impl Withheld {
    /// A stable word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "unreadable",
            Self::TooLarge { .. } => "too_large",
            Self::Parse { .. } => "malformed",
            Self::NotAnImage => "not_an_image",
            Self::Uid => "bad_uid",
            Self::BurnedInText => "burned_in_text",
            Self::Face => "may_show_face",
            Self::Unsearchable { .. } => "unsearchable_codec",
            Self::Decompress { .. } => "undecodable",
            Self::Layout => "bad_pixel_layout",
            Self::Write { .. } => "unwritable",
        }
    }
}

/// Makes of the object at `stored`, whose header was read from there, one that may leave.
///
/// # Errors
/// When the object must stay, with the reason.
pub fn deidentify(
    stored: &(impl Stored + ?Sized),
    header: &Header,
    names: &dyn Pseudonyms,
    policy: &Policy,
) -> Result<Deidentified, Withheld> {
    if !burned_in::is_image(header.sop_class_uid()) {
        return Err(Withheld::NotAnImage);
    }
    let bytes = transcode::bytes_of(stored, header).map_err(|error| match error {
        transcode::Error::TooLarge { limit } => Withheld::TooLarge { limit },
        transcode::Error::Read { source } => Withheld::Read { source },
        _ => Withheld::Layout,
    })?;
    let limits = Limits {
        bytes: transcode::TRANSCODE_LIMIT,
        elements: 2_000_000,
        ..Limits::default()
    };
    let mut set = data_set::read(&bytes, header.transfer_syntax(), &limits)
        .map_err(|source| Withheld::Parse { source })?;
    drop(bytes);
    if let Some(term) = header.known_character_set() {
        set.put_code(tags::CHARACTER_SET, term);
    }
    if policy.withhold_faces && faces::may_show_one(&set) {
        return Err(Withheld::Face);
    }
    let done = pixel_data::prepare(&mut set, stored, header, policy)?;
    let mut clean = attributes::clean(&set, &identity(header), names, policy);
    drop(set);
    pixel_data::claim(&mut clean, done.pixels);
    let encoded = pixel_data::put(&mut clean, done);
    let uid = |tag| clean.view().string(tag).ok_or(Withheld::Uid);
    let (sop_class_uid, sop_instance_uid) = (uid(tags::SOP_CLASS)?, uid(tags::SOP_INSTANCE)?);
    let study_uid = uid(tags::STUDY_UID)?;
    let file = crate::part10::write(&clean, &sop_class_uid, &sop_instance_uid, encoded.transfer_syntax)
        .map_err(|source| Withheld::Write { source })?;
    Ok(Deidentified {
        file,
        sop_class_uid,
        sop_instance_uid,
        study_uid,
        transfer_syntax: encoded.transfer_syntax,
        pixels: encoded.pixels,
    })
}

/// Who an object is about, as [`Pseudonyms`] is asked: the patient's ID, or what else tells patients apart; in the end the
/// study. Identity: for nobody's eyes.
#[must_use]
pub fn identity(header: &Header) -> String {
    let patient = header.patient();
    if let Some(id) = patient.id {
        return format!("id\0{}", id.value);
    }
    match patient.name {
        Some(name) => {
            let (born, sex) = (
                patient.birth_date.unwrap_or_default(),
                patient.sex.unwrap_or_default(),
            );
            format!("name\0{}\0{born}\0{sex}", name.value)
        }
        None => format!("study\0{}", header.study_uid().as_str()),
    }
}

/// The attributes alone, without pixel data: for who looks at what becomes of any data set.
#[must_use]
pub fn clean_attributes(set: &DataSet, identity: &str, names: &dyn Pseudonyms, policy: &Policy) -> DataSet {
    attributes::clean(set, identity, names, policy)
}

/// What a picture of a quick look would be as an object.
pub const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";

/// Whether a file is a JPEG stream with nothing in it or behind it that is none of the picture's.
#[must_use]
pub fn is_bare_jpeg(file: &[u8]) -> bool {
    let clean = frames::without_text("1.2.840.10008.1.2.4.50", file);
    clean.is_some_and(|clean| clean.len() == file.len())
}

/// Eight hexadecimal digits.
fn tag_of(text: &str) -> Option<Tag> {
    let (group, element) = text.split_at_checked(4)?;
    Some(Tag(
        u16::from_str_radix(group, 16).ok()?,
        u16::from_str_radix(element, 16).ok()?,
    ))
}

#[cfg(test)]
mod tests;
