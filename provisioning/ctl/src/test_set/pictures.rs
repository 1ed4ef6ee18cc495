//! Pictures as files: DICOM through the project's own reader, PNG and JPEG as they are.

use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use barefoot_imaging::header::{Header, read_header};
use barefoot_imaging::pixels::{GrayImage, load_gray};
use image::{DynamicImage, ImageReader, Limits};

/// Sides and memory of a PNG or JPEG.
const SIDE: u32 = 16_384;
const MEMORY: u64 = 1024 * 1024 * 1024;

/// A picture, with the header when it is DICOM.
pub(super) fn load(path: &Path) -> anyhow::Result<(GrayImage, Option<Header>)> {
    if is_dicom(path)? {
        let header = read_header(path).context("it is no DICOM file we can read")?;
        let picture = load_gray(path, &header).context("its picture cannot be decoded")?;
        return Ok((picture, Some(header)));
    }
    Ok((png(path)?, None))
}

fn is_dicom(path: &Path) -> anyhow::Result<bool> {
    let mut start = [0; 132];
    let mut file = std::fs::File::open(path).context("it cannot be read")?;
    let whole = file.read_exact(&mut start).is_ok();
    Ok(whole && start.ends_with(b"DICM"))
}

/// PNG or JPEG; colours by their brightness.
pub(crate) fn png(path: &Path) -> anyhow::Result<GrayImage> {
    let file = std::fs::File::open(path).context("it cannot be read")?;
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE);
    limits.max_image_height = Some(SIDE);
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    if reader.format().is_none() {
        bail!("it is neither DICOM nor PNG nor JPEG");
    }
    let picture = reader.decode().context("it cannot be decoded")?;
    let deep = matches!(
        picture,
        DynamicImage::ImageLuma16(_) | DynamicImage::ImageLumaA16(_) | DynamicImage::ImageRgb16(_)
    );
    let (width, height) = (picture.width(), picture.height());
    let data = if deep {
        let levels = picture.into_luma16().into_raw();
        levels
            .into_iter()
            .map(|level| f32::from(level) / 65_535.0)
            .collect()
    } else {
        let levels = picture.into_luma8().into_raw();
        levels.into_iter().map(|level| f32::from(level) / 255.0).collect()
    };
    Ok(GrayImage {
        width,
        height,
        data,
        frame_count: 1,
    })
}
