use std::fmt;

use barefoot_domain::StudyUid;

use super::{Encoding, Header, Kept, PixelLocation, Value};
use crate::data_set::Vr;
use crate::tags::{self, Tag};
use crate::text::{self, Text};

/// Who was examined, as the scanner wrote it. Identity: `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Patient {
    pub name: Option<Text>,
    pub id: Option<Text>,
    /// `YYYYMMDD` where the scanner kept to it.
    pub birth_date: Option<String>,
    /// Usually `M`, `F` or `O`.
    pub sex: Option<String>,
    /// For instance `045Y`.
    pub age: Option<String>,
}

impl fmt::Debug for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Patient(redacted)")
    }
}

impl Header {
    #[must_use]
    pub fn transfer_syntax(&self) -> &str {
        &self.transfer_syntax
    }

    /// Where the data set starts in the file: the bytes from here on are what the scanner sent.
    #[must_use]
    pub fn data_set_offset(&self) -> u64 {
        self.data_set_offset
    }

    #[must_use]
    pub fn sop_class_uid(&self) -> &str {
        &self.sop_class_uid
    }

    #[must_use]
    pub fn sop_instance_uid(&self) -> &str {
        &self.sop_instance_uid
    }

    #[must_use]
    pub fn study_uid(&self) -> &StudyUid {
        &self.study_uid
    }

    #[must_use]
    pub fn series_uid(&self) -> Option<&str> {
        self.series_uid.as_deref()
    }

    /// Who sent the object to where it is kept now (0002,0016).
    #[must_use]
    pub fn source_ae_title(&self) -> Option<&str> {
        self.source_ae_title.as_deref()
    }

    /// From now on text means what this character set says, whatever the object declares: for a scanner that declares
    /// the wrong one. As with a declared set, bytes that cannot be of it are guessed and marked.
    pub fn set_character_set(&mut self, term: &str) {
        self.character_set = Some(term.to_owned());
    }

    pub(crate) fn known_character_set(&self) -> Option<&str> {
        self.character_set.as_deref()
    }

    /// For instance `DX`, in upper case.
    #[must_use]
    pub fn modality(&self) -> Option<String> {
        self.code(tags::MODALITY)
    }

    /// For instance `CHEST`, in upper case.
    #[must_use]
    pub fn body_part(&self) -> Option<String> {
        self.code(tags::BODY_PART)
    }

    /// For instance `PA`, in upper case.
    #[must_use]
    pub fn view_position(&self) -> Option<String> {
        self.code(tags::VIEW_POSITION)
    }

    /// Which of a pair it shows: `R` or `L`, of the image before the series'.
    #[must_use]
    pub fn laterality(&self) -> Option<String> {
        self.code(tags::IMAGE_LATERALITY)
            .or_else(|| self.code(tags::LATERALITY))
    }

    /// Towards which side of the patient the rows run: `L` where the picture's right is the patient's left.
    #[must_use]
    pub fn patient_orientation(&self) -> Option<String> {
        self.code(tags::PATIENT_ORIENTATION)
    }

    #[must_use]
    pub fn rows(&self) -> Option<u16> {
        self.number(tags::ROWS)
    }

    #[must_use]
    pub fn columns(&self) -> Option<u16> {
        self.number(tags::COLUMNS)
    }

    /// One where the object does not say, zero where it says nonsense.
    #[must_use]
    pub fn frames(&self) -> u32 {
        match self.kept.top.get(&tags::NUMBER_OF_FRAMES) {
            None => 1,
            Some(value) => match ascii(&value.bytes) {
                None => 1,
                Some(text) => text.parse().unwrap_or(0),
            },
        }
    }

    #[must_use]
    pub fn bits_allocated(&self) -> Option<u16> {
        self.number(tags::BITS_ALLOCATED)
    }

    #[must_use]
    pub fn bits_stored(&self) -> Option<u16> {
        self.number(tags::BITS_STORED)
    }

    /// Pixel data are there and not empty.
    #[must_use]
    pub fn has_pixels(&self) -> bool {
        match &self.kept.pixels {
            None => false,
            Some(PixelLocation::Native { length, .. }) => *length != 0,
            Some(PixelLocation::Fragments { fragments, .. }) => !fragments.is_empty(),
        }
    }

    #[must_use]
    pub fn patient(&self) -> Patient {
        Patient {
            name: self.text(tags::PATIENT_NAME),
            id: self.text(tags::PATIENT_ID),
            birth_date: self.string(tags::PATIENT_BIRTH_DATE),
            sex: self.code(tags::PATIENT_SEX),
            age: self.code(tags::PATIENT_AGE),
        }
    }

    /// `YYYYMMDD` where the scanner kept to it.
    #[must_use]
    pub fn study_date(&self) -> Option<String> {
        self.string(tags::STUDY_DATE)
    }

    /// `HHMMSS.FFFFFF`, shortened from the right.
    #[must_use]
    pub fn study_time(&self) -> Option<String> {
        self.string(tags::STUDY_TIME)
    }

    #[must_use]
    pub fn study_description(&self) -> Option<Text> {
        self.text(tags::STUDY_DESCRIPTION)
    }

    #[must_use]
    pub fn series_description(&self) -> Option<Text> {
        self.text(tags::SERIES_DESCRIPTION)
    }

    #[must_use]
    pub fn protocol_name(&self) -> Option<Text> {
        self.text(tags::PROTOCOL_NAME)
    }

    #[must_use]
    pub fn accession_number(&self) -> Option<Text> {
        self.text(tags::ACCESSION)
    }

