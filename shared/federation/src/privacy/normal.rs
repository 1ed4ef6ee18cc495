//! The standard normal distribution, accurate in relative terms in both tails.

use std::cmp::Ordering;
use std::f64::consts::{PI, SQRT_2};

/// Points and weights of Gauss-Legendre quadrature with five points on [-1, 1].
const LEGENDRE: [(f64, f64); 5] = [
    (-0.906_179_845_938_664, 0.236_926_885_056_189_08),
    (-0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (0.0, 0.568_888_888_888_888_9),
    (0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (0.906_179_845_938_664, 0.236_926_885_056_189_08),
];

/// The mass above `x`.
pub(crate) fn upper_tail(x: f64) -> f64 {
    0.5 * libm::erfc(x / SQRT_2)
}

fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// The mass between `from` and `to`, either of them possibly infinite; 0 when they are not in order.
pub(crate) fn mass_between(from: f64, to: f64) -> f64 {
    // Also answers NaN with 0.
    if from.partial_cmp(&to) != Some(Ordering::Less) {
        return 0.0;
    }
    let half = 0.5 * (to - from);
    let middle = from + half;
    // A difference of tails loses digits on a short interval, where the quadrature is exact to rounding.
    if half * (1.0 + from.abs().max(to.abs())) < 0.25 {
        let sum: f64 = LEGENDRE
            .iter()
            .map(|(point, weight)| weight * density(middle + half * point))
            .sum();
        return half * sum;
    }
    if 0.0 < from {
        upper_tail(from) - upper_tail(to)
    } else if to < 0.0 {
        upper_tail(-to) - upper_tail(-from)
    } else {
        1.0 - upper_tail(to) - upper_tail(-from)
    }
}

/// exp(x²)·erfc(x) for x ≥ 0: erfc without its underflow.
pub(crate) fn scaled_erfc(x: f64) -> f64 {
    if x < 8.0 {
        return (x * x).exp() * libm::erfc(x);
    }
    // Abramowitz & Stegun 7.1.23. At x ≥ 8 the terms fall below rounding before they begin to grow.
    let ratio = 1.0 / (2.0 * x * x);
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 0..20 {
        term *= -f64::from(2 * k + 1) * ratio;
        sum += term;
    }
    sum / (x * PI.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_and_intervals_agree_with_tables() {
        let close = |got: f64, want: f64| assert!((got - want).abs() <= 1e-13 * want.abs(), "{got} {want}");
        close(upper_tail(1.959_963_984_540_054), 0.025);
        close(upper_tail(6.0), 9.865_876_450_376_98e-10);
        close(mass_between(6.0, f64::INFINITY), 9.865_876_450_376_98e-10);
        close(mass_between(f64::NEG_INFINITY, f64::INFINITY), 1.0);
        assert_eq!(mass_between(1.0, 1.0), 0.0);
        assert_eq!(mass_between(f64::NAN, 1.0), 0.0);
    }

    #[test]
    fn the_two_ways_to_an_interval_agree() {
        for from in [-9.0, -3.0, -0.01, 0.0, 0.4, 5.0, 20.0_f64] {
            let edge = 0.4 / (1.0 + from.abs());
            let whole: f64 = (0_i32..10)
                .map(|i| {
                    let at = |k: i32| from + edge * f64::from(k) / 10.0;
                    mass_between(at(i), at(i + 1))
                })
                .sum();
            let tails = if 0.0 <= from {
                upper_tail(from) - upper_tail(from + edge)
            } else {
                upper_tail(-from - edge) - upper_tail(-from)
            };
            assert!((whole - tails).abs() <= 1e-12 * tails, "{from}: {whole} {tails}");
        }
    }

    #[test]
    fn scaled_erfc_is_continuous_and_right() {
        // mpmath: exp(x**2)*erfc(x)
        let close = |got: f64, want: f64| assert!((got - want).abs() <= 1e-13 * want, "{got} {want}");
        close(scaled_erfc(0.0), 1.0);
        close(scaled_erfc(1.0), 0.427_583_576_155_807);
        close(scaled_erfc(7.999_999), 0.069_985_174_817_389_86);
        close(scaled_erfc(8.0), 0.069_985_166_200_880_93);
        close(scaled_erfc(50.0), 0.011_281_536_265_323_8);
    }
}
