//! One grey picture of an object's pixel data.
//!
//! Size and layout come from the header and are checked before a byte of pixel data is read, so memory is bounded by
//! [`PIXEL_LIMIT`]. Native samples are read here; of compressed ones the codec gets a single frame whose own size was
//! compared with the header's first.

mod codec;
mod codestream;
mod colour;
mod error;
mod fragments;
mod frame;
mod jpeg;
mod jpeg_ls;
mod layout;
mod levels;
mod lut;
mod one_frame;
mod picture;
mod run_length;
mod single_bits;
mod softcopy;
mod square;
mod whole;

use std::fmt;

pub use error::Error;
pub(crate) use fragments::{of_frame as fragments_of_frame, offsets_in_memory};
#[doc(hidden)]
pub use jpeg::{Colours, decode as decode_jpeg};
#[doc(hidden)]
pub use jpeg_ls::decode as decode_jpeg_ls;
pub use layout::PIXEL_LIMIT;
pub(crate) use layout::{Layout, Photometric};
pub use levels::Window;
pub use one_frame::{can_decode, decoded_frame, is_compressed, stored_frame};
pub use picture::{ColourImage, Picture, load_picture};
pub(crate) use softcopy::{SoftModality, SoftShape, SoftTable, SoftVoi, Softcopy, load_softcopy};
pub(crate) use square::{colour as squared, gray as square_gray};
pub(crate) use whole::{Native, decode_native, decompress};

use crate::header::Header;
use crate::stored::Stored;

/// A grey picture: row by row from the top, 0 black to 1 white as a reader sees it.
#[derive(Clone, PartialEq)]
pub struct GrayImage {
    pub width: u32,
    pub height: u32,
    /// `width` × `height` of them.
    pub data: Vec<f32>,
    /// How many frames the object has; of several this is the middle one.
    pub frame_count: u32,
}

impl fmt::Debug for GrayImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrayImage")
            .field("width", &self.width)
            .field("height", &self.height)
            .field("frame_count", &self.frame_count)
            .finish_non_exhaustive()
    }
}

/// Decodes the object's picture, of several frames the middle one, as it is meant to be seen: rescaled, windowed,
/// inverted where it says so, colours as their brightness, pixels square.
///
/// # Errors
/// When the object has no pixels, or none that can be decoded.
pub fn load_gray(stored: &(impl Stored + ?Sized), header: &Header) -> Result<GrayImage, Error> {
    let layout = Layout::of(header)?;
    // In a stack of slices the middle one is the most likely to show something.
    let samples = frame::read(stored, header, &layout, layout.frames / 2)?;
    let data = match layout.photometric {
        Photometric::Monochrome1 | Photometric::Monochrome2 => levels::grey(header, &layout, &samples, None)?,
        Photometric::Palette => colour::palette_brightness(header, &layout, &samples)?,
        Photometric::Rgb | Photometric::YbrFull | Photometric::Ybr422 => {
            colour::brightness(&layout, &samples)?
        }
    };
    square::gray(GrayImage::of(&layout, data), header)
}

impl GrayImage {
    fn of(layout: &Layout, data: Vec<f32>) -> Self {
        Self {
            width: u32::from(layout.columns),
            height: u32::from(layout.rows),
            data,
            frame_count: layout.frames,
        }
    }
}
