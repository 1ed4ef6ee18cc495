//! Pictures for pages.

use crate::pixels::GrayImage;

/// Where a model looked: row by row from the top, 0 nothing to 1 most.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    pub width: u32,
    pub height: u32,
    pub values: Vec<f32>,
}

/// Why no picture was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the picture's size does not fit its data")]
    Size,
}

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Linear, over the whole source area of a target pixel when making smaller: Pillow's BILINEAR.
    Triangle,
}

/// # Errors
/// When the sizes are zero or do not fit the data.
pub fn resize_gray(image: &GrayImage, width: u32, height: u32, filter: Filter) -> Result<GrayImage, Error> {
    let _ = (image, width, height, filter);
    Err(Error::Size)
}

/// The picture as JPEG, no side longer than `max_side`.
///
/// # Errors
/// When the picture's size does not fit its data.
pub fn preview_jpeg(image: &GrayImage, max_side: u32) -> Result<Vec<u8>, Error> {
    let _ = (image, max_side);
    Err(Error::Size)
}

/// The picture as PNG, no side longer than `max_side`.
///
/// # Errors
/// When the picture's size does not fit its data.
pub fn preview_png(image: &GrayImage, max_side: u32) -> Result<Vec<u8>, Error> {
    let _ = (image, max_side);
    Err(Error::Size)
}

/// The picture as JPEG with the map laid over it; where the map is low the picture is untouched.
///
/// # Errors
/// When a size does not fit its data.
pub fn overlay_heat_map(image: &GrayImage, map: &HeatMap, max_side: u32) -> Result<Vec<u8>, Error> {
    let _ = (image, map, max_side);
    Err(Error::Size)
}
