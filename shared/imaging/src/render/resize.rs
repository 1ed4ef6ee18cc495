use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

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
    // A radiograph has thirty megabytes of levels: they are read where they lie.
    let source = bytemuck::cast_slice(&image.data);
    let source = ImageRef::new(image.width, image.height, source, PixelType::F32).map_err(|_| Error::Size)?;
    let mut data = vec![0.0_f32; width as usize * height as usize];
    let target = bytemuck::cast_slice_mut(&mut data);
    let mut target = Image::from_slice_u8(width, height, target, PixelType::F32).map_err(|_| Error::Size)?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(match filter {
        Filter::Triangle => FilterType::Bilinear,
        Filter::Box => FilterType::Box,
    }));
    Resizer::new()
        .resize(&source, &mut target, &options)
        .map_err(|source| Error::Resize { source })?;
    Ok(GrayImage {
        width,
        height,
        data,
        frame_count: image.frame_count,
    })
}
