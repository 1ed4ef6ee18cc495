//! One frame's pixel data, for who draws them: as they are stored, or decoded.

use super::frame::{self, Samples};
use super::layout::Layout;
use super::{Error, codec, fragments, single_bits, whole};
use crate::header::{Header, PixelLocation};
use crate::stored::Stored;

/// Whether pictures in this transfer syntax are compressed streams.
#[must_use]
pub fn is_compressed(transfer_syntax: &str) -> bool {
    !frame::is_native(transfer_syntax) && transfer_syntax != frame::ENCAPSULATED_NATIVE
}

/// Whether there is a decoder for pictures in this transfer syntax, or they need none.
#[must_use]
pub fn can_decode(transfer_syntax: &str) -> bool {
    !is_compressed(transfer_syntax) || codec::is_known(transfer_syntax)
}

/// The frame as it lies in the object, counted from nought: a compressed stream in the object's transfer syntax, or samples
/// in little endian.
///
/// # Errors
/// When the object has no such frame, or it cannot be read.
pub fn stored_frame(stored: &(impl Stored + ?Sized), header: &Header, number: u32) -> Result<Vec<u8>, Error> {
    let layout = Layout::of(header)?;
    match header.pixels() {
        Some(PixelLocation::Fragments {
            offset_table,
            fragments,
        }) => {
            present(number, &layout)?;
            let mut source = frame::open(stored, header)?;
            let offsets = fragments::offsets(stored, header, layout.frames, offset_table, fragments)?;
            let wanted = fragments::of_frame(number, layout.frames, &offsets, fragments)?;
            fragments::joined(&mut source, wanted)
        }
        _ => Ok(aligned(frame::read(stored, header, &layout, number)?, &layout)),
    }
}

/// The frame's samples in little endian, decoded where they are compressed; colours then come pixel by pixel, as RGB where
/// the codec turns them into that.
///
/// # Errors
/// When the object has no such frame, or no decoder fits it.
pub fn decoded_frame(
    stored: &(impl Stored + ?Sized),
    header: &Header,
    number: u32,
) -> Result<Vec<u8>, Error> {
    let layout = Layout::of(header)?;
    let Some(PixelLocation::Fragments { .. }) = header.pixels() else {
        return stored_frame(stored, header, number);
    };
    let stream = stored_frame(stored, header, number)?;
    if header.transfer_syntax() == frame::ENCAPSULATED_NATIVE {
        return Ok(stream);
    }
    let mut samples = whole::decode(header.transfer_syntax(), stream, &layout)?;
    samples.bytes.truncate(layout.decoded_bits().div_ceil(8));
    Ok(samples.bytes)
}

fn present(number: u32, layout: &Layout) -> Result<(), Error> {
    if number < layout.frames {
        Ok(())
    } else {
        Err(Error::NoSuchFrame {
            frames: layout.frames,
        })
    }
}

/// Frames of single bits may begin and end inside a byte: alone, such a one begins with it and has none of its neighbours'.
fn aligned(samples: Samples, layout: &Layout) -> Vec<u8> {
    match samples.bits {
        1 => single_bits::moved(&samples.bytes, samples.first_bit, layout.pixels()),
        _ => samples.bytes,
    }
}
