use std::io::Cursor;

use image::ExtendedColorType;

use super::{Error, JPEG_QUALITY, fitted, fitted_size, jpeg, png, to_byte};
use crate::pixels::GrayImage;

/// Where a model looked: row by row from the top, 0 nothing to 1 most.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    pub width: u32,
    pub height: u32,
    /// `width` × `height` of them.
    pub values: Vec<f32>,
}

/// Up to here the picture shows through untouched.
const VISIBLE_FROM: f32 = 0.25;
/// At the map's peak the picture is still to be seen.
const STRONGEST: f32 = 0.6;
/// From vermilion to yellow: apart for every common colour blindness, by brightness too.
const WEAK_COLOUR: [f32; 3] = [213.0, 94.0, 0.0];
const STRONG_COLOUR: [f32; 3] = [240.0, 228.0, 66.0];

/// The picture as JPEG with the map laid over it, no side longer than `max_side`.
///
/// # Errors
/// When a size does not fit its data.
pub fn overlay_heat_map(image: &GrayImage, map: &HeatMap, max_side: u32) -> Result<Vec<u8>, Error> {
    whole(map)?;
    let small = fitted(image, max_side)?;
    let columns = samples(small.width, map.width);
    let rows = samples(small.height, map.height);
    let mut picture = Vec::with_capacity(small.data.len() * 3);
    let lines = small.data.chunks_exact(small.width as usize);
    for (line, row) in lines.zip(&rows) {
        for (level, column) in line.iter().zip(&columns) {
            picture.extend(blended(*level, at(map, *row, *column)));
        }
    }
    jpeg(
        &picture,
        (small.width, small.height),
        ExtendedColorType::Rgb8,
        JPEG_QUALITY,
    )
}

/// The map alone, for who lays it over a picture of this size: PNG, transparent where there is nothing, no side longer than
/// `max_side`. Over the picture it looks as in [`overlay_heat_map`].
///
/// # Errors
/// When a size is zero or does not fit its data.
pub fn heat_layer(size: (u32, u32), map: &HeatMap, max_side: u32) -> Result<Vec<u8>, Error> {
    whole(map)?;
    if size.0 == 0 || size.1 == 0 {
        return Err(Error::Size);
    }
    let (width, height) = fitted_size(size, max_side);
    let columns = samples(width, map.width);
    let mut layer = Vec::new();
    for row in samples(height, map.height) {
        for column in &columns {
            // In few steps it is a tenth as large, and nobody sees them.
            let strength = (strength(at(map, row, *column)) * LAYER_STEPS).round() / LAYER_STEPS;
            if strength == 0.0 {
                layer.extend([0; 4]);
                continue;
            }
            layer.extend(colour(strength).map(|channel| to_byte(channel / 255.0)));
            layer.push(to_byte(strength * STRONGEST));
        }
    }
    png(&layer, (width, height), ExtendedColorType::Rgba8)
}

const LAYER_STEPS: f32 = 32.0;

/// Larger than any layer that was ever made.
const LAYER_SIDE: u32 = 4096;

/// The map that [`heat_layer`] drew; what it left out as too weak is nothing.
///
/// # Errors
/// When the bytes are no such layer.
pub fn map_of_layer(png: &[u8]) -> Result<HeatMap, Error> {
    let layer = decoded(png)?.into_rgba8();
    let heat = |alpha: u8| match f32::from(alpha) / 255.0 / STRONGEST {
        0.0 => 0.0,
        strength => VISIBLE_FROM + strength.min(1.0) * (1.0 - VISIBLE_FROM),
    };
    let values = layer.pixels().map(|pixel| {
        let [.., alpha] = pixel.0;
        heat(alpha)
    });
    Ok(HeatMap {
        width: layer.width(),
        height: layer.height(),
        values: values.collect(),
    })
}

