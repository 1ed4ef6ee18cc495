use rand::{Rng, RngExt};

use super::Error;

/// Floats to whole numbers whose sum modulo 2^32 is the whole sum.
///
/// A weighted value `weight * delta`, with delta clamped to ±clip and 0 < weight <= cap, lies within ±clip·cap and
/// becomes a whole number of steps from -half to half, shifted to 0..=2·half. `half` is the largest for which
/// participants · 2·half stays below 2^32: with 8 clinics one step is 2^-28 of clip·cap, with 1000 it is 2^-21. Zero
/// is met exactly. Rounding is stochastic, so the sum has no bias; its error is below one step per contributor.
///
/// The weight itself travels as the last element of the vector, in units of 1/floor(2·half/cap): whole weights are
/// exact.
///
/// Orientation: Flower's secure aggregation clips at 8.0, has 2^22 levels whatever the cohort, and caps weights at
/// 1000. Where noise for differential privacy is in the values, choose clip several standard deviations wider than
/// the clip norm: clamping noised values is harmless to privacy only as long as it practically never happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantiser {
    clip: f32,
    weight_cap: u32,
    half: u32,
    weight_scale: u32,
}

impl Quantiser {
    /// `clip`: the largest magnitude of one delta, in its unit. `weight_cap`: the largest weight of one clinic, in
    /// examples or 1. `participants`: how many may contribute at most.
    ///
    /// # Errors
    /// [`Error::Participants`], [`Error::Clip`], [`Error::WeightCap`].
    pub fn new(clip: f32, weight_cap: u32, participants: u16) -> Result<Self, Error> {
        let levels = u32::MAX
            .checked_div(u32::from(participants))
            .ok_or(Error::Participants)?;
        let half = levels / 2;
        if !(clip.is_finite() && 0.0 < clip) {
            return Err(Error::Clip);
        }
        let weight_scale = (2 * half).checked_div(weight_cap).unwrap_or(0);
        if weight_scale == 0 {
            return Err(Error::WeightCap);
        }
        Ok(Self {
            clip,
            weight_cap,
            half,
            weight_scale,
        })
    }

    /// The largest magnitude of one delta.
    #[must_use]
    pub fn clip(&self) -> f32 {
        self.clip
    }

    /// The largest weight of one clinic.
    #[must_use]
    pub fn weight_cap(&self) -> u32 {
        self.weight_cap
    }

    /// The largest quantised value.
    #[must_use]
    pub fn largest(&self) -> u32 {
        2 * self.half
    }

    /// One quantisation step, in units of weight · delta.
    #[must_use]
    pub fn step(&self) -> f64 {
        f64::from(self.clip) * f64::from(self.weight_cap) / f64::from(self.half)
    }

    /// Quantises `weight * deltas`, value by value; the order of random draws is the order of the values.
    ///
    /// # Errors
    /// [`Error::Weight`], [`Error::NotFinite`].
    pub fn quantise(&self, deltas: &[f32], weight: f64, rng: &mut impl Rng) -> Result<Vec<u32>, Error> {
        let weight = self.checked(weight)?;
        let steps = weight / self.step();
        let half = f64::from(self.half);
        deltas
            .iter()
            .map(|delta| {
                if !delta.is_finite() {
                    return Err(Error::NotFinite);
                }
                let clamped = f64::from(delta.clamp(-self.clip, self.clip));
                let rounded = (clamped * steps + rng.random::<f64>()).floor();
                // Within 0..=2·half, so the cast only drops the zero fraction.
                Ok((rounded.clamp(-half, half) + half) as u32)
            })
            .collect()
    }

    /// Quantises the weight itself.
    ///
    /// # Errors
    /// [`Error::Weight`].
    pub fn quantise_weight(&self, weight: f64, rng: &mut impl Rng) -> Result<u32, Error> {
        let units = self.checked(weight)? * f64::from(self.weight_scale);
        Ok(((units + rng.random::<f64>()).floor() as u32).min(self.largest()))
    }

    /// Sums of `weight * delta` over `contributors` clinics, from sums of quantised values.
    ///
    /// # Errors
    /// [`Error::Implausible`] when a sum is out of reach: a mask is left in it.
    pub fn dequantise_sum(&self, sums: &[u32], contributors: usize) -> Result<Vec<f64>, Error> {
        let (half, step) = (f64::from(self.half), self.step());
        let shift = half * contributors as f64;
        sums.iter()
            .map(|sum| {
                let centred = f64::from(*sum) - shift;
                if shift < centred {
                    return Err(Error::Implausible);
                }
                Ok(centred * step)
            })
            .collect()
    }

    /// The sum of weights, from the sum of quantised weights.
    ///
    /// # Errors
    /// [`Error::Implausible`].
    pub fn dequantise_weight(&self, sum: u32, contributors: usize) -> Result<f64, Error> {
        if f64::from(self.largest()) * (contributors as f64) < f64::from(sum) {
            return Err(Error::Implausible);
        }
        Ok(f64::from(sum) / f64::from(self.weight_scale))
    }

    fn checked(&self, weight: f64) -> Result<f64, Error> {
        if 0.0 < weight && weight <= f64::from(self.weight_cap) {
            Ok(weight)
        } else {
            Err(Error::Weight)
        }
    }
}
