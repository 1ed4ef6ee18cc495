use super::{Epsilon, Error, checked_delta, checked_noise_multiplier, gaussian};

/// What one clinic has released so far, without sampling: releases of any noise multipliers add up exactly.
///
/// Gaussian releases compose to one Gaussian release whose mu² is the sum of theirs, 1/z² each (Dong, Roth & Su 2019,
/// arXiv 1905.02383, corollary 3.3). The order does not matter, and each z may depend on what earlier releases showed,
/// as long as the budget was set before the first (Smith & Thakurta 2022, arXiv 2210.17520).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Ledger {
    releases: u64,
    squared_mu: f64,
}

impl Ledger {
    /// From the stored list of releases: (noise multiplier, how many).
    ///
    /// # Errors
    /// [`Error::NoiseMultiplier`] when an entry is none: the list is damaged, and nothing may be assumed.
    pub fn from_releases(entries: impl IntoIterator<Item = (f64, u32)>) -> Result<Self, Error> {
        let mut ledger = Self::default();
        for (z, releases) in entries {
            ledger = ledger.with(z, releases)?;
        }
        Ok(ledger)
    }

    /// The ledger after `releases` more with noise multiplier `z`.
    ///
    /// # Errors
    /// [`Error::NoiseMultiplier`].
    pub fn with(self, z: f64, releases: u32) -> Result<Self, Error> {
        let z = checked_noise_multiplier(z)?;
        Ok(Self {
            releases: self.releases.saturating_add(u64::from(releases)),
            squared_mu: self.squared_mu + f64::from(releases) / (z * z),
        })
    }

    /// How many releases are in it.
    #[must_use]
    pub fn releases(&self) -> u64 {
        self.releases
    }

    /// What they add up to at `delta`; exact.
    ///
    /// # Errors
    /// [`Error::Delta`].
    pub fn epsilon(&self, delta: f64) -> Result<Epsilon, Error> {
        let delta = checked_delta(delta)?;
        Ok(Epsilon::bound(gaussian::epsilon_of(
            self.squared_mu.sqrt(),
            delta,
        )))
    }

    /// How many more releases with noise multiplier `z` stay within `budget`; `u32::MAX` means that many or more.
    ///
    /// # Errors
    /// [`Error::NoiseMultiplier`], [`Error::Delta`].
    pub fn releases_within(&self, budget: Epsilon, delta: f64, z: f64) -> Result<u32, Error> {
        let z = checked_noise_multiplier(z)?;
        let mu = gaussian::mu_within(budget.value(), checked_delta(delta)?);
        let room = (mu * mu - self.squared_mu) * z * z;
        // Saturates: a float cast to an integer does. Rounding near a whole number is settled by asking again.
        let mut count = (room * (1.0 + 1e-9)).floor() as u32;
        while 0 < count && budget < self.with(z, count)?.epsilon(delta)? {
            count -= 1;
        }
        Ok(count)
    }
}
