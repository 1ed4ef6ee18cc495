use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::read::turn;
use super::{Content, DataSet, Element, Vr};
use crate::header::{Encoding, UNDEFINED, syntax};
use crate::tags::{self, Tag};

/// Why a data set of ours cannot be written. Names the place, never the value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The UID is one of ours or of an accepted presentation context.
    #[error("transfer syntax {uid} is not supported")]
    UnsupportedTransferSyntax { uid: String },
    #[error("element {tag} is too long for its value representation: shorten it")]
    TooLong { tag: Tag },
}

/// Writes a data set without file meta information; sequences and items say their length.
///
/// # Errors
/// When the transfer syntax is not known, or a value too long to be written.
pub fn write(set: &DataSet, transfer_syntax: &str) -> Result<Vec<u8>, Error> {
    let Some(syntax) = syntax::of(transfer_syntax) else {
        let uid = transfer_syntax.chars().take(64).collect();
        return Err(Error::UnsupportedTransferSyntax { uid });
    };
    let mut bytes = Vec::new();
    elements(set, syntax.encoding, &mut bytes)?;
    if !syntax.deflated {
        return Ok(bytes);
    }
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let deflated = encoder.write_all(&bytes).and_then(|()| encoder.finish());
    let mut deflated = deflated.map_err(|_| Error::TooLong { tag: Tag(0, 0) })?;
    // PS3.5 annex A.5: padded to an even length.
    if deflated.len() % 2 != 0 {
        deflated.push(0);
    }
    Ok(deflated)
}

fn elements(set: &DataSet, encoding: Encoding, out: &mut Vec<u8>) -> Result<(), Error> {
    set.iter()
        .try_for_each(|(tag, element)| one(tag, element, encoding, out))
}

fn one(tag: Tag, element: &Element, encoding: Encoding, out: &mut Vec<u8>) -> Result<(), Error> {
    match &element.content {
        Content::Value(value) => {
            let padded = value.len() + value.len() % 2;
            header(tag, element.vr, padded, encoding, out)?;
            let start = out.len();
            out.extend_from_slice(value);
            if padded != value.len() {
                out.push(element.vr.padding());
            }
            if encoding.big_endian
                && let Some(written) = out.get_mut(start..)
            {
                turn(written, element.vr.word());
            }
            Ok(())
        }
        Content::Items(items) => {
            let mut content = Vec::new();
            for item in items {
                let mut inner = Vec::new();
                elements(item, encoding, &mut inner)?;
                delimiter(tags::ITEM, length_of(tag, inner.len())?, encoding, &mut content);
                content.append(&mut inner);
            }
            header(tag, Vr::SQ, content.len(), encoding, out)?;
            out.append(&mut content);
            Ok(())
        }
        Content::Fragments(fragments) => {
            header(tag, element.vr, UNDEFINED as usize, encoding, out)?;
            for fragment in fragments {
                let odd = fragment.len() % 2;
                delimiter(tags::ITEM, length_of(tag, fragment.len() + odd)?, encoding, out);
                out.extend_from_slice(fragment);
                out.resize(out.len() + odd, 0);
            }
            delimiter(tags::SEQUENCE_END, 0, encoding, out);
            Ok(())
        }
    }
}

/// The length is [`UNDEFINED`] for fragments only.
fn header(tag: Tag, vr: Vr, length: usize, encoding: Encoding, out: &mut Vec<u8>) -> Result<(), Error> {
    let too_long = |_| Error::TooLong { tag };
    out.extend(u16_bytes(encoding, tag.0));
    out.extend(u16_bytes(encoding, tag.1));
    if !encoding.explicit {
        out.extend(u32_bytes(encoding, u32::try_from(length).map_err(too_long)?));
        return Ok(());
    }
    out.extend(vr.bytes());
    if vr.has_long_length() {
        out.extend([0, 0]);
        out.extend(u32_bytes(encoding, u32::try_from(length).map_err(too_long)?));
    } else {
        out.extend(u16_bytes(encoding, u16::try_from(length).map_err(too_long)?));
    }
    Ok(())
}

fn delimiter(tag: Tag, length: u32, encoding: Encoding, out: &mut Vec<u8>) {
    out.extend(u16_bytes(encoding, tag.0));
    out.extend(u16_bytes(encoding, tag.1));
    out.extend(u32_bytes(encoding, length));
}

fn length_of(tag: Tag, length: usize) -> Result<u32, Error> {
    u32::try_from(length)
        .ok()
        .filter(|length| *length != UNDEFINED)
        .ok_or(Error::TooLong { tag })
}

fn u16_bytes(encoding: Encoding, value: u16) -> [u8; 2] {
    if encoding.big_endian {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

fn u32_bytes(encoding: Encoding, value: u32) -> [u8; 4] {
    if encoding.big_endian {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}
