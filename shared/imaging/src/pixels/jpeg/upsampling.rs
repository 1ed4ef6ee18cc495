//! The components brought to the picture's size, pixel by pixel.
//!
//! Where a sample stands for two pixels it is weighed with its neighbour as three to one (libjpeg's triangle filter); T.81
//! leaves that to the decoder.

use super::colour::{self, Colours};
use super::plane::{Plane, Sample};
use super::segments::Frame;

pub(super) fn interleaved<S: Sample>(frame: &Frame, planes: &[Plane<S>], colours: Colours) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(frame.width * frame.height * planes.len() * S::BYTES);
    if let [alone] = planes {
        (0..frame.height).for_each(|y| S::write(alone.row(y), &mut bytes));
        return bytes;
    }
    let [mut first, mut second, mut third] = [(); 3].map(|()| vec![S::default(); frame.width]);
    let mut levels = Vec::new();
    let mut pixels = vec![S::default(); 3 * frame.width];
    for y in 0..frame.height {
        for (plane, row) in planes.iter().zip([&mut first, &mut second, &mut third]) {
            upsampled(plane, y, &mut levels, row);
        }
        let (triples, _) = pixels.as_chunks_mut::<3>();
        let samples = first.iter().zip(&second).zip(&third);
        for (pixel, ((first, second), third)) in triples.iter_mut().zip(samples) {
            *pixel = match colours {
                Colours::Rgb => [*first, *second, *third],
                Colours::Ybr => colour::from_ybr([*first, *second, *third]),
            };
        }
        S::write(&pixels, &mut bytes);
    }
    bytes
}

/// The picture's row `y` of this component; `levels` is room to work in.
fn upsampled<S: Sample>(plane: &Plane<S>, y: usize, levels: &mut Vec<i32>, to: &mut [S]) {
    let row = plane.row(y / plane.down);
    // The row whose quarter is mixed in lies on the side of the pixel: above the upper one, below the lower one.
    let other = if y.is_multiple_of(2) {
        plane.row((y / 2).saturating_sub(1))
    } else {
        plane.row(y / 2 + 1)
    };
    match (plane.across, plane.down) {
        (1, 1) => to.copy_from_slice(row),
        (1, 2) => {
            let bias = if y.is_multiple_of(2) { 1 } else { 2 };
            for ((to, near), far) in to.iter_mut().zip(row).zip(other) {
                *to = S::clamped((3 * near.level() + far.level() + bias) >> 2);
            }
        }
        // Two samples have no middle to weigh.
        (2, 1) if 2 < row.len() => {
            levels.extend(row.iter().map(|sample| sample.level()));
            doubled(levels, [1, 2], 2, to);
        }
        (2, 2) if 2 < row.len() => {
            let both = row.iter().zip(other);
            levels.extend(both.map(|(near, far)| 3 * near.level() + far.level()));
            doubled(levels, [8, 7], 4, to);
        }
        (across, _) => {
            for (pixels, sample) in to.chunks_mut(across).zip(row) {
                pixels.fill(*sample);
            }
        }
    }
}

/// Each level as two: its three quarters, with a quarter of the one before and of the one behind; the first and the last
/// stand for what lies beyond. `bias` is what rounds the one and the other, `shift` by how much the levels then are too large.
fn doubled<S: Sample>(levels: &mut Vec<i32>, bias: [i32; 2], shift: u32, to: &mut [S]) {
    let last = levels.last().copied().unwrap_or_default();
    levels.push(last);
    let weighed = |level: i32, other: i32, bias: i32| S::clamped((3 * level + other + bias) >> shift);
    let (pairs, odd) = to.as_chunks_mut::<2>();
    let mut before = levels.first().copied().unwrap_or_default();
    for ([left, right], two) in pairs.iter_mut().zip(levels.windows(2)) {
        let [level, behind] = *two else { continue };
        *left = weighed(level, before, bias[0]);
        *right = weighed(level, behind, bias[1]);
        before = level;
    }
    if let [left] = odd {
        *left = weighed(last, before, bias[0]);
    }
    levels.clear();
}
