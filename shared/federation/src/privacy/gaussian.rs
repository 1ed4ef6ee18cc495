//! One Gaussian release in closed form: Balle & Wang 2018 (arXiv 1805.06530), theorem 8.
//!
//! `mu` is the sensitivity divided by the noise's standard deviation. Releases with mu1, mu2, … compose to one with
//! mu = sqrt(mu1² + mu2² + …) (Dong, Roth & Su 2019, arXiv 1905.02383, corollary 3.3).

use std::f64::consts::SQRT_2;

use super::normal::{scaled_erfc, upper_tail};

/// Bisection halves this often: to the last bit of a double from any bracket used here.
const HALVINGS: u32 = 200;

/// The smallest delta for which one release with `mu` is (epsilon, delta)-private. `0 < mu`, `0 <= epsilon`.
pub(crate) fn delta_of(mu: f64, epsilon: f64) -> f64 {
    let a = mu / 2.0 - epsilon / mu;
    let b = mu / 2.0 + epsilon / mu;
    // e^epsilon · upper_tail(b) = ½ e^(-a²/2) · scaled_erfc(b/√2): no overflow however large epsilon is.
    let scale = 0.5 * (-0.5 * a * a).exp();
    if 0.0 <= a {
        upper_tail(-a) - scale * scaled_erfc(b / SQRT_2)
    } else {
        scale * (scaled_erfc(-a / SQRT_2) - scaled_erfc(b / SQRT_2))
    }
}

/// The smallest epsilon at `delta`, rounded up.
pub(crate) fn epsilon_of(mu: f64, delta: f64) -> f64 {
    if !mu.is_finite() {
        return f64::INFINITY;
    }
    if mu <= 0.0 || delta_of(mu, 0.0) <= delta {
        return 0.0;
    }
    let mut high = 1.0;
    while delta < delta_of(mu, high) {
        high *= 2.0;
    }
    bisect(0.0, high, |epsilon| delta < delta_of(mu, epsilon)).1
}

/// The largest mu that stays within (epsilon, delta), rounded down. `0 < delta < 1`.
pub(crate) fn mu_within(epsilon: f64, delta: f64) -> f64 {
    let fits = |mu: f64| delta_of(mu, epsilon) <= delta;
    let mut high = 1.0;
    while fits(high) {
        high *= 2.0;
    }
    bisect(0.0, high, fits).0
}

/// Narrows [low, high] with `goes_on(low)` true and `goes_on(high)` false.
fn bisect(mut low: f64, mut high: f64, goes_on: impl Fn(f64) -> bool) -> (f64, f64) {
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if goes_on(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low, high)
}
