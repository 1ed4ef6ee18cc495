use barefoot_federation::hygiene::{
    MAX_EXAMPLES, Refusal, capped_weight, check_norm, median_norm, norm_outliers,
};
use proptest::prelude::*;

#[test]
fn claims_are_capped_and_absurd_ones_refused() {
    assert_eq!(capped_weight(120, 500), Ok(120.0));
    assert_eq!(capped_weight(9_000_000, 500), Ok(500.0));
    for claimed in [0, MAX_EXAMPLES + 1, u64::MAX] {
        assert_eq!(
            capped_weight(claimed, 500),
            Err(Refusal::AbsurdExamples { claimed })
        );
    }
}

#[test]
fn far_larger_norms_stand_out() {
    let honest = [0.9, 1.0, 1.1, 1.4, 0.6, 2.0];
    assert!(norm_outliers(&honest).is_empty());
    let mut poisoned = honest.to_vec();
    poisoned.extend([10.0, f64::NAN, 1e9, f64::INFINITY, 0.0]);
    assert_eq!(norm_outliers(&poisoned), [6, 7, 8, 9]);
    assert_eq!(median_norm(&honest), Some(1.05));
    assert_eq!(median_norm(&[f64::NAN]), None);
}

#[test]
fn few_or_equal_norms_accuse_nobody() {
    assert!(norm_outliers(&[]).is_empty());
    assert!(norm_outliers(&[1.0, 1.0, 100.0]).is_empty());
    assert_eq!(norm_outliers(&[f64::NAN, 1.0]), [0]);
    assert!(norm_outliers(&[2.0; 8]).is_empty());
    assert!(norm_outliers(&[0.0; 8]).is_empty());
    assert!(norm_outliers(&[1.0, 1.0, 1.0, 1.0, 1.0, 2.5]).is_empty());
    assert_eq!(norm_outliers(&[1.0, 1.0, 1.0, 1.0, 1.0, 3.0]), [5]);
}

#[test]
fn norms_above_the_limit_are_refused() {
    assert_eq!(check_norm(1.0, 1.0), Ok(()));
    assert_eq!(
        check_norm(1.5, 1.0),
        Err(Refusal::NormTooLarge {
            norm: 1.5,
            limit: 1.0
        })
    );
    assert!(check_norm(f64::NAN, 1.0).is_err() && check_norm(f64::INFINITY, f64::MAX).is_err());
}

#[test]
fn reasons_read_as_sentences() {
    let refusal = Refusal::WrongRound { claimed: 3, open: 4 };
    assert_eq!(refusal.to_string(), "The update is for round 3; round 4 is open.");
    assert_eq!(refusal.code(), "wrong_round");
}

proptest! {
    #[test]
    fn most_are_never_outliers(norms in prop::collection::vec(0.0_f64..1e12, 4..60)) {
        prop_assert!(norm_outliers(&norms).len() <= norms.len() / 2);
    }

    #[test]
    fn a_weight_never_exceeds_its_cap(claimed in any::<u64>(), cap in 1_u64..1_000_000) {
        if let Ok(weight) = capped_weight(claimed, cap) {
            prop_assert!(weight >= 1.0 && weight <= cap as f64);
        }
    }
}
