use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn the_sum_never_overflows_and_is_within_a_step_for_each_contributor(
        participants in 3..=1000_u16,
        clip in 0.001..100.0_f32,
        cap in 1..100_000_u32,
        deltas in prop::collection::vec(-150.0..150.0_f32, 1..20),
        fraction in 0.0001..1.0_f64,
        seed in any::<u64>(),
    ) {
        let quantiser = Quantiser::new(clip, cap, participants).unwrap();
        let largest = u64::from(quantiser.largest()) * u64::from(participants);
        prop_assert!(largest <= u64::from(u32::MAX));
        let (weight, mut rng) = (fraction * f64::from(cap), StdRng::seed_from_u64(seed));
        let values = quantiser.quantise(&deltas, weight, &mut rng).unwrap();
        prop_assert!(values.iter().all(|value| *value <= quantiser.largest()));
        let sum: Vec<u32> = values.iter().map(|value| value * u32::from(participants)).collect();
        let back = quantiser.dequantise_sum(&sum, usize::from(participants)).unwrap();
        for (delta, got) in deltas.iter().zip(&back) {
            let want = f64::from(delta.clamp(-clip, clip)) * weight;
            let off = (got / f64::from(participants) - want).abs();
            prop_assert!(off <= quantiser.step() * 1.000_001, "{} off by {}", want, off);
        }
    }

    #[test]
    fn whole_weights_are_exact(participants in 3..=1000_u16, cap in 1..100_000_u32, seed in any::<u64>()) {
        let quantiser = Quantiser::new(1.0, cap, participants).unwrap();
        let mut rng = StdRng::seed_from_u64(seed);
        for weight in [1, cap.div_ceil(2), cap] {
            let value = quantiser.quantise_weight(f64::from(weight), &mut rng).unwrap();
            prop_assert_eq!(quantiser.dequantise_weight(value, 1).unwrap(), f64::from(weight));
        }
    }
}

#[test]
fn rounding_has_no_bias_and_zero_is_exact() {
    let quantiser = Quantiser::new(1.0, 1, 1000).unwrap();
    let mut rng = StdRng::seed_from_u64(4);
    let third = (quantiser.step() / 3.0) as f32;
    let values = quantiser.quantise(&vec![third; 90_000], 1.0, &mut rng).unwrap();
    let up = values
        .iter()
        .filter(|value| quantiser.largest() / 2 < **value)
        .count();
    assert!((29_000..31_000).contains(&up), "{up}");
    let zeros = quantiser.quantise(&[0.0; 100], 1.0, &mut rng).unwrap();
    assert_eq!(quantiser.dequantise_sum(&zeros, 1).unwrap(), [0.0; 100]);
}

#[test]
fn nonsense_is_refused() {
    let mut rng = StdRng::seed_from_u64(4);
    assert_eq!(Quantiser::new(1.0, 1, 0), Err(Error::Participants));
    for clip in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert_eq!(Quantiser::new(clip, 1, 3), Err(Error::Clip));
    }
    assert_eq!(Quantiser::new(1.0, 0, 3), Err(Error::WeightCap));
    assert_eq!(Quantiser::new(1.0, u32::MAX, 3), Err(Error::WeightCap));
    let quantiser = Quantiser::new(1.0, 10, 3).unwrap();
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(quantiser.quantise(&[value], 1.0, &mut rng), Err(Error::NotFinite));
    }
    for weight in [0.0, -1.0, 10.5, f64::NAN, f64::INFINITY] {
        assert_eq!(quantiser.quantise(&[0.0], weight, &mut rng), Err(Error::Weight));
        assert_eq!(quantiser.quantise_weight(weight, &mut rng), Err(Error::Weight));
    }
    // What a left-over mask looks like.
    assert_eq!(quantiser.dequantise_sum(&[u32::MAX], 2), Err(Error::Implausible));
    assert_eq!(quantiser.dequantise_weight(u32::MAX, 2), Err(Error::Implausible));
    let context = params(3, 3, 1).context().clone();
    let check = |n, t, values| Params::new(n, t, values, 1.0, 1, context.clone());
    assert_eq!(check(2, 2, 1).unwrap_err(), Error::Participants);
    assert_eq!(check(1001, 700, 1).unwrap_err(), Error::Participants);
    assert_eq!(check(4, 2, 1).unwrap_err(), Error::Threshold);
    // Above half is not enough: two in league with the hub would unmask a third.
    assert_eq!(check(8, 5, 1).unwrap_err(), Error::Threshold);
    assert_eq!(check(6, 4, 1).unwrap_err(), Error::Threshold);
    assert_eq!(check(1000, 666, 1).unwrap_err(), Error::Threshold);
    for (n, threshold) in [(3, 3), (4, 3), (6, 5), (8, 6), (1000, 667)] {
        check(n, threshold, 1).unwrap();
    }
    assert_eq!(check(4, u16::MAX, 1).unwrap_err(), Error::Threshold);
    assert_eq!(check(4, 5, 1).unwrap_err(), Error::Threshold);
    assert_eq!(check(4, 3, 0).unwrap_err(), Error::Values);
    assert_eq!(check(4, 3, usize::MAX).unwrap_err(), Error::Values);
}