/// A map of nothing but 0 and 1, white where it is 1, as PNG at its own size.
///
/// # Errors
/// When its size does not fit its data.
pub fn mask_png(map: &HeatMap) -> Result<Vec<u8>, Error> {
    whole(map)?;
    let levels: Vec<u8> = map.values.iter().map(|value| to_byte(*value)).collect();
    png(&levels, (map.width, map.height), ExtendedColorType::L8)
}

/// The map that [`mask_png`] drew.
///
/// # Errors
/// When the bytes are no such picture.
pub fn map_of_mask(png: &[u8]) -> Result<HeatMap, Error> {
    let mask = decoded(png)?.into_luma8();
    Ok(HeatMap {
        width: mask.width(),
        height: mask.height(),
        values: mask.pixels().map(|pixel| f32::from(pixel.0[0] >> 7)).collect(),
    })
}

fn decoded(png: &[u8]) -> Result<image::DynamicImage, Error> {
    let mut reader = image::ImageReader::with_format(Cursor::new(png), image::ImageFormat::Png);
    let mut limits = image::Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(LAYER_SIDE), Some(LAYER_SIDE));
    reader.limits(limits);
    reader.decode().map_err(|source| Error::Decode { source })
}

impl HeatMap {
    /// The map at a picture's size, row by row.
    ///
    /// # Errors
    /// When its size is zero or does not fit its data.
    pub fn stretched(&self, width: u32, height: u32) -> Result<Vec<f32>, Error> {
        whole(self)?;
        let columns = samples(width, self.width);
        let rows = samples(height, self.height);
        let row = |row: &Between| {
            let row = *row;
            columns.iter().map(move |column| at(self, row, *column))
        };
        Ok(rows.iter().flat_map(row).collect())
    }
}

fn whole(map: &HeatMap) -> Result<(), Error> {
    let cells = u64::from(map.width) * u64::from(map.height);
    if cells == 0 || cells != map.values.len() as u64 {
        return Err(Error::Size);
    }
    Ok(())
}

/// Between which two cells a pixel's centre lies and how far towards the second.
#[derive(Clone, Copy)]
struct Between {
    first: usize,
    second: usize,
    towards_second: f32,
}

fn samples(pixels: u32, cells: u32) -> Vec<Between> {
    let last = cells.saturating_sub(1);
    (0..pixels)
        .map(|pixel| {
            let place = (pixel as f32 + 0.5) * cells as f32 / pixels as f32 - 0.5;
            let place = place.clamp(0.0, last as f32);
            let first = place.floor();
            Between {
                first: first as usize,
                second: (first as usize + 1).min(last as usize),
                towards_second: place - first,
            }
        })
        .collect()
}

fn at(map: &HeatMap, row: Between, column: Between) -> f32 {
    let cell = |row: usize, column: usize| {
        let value = map.values.get(row * map.width as usize + column).copied();
        // A NaN is nothing.
        value.unwrap_or(0.0).max(0.0)
    };
    let line = |row: usize| {
        mix(
            cell(row, column.first),
            cell(row, column.second),
            column.towards_second,
        )
    };
    mix(line(row.first), line(row.second), row.towards_second)
}

fn blended(level: f32, heat: f32) -> [u8; 3] {
    let grey = level.clamp(0.0, 1.0) * 255.0;
    let strength = strength(heat);
    colour(strength).map(|colour| to_byte(mix(grey, colour, strength * STRONGEST) / 255.0))
}

fn strength(heat: f32) -> f32 {
    ((heat - VISIBLE_FROM) / (1.0 - VISIBLE_FROM)).clamp(0.0, 1.0)
}

fn colour(strength: f32) -> [f32; 3] {
    let [[weak_red, weak_green, weak_blue], [red, green, blue]] = [WEAK_COLOUR, STRONG_COLOUR];
    [(weak_red, red), (weak_green, green), (weak_blue, blue)]
        .map(|(weak, strong)| mix(weak, strong, strength))
}

fn mix(first: f32, second: f32, towards_second: f32) -> f32 {
    first + (second - first) * towards_second
}
