use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::Interval;

/// Resamples of a bootstrap: the ends of the interval are then good to about a fiftieth of its width.
pub const REPLICATES: usize = 2000;

/// The percentile bootstrap (Efron 1979): `statistic` over resamples of the case numbers `0..cases`, with replacement;
/// the 2.5th and 97.5th percentile of what it gives. The draws are ChaCha8's under `seed`, the same on every machine.
///
/// None for no cases, or when the statistic is NaN on a resample.
#[must_use]
pub fn bootstrap(cases: usize, seed: u64, statistic: impl Fn(&[usize]) -> f64) -> Option<Interval> {
    if cases == 0 {
        return None;
    }
    let mut key = [0; 32];
    for (to, from) in key.iter_mut().zip(seed.to_le_bytes()) {
        *to = from;
    }
    let mut rng = ChaCha8Rng::from_seed(key);
    let mut sample = vec![0; cases];
    let mut values = Vec::with_capacity(REPLICATES);
    for _ in 0..REPLICATES {
        for case in &mut sample {
            // The high word of a product: uneven by less than cases / 2^64, and fixed by this line alone.
            let drawn = u128::from(rng.next_u64()) * (cases as u128);
            *case = (drawn >> 64) as usize;
        }
        let value = statistic(&sample);
        if value.is_nan() {
            return None;
        }
        values.push(value);
    }
    values.sort_by(f64::total_cmp);
    Some(Interval {
        low: percentile(&values, 0.025)?,
        high: percentile(&values, 0.975)?,
    })
}

/// With linear interpolation between neighbours.
fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted.get(at.floor() as usize)?, sorted.get(at.ceil() as usize)?);
    Some(low + (high - low) * at.fract())
}
