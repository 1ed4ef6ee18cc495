//! What a clinic's contribution reveals, in numbers: (epsilon, delta) of repeated Gaussian releases.
//!
//! A release is one noised sum. `z`, the noise multiplier, is the standard deviation of the noise on the sum divided
//! by the clip norm. Neighbouring data sets differ by one contributor, added or removed.
//!
//! - [`GaussianMechanism`] is a planned or past series of equal releases; [`Ledger`] one of unequal releases.
//! - [`spent`], [`noise_for`] and [`releases_within`] answer the three questions of a policy without sampling, exactly.
//! - The tight bound is the privacy loss distribution, in closed form without sampling; the Rényi bound stands beside
//!   it because it is what the literature reports.
//!
//! A sampling rate below 1 is earned only by a hub that itself draws each contributor by an independent coin in each
//! round. Clinics that happen to be online are no such sample: their rate is 1.

mod normal;

mod log_sum;

mod gaussian;

mod rdp;

mod discrete_loss;

mod pld;

mod mechanism;
pub use mechanism::{GaussianMechanism, noise_for, releases_within, spent};

mod ledger;
pub use ledger::Ledger;

use std::fmt;

/// The privacy loss of everything released so far: not negative, never NaN; infinite when nothing is promised.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Epsilon(f64);

impl Epsilon {
    /// Nothing was released.
    pub const ZERO: Self = Self(0.0);

    /// # Errors
    /// [`Error::Epsilon`] when `value` is negative, NaN or infinite: no budget.
    pub fn new(value: f64) -> Result<Self, Error> {
        if value.is_finite() && 0.0 <= value {
            Ok(Self(value))
        } else {
            Err(Error::Epsilon)
        }
    }

    /// As a plain number.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }

    /// For results of the accountants: a NaN is no promise.
    fn bound(value: f64) -> Self {
        if value.is_nan() {
            Self(f64::INFINITY)
        } else {
            Self(value.max(0.0))
        }
    }
}

impl fmt::Display for Epsilon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which number of a privacy statement makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the noise multiplier must be a positive number")]
    NoiseMultiplier,
    #[error("the sampling rate must lie above 0 and at most at 1")]
    SamplingRate,
    #[error("delta must lie between 0 and 1")]
    Delta,
    #[error("epsilon must be a number, at least 0")]
    Epsilon,
    #[error("no noise keeps releases within an epsilon of 0")]
    NoNoiseSuffices,
}

fn checked_noise_multiplier(z: f64) -> Result<f64, Error> {
    if z.is_finite() && 0.0 < z {
        Ok(z)
    } else {
        Err(Error::NoiseMultiplier)
    }
}

fn checked_delta(delta: f64) -> Result<f64, Error> {
    if 0.0 < delta && delta < 1.0 {
        Ok(delta)
    } else {
        Err(Error::Delta)
    }
}

#[cfg(test)]
mod tests;
