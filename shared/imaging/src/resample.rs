//! Levels and colours brought to another size.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeError, ResizeOptions, Resizer};

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Linear, over the whole source area of a target pixel when making smaller: what Pillow calls BILINEAR.
    Triangle,
    /// The mean of the source area of a target pixel.
    Box,
}

#[derive(Debug)]
pub(crate) enum Fault {
    /// A size is zero, or does not fit the data.
    Size,
    Resize(ResizeError),
}

/// One level a pixel, row by row. Sizes are width and height.
pub(crate) fn levels(
    data: &[f32],
    from: (u32, u32),
    to: (u32, u32),
    filter: Filter,
) -> Result<Vec<f32>, Fault> {
    let mut made = vec![0.0_f32; count(to)?];
    // A radiograph has thirty megabytes of levels: they are read where they lie.
    let (source, target) = (bytemuck::cast_slice(data), bytemuck::cast_slice_mut(&mut made));
    resampled((source, from), (target, to), PixelType::F32, filter)?;
    Ok(made)
}

/// Three bytes a pixel, row by row. Sizes are width and height.
pub(crate) fn colours(
    data: &[u8],
    from: (u32, u32),
    to: (u32, u32),
    filter: Filter,
) -> Result<Vec<u8>, Fault> {
    let mut made = vec![0; count(to)? * 3];
    resampled((data, from), (&mut made, to), PixelType::U8x3, filter)?;
    Ok(made)
}

fn count((width, height): (u32, u32)) -> Result<usize, Fault> {
    let count = u64::from(width) * u64::from(height);
    usize::try_from(count)
        .ok()
        .filter(|count| 0 < *count)
        .ok_or(Fault::Size)
}

fn resampled(
    (source, from): (&[u8], (u32, u32)),
    (target, to): (&mut [u8], (u32, u32)),
    pixel: PixelType,
    filter: Filter,
) -> Result<(), Fault> {
    if count(from)? * pixel.size() != source.len() {
        return Err(Fault::Size);
    }
    let source = ImageRef::new(from.0, from.1, source, pixel).map_err(|_| Fault::Size)?;
    let mut target = Image::from_slice_u8(to.0, to.1, target, pixel).map_err(|_| Fault::Size)?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(match filter {
        Filter::Triangle => FilterType::Bilinear,
        Filter::Box => FilterType::Box,
    }));
    Resizer::new()
        .resize(&source, &mut target, &options)
        .map_err(Fault::Resize)
}
