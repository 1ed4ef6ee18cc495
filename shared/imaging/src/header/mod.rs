//! A DICOM Part 10 file's elements, read within fixed bounds.
//!
//! Lengths are held against the bytes that are left before anything is read or allocated; depth, number of elements and
//! the size of what is kept are limited. Pixel data are walked to their end but not read, so a file cut off anywhere in
//! its announced content is refused as [`Error::Truncated`].
//!
//! Values are kept as raw bytes and decoded late, see [`crate::text`].

mod error;
mod fields;
mod limits;
mod source;
pub(crate) mod syntax;
mod walk;

use std::fmt;

use std::io::{Read, Seek};

use barefoot_domain::StudyUid;

use crate::stored::Stored;
use crate::tags::{self, Tag};

pub use error::Error;
pub use fields::Patient;

pub(crate) use source::{INFLATED_LIMIT, Source, length_of};
pub(crate) use syntax::Encoding;
use walk::{Kept, Value};
pub(crate) use walk::{UNDEFINED, element_header, has_long_length};

/// Where the pixel data lie: in the file, or in the inflated data set of a deflated one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PixelLocation {
    Native {
        offset: u64,
        length: u32,
        float: bool,
        /// Written as 16-bit words (OW), so that a big endian file swaps bytes of 8-bit samples too.
        words: bool,
    },
    Fragments {
        offset_table: Vec<u32>,
        /// Offset and length of each.
        fragments: Vec<(u64, u32)>,
    },
}

/// The elements of one object that Barefoot uses. Holds identity, so `Debug` says next to nothing.
pub struct Header {
    transfer_syntax: String,
    syntax: syntax::Syntax,
    data_set_offset: u64,
    sop_class_uid: String,
    sop_instance_uid: String,
    study_uid: StudyUid,
    series_uid: Option<String>,
    source_ae_title: Option<String>,
    /// Counts instead of the declared one.
    character_set: Option<String>,
    kept: Kept,
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("transfer_syntax", &self.transfer_syntax)
            .field("sop_class_uid", &self.sop_class_uid)
            .finish_non_exhaustive()
    }
}

/// Whether objects in this transfer syntax can be read: their elements, not necessarily their pixels.
#[must_use]
pub fn can_walk(transfer_syntax: &str) -> bool {
    syntax::of(transfer_syntax).is_some()
}

/// # Errors
/// When the file cannot be read or is no whole DICOM object with its UIDs.
pub fn read_header(stored: &(impl Stored + ?Sized)) -> Result<Header, Error> {
    let mut file = stored.open().map_err(|source| Error::Read { source })?;
    let length = length_of(&mut file).map_err(|source| Error::Read { source })?;
    scan(file, length)
}

/// As [`read_header`], from anything of a known length that stands at its start.
///
/// # Errors
/// As [`read_header`].
pub fn scan<R: Read + Seek>(reader: R, length: u64) -> Result<Header, Error> {
    let mut source = Source::new(reader, length);
    let mut start = [0; 132];
    match source.read_exact(Tag(0, 0), &mut start) {
        Err(Error::Truncated { .. }) => return Err(Error::NotDicom),
        other => other?,
    }
    if !start.ends_with(b"DICM") {
        return Err(Error::NotDicom);
    }
    let meta = walk::meta_group(&mut source)?;
    let transfer_syntax = required_uid(&meta, tags::META_TRANSFER_SYNTAX, "Transfer Syntax UID")?;
    let Some(syntax) = syntax::of(&transfer_syntax) else {
        return Err(Error::UnsupportedTransferSyntax { uid: transfer_syntax });
    };
    let data_set_offset = source.position();
    if syntax.deflated {
        source = source.inflate(INFLATED_LIMIT);
    }
    let kept = walk::data_set(&mut source, syntax.encoding)?;
    let study = required_uid(&kept, tags::STUDY_UID, "Study Instance UID")?;
    Ok(Header {
        sop_class_uid: required_uid(&kept, tags::SOP_CLASS, "SOP Class UID")?,
        sop_instance_uid: required_uid(&kept, tags::SOP_INSTANCE, "SOP Instance UID")?,
        study_uid: StudyUid::new(study).map_err(|_| Error::InvalidUid {
            tag: tags::STUDY_UID,
            name: "Study Instance UID",
        })?,
        series_uid: optional_uid(&kept, tags::SERIES_UID, "Series Instance UID")?,
        source_ae_title: fields::source_ae_title(&meta),
        character_set: None,
        transfer_syntax,
        syntax,
        data_set_offset,
        kept,
    })
}

fn required_uid(kept: &Kept, tag: Tag, name: &'static str) -> Result<String, Error> {
    optional_uid(kept, tag, name)?.ok_or(Error::MissingElement { tag, name })
}

fn optional_uid(kept: &Kept, tag: Tag, name: &'static str) -> Result<Option<String>, Error> {
    let Some(value) = kept.top.get(&tag) else {
        return Ok(None);
    };
    // PS3.5 pads a UID with NUL; scanners that pad with a space are understood too.
    let text = str::from_utf8(&value.bytes)
        .map_err(|_| Error::InvalidUid { tag, name })?
        .trim_matches(['\0', ' ']);
    if text.is_empty() {
        return Ok(None);
    }
    match StudyUid::new(text) {
        Ok(_) => Ok(Some(text.to_owned())),
        Err(_) => Err(Error::InvalidUid { tag, name }),
    }
}
