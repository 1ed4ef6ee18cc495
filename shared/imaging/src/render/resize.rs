use super::Error;
use crate::pixels::GrayImage;
use crate::resample::{self, Fault, Filter};

/// Resamples to exactly this size.
///
/// # Errors
/// When a size is zero or does not fit the data.
pub fn resize_gray(image: &GrayImage, width: u32, height: u32, filter: Filter) -> Result<GrayImage, Error> {
    let size = (image.width, image.height);
    let data = if size == (width, height) && holds(image) {
        image.data.clone()
    } else {
        resample::levels(&image.data, size, (width, height), filter)?
    };
    Ok(GrayImage {
        width,
        height,
        data,
        frame_count: image.frame_count,
    })
}

fn holds(image: &GrayImage) -> bool {
    let pixels = u64::from(image.width) * u64::from(image.height);
    pixels != 0 && pixels == image.data.len() as u64
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Size => Self::Size,
            Fault::Resize(source) => Self::Resize { source },
        }
    }
}
