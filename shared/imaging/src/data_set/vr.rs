use std::fmt;

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use dicom_dictionary_std::StandardDataDictionary;

use crate::header::has_long_length;
use crate::tags::Tag;

/// A value representation: two capital letters (PS3.5 section 6.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Vr([u8; 2]);

impl fmt::Debug for Vr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.0.map(char::from);
        write!(f, "{first}{second}")
    }
}

impl Vr {
    pub const AT: Self = Self(*b"AT");
    pub const DA: Self = Self(*b"DA");
    pub const DT: Self = Self(*b"DT");
    pub const FD: Self = Self(*b"FD");
    pub const FL: Self = Self(*b"FL");
    pub const LO: Self = Self(*b"LO");
    pub const OB: Self = Self(*b"OB");
    pub const OW: Self = Self(*b"OW");
    pub const PN: Self = Self(*b"PN");
    pub const SH: Self = Self(*b"SH");
    pub const SL: Self = Self(*b"SL");
    pub const SQ: Self = Self(*b"SQ");
    pub const SS: Self = Self(*b"SS");
    pub const TM: Self = Self(*b"TM");
    pub const UI: Self = Self(*b"UI");
    pub const UL: Self = Self(*b"UL");
    pub const UN: Self = Self(*b"UN");
    pub const US: Self = Self(*b"US");

    /// What the standard says of the element; UN where it says nothing. Where two are possible, the more common one.
    #[must_use]
    pub fn of(tag: Tag) -> Self {
        StandardDataDictionary
            .by_tag(dicom_core::Tag(tag.0, tag.1))
            .map_or(Self::UN, |entry| Self(entry.vr().relaxed().to_bytes()))
    }

    /// UN for what is none: some devices leave it blank.
    pub(super) fn written(bytes: [u8; 2]) -> Self {
        if bytes.iter().all(u8::is_ascii_uppercase) {
            Self(bytes)
        } else {
            Self::UN
        }
    }

    pub(super) fn bytes(self) -> [u8; 2] {
        self.0
    }

    /// Its length takes four bytes where the value representation is written.
    pub(super) fn has_long_length(self) -> bool {
        has_long_length(self.0)
    }

    /// Bytes that turn round together between big and little endian.
    pub(crate) fn word(self) -> usize {
        match &self.0 {
            b"AT" | b"OW" | b"SS" | b"US" => 2,
            b"FL" | b"OF" | b"OL" | b"SL" | b"UL" => 4,
            b"FD" | b"OD" | b"OV" | b"SV" | b"UV" => 8,
            _ => 1,
        }
    }

    /// What makes a value's length even (PS3.5 section 6.2).
    pub(super) fn padding(self) -> u8 {
        match &self.0 {
            b"UI" | b"OB" | b"UN" => 0,
            _ if 1 < self.word() => 0,
            _ => b' ',
        }
    }

    /// Text whose meaning depends on the character set (PS3.5 section 6.1.2.3).
    pub(crate) fn is_prose(self) -> bool {
        matches!(&self.0, b"LO" | b"LT" | b"PN" | b"SH" | b"ST" | b"UC" | b"UT")
    }

    /// Any text, codes and numbers written as text included.
    #[must_use]
    pub fn is_text(self) -> bool {
        self.is_prose()
            || matches!(
                &self.0,
                b"AE" | b"AS" | b"CS" | b"DA" | b"DS" | b"DT" | b"IS" | b"TM" | b"UI" | b"UR"
            )
    }

    pub(crate) fn is_date_or_time(self) -> bool {
        matches!(self, Self::DA | Self::DT | Self::TM)
    }

    /// A number written as text.
    pub(crate) fn is_number_text(self) -> bool {
        matches!(&self.0, b"DS" | b"IS")
    }

    /// One value, in which a backslash is a backslash (PS3.5 section 6.2).
    pub(super) fn is_single(self) -> bool {
        matches!(&self.0, b"LT" | b"ST" | b"UR" | b"UT")
    }
}
