//! A picture cut, scaled and encoded as somebody asked for it.

use image::ExtendedColorType;

use super::{Error, Filter, JPEG_QUALITY, bytes, jpeg, png, resize_gray};
use crate::pixels::{ColourImage, GrayImage, Picture};
use crate::resample;

/// A part of a picture: columns and rows from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

impl Area {
    /// The same part, told in an image's columns and rows as they are stored, on its picture, whose pixels are square.
    ///
    /// # Errors
    /// When it is not in the image.
    pub fn on(self, picture: &Picture, (columns, rows): (u32, u32)) -> Result<Self, Error> {
        let area = within(self, columns, rows)?;
        let (width, height) = match picture {
            Picture::Gray(image) => (image.width, image.height),
            Picture::Colour(image) => (image.width, image.height),
        };
        let along = |at: u32, of: u32, to: u32| {
            let scaled = u64::from(at) * u64::from(to) / u64::from(of);
            u32::try_from(scaled).unwrap_or(to)
        };
        let (left, top) = (along(area.left, columns, width), along(area.top, rows, height));
        Ok(Self {
            left,
            top,
            width: along(area.left + area.width, columns, width) - left,
            height: along(area.top + area.height, rows, height) - top,
        })
    }
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
    let size = (image.width, image.height);
    if size == (width, height) {
        return Ok(image.data.clone());
    }
    Ok(resample::colours(
        &image.data,
        size,
        (width, height),
        Filter::Triangle,
    )?)
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
    fn a_part_is_found_again_where_pixels_were_made_square() {
        let area = Area {
            left: 5,
            top: 2,
            width: 5,
            height: 4,
        };
        let on = area.on(&gray(10, 20), (10, 8)).unwrap();
        assert_eq!((on.left, on.top, on.width, on.height), (5, 5, 5, 10));
        assert_eq!(area.on(&gray(10, 8), (10, 8)).unwrap(), area);
        assert!(area.on(&gray(10, 20), (9, 8)).is_err());
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
