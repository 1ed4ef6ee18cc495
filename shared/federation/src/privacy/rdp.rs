//! Rényi differential privacy: Mironov 2017 (arXiv 1702.07476); the sampled Gaussian of Mironov, Talwar & Zhang 2019
//! (arXiv 1908.10530); the conversion to (epsilon, delta) of Canonne, Kamath & Steinke 2020 (arXiv 2004.00010,
//! proposition 12).

use super::log_sum::LogSum;

/// Below this noise multiplier sampling is not counted: the integrand becomes too narrow, and no such noise protects.
const SMALLEST_SAMPLED: f64 = 0.1;

/// The integrand is summed to this many standard deviations beyond its outermost peaks.
const REACH: f64 = 12.0;

/// The smallest epsilon at `delta` over all orders, for `releases` releases at noise multiplier `z`, each with Poisson
/// sampling at rate `q`.
pub(crate) fn epsilon(z: f64, q: f64, releases: u32, delta: f64) -> f64 {
    orders()
        .map(|order| converted(order, f64::from(releases) * divergence(order, z, q), delta))
        .fold(f64::INFINITY, f64::min)
        .max(0.0)
}

/// 1.1 to 10.9 in tenths, 11 to 63, then four large ones for small divergences.
fn orders() -> impl Iterator<Item = f64> {
    let tenths = (11..110).map(|k| f64::from(k) / 10.0);
    let whole = (11..64).chain([128, 256, 512, 1024]).map(f64::from);
    tenths.chain(whole)
}

fn converted(order: f64, divergence: f64, delta: f64) -> f64 {
    // The order-1 divergence is at most this one, and total variation at most sqrt(1 - exp(-KL)).
    if 1.0 - (-divergence).exp() < delta * delta {
        return 0.0;
    }
    divergence + (-1.0 / order).ln_1p() - (delta * order).ln() / (order - 1.0)
}

/// The Rényi divergence of one release, in nats.
fn divergence(order: f64, z: f64, q: f64) -> f64 {
    let variance = z * z;
    if 1.0 <= q || z < SMALLEST_SAMPLED {
        // Without sampling in closed form; with it an upper bound, since sampling only hides more.
        return order / (2.0 * variance);
    }
    // A = E[((1-q) + q e^((2x-1)/(2z²)))^order] for x ~ N(0, z²), the larger of the two directions (theorem 5).
    // One integral for whole and fractional orders. The trapezoidal rule converges like exp(-2π·strip/step); the
    // integrand is analytic up to |Im x| = πz², so at this step the error is below rounding.
    let step = (z / 8.0).min(variance / 4.0);
    let first = -REACH * z;
    let points = ((order + 2.0 * REACH * z) / step).ceil();
    let mut sum = LogSum::default();
    let mut k = 0.0;
    while k <= points {
        let x = first + k * step;
        sum.add(order * log_ratio(x, variance, q) - x * x / (2.0 * variance));
        k += 1.0;
    }
    let norm = step.ln() - 0.5 * (2.0 * std::f64::consts::PI * variance).ln();
    ((sum.ln() + norm) / (order - 1.0)).max(0.0)
}

/// ln((1-q) + q e^((2x-1)/(2 variance))): the loss of the sampled Gaussian at `x`.
pub(crate) fn log_ratio(x: f64, variance: f64, q: f64) -> f64 {
    let exponent = (2.0 * x - 1.0) / (2.0 * variance);
    if 1.0 <= q {
        exponent
    } else if exponent < -1.0 {
        ((1.0 - q) + q * exponent.exp()).ln()
    } else if exponent < 30.0 {
        (q * exponent.exp_m1()).ln_1p()
    } else {
        exponent + q.ln() + ((1.0 - q) / q * (-exponent).exp()).ln_1p()
    }
}
