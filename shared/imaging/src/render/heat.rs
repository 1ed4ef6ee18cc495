use image::ExtendedColorType;

use super::{Error, JPEG_QUALITY, fitted, jpeg, to_byte};
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
    let cells = u64::from(map.width) * u64::from(map.height);
    if cells == 0 || cells != map.values.len() as u64 {
        return Err(Error::Size);
    }
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
    let strength = ((heat - VISIBLE_FROM) / (1.0 - VISIBLE_FROM)).clamp(0.0, 1.0);
    let [weak, strong] = [WEAK_COLOUR, STRONG_COLOUR];
    let mut channels = weak.iter().zip(strong).map(|(weak, strong)| {
        let colour = mix(*weak, strong, strength);
        to_byte(mix(grey, colour, strength * STRONGEST) / 255.0)
    });
    std::array::from_fn(|_| channels.next().unwrap_or(0))
}

fn mix(first: f32, second: f32, towards_second: f32) -> f32 {
    first + (second - first) * towards_second
}
