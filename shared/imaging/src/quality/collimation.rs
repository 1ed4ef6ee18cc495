//! Much of the field is open air: the beam was wider than the patient, which costs dose and contrast.
//!
//! Only dark ground that reaches the border and shows grain counts: a shutter's black has none. Air takes 5 % of a chest in
//! the NIH sample, 25 % of the hundredth with the most.

use barefoot_domain::QualityProblem;

use super::look::Look;
use super::{Remark, noted};
use crate::header::Header;
use crate::pixels::GrayImage;
use crate::tags;

const SIDE: u32 = 128;
/// Above the darkest hundredth, as a share of the span: quantum noise and scatter.
const DARK: f32 = 0.06;
const MAX_AIR: f32 = 0.42;

pub(super) fn remark(header: &Header, look: &Look) -> Option<Remark> {
    // Who names a collimator used one.
    if header.code(tags::COLLIMATOR_SHAPE).is_some() {
        return None;
    }
    let grid = look.at(SIDE, SIDE)?;
    let statistics = &look.statistics;
    let limit = statistics.p01 + DARK * (statistics.p99 - statistics.p01);
    (MAX_AIR < open_air(&grid, limit)).then_some(noted(QualityProblem::NotCollimated))
}

/// The share of the picture that is dark, reaches the border and is not one flat black.
fn open_air(grid: &GrayImage, limit: f32) -> f32 {
    let (width, height) = (grid.width as usize, grid.height as usize);
    let dark = |index: usize| grid.data.get(index).is_some_and(|level| *level < limit);
    let mut reached = vec![false; grid.data.len()];
    let border = (0..width)
        .flat_map(|x| [x, x + width * height.saturating_sub(1)])
        .chain((0..height).flat_map(|y| [y * width, y * width + width.saturating_sub(1)]));
    let mut open: Vec<usize> = border.filter(|index| dark(*index)).collect();
    let mut levels = Vec::new();
    while let Some(index) = open.pop() {
        let Some(seen) = reached.get_mut(index) else {
            continue;
        };
        if *seen {
            continue;
        }
        *seen = true;
        levels.push(grid.data.get(index).copied().unwrap_or(0.0));
        let (x, y) = (index % width, index / width);
        let near = [
            (0 < x).then(|| index - 1),
            (x + 1 < width).then_some(index + 1),
            (0 < y).then(|| index - width),
            (y + 1 < height).then_some(index + width),
        ];
        open.extend(near.into_iter().flatten().filter(|near| dark(*near)));
    }
    let black = levels.iter().filter(|level| **level <= 0.0).count();
    (levels.len() - black) as f32 / grid.data.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn air(level: impl Fn(u32, u32) -> f32) -> f32 {
        let grid = GrayImage {
            width: SIDE,
            height: SIDE,
            data: (0..SIDE * SIDE).map(|i| level(i % SIDE, i / SIDE)).collect(),
            frame_count: 1,
        };
        open_air(&grid, 0.1)
    }

    #[test]
    fn only_dark_ground_from_the_border_with_grain_counts() {
        let inside = |x: u32, y: u32| (40..88).contains(&x) && (40..88).contains(&y);
        assert!(0.8 < air(|x, y| if inside(x, y) { 0.7 } else { 0.02 }));
        assert!(air(|x, y| if inside(x, y) { 0.02 } else { 0.7 }) < 0.01, "lungs");
        assert!(
            air(|x, y| if inside(x, y) { 0.7 } else { 0.0 }) < 0.01,
            "a shutter"
        );
    }
}
