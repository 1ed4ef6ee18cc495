//! A picture cut, scaled and encoded as somebody asked for it.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::ExtendedColorType;

use super::{Error, Filter, JPEG_QUALITY, bytes, jpeg, png, resize_gray};
use crate::pixels::{ColourImage, GrayImage, Picture};

/// A part of a picture: columns and rows from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Of this quality, 1 to 100.
    Jpeg(u8),
    Png,
}

impl Default for Format {
    fn default() -> Self {
        Self::Jpeg(JPEG_QUALITY)
    }
}

/// What of a picture is shown, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shown {
    /// The whole picture without it.
    pub area: Option<Area>,
    /// Scaled to fit into this width and height, the ratio of its sides kept; as large as it is without it.
    pub fit: Option<(u32, u32)>,
    pub format: Format,
}

/// The largest side that is made.
const MOST: u32 = 8192;

/// # Errors
/// When the area is not in the picture, or a size is zero or beyond what is made.
pub fn show(picture: &Picture, shown: &Shown) -> Result<Vec<u8>, Error> {
    match picture {
        Picture::Gray(image) => {
            let cut = cut_gray(image, shown.area)?;
            let (width, height) = size(cut.width, cut.height, shown.fit)?;
            let image = resize_gray(&cut, width, height, Filter::Triangle)?;
            encode(
                &bytes(&image),
                (width, height),
                ExtendedColorType::L8,
                shown.format,
            )
        }
        Picture::Colour(image) => {
            let cut = cut_colour(image, shown.area)?;
            let (width, height) = size(cut.width, cut.height, shown.fit)?;
            let data = resize_colour(&cut, width, height)?;
            encode(&data, (width, height), ExtendedColorType::Rgb8, shown.format)
        }
    }
}

fn encode(
    bytes: &[u8],
    size: (u32, u32),
    colour: ExtendedColorType,
    format: Format,
) -> Result<Vec<u8>, Error> {
    match format {
        Format::Jpeg(quality) => jpeg(bytes, size, colour, quality.clamp(1, 100)),
        Format::Png => png(bytes, size, colour),
    }
}

fn size(width: u32, height: u32, fit: Option<(u32, u32)>) -> Result<(u32, u32), Error> {
    let Some((most_wide, most_high)) = fit else {
        return Ok((width, height));
    };
    let possible = 1..=MOST;
    if width == 0 || height == 0 || !possible.contains(&most_wide) || !possible.contains(&most_high) {
        return Err(Error::Size);
    }
    // The side that meets its bound first decides.
    let by_width = u64::from(most_wide) * u64::from(height) <= u64::from(most_high) * u64::from(width);
    let scaled = |side: u32, of: u32, to: u32| {
        let scaled = u64::from(side) * u64::from(to) / u64::from(of);
        u32::try_from(scaled).unwrap_or(side).max(1)
    };
    Ok(if by_width {
        (most_wide, scaled(height, width, most_wide))
    } else {
        (scaled(width, height, most_high), most_high)
    })
}

fn within(area: Area, width: u32, height: u32) -> Result<Area, Error> {
    let fits = |start: u32, length: u32, whole: u32| {
        0 < length && start.checked_add(length).is_some_and(|end| end <= whole)
    };
    if fits(area.left, area.width, width) && fits(area.top, area.height, height) {
        Ok(area)
    } else {
        Err(Error::Size)
    }
}

fn rows<T: Copy>(data: &[T], width: u32, area: Area, samples: usize) -> Vec<T> {
    let (left, length) = (area.left as usize * samples, area.width as usize * samples);
    data.chunks(width as usize * samples)
        .skip(area.top as usize)
        .take(area.height as usize)
        .filter_map(|row| row.get(left..left + length))
        .flatten()
        .copied()
        .collect()
}

fn cut_gray(image: &GrayImage, area: Option<Area>) -> Result<GrayImage, Error> {
    let Some(area) = area else {
        return Ok(image.clone());
    };
    let area = within(area, image.width, image.height)?;
    Ok(GrayImage {
        width: area.width,
        height: area.height,
        data: rows(&image.data, image.width, area, 1),
        frame_count: image.frame_count,
    })
}

fn cut_colour(image: &ColourImage, area: Option<Area>) -> Result<ColourImage, Error> {
    let Some(area) = area else {
        return Ok(image.clone());
    };
    let area = within(area, image.width, image.height)?;
    Ok(ColourImage {
        width: area.width,
        height: area.height,
        data: rows(&image.data, image.width, area, 3),
    })
}

fn resize_colour(image: &ColourImage, width: u32, height: u32) -> Result<Vec<u8>, Error> {
    if (image.width, image.height) == (width, height) {
        return Ok(image.data.clone());
    }
    let (triples, _) = image.data.as_chunks::<3>();
    let source: Vec<U8x3> = triples.iter().map(|triple| U8x3::new(*triple)).collect();
    let source = TypedImageRef::new(image.width, image.height, &source).map_err(|_| Error::Size)?;
    let mut target: TypedImage<'_, U8x3> = TypedImage::new(width, height);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new()
        .resize_typed(&source, &mut target, &options)
        .map_err(|source| Error::Resize { source })?;
    Ok(target.pixels().iter().flat_map(|pixel| pixel.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gray(width: u32, height: u32) -> Picture {
        let data = (0..width * height).map(|at| (at % 7) as f32 / 7.0).collect();
        Picture::Gray(GrayImage {
            width,
            height,
            data,
            frame_count: 1,
        })
    }

    fn sides(picture: &Picture, shown: Shown) -> (u32, u32) {
        let image = image::load_from_memory(&show(picture, &shown).unwrap()).unwrap();
        (image.width(), image.height())
    }

    #[test]
    fn a_picture_is_cut_and_fitted_with_its_ratio_kept() {
        let png = Shown {
            format: Format::Png,
            ..Shown::default()
        };
        assert_eq!(sides(&gray(40, 20), png), (40, 20));
        let fitted = |fit| {
            sides(
                &gray(40, 20),
                Shown {
                    fit: Some(fit),
                    ..png
                },
            )
        };
        assert_eq!((fitted((10, 10)), fitted((80, 80))), ((10, 5), (80, 40)));
        let area = Area {
            left: 30,
            top: 10,
            width: 10,
            height: 10,
        };
        let cut = Shown {
            area: Some(area),
            ..png
        };
        assert_eq!(sides(&gray(40, 20), cut), (10, 10));
        let colour = Picture::Colour(ColourImage {
            width: 40,
            height: 20,
            data: vec![9; 2400],
        });
        assert_eq!(
            sides(
                &colour,
                Shown {
                    fit: Some((20, 20)),
                    ..cut
                }
            ),
            (20, 20)
        );
        for wrong in [
            Shown {
                fit: Some((0, 10)),
                ..png
            },
            Shown {
                fit: Some((9000, 10)),
                ..png
            },
            Shown {
                area: Some(Area { left: 31, ..area }),
                ..png
            },
        ] {
            assert!(matches!(show(&gray(40, 20), &wrong), Err(Error::Size)));
        }
    }
}
