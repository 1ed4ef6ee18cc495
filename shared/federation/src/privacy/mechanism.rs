use super::{Epsilon, Error, checked_delta, checked_noise_multiplier, gaussian, pld, rdp};

/// A series of equal releases of the Gaussian mechanism with Poisson sampling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianMechanism {
    noise_multiplier: f64,
    sampling_rate: f64,
    releases: u32,
}

impl GaussianMechanism {
    /// `noise_multiplier`: the noise's standard deviation on the sum over the clip norm, above 0. `sampling_rate`: the
    /// probability with which the hub draws a contributor into a round, above 0 and at most 1. `releases`: how many.
    ///
    /// # Errors
    /// [`Error::NoiseMultiplier`], [`Error::SamplingRate`].
    pub fn new(noise_multiplier: f64, sampling_rate: f64, releases: u32) -> Result<Self, Error> {
        if !(0.0 < sampling_rate && sampling_rate <= 1.0) {
            return Err(Error::SamplingRate);
        }
        Ok(Self {
            noise_multiplier: checked_noise_multiplier(noise_multiplier)?,
            sampling_rate,
            releases,
        })
    }

    /// The tightest bound at hand: exact without sampling, otherwise the smaller of the two accountants'.
    ///
    /// # Errors
    /// [`Error::Delta`].
    pub fn epsilon(&self, delta: f64) -> Result<Epsilon, Error> {
        if self.sampling_rate < 1.0 {
            let tight = self.epsilon_pld(delta)?;
            let renyi = self.epsilon_rdp(delta)?;
            return Ok(if tight < renyi { tight } else { renyi });
        }
        let delta = checked_delta(delta)?;
        Ok(Epsilon::bound(gaussian::epsilon_of(self.mu(), delta)))
    }

    /// By Rényi divergences: loose by a tenth or so, and what the literature reports.
    ///
    /// # Errors
    /// [`Error::Delta`].
    pub fn epsilon_rdp(&self, delta: f64) -> Result<Epsilon, Error> {
        let delta = checked_delta(delta)?;
        if self.releases == 0 {
            return Ok(Epsilon::ZERO);
        }
        Ok(Epsilon::bound(rdp::epsilon(
            self.noise_multiplier,
            self.sampling_rate,
            self.releases,
            delta,
        )))
    }

    /// By the privacy loss distribution: an upper bound within about 0.1 % of the truth. Infinite where double
    /// precision cannot carry so small a delta (about 1e-10 and below for a thousand releases).
    ///
    /// # Errors
    /// [`Error::Delta`].
    pub fn epsilon_pld(&self, delta: f64) -> Result<Epsilon, Error> {
        let delta = checked_delta(delta)?;
        if self.releases == 0 {
            return Ok(Epsilon::ZERO);
        }
        // Without sampling a series is one release; the grid then has nothing to compose.
        let (z, releases) = if self.sampling_rate < 1.0 {
            (self.noise_multiplier, self.releases)
        } else {
            (1.0 / self.mu(), 1)
        };
        Ok(Epsilon::bound(pld::epsilon(
            z,
            self.sampling_rate,
            releases,
            delta,
        )))
    }

    fn mu(&self) -> f64 {
        f64::from(self.releases).sqrt() / self.noise_multiplier
    }
}

/// The epsilon of `releases` releases with noise multiplier `z`, without sampling: exact.
///
/// # Errors
/// [`Error::NoiseMultiplier`], [`Error::Delta`].
pub fn spent(z: f64, releases: u32, delta: f64) -> Result<Epsilon, Error> {
    GaussianMechanism::new(z, 1.0, releases)?.epsilon(delta)
}

/// The smallest noise multiplier that keeps `releases` releases without sampling within `budget`.
///
/// # Errors
/// [`Error::Delta`]; [`Error::NoNoiseSuffices`] for a budget of 0.
pub fn noise_for(budget: Epsilon, delta: f64, releases: u32) -> Result<f64, Error> {
    let mu = gaussian::mu_within(budget.value(), checked_delta(delta)?);
    // A budget of 0 leaves a mu of about delta: formally private, in truth no noise one would add.
    if budget.value() <= 0.0 || mu <= 0.0 {
        return Err(Error::NoNoiseSuffices);
    }
    // Rounding of the quotient must not cost the promise.
    Ok(f64::from(releases.max(1)).sqrt() / mu * (1.0 + 4.0 * f64::EPSILON))
}

/// How many releases with noise multiplier `z`, without sampling, stay within `budget`.
///
/// # Errors
/// [`Error::NoiseMultiplier`], [`Error::Delta`].
pub fn releases_within(budget: Epsilon, delta: f64, z: f64) -> Result<u32, Error> {
    super::Ledger::default().releases_within(budget, delta, z)
}
