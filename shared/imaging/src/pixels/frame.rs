use super::layout::Layout;
use super::{Error, Photometric, codec, fragments};
use crate::header::{self, Header, INFLATED_LIMIT, PixelLocation, Source, length_of};
use crate::stored::{Bytes, Stored};
use crate::tags;

/// Explicit little endian samples in fragments.
pub(super) const ENCAPSULATED_NATIVE: &str = "1.2.840.10008.1.2.1.98";

/// One frame's samples, decoded, in little endian.
pub(super) struct Samples {
    pub(super) bytes: Vec<u8>,
    /// As the header allocates; a codec may give eight for sixteen.
    pub(super) bits: u16,
    pub(super) planar: bool,
    pub(super) photometric: Photometric,
    /// Where the first sample starts in the first byte; only frames of single bits start inside one.
    pub(super) first_bit: u8,
}

/// The object's frame of this number, counted from nought.
pub(super) fn read(
    stored: &(impl Stored + ?Sized),
    header: &Header,
    layout: &Layout,
    frame: u32,
) -> Result<Samples, Error> {
    if layout.frames <= frame {
        return Err(Error::NoSuchFrame {
            frames: layout.frames,
        });
    }
    let mut source = open(stored, header)?;
    match header.pixels() {
        None => Err(Error::NoPixels),
        Some(PixelLocation::Native {
            offset,
            length,
            words,
            ..
        }) => {
            if !is_native(header.transfer_syntax()) {
                return Err(Error::Damaged);
            }
            let mut samples = native(&mut source, *offset, *length, frame, layout)?;
            if header.encoding().big_endian {
                match layout.bits_allocated {
                    64 => swap::<8>(&mut samples.bytes),
                    32 => swap::<4>(&mut samples.bytes),
                    16 => swap::<2>(&mut samples.bytes),
                    _ if *words => swap::<2>(&mut samples.bytes),
                    _ => {}
                }
            }
            Ok(samples)
        }
        Some(PixelLocation::Fragments {
            offset_table,
            fragments,
        }) => {
            let offsets = fragments::offsets(stored, header, layout.frames, offset_table, fragments)?;
            let wanted = fragments::of_frame(frame, layout.frames, &offsets, fragments)?;
            let bytes = fragments::joined(&mut source, wanted)?;
            if header.transfer_syntax() == ENCAPSULATED_NATIVE {
                return checked(bytes, layout);
            }
            codec::decode(header.transfer_syntax(), bytes, layout)
        }
    }
}

pub(super) fn open(
    stored: &(impl Stored + ?Sized),
    header: &Header,
) -> Result<Source<Box<dyn Bytes>>, Error> {
    let read = |source| Error::Read { source };
    let mut file = stored.open().map_err(read)?;
    let length = length_of(&mut file).map_err(read)?;
    let mut source = Source::new(file, length);
    if header.is_deflated() {
        source
            .skip(tags::PIXEL_DATA, header.data_set_offset())
            .map_err(changed)?;
        source = source.inflate(INFLATED_LIMIT);
    }
    Ok(source)
}

fn native(
    source: &mut Source<Box<dyn Bytes>>,
    offset: u64,
    length: u32,
    frame: u32,
    layout: &Layout,
) -> Result<Samples, Error> {
    let frame_bits = layout.frame_bits();
    let wanted = (frame_bits * u64::from(layout.frames)).div_ceil(8);
    if u64::from(length) < wanted {
        return Err(Error::SizeMismatch {
            wanted,
            found: u64::from(length),
        });
    }
    let start_bit = frame_bits * u64::from(frame);
    let end = (start_bit + frame_bits).div_ceil(8);
    let mut bytes = vec![0; (end - start_bit / 8) as usize];
    source
        .skip(tags::PIXEL_DATA, offset + start_bit / 8)
        .and_then(|()| source.read_exact(tags::PIXEL_DATA, &mut bytes))
        .map_err(changed)?;
    Ok(Samples {
        bytes,
        bits: layout.bits_allocated,
        planar: layout.planar,
        photometric: layout.photometric,
        first_bit: (start_bit % 8) as u8,
    })
}

fn checked(bytes: Vec<u8>, layout: &Layout) -> Result<Samples, Error> {
    let wanted = layout.frame_bits().div_ceil(8);
    if (bytes.len() as u64) < wanted {
        return Err(Error::SizeMismatch {
            wanted,
            found: bytes.len() as u64,
        });
    }
    Ok(Samples {
        bytes,
        bits: layout.bits_allocated,
        planar: layout.planar,
        photometric: layout.photometric,
        first_bit: 0,
    })
}

pub(super) fn is_native(transfer_syntax: &str) -> bool {
    matches!(
        transfer_syntax,
        "1.2.840.10008.1.2" | "1.2.840.10008.1.2.1" | "1.2.840.10008.1.2.1.99" | "1.2.840.10008.1.2.2"
    )
}

fn swap<const WIDTH: usize>(bytes: &mut [u8]) {
    let (samples, _) = bytes.as_chunks_mut::<WIDTH>();
    samples.iter_mut().for_each(|sample| sample.reverse());
}

pub(super) fn changed(source: header::Error) -> Error {
    Error::Changed { source }
}
