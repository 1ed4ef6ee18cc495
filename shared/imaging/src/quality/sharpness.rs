//! Motion and poor focus.
//!
//! Both take the finest structures and leave the coarser ones. So the strength of structures of 1 to 2 pixels is held against
//! that of 2 to 4, both on a picture reduced to the same size: contrast cancels out, and so does the detector's resolution.
//! Noise adds to the finer band only, so it hides blur and never makes it. Small pictures are not judged: what is missing
//! there is missing by their size.

use barefoot_domain::QualityProblem;

use super::look::{Look, SHORT_SIDE};
use super::{Remark, bad, noted};
use crate::pixels::GrayImage;

/// Gaussian blur of one millimetre lies at 0.48, of two at 0.38; of 392 chests none is below 0.56.
const SOFT: f32 = 0.53;
const BLURRED: f32 = 0.42;
/// Of all places the tenth with the most structure counts: edges of ribs and vessels, not open fields.
const STRONGEST: f64 = 0.10;
/// Markers and collimated edges lie near the border.
const BORDER: usize = 25;

pub(super) fn remark(look: &Look) -> Option<Remark> {
    let short = look.reduced.width.min(look.reduced.height);
    if short < SHORT_SIDE {
        return None;
    }
    let ratio = fineness(&look.reduced)?;
    if ratio < BLURRED {
        Some(bad(QualityProblem::Blurred))
    } else if ratio < SOFT {
        Some(noted(QualityProblem::Blurred))
    } else {
        None
    }
}

/// `None` for a picture without structure.
fn fineness(image: &GrayImage) -> Option<f32> {
    let one = smoothed(image, 1.0);
    // Gaussians add in squares: 1² + 3 = 2², 2² + 12 = 4².
    let two = smoothed(&one, 3.0_f32.sqrt());
    let four = smoothed(&two, 12.0_f32.sqrt());
    let (fine, coarse) = (strong(&one, &two), strong(&two, &four));
    (f32::EPSILON < coarse).then(|| fine / coarse)
}

/// The difference that only the strongest tenth reaches.
fn strong(finer: &GrayImage, coarser: &GrayImage) -> f32 {
    let (width, height) = (finer.width as usize, finer.height as usize);
    let inner = |index: usize| {
        let (x, y) = (index % width, index / width);
        (BORDER..width.saturating_sub(BORDER)).contains(&x)
            && (BORDER..height.saturating_sub(BORDER)).contains(&y)
    };
    let mut differences: Vec<f32> = finer
        .data
        .iter()
        .zip(&coarser.data)
        .enumerate()
        .filter(|(index, _)| inner(*index))
        .map(|(_, (a, b))| (a - b).abs())
        .collect();
    let rank = (differences.len() as f64 * (1.0 - STRONGEST)) as usize;
    if differences.len() <= rank {
        return 0.0;
    }
    let (_, value, _) = differences.select_nth_unstable_by(rank, f32::total_cmp);
    *value
}

fn smoothed(image: &GrayImage, sigma: f32) -> GrayImage {
    let radius = (3.0 * sigma).ceil() as usize;
    let weights: Vec<f32> = (0..=2 * radius)
        .map(|step| {
            let distance = step as f32 - radius as f32;
            (-distance * distance / (2.0 * sigma * sigma)).exp()
        })
        .collect();
    let total: f32 = weights.iter().sum();
    let weights: Vec<f32> = weights.iter().map(|weight| weight / total).collect();
    let (width, height) = (image.width as usize, image.height as usize);
    let across = convolved_rows(&image.data, width, &weights, radius);
    let turned = transposed(&across, width, height);
    let down = convolved_rows(&turned, height, &weights, radius);
    GrayImage {
        data: transposed(&down, height, width),
        ..*image
    }
}

/// Beyond the edge the edge's own level goes on.
fn convolved_rows(data: &[f32], width: usize, weights: &[f32], radius: usize) -> Vec<f32> {
    let mut made = Vec::with_capacity(data.len());
    let mut padded = Vec::with_capacity(width + 2 * radius);
    for row in data.chunks_exact(width.max(1)) {
        let (first, last) = (row.first().copied(), row.last().copied());
        padded.clear();
        padded.resize(radius, first.unwrap_or(0.0));
        padded.extend_from_slice(row);
        padded.resize(width + 2 * radius, last.unwrap_or(0.0));
        made.extend(padded.windows(weights.len()).map(|window| {
            window
                .iter()
                .zip(weights)
                .map(|(level, weight)| level * weight)
                .sum::<f32>()
        }));
    }
    made
}

fn transposed(data: &[f32], width: usize, height: usize) -> Vec<f32> {
    let column = |x: usize| data.iter().skip(x).step_by(width.max(1)).copied();
    let mut made = Vec::with_capacity(width * height);
    for x in 0..width {
        made.extend(column(x));
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sharp bars of many widths, as structures of many sizes.
    fn bars() -> GrayImage {
        let side = 512_u32;
        let level = |x: u32, y: u32| {
            let period = 3 + y / 64 * 3;
            if (x / period).is_multiple_of(2) { 0.3 } else { 0.6 }
        };
        GrayImage {
            width: side,
            height: side,
            data: (0..side * side).map(|i| level(i % side, i / side)).collect(),
            frame_count: 1,
        }
    }

    #[test]
    fn blur_takes_the_fine_structures() {
        let sharp = fineness(&bars()).unwrap();
        let soft = fineness(&smoothed(&bars(), 1.5)).unwrap();
        let blurred = fineness(&smoothed(&bars(), 3.0)).unwrap();
        assert!(
            SOFT < sharp && soft < sharp * 0.9 && blurred < soft,
            "{sharp} {soft} {blurred}"
        );
    }

    #[test]
    fn contrast_changes_nothing_and_emptiness_is_no_blur() {
        let mut faint = bars();
        faint
            .data
            .iter_mut()
            .for_each(|level| *level = 0.4 + *level * 0.1);
        let (full, faint) = (fineness(&bars()).unwrap(), fineness(&faint).unwrap());
        assert!((full - faint).abs() < 0.01, "{full} {faint}");
        let mut flat = bars();
        flat.data.fill(0.5);
        assert_eq!(fineness(&flat), None);
    }

    #[test]
    fn smoothing_keeps_the_mean() {
        let (before, after) = (bars(), smoothed(&bars(), 2.0));
        let mean = |image: &GrayImage| image.data.iter().sum::<f32>() / image.data.len() as f32;
        assert!((mean(&before) - mean(&after)).abs() < 0.01);
        assert_eq!(after.data.len(), before.data.len());
    }
}
