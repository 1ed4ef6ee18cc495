//! All channels from all channels: a product of matrices whose left side is the picture as it lies.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch};
use tract_linalg::multithread::par_chunks_mut;
use tract_onnx::prelude::TractResult;

use super::geometry::Geometry;
use super::layer::{self, Limits};

/// A convolution of one tap, or of few numbers.
#[derive(Debug)]
pub(super) struct Dense {
    pub(super) level: Level,
    /// Nothing lies beside the picture: it comes with its zeros.
    pub(super) geometry: Geometry,
    pub(super) inputs: usize,
    /// At least as many as a vector holds.
    pub(super) outputs: usize,
    pub(super) panels: Vec<Panel>,
    pub(super) limits: Limits,
}

/// Weights of as many outputs as are computed together, in vectors. The last vector of all reaches back where the
/// outputs do not fill it.
#[derive(Debug)]
pub(super) struct Panel {
    /// The first output of each vector.
    firsts: Vec<usize>,
    /// For one number that a place reads after the other, the weights of all the panel's outputs.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// What one call works on.
#[derive(Clone, Copy)]
struct Job<'a> {
    picture: &'a [f32],
    added: Option<&'a [f32]>,
    /// Place of the output at which it starts.
    first: usize,
}

impl Panel {
    /// `weights` has all outputs for one number that a place reads after the other.
    pub(super) fn all(level: Level, weights: &[f32], bias: &[f32]) -> Vec<Self> {
        let (lanes, outputs) = (layer::lanes(level), bias.len());
        let vectors = outputs.div_ceil(lanes);
        let count = vectors.div_ceil(most_vectors(lanes));
        let mut vectors = (0..vectors).map(|vector| (vector * lanes).min(outputs.saturating_sub(lanes)));
        let total = vectors.len();
        let panels = (0..count).map(|panel| {
            let size = (panel + 1) * total / count - panel * total / count;
            let firsts: Vec<usize> = vectors.by_ref().take(size).collect();
            let gathered = |all: &[f32]| -> Vec<f32> {
                let vectors = firsts.iter();
                let vectors = vectors.flat_map(|first| all.iter().skip(*first).take(lanes));
                vectors.copied().collect()
            };
            Self {
                weights: weights.chunks_exact(outputs).flat_map(gathered).collect(),
                bias: gathered(bias),
                firsts,
            }
        });
        panels.collect()
    }
}

/// As many as leave registers for the sums of several places.
const fn most_vectors(lanes: usize) -> usize {
    if has_many_registers(lanes) { 4 } else { 2 }
}

/// Thirty-two instead of sixteen.
const fn has_many_registers(lanes: usize) -> bool {
    16 <= lanes || cfg!(target_arch = "aarch64")
}

impl Dense {
    /// `added` has the shape of the result.
    pub(super) fn run(&self, picture: &[f32], added: Option<&[f32]>, out: &mut [f32]) -> TractResult<()> {
        let Geometry { rows, columns } = &self.geometry;
        let places = rows.output * columns.output;
        let work = out.len() * rows.kernel * columns.kernel * self.inputs / super::op::SHARED;
        // Twelve: the most places computed together, see below.
        let share = places.div_ceil(2 * layer::threads()).next_multiple_of(12);
        let mut shares: Vec<&mut [f32]> = out.chunks_mut(share * self.outputs).collect();
        par_chunks_mut(&mut shares, 1, work, |first, shares| {
            for (index, out) in shares.iter_mut().enumerate() {
                let job = Job {
                    picture,
                    added,
                    first: (first + index) * share,
                };
                dispatch!(self.level, simd => self.share(simd, job, out));
            }
            Ok(())
        })
    }

    #[inline(always)]
    fn share<S: Simd>(&self, simd: S, job: Job<'_>, out: &mut [f32]) {
        for panel in &self.panels {
            if has_many_registers(S::f32s::LEN) {
                match panel.firsts.len() {
                    1 => self.places::<S, 12, 1>(simd, panel, job, out),
                    2 => self.places::<S, 12, 2>(simd, panel, job, out),
                    3 => self.places::<S, 8, 3>(simd, panel, job, out),
                    _ => self.places::<S, 6, 4>(simd, panel, job, out),
                }
            } else {
                match panel.firsts.len() {
                    1 => self.places::<S, 8, 1>(simd, panel, job, out),
                    _ => self.places::<S, 6, 2>(simd, panel, job, out),
                }
            }
        }
    }

