//! Every channel by itself.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch};
use tract_linalg::multithread::par_chunks_mut;
use tract_onnx::prelude::TractResult;

use super::geometry::Geometry;
use super::layer::Limits;

/// Places computed together, so that a weight is read once for all of them.
const PLACES: usize = 4;

/// A convolution of single channels.
#[derive(Debug)]
pub(super) struct Depthwise {
    pub(super) level: Level,
    pub(super) geometry: Geometry,
    /// At least as many as a vector holds.
    pub(super) channels: usize,
    /// The weights of all channels for one tap after the other.
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) limits: Limits,
}

impl Depthwise {
    pub(super) fn run(&self, picture: &[f32], out: &mut [f32]) -> TractResult<()> {
        let Geometry { rows, columns } = &self.geometry;
        let line = columns.output * self.channels;
        let work = out.len() * rows.kernel * columns.kernel / super::op::SHARED;
        par_chunks_mut(out, line, work, |first, lines| {
            dispatch!(self.level, simd => self.lines(simd, picture, first, lines));
            Ok(())
        })
    }

    #[inline(always)]
    fn lines<S: Simd>(&self, simd: S, picture: &[f32], first: usize, lines: &mut [f32]) {
        let columns = &self.geometry.columns;
        let inside = columns.inside();
        for (row, line) in lines.chunks_exact_mut(columns.output * self.channels).enumerate() {
            let row = first + row;
            let mut done = 0;
            while done < self.channels {
                let left = self.channels - done;
                // The last vector reaches back over channels that are done already.
                let (channel, step) = if 2 * S::f32s::LEN <= left {
                    (done, 2)
                } else {
                    (done.min(self.channels - S::f32s::LEN), 1)
                };
                let mut place = 0;
                while place < columns.output {
                    let many = inside.contains(&place) && PLACES <= inside.len();
                    let from = if many {
                        place.min(inside.end - PLACES)
                    } else {
                        place
                    };
                    match (many, step) {
                        (true, 2) => self.tile::<S, PLACES, 2>(simd, picture, row, from, channel, line),
                        (true, _) => self.tile::<S, PLACES, 1>(simd, picture, row, from, channel, line),
                        (false, 2) => self.tile::<S, 1, 2>(simd, picture, row, from, channel, line),
                        (false, _) => self.tile::<S, 1, 1>(simd, picture, row, from, channel, line),
                    }
                    place = from + if many { PLACES } else { 1 };
                }
                done = channel + step * S::f32s::LEN;
            }
        }
    }

    /// `WIDE` vectors of channels at `MANY` places side by side, which meet the same taps.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "taps that meet the picture lie on it, and channels were counted"
    )]
    fn tile<S: Simd, const MANY: usize, const WIDE: usize>(
        &self,
        simd: S,
        picture: &[f32],
        row: usize,
        place: usize,
        channel: usize,
        line: &mut [f32],
    ) {
        let Geometry { rows, columns } = &self.geometry;
        let lanes = S::f32s::LEN;
        let width = WIDE * lanes;
        let step = columns.stride * self.channels;
        let bias = &self.bias[channel..][..width];
        let mut sums = [[S::f32s::splat(simd, 0.0); WIDE]; MANY];
        for sums in &mut sums {
            for (wide, sum) in sums.iter_mut().enumerate() {
                *sum = S::f32s::from_slice(simd, &bias[wide * lanes..][..lanes]);
            }
        }
        let taps = columns.taps(place);
        for down in rows.taps(row) {
            let pixels = rows.meets(row, down) * columns.input;
            for tap in taps.clone() {
                let weights =
                    &self.weights[(down * columns.kernel + tap) * self.channels + channel..][..width];
                let pixel = pixels + columns.meets(place, tap);
                let values = &picture[pixel * self.channels + channel..][..(MANY - 1) * step + width];
                let mut vectors = [S::f32s::splat(simd, 0.0); WIDE];
                for (wide, vector) in vectors.iter_mut().enumerate() {
                    *vector = S::f32s::from_slice(simd, &weights[wide * lanes..][..lanes]);
                }
                for many in 0..MANY {
                    let values = &values[many * step..][..width];
                    for wide in 0..WIDE {
                        let value = S::f32s::from_slice(simd, &values[wide * lanes..][..lanes]);
                        sums[many][wide] = value.mul_add(vectors[wide], sums[many][wide]);
                    }
                }
            }
        }
        for many in 0..MANY {
            let out = &mut line[(place + many) * self.channels + channel..][..width];
            for wide in 0..WIDE {
                let sum = self.limits.apply(simd, sums[many][wide]);
                sum.store_slice(&mut out[wide * lanes..][..lanes]);
            }
        }
    }
}