    #[must_use]
    pub fn institution(&self) -> Option<Text> {
        self.text(tags::INSTITUTION)
    }

    #[must_use]
    pub fn station(&self) -> Option<Text> {
        self.text(tags::STATION)
    }

    /// Who operated the scanner (0008,1070). Identity, though not a patient's.
    #[must_use]
    pub fn operator(&self) -> Option<Text> {
        self.text(tags::OPERATOR)
    }

    #[must_use]
    pub fn manufacturer(&self) -> Option<Text> {
        self.text(tags::MANUFACTURER)
    }

    #[must_use]
    pub fn model_name(&self) -> Option<Text> {
        self.text(tags::MODEL_NAME)
    }

    pub(crate) fn pixels(&self) -> Option<&PixelLocation> {
        self.kept.pixels.as_ref()
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.syntax.encoding
    }

    pub(crate) fn is_deflated(&self) -> bool {
        self.syntax.deflated
    }

    pub(crate) fn number(&self, tag: Tag) -> Option<u16> {
        self.kept.top.get(&tag)?.numbers().first().copied()
    }

    pub(crate) fn numbers(&self, tag: Tag) -> Option<Vec<u16>> {
        self.kept.top.get(&tag).map(Value::numbers)
    }

    pub(crate) fn nested_numbers(&self, sequence: Tag, tag: Tag) -> Option<Vec<u16>> {
        self.kept.nested.get(&(sequence, tag)).map(Value::numbers)
    }

    /// The first of a decimal string's values; `sequence` is asked where the data set itself has none.
    pub(crate) fn decimal(&self, tag: Tag, sequence: Tag) -> Option<f64> {
        let value = either(&self.kept, tag, sequence)?;
        let text = ascii(&value.bytes)?;
        let first = text.split('\\').next()?.trim();
        first.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// A decimal string's values; `sequence` is asked where the data set itself has none. Empty where one is no number.
    pub(crate) fn decimals(&self, tag: Tag, sequence: Tag) -> Vec<f64> {
        either(&self.kept, tag, sequence).map_or_else(Vec::new, decimals)
    }

    /// Where each frame lies that says its own place.
    pub(crate) fn frame_positions(&self) -> impl Iterator<Item = Vec<f64>> {
        self.kept.frame_positions.iter().map(decimals)
    }

    /// Whether the sequence's items have this element with a value.
    pub(crate) fn has_nested(&self, sequence: Tag, tag: Tag) -> bool {
        let value = self.kept.nested.get(&(sequence, tag));
        value.is_some_and(|value| ascii(&value.bytes).is_some())
    }

    /// The first of a code string's values in upper case.
    pub(crate) fn code_or_nested(&self, tag: Tag, sequence: Tag) -> Option<String> {
        first_code(either(&self.kept, tag, sequence)?)
    }

    pub(crate) fn code(&self, tag: Tag) -> Option<String> {
        first_code(self.kept.top.get(&tag)?)
    }

    /// The attribute as text, whatever its value representation; several values parted by `\`.
    pub(crate) fn decoded(&self, tag: Tag) -> Option<String> {
        if Vr::of(tag) == Vr::US {
            return self.number(tag).map(|number| number.to_string());
        }
        self.text(tag).map(|text| text.value)
    }

    fn string(&self, tag: Tag) -> Option<String> {
        ascii(&self.kept.top.get(&tag)?.bytes)
    }

    fn text(&self, tag: Tag) -> Option<Text> {
        let value = self.kept.top.get(&tag)?;
        let declared = self.kept.top.get(&tags::CHARACTER_SET);
        let declared = declared.map(|value| value.bytes.as_slice());
        let text = match &self.character_set {
            None => text::decode(&value.bytes, declared),
            Some(known) => text::decode_known(&value.bytes, declared, known),
        };
        (!text.value.is_empty()).then_some(text)
    }
}

pub(super) fn source_ae_title(meta: &Kept) -> Option<String> {
    ascii(&meta.top.get(&tags::META_SOURCE_AE)?.bytes)
}

impl Value {
    /// As unsigned 16-bit numbers; an odd last byte is left out.
    pub(crate) fn numbers(&self) -> Vec<u16> {
        let (pairs, _) = self.bytes.as_chunks::<2>();
        let read = if self.big_endian {
            u16::from_be_bytes
        } else {
            u16::from_le_bytes
        };
        pairs.iter().map(|pair| read(*pair)).collect()
    }
}

fn either(kept: &Kept, tag: Tag, sequence: Tag) -> Option<&Value> {
    let in_top = kept.top.get(&tag).filter(|value| !value.bytes.is_empty());
    in_top.or_else(|| kept.nested.get(&(sequence, tag)))
}

fn decimals(value: &Value) -> Vec<f64> {
    let text = ascii(&value.bytes).unwrap_or_default();
    let numbers: Option<Vec<f64>> = text
        .split('\\')
        .map(|part| part.trim().parse().ok().filter(|number: &f64| number.is_finite()))
        .collect();
    numbers.unwrap_or_default()
}

fn first_code(value: &Value) -> Option<String> {
    let text = ascii(&value.bytes)?;
    let first = text.split('\\').next()?.trim().to_ascii_uppercase();
    (!first.is_empty()).then_some(first)
}

/// `None` for what is empty or not printable ASCII: such values are codes, dates and numbers, never prose.
fn ascii(bytes: &[u8]) -> Option<String> {
    let text = str::from_utf8(bytes).ok()?.trim_matches(['\0', ' ']);
    let printable = !text.is_empty() && text.bytes().all(|b| (0x20..0x7F).contains(&b));
    printable.then(|| text.to_owned())
}
