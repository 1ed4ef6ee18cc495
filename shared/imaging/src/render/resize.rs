use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::F32;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::Error;
use crate::pixels::GrayImage;

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Linear, over the whole source area of a target pixel when making smaller: what Pillow calls BILINEAR.
    Triangle,
    /// The mean of the source area of a target pixel.
    Box,
}

/// Resamples to exactly this size.
///
/// # Errors
/// When a size is zero or does not fit the data.
pub fn resize_gray(image: &GrayImage, width: u32, height: u32, filter: Filter) -> Result<GrayImage, Error> {
    let wanted = u64::from(image.width) * u64::from(image.height);
    if wanted == 0 || width == 0 || height == 0 || wanted != image.data.len() as u64 {
        return Err(Error::Size);
    }
    if (image.width, image.height) == (width, height) {
        return Ok(image.clone());
    }
    let source: Vec<F32> = image.data.iter().map(|level| F32::new(*level)).collect();
    let source = TypedImageRef::new(image.width, image.height, &source).map_err(|_| Error::Size)?;
    let mut target: TypedImage<'_, F32> = TypedImage::new(width, height);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(match filter {
        Filter::Triangle => FilterType::Bilinear,
        Filter::Box => FilterType::Box,
    }));
    Resizer::new()
        .resize_typed(&source, &mut target, &options)
        .map_err(|source| Error::Resize { source })?;
    Ok(GrayImage {
        width,
        height,
        data: target.pixels().iter().map(|pixel| pixel.0).collect(),
        frame_count: image.frame_count,
    })
}
