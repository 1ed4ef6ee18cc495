//! A stored object's data set in another, uncompressed transfer syntax, for a node that does not take the stored one.
//!
//! Only the encoding changes: byte order, value representations, deflation; compressed pixel data become native ones, with
//! the colours the decoder gives. No identifier changes, and what says that a picture once lost something stays (PS3.3
//! section C.7.6.1.1.5): decoding adds nothing to it and takes nothing away.

use std::io::{Read as _, Seek as _, SeekFrom};

use crate::data_set::{self, Content, DataSet, Element, Limits, Vr};
use crate::header::{self, Header, length_of};
use crate::part10;
use crate::pixels;
use crate::stored::Stored;
use crate::tags::{self, Tag};

/// The most bytes of a data set, and of its pixel data once decoded, that are turned at once. A few times this is held in
/// memory meanwhile.
pub const TRANSCODE_LIMIT: u64 = 256 * 1024 * 1024;

const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// What this can make: explicit and implicit little endian, big endian, deflated.
const TARGETS: [&str; 4] = [
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    BIG_ENDIAN,
    "1.2.840.10008.1.2.1.99",
];

/// JPEG baseline and extended always lose something, whatever a scanner forgot to say.
const ALWAYS_LOSSY: [&str; 2] = ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"];

const EXTENDED_OFFSET_TABLE: [Tag; 2] = [Tag(0x7FE0, 0x0001), Tag(0x7FE0, 0x0002)];

/// Elements that PS3.6 lets be unsigned or signed, as the pixels are.
const SIGNED_AS_PIXELS: [Tag; 12] = [
    Tag(0x0028, 0x0106),
    Tag(0x0028, 0x0107),
    Tag(0x0028, 0x0108),
    Tag(0x0028, 0x0109),
    Tag(0x0028, 0x0110),
    Tag(0x0028, 0x0111),
    tags::PIXEL_PADDING,
    Tag(0x0028, 0x0121),
    tags::RED_DESCRIPTOR,
    tags::GREEN_DESCRIPTOR,
    tags::BLUE_DESCRIPTOR,
    tags::LUT_DESCRIPTOR,
];

/// Why an object cannot go in another transfer syntax. Names the place, never a value.
#[derive(Debug, thiserror::Error)]
#[expect(clippy::error_impl_error, reason = "said with its module: transcode::Error")]
pub enum Error {
    #[error("the stored file cannot be read")]
    Read { source: std::io::Error },
    #[error("the object is larger than the {limit} bytes that are turned at once")]
    TooLarge { limit: u64 },
    #[error("the stored data set cannot be taken apart")]
    Parse { source: header::Error },
    #[error("the picture cannot be decompressed")]
    Decompress { source: pixels::Error },
    #[error("the data set cannot be written anew")]
    Write { source: data_set::WriteError },
    #[error("transfer syntax {uid} is none that pictures are turned into")]
    Target { uid: String },
}

/// The data set of the object at `stored`, whose header was read from there, as it goes in transfer syntax `to`.
///
/// # Errors
/// When the object is too large, cannot be taken apart, or no decoder fits its pictures.
pub fn transcode(stored: &(impl Stored + ?Sized), header: &Header, to: &str) -> Result<Vec<u8>, Error> {
    if !TARGETS.contains(&to) {
        return Err(Error::Target { uid: to.to_owned() });
    }
    let bytes = bytes_of(stored, header)?;
    let limits = Limits {
        bytes: TRANSCODE_LIMIT,
        elements: 2_000_000,
        ..Limits::default()
    };
    let mut set = data_set::read(&bytes, header.transfer_syntax(), &limits)
        .map_err(|source| Error::Parse { source })?;
    drop(bytes);
    let encapsulated = set
        .get(tags::PIXEL_DATA)
        .is_some_and(|element| matches!(element.content, Content::Fragments(_)));
    if encapsulated {
        set.remove(tags::PIXEL_DATA);
        let native = pixels::decompress(stored, header, TRANSCODE_LIMIT)
            .map_err(|source| Error::Decompress { source })?;
        put_native(&mut set, native, header.transfer_syntax());
    }
    let allocated = set.view().u16(tags::BITS_ALLOCATED).unwrap_or(0);
    if header.encoding().big_endian != (to == BIG_ENDIAN)
        && let Some(mut element) = set.remove(tags::PIXEL_DATA)
    {
        order_samples(&mut element, allocated);
        set.put(tags::PIXEL_DATA, element);
    }
    if !header.encoding().explicit && set.view().u16(tags::PIXEL_REPRESENTATION) == Some(1) {
        mark_signed(&mut set);
    }
    data_set::write(&set, to).map_err(|source| Error::Write { source })
}

