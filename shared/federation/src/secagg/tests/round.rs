use proptest::prelude::*;

use super::*;

fn stays() -> impl Strategy<Value = Stays> {
    prop_oneof![
        1 => Just(Stays::Advert),
        1 => Just(Stays::Shares),
        1 => Just(Stays::Masks),
        6 => Just(Stays::Answers),
    ]
}

fn cohort() -> impl Strategy<Value = (u16, Vec<Stays>)> {
    (3..12_u16).prop_flat_map(|n| (2 * n / 3 + 1..=n, prop::collection::vec(stays(), usize::from(n))))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_sum_is_bit_equal_for_any_drop_outs_and_absent_below_the_threshold(
        (threshold, stays) in cohort(),
        values in 1..300_usize,
        seed in any::<u64>(),
    ) {
        let n = u16::try_from(stays.len()).unwrap();
        let params = params(n, threshold, values);
        let last = stays.iter().filter(|stays| **stays == Stays::Answers).count();
        match play(&params, &stays, seed) {
            Ok(outcome) => {
                prop_assert!(usize::from(threshold) <= last);
                prop_assert_eq!(outcome.unmasked, outcome.plain);
                prop_assert_eq!(outcome.contributors, stays.iter().filter(|stays| Stays::Masks <= **stays).count());
            }
            Err(Error::BelowThreshold { have, need, .. }) => {
                prop_assert!(have < need && last < usize::from(threshold));
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }
}

#[test]
fn a_vector_of_several_chunks_is_unmasked_chunk_by_chunk() {
    // The weight alone in the last chunk.
    let params = params(4, 3, 2 * CHUNK_VALUES);
    assert_eq!(params.chunks(), 3);
    assert_eq!(params.chunk_length(2).unwrap(), 1);
    let stays = [Stays::Answers, Stays::Masks, Stays::Answers, Stays::Answers];
    let outcome = play(&params, &stays, 5).unwrap();
    assert!(outcome.unmasked == outcome.plain);
}

#[test]
fn fifty_clinics_of_whom_fifteen_drop_out() {
    let params = params(50, 34, 2000);
    let stays: Vec<Stays> = (0..50)
        .map(|n| match n % 10 {
            3 => Stays::Shares,
            6 => Stays::Masks,
            9 => Stays::Advert,
            _ => Stays::Answers,
        })
        .collect();
    let outcome = play(&params, &stays, 50).unwrap();
    assert_eq!(outcome.contributors, 40);
    assert!(outcome.unmasked == outcome.plain);
}

#[test]
fn a_whole_round_of_floats_gives_the_weighted_mean() {
    let params = params(5, 4, 40);
    let quantiser = *params.quantiser();
    let (mut clients, mut server) = masking(&params, 11);
    let mut rng = StdRng::seed_from_u64(3);
    let (mut sum, mut exact, mut weights) = (vec![0; 41], vec![0.0_f64; 40], 0.0);
    for (n, client) in clients.iter_mut().enumerate().take(4) {
        let deltas: Vec<f32> = (0..40).map(|_| rng.random_range(-0.5..0.5)).collect();
        let weight = 100.0 + n as f64;
        let mut values = quantiser.quantise(&deltas, weight, &mut rng).unwrap();
        values.push(quantiser.quantise_weight(weight, &mut rng).unwrap());
        add_masked(&mut sum, &client.mask(0, &values).unwrap());
        for (sum, delta) in exact.iter_mut().zip(&deltas) {
            *sum += weight * f64::from(*delta);
        }
        weights += weight;
    }
    server.close_masking(ids(0..4)).unwrap();
    assert_eq!(server.missing(), Some(4));
    for client in clients.iter_mut().skip(1) {
        server
            .unmask_shares(client.id().clone(), client.unmask(&ids(0..4)).unwrap())
            .unwrap();
    }
    assert_eq!(server.missing(), Some(0));
    let unmasker = server.reconstruct().unwrap();
    unmasker.unmask_chunk(0, &mut sum).unwrap();
    let (weight, values) = sum.split_last().unwrap();
    assert_eq!(
        quantiser
            .dequantise_weight(*weight, unmasker.contributors())
            .unwrap(),
        weights
    );
    let values = quantiser.dequantise_sum(values, unmasker.contributors()).unwrap();
    for (got, want) in values.iter().zip(&exact) {
        assert!((got - want).abs() <= 4.0 * quantiser.step(), "{got} {want}");
    }
}

#[test]
fn a_masked_vector_of_zeros_looks_like_noise() {
    let params = params(3, 3, 100_000);
    let (mut clients, _) = masking(&params, 1);
    let zeros = vec![0; params.length()];
    let masked: Vec<Vec<u32>> = clients
        .iter_mut()
        .map(|client| client.mask(0, &zeros).unwrap())
        .collect();
    for values in &masked {
        // Pearson's statistic over the bytes: 255 degrees of freedom, 6 standard deviations.
        let mut counts = [0_u32; 256];
        for byte in values.iter().flat_map(|value| value.to_le_bytes()) {
            counts[usize::from(byte)] += 1;
        }
        let expected = values.len() as f64 * 4.0 / 256.0;
        let statistic: f64 = counts
            .iter()
            .map(|n| (f64::from(*n) - expected).powi(2) / expected)
            .sum();
        assert!(
            (statistic - 255.0).abs() < 6.0 * (2.0 * 255.0_f64).sqrt(),
            "{statistic}"
        );
        // Neighbouring values are unrelated.
        let agreeing: u32 = values
            .windows(2)
            .map(|pair| (pair[0] ^ pair[1]).count_zeros())
            .sum();
        let bits = (values.len() - 1) as f64 * 32.0;
        assert!(
            (f64::from(agreeing) - bits / 2.0).abs() < 6.0 * (bits / 4.0).sqrt(),
            "{agreeing} of {bits}"
        );
    }
    assert_ne!(masked[0], masked[1]);
    // All the sum of the masked shows is the own streams, still there.
    let mut sum = zeros.clone();
    masked.iter().for_each(|values| add_masked(&mut sum, values));
    assert!(sum.iter().filter(|value| **value == 0).count() < 10);
}

#[test]
fn one_vector_stays_hidden_from_the_unmasker_of_the_sum() {
    let params = params(3, 3, 50);
    let (mut clients, mut server) = masking(&params, 2);
    let values = vec![7; 51];
    let masked: Vec<Vec<u32>> = clients
        .iter_mut()
        .map(|client| client.mask(0, &values).unwrap())
        .collect();
    server.close_masking(ids(0..3)).unwrap();
    for client in &mut clients {
        server
            .unmask_shares(client.id().clone(), client.unmask(&ids(0..3)).unwrap())
            .unwrap();
    }
    let unmasker = server.reconstruct().unwrap();
    for masked in masked {
        let mut alone = masked;
        unmasker.unmask_chunk(0, &mut alone).unwrap();
        assert!(alone.iter().filter(|value| **value == 7).count() < 3);
    }
}
