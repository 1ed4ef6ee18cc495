//! Gaussian noise for differential privacy.
//!
//! The accounting assumes real-valued noise; what a computer adds has finitely many values, and which sums are
//! reachable can give the input away (Mironov 2012, doi 10.1145/2382196.2382264). Two measures blunt this:
//! - each sample is half the sum of four normals, so that the set of reachable values is dense (Holohan and Braghin
//!   2021, arXiv 2107.10138);
//! - the noised value is rounded to a grid of at most 2^-20 standard deviations, the same whatever the value, so
//!   that no trace of the input's low bits is left. The grid adds under 10^-13 of the noise's variance.
//!
//! This is a defence, not a proof: a proof needs a discrete Gaussian.

use rand::CryptoRng;
use rand_distr::{Distribution, StandardNormal};

/// Bits below the standard deviation at which the grid lies.
const GRID_BITS: f64 = 20.0;

/// Why noise cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NoiseError {
    /// The standard deviation is negative, not finite, or too small to draw a grid.
    #[error("A standard deviation is zero or a positive normal number.")]
    Deviation,
}

/// Adds to every value an independent sample of a normal distribution with standard deviation `deviation`, in the
/// values' unit. A deviation of 0 changes nothing.
///
/// # Errors
/// [`NoiseError`]; the values are then unchanged.
pub fn add_gaussian(values: &mut [f32], deviation: f64, rng: &mut impl CryptoRng) -> Result<(), NoiseError> {
    if deviation == 0.0 {
        return Ok(());
    }
    if !(deviation.is_finite() && deviation >= f64::from(f32::MIN_POSITIVE)) {
        return Err(NoiseError::Deviation);
    }
    let grid = (deviation.log2().floor() - GRID_BITS).exp2();
    for value in values {
        let noised = f64::from(*value) + deviation * standard_normal(rng);
        *value = ((noised / grid).round() * grid) as f32;
    }
    Ok(())
}

/// What each of `contributors` adds so that the sum of their noises has standard deviation `deviation`.
pub fn share_of(deviation: f64, contributors: u32) -> f64 {
    deviation / f64::from(contributors.max(1)).sqrt()
}

fn standard_normal(rng: &mut impl CryptoRng) -> f64 {
    let mut sum = 0.0;
    for _ in 0..4 {
        let sample: f64 = StandardNormal.sample(rng);
        sum += sample;
    }
    sum / 2.0
}
