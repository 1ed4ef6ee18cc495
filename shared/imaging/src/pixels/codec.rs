use std::borrow::Cow;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dicom_core::value::C;
use dicom_encoding::adapters::{PixelDataObject, RawPixelData};
use dicom_encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use flate2::read::DeflateDecoder;

use super::codestream::{self, Kind, Stream};
use super::frame::Samples;
use super::layout::Layout;
use super::{Error, Photometric, jpeg, jpeg_ls, run_length, single_bits};

pub(super) fn is_known(transfer_syntax: &str) -> bool {
    match codestream::kind(transfer_syntax) {
        None => false,
        Some(Kind::JpegLs | Kind::RunLength | Kind::Deflated) => true,
        Some(_) => TransferSyntaxRegistry
            .get(transfer_syntax)
            .is_some_and(|known| matches!(known.codec(), Codec::EncapsulatedPixelData(Some(_), _))),
    }
}

/// Decodes one frame's compressed bytes.
pub(super) fn decode(transfer_syntax: &str, bytes: Vec<u8>, layout: &Layout) -> Result<Samples, Error> {
    let no_decoder = || Error::NoDecoder {
        uid: transfer_syntax.to_owned(),
    };
    let kind = codestream::kind(transfer_syntax).ok_or_else(no_decoder)?;
    let stream = codestream::read(kind, &bytes)?;
    let bits = match &stream {
        None => layout.bits_allocated,
        Some(stream) => fitting_bits(stream, layout)?,
    };
    let decoded = match kind {
        Kind::JpegLs => jpeg_ls::decode(&bytes)?,
        Kind::RunLength => run_length::decode(&bytes, layout)?,
        Kind::Deflated => inflated(&bytes, layout)?,
        Kind::Jpeg if stream.is_some_and(|stream| stream.is_sequential) => {
            jpeg::decode(&bytes, colours(layout.photometric))?
        }
        _ => by_library(
            Frame {
                transfer_syntax,
                layout,
                bits,
                bytes,
            },
            no_decoder,
        )?,
    };
    let wanted = (layout.pixels() * usize::from(layout.samples) * usize::from(bits)).div_ceil(8);
    if decoded.len() < wanted {
        return Err(Error::SizeMismatch {
            wanted: wanted as u64,
            found: decoded.len() as u64,
        });
    }
    let (decoded, bits) = match layout.bits_allocated {
        // The codec gave a byte a sample.
        1 if bits == 8 => (single_bits::packed(decoded.get(..wanted).unwrap_or_default()), 1),
        _ => (decoded, bits),
    };
    Ok(Samples {
        bytes: decoded,
        bits,
        planar: false,
        photometric: after_decoding(kind, layout.photometric),
        first_bit: 0,
    })
}

/// Native samples, deflated (RFC 1951, PS3.5 section A.4.13).
fn inflated(bytes: &[u8], layout: &Layout) -> Result<Vec<u8>, Error> {
    if layout.planar || layout.photometric == Photometric::Ybr422 {
        return Err(Error::Unsupported {
            what: "a deflated frame whose colours do not come pixel by pixel",
        });
    }
    let wanted = layout.frame_bits().div_ceil(8);
    let mut samples = Vec::new();
    DeflateDecoder::new(bytes)
        .take(wanted)
        .read_to_end(&mut samples)
        .map_err(|_| Error::Damaged)?;
    Ok(samples)
}

fn by_library(frame: Frame<'_>, no_decoder: impl Fn() -> Error) -> Result<Vec<u8>, Error> {
    let known = TransferSyntaxRegistry
        .get(frame.transfer_syntax)
        .ok_or_else(&no_decoder)?;
    let Codec::EncapsulatedPixelData(Some(decoder), _) = known.codec() else {
        return Err(no_decoder());
    };
    let mut decoded = Vec::new();
    // Codecs index as the stream tells them; a hostile stream must cost one picture, not the daemon.
    catch_unwind(AssertUnwindSafe(|| decoder.decode_frame(&frame, 0, &mut decoded)))
        .map_err(|_| Error::CodecPanic)?
        .map_err(|source| Error::Codec { source })?;
    Ok(decoded)
}

fn colours(photometric: Photometric) -> jpeg::Colours {
    match photometric {
        Photometric::YbrFull | Photometric::Ybr422 => jpeg::Colours::Ybr,
        _ => jpeg::Colours::Rgb,
    }
}

/// The codecs of JPEG and JPEG 2000 give back RGB; run lengths leave the colours as they were.
fn after_decoding(kind: Kind, photometric: Photometric) -> Photometric {
    match (kind, photometric) {
        (Kind::Jpeg | Kind::Jpeg2000, Photometric::YbrFull | Photometric::Ybr422) => Photometric::Rgb,
        (Kind::RunLength, Photometric::Ybr422) => Photometric::YbrFull,
        _ => photometric,
    }
}

/// How many bits a decoded sample takes: the stream's size must be the header's before the codec allocates by it.
fn fitting_bits(stream: &Stream, layout: &Layout) -> Result<u16, Error> {
    let same_size = stream.width == u32::from(layout.columns) && stream.height == u32::from(layout.rows);
    if !same_size || stream.components != layout.samples {
        return Err(Error::CodestreamMismatch);
    }
    match (stream.precision, layout.bits_allocated) {
        (1, 1) => Ok(8),
        (1..=8, 8) => Ok(8),
        // Eight bits in a header that allocates sixteen: the JPEG codec gives bytes, the wavelet one pads.
        (1..=8, 16) => Ok(if stream.bytes_by_precision { 8 } else { 16 }),
        (9..=16, 16) => Ok(16),
        _ => Err(Error::CodestreamMismatch),
    }
}

/// A single frame in a single fragment, as the codecs ask for it.
struct Frame<'a> {
    transfer_syntax: &'a str,
    layout: &'a Layout,
    bits: u16,
    bytes: Vec<u8>,
}

impl PixelDataObject for Frame<'_> {
    fn transfer_syntax_uid(&self) -> &str {
        self.transfer_syntax
    }

    fn rows(&self) -> Option<u16> {
        Some(self.layout.rows)
    }

    fn cols(&self) -> Option<u16> {
        Some(self.layout.columns)
    }

    fn samples_per_pixel(&self) -> Option<u16> {
        Some(self.layout.samples)
    }

    fn bits_allocated(&self) -> Option<u16> {
        Some(self.bits)
    }

    fn bits_stored(&self) -> Option<u16> {
        Some(self.layout.bits_stored.min(self.bits))
    }

    fn photometric_interpretation(&self) -> Option<&str> {
        None
    }

    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }

    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }

    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then_some(Cow::Borrowed(self.bytes.as_slice()))
    }

    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        Some(Cow::Borrowed(&[]))
    }

    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        Some(RawPixelData {
            fragments: C::from_elem(self.bytes.clone(), 1),
            offset_table: C::new(),
        })
    }
}
