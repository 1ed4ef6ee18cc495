//! All frames of a compressed object in native form (PS3.5 section 8.1).

use super::codestream::{self, Kind};
use super::frame::{self, Samples};
use super::layout::Layout;
use super::{Error, Photometric, codec, fragments, single_bits};
use crate::header::{Header, PixelLocation};
use crate::stored::Stored;

/// Pixel data as they stand in an object without compression, little endian.
pub(crate) struct Native {
    pub(crate) bytes: Vec<u8>,
    /// What Photometric Interpretation says of them.
    pub(crate) photometric: &'static str,
    pub(crate) meaning: Photometric,
    pub(crate) several_samples: bool,
    pub(crate) bits_allocated: u16,
}

/// Decodes every frame; colours come pixel by pixel.
///
/// # Errors
/// When the object has no compressed pixels, or none that can be decoded, or more than `limit` bytes of them.
pub(crate) fn decompress(
    stored: &(impl Stored + ?Sized),
    header: &Header,
    limit: u64,
) -> Result<Native, Error> {
    let layout = Layout::of(header)?;
    let Some(PixelLocation::Fragments {
        offset_table,
        fragments,
    }) = header.pixels()
    else {
        return Err(Error::NoPixels);
    };
    let frame_bits = layout.decoded_bits();
    if limit < (frame_bits as u64).saturating_mul(u64::from(layout.frames)) / 8 {
        return Err(Error::Unsupported {
            what: "this much pixel data at once",
        });
    }
    let offsets = fragments::offsets(stored, header, layout.frames, offset_table, fragments)?;
    let mut source = frame::open(stored, header)?;
    let mut bytes = Vec::new();
    let mut photometric = layout.photometric;
    for number in 0..layout.frames {
        let wanted = fragments::of_frame(number, layout.frames, &offsets, fragments)?;
        let compressed = fragments::joined(&mut source, wanted)?;
        let mut samples = decode(header.transfer_syntax(), compressed, &layout)?;
        photometric = samples.photometric;
        if samples.bits == 1 {
            let held = number as usize * frame_bits;
            single_bits::append(&mut bytes, held, &samples.bytes, frame_bits);
        } else {
            samples.bytes.truncate(frame_bits / 8);
            bytes.append(&mut samples.bytes);
        }
    }
    Ok(Native {
        bytes,
        photometric: name(photometric),
        meaning: photometric,
        several_samples: 1 < layout.samples,
        bits_allocated: layout.bits_allocated,
    })
}

/// One frame's stream as the native samples it stands for.
///
/// # Errors
/// When it cannot be decoded.
pub(crate) fn decode_native(
    transfer_syntax: &str,
    stream: Vec<u8>,
    layout: &Layout,
) -> Result<Vec<u8>, Error> {
    decode(transfer_syntax, stream, layout).map(|samples| samples.bytes)
}

pub(super) fn decode(transfer_syntax: &str, stream: Vec<u8>, layout: &Layout) -> Result<Samples, Error> {
    let precision = precision(transfer_syntax, &stream);
    let mut samples = codec::decode(transfer_syntax, stream, layout)?;
    if samples.bits == 8 && layout.bits_allocated == 16 {
        widen(&mut samples);
    }
    if layout.signed && precision == Some(layout.bits_stored) {
        extend_sign(&mut samples, layout);
    }
    Ok(samples)
}

/// How many bits the stream keeps of each sample, where it says so.
fn precision(transfer_syntax: &str, stream: &[u8]) -> Option<u16> {
    let kind =
        codestream::kind(transfer_syntax).filter(|kind| !matches!(kind, Kind::RunLength | Kind::Deflated))?;
    let stream = codestream::read(kind, stream).ok().flatten()?;
    Some(u16::from(stream.precision))
}

/// The codec gave bytes where the object allocates words.
fn widen(samples: &mut Samples) {
    samples.bytes = samples.bytes.iter().flat_map(|byte| [*byte, 0]).collect();
    samples.bits = 16;
}

/// Streams of twelve bits give twelve: readers of native pixel data expect the sign in the bits above too.
fn extend_sign(samples: &mut Samples, layout: &Layout) {
    let unused = u32::from(samples.bits.saturating_sub(layout.bits_stored));
    if samples.bits == 16 {
        let (words, _) = samples.bytes.as_chunks_mut::<2>();
        for word in words {
            *word = ((i16::from_le_bytes(*word) << unused) >> unused).to_le_bytes();
        }
    } else {
        for byte in &mut samples.bytes {
            *byte = ((byte.cast_signed() << unused) >> unused).cast_unsigned();
        }
    }
}

fn name(photometric: Photometric) -> &'static str {
    match photometric {
        Photometric::Monochrome1 => "MONOCHROME1",
        Photometric::Monochrome2 => "MONOCHROME2",
        Photometric::Palette => "PALETTE COLOR",
        Photometric::Rgb => "RGB",
        Photometric::YbrFull => "YBR_FULL",
        Photometric::Ybr422 => "YBR_FULL_422",
    }
}
