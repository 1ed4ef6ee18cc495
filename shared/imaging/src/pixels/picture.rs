//! A frame as it is meant to be seen, in its colours.

use std::fmt;

use super::frame::{self};
use super::layout::Layout;
use super::levels::{self, Window};
use super::{Error, GrayImage, Photometric, colour, square};
use crate::header::Header;
use crate::stored::Stored;

/// Red, green and blue of each pixel, row by row from the top.
#[derive(Clone, PartialEq, Eq)]
pub struct ColourImage {
    pub width: u32,
    pub height: u32,
    /// Three bytes a pixel.
    pub data: Vec<u8>,
}

impl fmt::Debug for ColourImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColourImage")
            .field("width", &self.width)
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

impl ColourImage {
    /// As a grey picture, of an object with so many frames.
    #[must_use]
    pub fn brightness(&self, frame_count: u32) -> GrayImage {
        let (pixels, _) = self.data.as_chunks::<3>();
        GrayImage {
            width: self.width,
            height: self.height,
            data: pixels.iter().map(|pixel| colour::of_pixel(*pixel)).collect(),
            frame_count,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Picture {
    Gray(GrayImage),
    Colour(ColourImage),
}

/// Decodes a frame, counted from nought, its pixels made square. `window` counts instead of what the object says; colours have none.
///
/// # Errors
/// When the object has no such frame, or no decoder fits it.
pub fn load_picture(
    stored: &(impl Stored + ?Sized),
    header: &Header,
    number: u32,
    window: Option<Window>,
) -> Result<Picture, Error> {
    let layout = Layout::of(header)?;
    let samples = frame::read(stored, header, &layout, number)?;
    let data = match layout.photometric {
        Photometric::Monochrome1 | Photometric::Monochrome2 => {
            let data = levels::grey(header, &layout, &samples, window)?;
            let image = square::gray(GrayImage::of(&layout, data), header)?;
            return Ok(Picture::Gray(image));
        }
        Photometric::Palette => colour::palette_rgb(header, &layout, &samples)?,
        Photometric::Rgb | Photometric::YbrFull | Photometric::Ybr422 => colour::rgb(&layout, &samples)?,
    };
    let image = ColourImage {
        width: u32::from(layout.columns),
        height: u32::from(layout.rows),
        data,
    };
    square::colour(image, header).map(Picture::Colour)
}
