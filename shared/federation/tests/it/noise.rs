//! Clipping bounds and noise has the spread it claims.

use barefoot_federation::clip::{ClipError, L2Norm, clip, clip_factor, l2_norm, scale};
use barefoot_federation::noise::{NoiseError, add_gaussian, share_of};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

proptest! {
    #[test]
    fn a_clipped_update_is_within_the_limit(
        values in prop::collection::vec(-1e6_f32..1e6, 1..400),
        limit in prop::sample::select(vec![1e-3_f64, 0.1, 1.0, 7.0, 1e4, 1e12]),
    ) {
        let mut clipped = values.clone();
        let norm = clip(&mut clipped, limit).unwrap();
        prop_assert!((norm - l2_norm(&values)).abs() <= f64::EPSILON);
        prop_assert!(l2_norm(&clipped) <= limit);
        if norm <= limit {
            prop_assert_eq!(clipped, values);
        } else {
            prop_assert!(l2_norm(&clipped) >= limit * (1.0 - 1e-6));
            for (clipped, value) in clipped.iter().zip(&values) {
                prop_assert!((f64::from(*clipped) - f64::from(*value) * limit / norm).abs() <= limit * 1e-6);
            }
        }
    }

    #[test]
    fn a_norm_in_pieces_is_the_norm(values in prop::collection::vec(-1e3_f32..1e3, 0..300), cut in 0_usize..300) {
        let (left, right) = values.split_at(cut.min(values.len()));
        let mut norm = L2Norm::default();
        norm.add(left);
        norm.add(right);
        prop_assert!((norm.value() - l2_norm(&values)).abs() <= 1e-9 * l2_norm(&values).max(1.0));
    }

    #[test]
    fn noised_values_lie_on_the_grid(value in -10.0_f32..10.0, seed in any::<u64>()) {
        let mut values = [value];
        add_gaussian(&mut values, 1.0, &mut StdRng::seed_from_u64(seed)).unwrap();
        let steps = f64::from(values[0]) * 1_048_576.0;
        prop_assert_eq!(steps, steps.round());
    }
}

#[test]
fn what_cannot_be_clipped_is_refused_and_unchanged() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut values = [1.0, bad];
        assert_eq!(clip(&mut values, 1.0), Err(ClipError::NotFinite));
        assert_eq!(values[0], 1.0);
    }
    for limit in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(clip_factor(1.0, limit), Err(ClipError::Limit));
    }
    let mut values = [0.1_f32, -3.0];
    scale(&mut values, 1.0);
    assert_eq!(values, [0.1, -3.0]);
}

/// Mean, variance, and parts beyond one and two deviations of 200 000 samples stay within five standard errors.
#[test]
fn noise_is_normal_with_the_deviation_asked_for() {
    let deviation = 0.37;
    let mut values = vec![5.0_f32; 200_000];
    add_gaussian(&mut values, deviation, &mut StdRng::seed_from_u64(20)).unwrap();
    let n = values.len() as f64;
    let z: Vec<f64> = values.iter().map(|v| (f64::from(*v) - 5.0) / deviation).collect();
    let mean = z.iter().sum::<f64>() / n;
    let variance = z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / (n - 1.0);
    assert!(mean.abs() < 5.0 / n.sqrt(), "{mean}");
    assert!((variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{variance}");
    for (beyond, expected) in [(1.0, 0.317_310_5), (2.0, 0.045_500_3), (3.0, 0.002_699_8)] {
        let part = z.iter().filter(|z| z.abs() > beyond).count() as f64 / n;
        let error: f64 = (expected * (1.0_f64 - expected) / n).sqrt();
        assert!((part - expected).abs() < 5.0 * error, "{beyond}: {part}");
    }
    let product = z.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / n;
    assert!(product.abs() < 5.0 / n.sqrt(), "{product}");
}

#[test]
fn shares_add_up_to_the_whole() {
    assert_eq!(share_of(2.0, 4), 1.0);
    assert!((share_of(1.3, 7).powi(2) * 7.0 - 1.69).abs() < 1e-12);
    assert_eq!(share_of(2.0, 0), 2.0);
}

#[test]
fn a_deviation_that_cannot_be_is_refused() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut values = [1.0, 2.0];
    for deviation in [-1.0, f64::NAN, f64::INFINITY, 1e-320] {
        assert_eq!(
            add_gaussian(&mut values, deviation, &mut rng),
            Err(NoiseError::Deviation)
        );
    }
    assert_eq!(add_gaussian(&mut values, 0.0, &mut rng), Ok(()));
    assert_eq!(values, [1.0, 2.0]);
}
