//! Pixels that are not square (PS3.3 C.7.6.3.1.7) made so: as they are stored, such a picture is squashed.

use super::{ColourImage, Error, GrayImage, PIXEL_LIMIT};
use crate::header::Header;
use crate::resample::{self, Filter};
use crate::tags::{self, Tag};

/// Nobody's pixels are longer than this times their other side: then the attribute is wrong.
const LONGEST: f64 = 8.0;
/// What nobody sees.
const UNSEEN: f64 = 0.01;

pub(crate) fn gray(image: GrayImage, header: &Header) -> Result<GrayImage, Error> {
    let from = (image.width, image.height);
    let Some(to) = size(header, from) else {
        return Ok(image);
    };
    let data = resample::levels(&image.data, from, to, Filter::Triangle).map_err(|_| Error::NotMadeSquare)?;
    Ok(GrayImage {
        width: to.0,
        height: to.1,
        data,
        frame_count: image.frame_count,
    })
}

pub(crate) fn colour(image: ColourImage, header: &Header) -> Result<ColourImage, Error> {
    let from = (image.width, image.height);
    let Some(to) = size(header, from) else {
        return Ok(image);
    };
    let data =
        resample::colours(&image.data, from, to, Filter::Triangle).map_err(|_| Error::NotMadeSquare)?;
    Ok(ColourImage {
        width: to.0,
        height: to.1,
        data,
    })
}

/// The size with square pixels, nothing made smaller; `None` where they are square as they are stored.
fn size(header: &Header, (width, height): (u32, u32)) -> Option<(u32, u32)> {
    let ratio = ratio(header)?;
    let longer = |side: u32, times: f64| (f64::from(side) * times).round() as u32;
    let size = if 1.0 < ratio {
        (width, longer(height, ratio))
    } else {
        (longer(width, 1.0 / ratio), height)
    };
    (u64::from(size.0) * u64::from(size.1) <= PIXEL_LIMIT).then_some(size)
}

/// A pixel's height in its widths, where that is seen and can be.
fn ratio(header: &Header) -> Option<f64> {
    let said = |tag: Tag, sequence: Tag| match *header.decimals(tag, sequence).as_slice() {
        [height, width] if 0.0 < height && 0.0 < width => Some(height / width),
        _ => None,
    };
    // Between the centres of rows, then of columns; the aspect ratio counts only where no distance is known.
    let ratio = [
        tags::PIXEL_SPACING,
        tags::IMAGER_PIXEL_SPACING,
        tags::SCANNED_PIXEL_SPACING,
        tags::PIXEL_ASPECT,
    ]
    .into_iter()
    .find_map(|tag| said(tag, tags::PIXEL_MEASURES))?;
    let seen = UNSEEN < (ratio - 1.0).abs() && (1.0 / LONGEST..=LONGEST).contains(&ratio);
    seen.then_some(ratio)
}