/// As [`transcode`], with the preamble and meta information that make it a file.
///
/// # Errors
/// As [`transcode`].
pub fn transcode_file(stored: &(impl Stored + ?Sized), header: &Header, to: &str) -> Result<Vec<u8>, Error> {
    let set = transcode(stored, header, to)?;
    let front = part10::front(header.sop_class_uid(), header.sop_instance_uid(), to);
    let mut file = front.map_err(|source| Error::Write { source })?;
    file.extend(set);
    Ok(file)
}

pub(crate) fn bytes_of(stored: &(impl Stored + ?Sized), header: &Header) -> Result<Vec<u8>, Error> {
    let read = |source| Error::Read { source };
    let mut file = stored.open().map_err(read)?;
    let start = header.data_set_offset();
    let length = length_of(&mut file).map_err(read)?.saturating_sub(start);
    if TRANSCODE_LIMIT < length {
        return Err(Error::TooLarge {
            limit: TRANSCODE_LIMIT,
        });
    }
    file.seek(SeekFrom::Start(start)).map_err(read)?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(read)?;
    Ok(bytes)
}

/// In big endian a sample's bytes turn round as a whole (PS3.5 section 7.3). Data sets turn the words of the value
/// representation, which may be shorter; this puts the words in order.
pub(crate) fn order_samples(element: &mut Element, bits_allocated: u16) {
    let (word, sample) = (element.vr.word().max(1), usize::from(bits_allocated / 8));
    let Content::Value(bytes) = &mut element.content else {
        return;
    };
    if sample <= word {
        return;
    }
    for sample in bytes.chunks_exact_mut(sample) {
        sample.reverse();
        sample.chunks_mut(word).for_each(<[u8]>::reverse);
    }
}

fn put_native(set: &mut DataSet, native: pixels::Native, from: &str) {
    let vr = if native.bits_allocated <= 8 {
        Vr::OB
    } else {
        Vr::OW
    };
    set.put_code(tags::PHOTOMETRIC, native.photometric);
    if native.several_samples {
        set.put_u16(tags::PLANAR_CONFIGURATION, 0);
    }
    for tag in EXTENDED_OFFSET_TABLE {
        set.remove(tag);
    }
    if ALWAYS_LOSSY.contains(&from) && set.view().string(tags::LOSSY_COMPRESSION).is_none() {
        set.put_code(tags::LOSSY_COMPRESSION, "01");
    }
    let content = Content::Value(native.bytes);
    set.put(tags::PIXEL_DATA, Element { vr, content });
}

/// Implicit encoding does not say it, and the dictionary's first choice is the unsigned one.
pub(crate) fn mark_signed(set: &mut DataSet) {
    let meant = |tag: Tag, element: &Element| match element.content {
        Content::Value(_) => element.vr == Vr::US && SIGNED_AS_PIXELS.contains(&tag),
        Content::Items(_) => true,
        Content::Fragments(_) => false,
    };
    let found: Vec<Tag> = set
        .iter()
        .filter(|(tag, element)| meant(*tag, element))
        .map(|(tag, _)| tag)
        .collect();
    for tag in found {
        let Some(mut element) = set.remove(tag) else {
            continue;
        };
        match &mut element.content {
            Content::Items(items) => items.iter_mut().for_each(mark_signed),
            Content::Value(_) | Content::Fragments(_) => element.vr = Vr::SS,
        }
        set.put(tag, element);
    }
}
