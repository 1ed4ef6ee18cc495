//! From a picture to what the graph takes.

use barefoot_imaging::pixels::GrayImage;
use barefoot_imaging::render::{Error, Filter, resize_gray};

use crate::bundle::{Crop, Preprocessing};

/// The picture, or the part of it the graph sees, stretched to the graph's input and normalised.
pub(crate) fn graph_input(image: &GrayImage, preprocessing: &Preprocessing) -> Result<Vec<f32>, Error> {
    let cut = preprocessing.crop.map(|crop| cut(image, crop));
    let seen = cut.as_ref().unwrap_or(image);
    let mut levels = resize_gray(seen, preprocessing.width, preprocessing.height, Filter::Triangle)?.data;
    if let Some(floor) = preprocessing.contrast_floor {
        even_contrast(&mut levels, floor);
    }
    for level in &mut levels {
        *level = (*level - preprocessing.mean) / preprocessing.std;
    }
    Ok(levels)
}

/// Mean 0 and deviation 1. A deviation below `floor` stays so much less than 1: what is flat is not blown up into a
/// picture.
pub(crate) fn even_contrast(levels: &mut [f32], floor: f32) {
    let count = levels.len() as f64;
    let mean = levels.iter().copied().map(f64::from).sum::<f64>() / count;
    let squares = levels.iter().map(|level| (f64::from(*level) - mean).powi(2));
    let deviation = (squares.sum::<f64>() / count).sqrt().max(f64::from(floor));
    for level in levels {
        *level = ((f64::from(*level) - mean) / deviation) as f32;
    }
}

fn cut(image: &GrayImage, crop: Crop) -> GrayImage {
    let (top, bottom) = edges(crop.top, crop.bottom, image.height);
    let (left, right) = edges(crop.left, crop.right, image.width);
    let rows = image.data.chunks(image.width.max(1) as usize);
    let rows = rows.skip(top as usize).take((bottom - top) as usize);
    GrayImage {
        width: right - left,
        height: bottom - top,
        data: rows
            .flat_map(|row| row.get(left as usize..right as usize).unwrap_or_default())
            .copied()
            .collect(),
        frame_count: image.frame_count,
    }
}

/// The pixel edges nearest to two fractions of a side, at least one pixel apart where there is one.
fn edges(from: f64, to: f64, size: u32) -> (u32, u32) {
    let nearest = |fraction: f64| (fraction * f64::from(size) + 0.5).floor() as u32;
    let first = nearest(from).min(size.saturating_sub(1));
    (first, nearest(to).max(first + 1).min(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: u32, height: u32, level: impl Fn(u32, u32) -> f32) -> GrayImage {
        GrayImage {
            width,
            height,
            data: (0..width * height)
                .map(|place| level(place % width, place / width))
                .collect(),
            frame_count: 1,
        }
    }

    fn preprocessing(more: &str) -> Preprocessing {
        let text =
            "width = 4\nheight = 4\nresize = \"stretch\"\nfilter = \"triangle\"\nmean = 0.0\nstd = 2.0\n";
        toml::from_str(&format!("{text}{more}")).unwrap()
    }

    #[test]
    fn what_lies_outside_the_crop_is_never_seen() {
        let keys = "crop = { top = 0.25, bottom = 0.75, left = 0.25, right = 0.75 }";
        let preprocessing = preprocessing(keys);
        let of = |outside: f32| {
            let picture = image(8, 8, |x, y| {
                let inside = (2..6).contains(&x) && (2..6).contains(&y);
                if inside { (x + y) as f32 / 16.0 } else { outside }
            });
            graph_input(&picture, &preprocessing).unwrap()
        };
        assert_eq!(of(0.0), of(1.0));
        assert_eq!(of(0.0)[..4], [2.0, 2.5, 3.0, 3.5].map(|level| level / 16.0));
    }

    #[test]
    fn contrast_is_evened_but_a_flat_picture_stays_flat() {
        let preprocessing = preprocessing("contrast_floor = 0.05");
        let stripes = |low: f32, high: f32| {
            let picture = image(4, 4, |x, _| if x % 2 == 0 { low } else { high });
            graph_input(&picture, &preprocessing).unwrap()
        };
        for level in stripes(0.2, 0.4) {
            assert!((level.abs() - 0.5).abs() < 1e-6, "{level}");
        }
        // A deviation of a hundredth: a fifth of the floor.
        for level in stripes(0.49, 0.51) {
            assert!((level.abs() - 0.1).abs() < 1e-5, "{level}");
        }
        assert_eq!(stripes(0.3, 0.3), [0.0; 16]);
    }

    #[test]
    fn the_smallest_pictures_have_a_crop_too() {
        let thin = Crop {
            top: 0.4,
            bottom: 0.45,
            left: 0.9,
            right: 1.0,
        };
        for (width, height) in [(1, 1), (1, 7), (3, 2)] {
            let cut = cut(&image(width, height, |_, _| 0.5), thin);
            assert!(0 < cut.width && 0 < cut.height);
            assert_eq!(cut.data.len() as u32, cut.width * cut.height);
        }
        let empty = image(0, 0, |_, _| 0.0);
        assert!(matches!(
            graph_input(&empty, &preprocessing("")),
            Err(Error::Size)
        ));
    }
}