    #[inline(always)]
    fn places<S: Simd, const MANY: usize, const WIDE: usize>(
        &self,
        simd: S,
        panel: &Panel,
        job: Job<'_>,
        out: &mut [f32],
    ) {
        let count = out.len() / self.outputs;
        let mut place = 0;
        while place < count {
            if MANY <= count {
                // The last ones reach back over places that are done already.
                let from = place.min(count - MANY);
                self.tile::<S, MANY, WIDE>(simd, panel, job, from, out);
                place = from + MANY;
            } else {
                self.tile::<S, 1, WIDE>(simd, panel, job, place, out);
                place += 1;
            }
        }
    }

    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "places lie on the picture, and a panel's vectors on the outputs"
    )]
    fn tile<S: Simd, const MANY: usize, const WIDE: usize>(
        &self,
        simd: S,
        panel: &Panel,
        job: Job<'_>,
        place: usize,
        out: &mut [f32],
    ) {
        let Geometry { rows, columns } = &self.geometry;
        let (lanes, width) = (S::f32s::LEN, WIDE * S::f32s::LEN);
        let run = columns.kernel * self.inputs;
        let line = columns.input * self.inputs;
        let mut starts = [0; MANY];
        for (many, start) in starts.iter_mut().enumerate() {
            let place = job.first + place + many;
            let (row, column) = (place / columns.output, place % columns.output);
            *start = row * rows.stride * line + column * columns.stride * self.inputs;
        }
        let mut sums = [[S::f32s::splat(simd, 0.0); WIDE]; MANY];
        for sums in &mut sums {
            for (wide, sum) in sums.iter_mut().enumerate() {
                *sum = S::f32s::from_slice(simd, &panel.bias[wide * lanes..][..lanes]);
            }
        }
        for down in 0..rows.kernel {
            let weights = &panel.weights[down * run * width..][..run * width];
            let mut values = [&job.picture[..0]; MANY];
            for (values, start) in values.iter_mut().zip(starts) {
                *values = &job.picture[start + down * line..][..run];
            }
            sums = product(simd, sums, values, weights);
        }
        for (many, sums) in sums.into_iter().enumerate() {
            let start = (place + many) * self.outputs;
            for (wide, mut sum) in sums.into_iter().enumerate() {
                let at = start + panel.firsts[wide];
                if let Some(added) = job.added {
                    let added = &added[job.first * self.outputs + at..][..lanes];
                    sum += S::f32s::from_slice(simd, added);
                }
                self.limits.apply(simd, sum).store_slice(&mut out[at..][..lanes]);
            }
        }
    }
}

/// Numbers of a place taken together: a slice is asked for its length once for all of them.
const TOGETHER: usize = 4;

/// Adds to the sums what places of as many numbers and the weights for them give. The sums are this function's own, so
/// that they stay in registers.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "there are weights for each number")]
fn product<S: Simd, const MANY: usize, const WIDE: usize>(
    simd: S,
    mut sums: [[S::f32s; WIDE]; MANY],
    places: [&[f32]; MANY],
    weights: &[f32],
) -> [[S::f32s; WIDE]; MANY] {
    let (lanes, width) = (S::f32s::LEN, WIDE * S::f32s::LEN);
    let (whole, rest) = weights.split_at(weights.len() - weights.len() % (TOGETHER * width));
    for (index, weights) in whole.chunks_exact(TOGETHER * width).enumerate() {
        let mut values = [[0.0; TOGETHER]; MANY];
        for (values, place) in values.iter_mut().zip(places) {
            *values = place.as_chunks().0[index];
        }
        for number in 0..TOGETHER {
            let mut vectors = [S::f32s::splat(simd, 0.0); WIDE];
            for (wide, vector) in vectors.iter_mut().enumerate() {
                *vector = S::f32s::from_slice(simd, &weights[number * width + wide * lanes..][..lanes]);
            }
            for many in 0..MANY {
                let value = S::f32s::splat(simd, values[many][number]);
                for wide in 0..WIDE {
                    sums[many][wide] = value.mul_add(vectors[wide], sums[many][wide]);
                }
            }
        }
    }
    for (index, weights) in rest.chunks_exact(width).enumerate() {
        for many in 0..MANY {
            let value = S::f32s::splat(simd, places[many].as_chunks::<TOGETHER>().1[index]);
            for wide in 0..WIDE {
                let vector = S::f32s::from_slice(simd, &weights[wide * lanes..][..lanes]);
                sums[many][wide] = value.mul_add(vector, sums[many][wide]);
            }
        }
    }
    sums
}
