//! Pictures for pages, and resampling.

mod heat;
mod resize;
mod shown;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::pixels::GrayImage;

pub use heat::{HeatMap, heat_layer, map_of_layer, map_of_mask, mask_png, overlay_heat_map};
pub use resize::resize_gray;
pub use shown::{Area, Format, Shown, show};

pub use crate::resample::Filter;

/// Visibly the same as the original at about a tenth of its size.
const JPEG_QUALITY: u8 = 88;

/// Why no picture was made.
#[derive(Debug, thiserror::Error)]
#[expect(clippy::error_impl_error, reason = "said with its module: render::Error")]
pub enum Error {
    #[error("the picture's size is zero or does not fit its data")]
    Size,
    #[error("the picture cannot be resampled")]
    Resize {
        #[source]
        source: fast_image_resize::ResizeError,
    },
    #[error("the picture cannot be read back")]
    Decode {
        #[source]
        source: image::ImageError,
    },
    #[error("the picture cannot be encoded")]
    Encode {
        #[source]
        source: image::ImageError,
    },
}

/// The picture as JPEG, no side longer than `max_side`.
///
/// # Errors
/// When the picture's size does not fit its data.
pub fn preview_jpeg(image: &GrayImage, max_side: u32) -> Result<Vec<u8>, Error> {
    let small = fitted(image, max_side)?;
    jpeg(
        &bytes(&small),
        (small.width, small.height),
        ExtendedColorType::L8,
        JPEG_QUALITY,
    )
}

/// The picture as PNG, no side longer than `max_side`.
///
/// # Errors
/// When the picture's size does not fit its data.
pub fn preview_png(image: &GrayImage, max_side: u32) -> Result<Vec<u8>, Error> {
    let small = fitted(image, max_side)?;
    png(&bytes(&small), (small.width, small.height), ExtendedColorType::L8)
}

/// Made smaller where needed so that no side is longer than `max_side`, never larger; the sides keep their ratio.
///
/// # Errors
/// When the picture's size does not fit its data.
pub fn fitted(image: &GrayImage, max_side: u32) -> Result<GrayImage, Error> {
    let (width, height) = fitted_size((image.width, image.height), max_side);
    resize_gray(image, width, height, Filter::Triangle)
}

fn fitted_size((width, height): (u32, u32), max_side: u32) -> (u32, u32) {
    let longest = width.max(height).max(1);
    let target = |side: u32| {
        let scaled = u64::from(side) * u64::from(max_side.min(longest)) / u64::from(longest);
        u32::try_from(scaled).unwrap_or(side).max(1)
    };
    (target(width), target(height))
}

fn bytes(image: &GrayImage) -> Vec<u8> {
    image.data.iter().map(|level| to_byte(*level)).collect()
}

fn to_byte(level: f32) -> u8 {
    // Rounded by the cast.
    (level.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

fn jpeg(
    bytes: &[u8],
    (width, height): (u32, u32),
    colour: ExtendedColorType,
    quality: u8,
) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, quality)
        .encode(bytes, width, height, colour)
        .map_err(|source| Error::Encode { source })?;
    Ok(out)
}

fn png(bytes: &[u8], (width, height): (u32, u32), colour: ExtendedColorType) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    PngEncoder::new(&mut out)
        .write_image(bytes, width, height, colour)
        .map_err(|source| Error::Encode { source })?;
    Ok(out)
}

#[cfg(test)]
mod tests;
