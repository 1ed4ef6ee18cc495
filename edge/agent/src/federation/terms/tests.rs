use proptest::prelude::*;

use super::*;
use crate::local_training::Consent;

pub(in crate::federation) fn trainable() -> Trainable {
    Trainable {
        id: "cxr".into(),
        version: "1.0.0".into(),
        backbone: "ab".repeat(32),
        findings: 1,
        channels: 3,
    }
}

/// Accepts everything but what cannot be accepted.
pub(in crate::federation) fn lenient() -> Policy {
    Policy {
        consent: Consent::OptOut,
        minimum_cohort: 2,
        clip_norm: f64::INFINITY,
        noise_multiplier: 0.0,
        secure_aggregation: SecureAggregation::Allowed,
        epsilon_budget: None,
        delta: 1e-5,
        minimum_examples: 1,
        daily_hours: None,
        rounds: true,
        follow_site: true,
        models: None,
    }
}

pub(in crate::federation) fn strict() -> Policy {
    Policy {
        minimum_cohort: 3,
        clip_norm: 0.5,
        noise_multiplier: 1.0,
        secure_aggregation: SecureAggregation::Required,
        epsilon_budget: Some(10.0),
        ..lenient()
    }
}

/// A plain round from a head of zeros.
pub(in crate::federation) fn plain() -> v1::RoundTerms {
    let layout = trainable().layout().unwrap();
    let zeros = vec![0_u8; 4 * layout.elements()];
    let tensor = |spec: &barefoot_federation::layout::TensorSpec| v1::TensorSpec {
        name: spec.name.clone(),
        shape: spec.shape.clone(),
    };
    v1::RoundTerms {
        id: Some(v1::RoundId {
            run: "run".into(),
            round: 1,
            attempt: 1,
        }),
        model_id: "cxr".into(),
        base_version: "1.0.0".into(),
        backbone: vec!["cd".repeat(32), trainable().backbone],
        global: Some(v1::Parameters {
            tensors: layout.specs().iter().map(tensor).collect(),
            encoding: v1::Encoding::F32.into(),
            chunk: vec![ChunkId::of(&zeros).0.to_vec()],
        }),
        stage_ends_in_ms: 60_000,
        quorum: 3,
        privacy: None,
        fit: Some(v1::FitSettings {
            epochs: 30,
            learning_rate: 1.0,
            l2: 1e-3,
            proximal_mu: 0.0,
            class_weights: true,
            encoding: v1::Encoding::F32.into(),
            minimum_examples: 1,
            example_cap: 1000,
            batch_size: 1,
            momentum: 0.0,
        }),
        rounds: 10,
        participants: 0,
    }
}

/// The same with secure aggregation of three and noise.
pub(in crate::federation) fn secure() -> v1::RoundTerms {
    let mut terms = plain();
    terms.privacy = Some(v1::PrivacyTerms {
        clip_norm: 0.5,
        noise_multiplier: 1.0,
        secure_aggregation: true,
    });
    terms.participants = 3;
    fit(&mut terms).encoding = v1::Encoding::Masked.into();
    terms
}

fn fit(terms: &mut v1::RoundTerms) -> &mut v1::FitSettings {
    terms.fit.as_mut().unwrap()
}

fn privacy(terms: &mut v1::RoundTerms) -> &mut v1::PrivacyTerms {
    terms.privacy.get_or_insert_default()
}

fn check(policy: &Policy, terms: &v1::RoundTerms) -> Result<Terms, v1::DeclineReason> {
    Terms::check(terms, Some(policy), Some(&trainable())).map_err(|declined| declined.reason)
}

#[test]
fn without_a_policy_every_round_is_declined() {
    for terms in [plain(), secure(), v1::RoundTerms::default()] {
        let declined = Terms::check(&terms, None, Some(&trainable())).unwrap_err();
        assert_eq!(declined.reason, v1::DeclineReason::NoPolicy);
    }
}

#[test]
fn terms_as_strong_as_the_policy_are_accepted_and_weaker_ones_declined() {
    check(&lenient(), &plain()).unwrap();
    check(&lenient(), &secure()).unwrap();
    check(&strict(), &secure()).unwrap();
    type Weaken = fn(&mut v1::RoundTerms);
    let weaker: [Weaken; 5] = [
        |terms| privacy(terms).clip_norm = 0.51,
        |terms| privacy(terms).noise_multiplier = 0.99,
        |terms| privacy(terms).noise_multiplier = 0.0,
        |terms| {
            privacy(terms).secure_aggregation = false;
            fit(terms).encoding = v1::Encoding::F32.into();
        },
        |terms| terms.quorum = 2,
    ];
    for (number, weaken) in weaker.into_iter().enumerate() {
        let mut terms = secure();
        weaken(&mut terms);
        assert_eq!(
            check(&strict(), &terms).unwrap_err(),
            v1::DeclineReason::Policy,
            "{number}"
        );
    }
    let refuses = Policy {
        secure_aggregation: SecureAggregation::Refused,
        ..lenient()
    };
    assert_eq!(check(&refuses, &secure()).unwrap_err(), v1::DeclineReason::Policy);
    for closed in [
        Policy {
            rounds: false,
            ..lenient()
        },
        Policy {
            models: Some(vec!["another".into()]),
            ..lenient()
        },
    ] {
        assert_eq!(check(&closed, &plain()).unwrap_err(), v1::DeclineReason::Policy);
    }
    let bounded = Policy {
        clip_norm: 10.0,
        ..lenient()
    };
    assert_eq!(check(&bounded, &plain()).unwrap_err(), v1::DeclineReason::Policy);
}

#[test]
fn another_model_or_artefact_is_declined() {
    let other = |change: fn(&mut v1::RoundTerms)| {
        let mut terms = plain();
        change(&mut terms);
        check(&lenient(), &terms).unwrap_err()
    };
    assert_eq!(
        other(|terms| terms.model_id = "ct".into()),
        v1::DeclineReason::OtherModel
    );
    assert_eq!(
        other(|terms| terms.backbone.clear()),
        v1::DeclineReason::OtherModel
    );
    let none = Terms::check(&plain(), Some(&lenient()), None).unwrap_err();
    assert_eq!(none.reason, v1::DeclineReason::OtherModel);
}

#[test]
fn tasks_that_cannot_be_are_declined_without_a_panic_or_an_allocation() {
    type Break = fn(&mut v1::RoundTerms);
    let broken: [Break; 21] = [
        |terms| terms.id = None,
        |terms| terms.id.as_mut().unwrap().round = 0,
        |terms| terms.id.as_mut().unwrap().attempt = 0,
        |terms| terms.id.as_mut().unwrap().run = "r".repeat(65),
        |terms| terms.rounds = 0,
        |terms| terms.global = None,
        |terms| terms.global.as_mut().unwrap().tensors[0].shape = vec![1, u64::MAX],
        |terms| terms.global.as_mut().unwrap().tensors.truncate(1),
        |terms| terms.global.as_mut().unwrap().tensors.swap(0, 1),
        |terms| terms.global.as_mut().unwrap().chunk = vec![vec![0; 32]; 100_000],
        |terms| terms.global.as_mut().unwrap().chunk[0].truncate(31),
        |terms| terms.global.as_mut().unwrap().encoding = v1::Encoding::Int8.into(),
        |terms| terms.global.as_mut().unwrap().encoding = 99,
        |terms| terms.fit = None,
        |terms| fit(terms).epochs = u32::MAX,
        |terms| fit(terms).l2 = f64::INFINITY,
        |terms| fit(terms).proximal_mu = -1.0,
        |terms| fit(terms).encoding = v1::Encoding::Masked.into(),
        |terms| privacy(terms).clip_norm = f64::NAN,
        |terms| privacy(terms).noise_multiplier = 1.0,
        |terms| {
            *terms = secure();
            terms.participants = 70_000;
        },
    ];
    for (number, change) in broken.into_iter().enumerate() {
        let mut terms = plain();
        change(&mut terms);
        assert_eq!(
            check(&lenient(), &terms).unwrap_err(),
            v1::DeclineReason::Failed,
            "{number}"
        );
    }
}

#[test]
fn a_threshold_that_a_third_of_the_clinics_could_undo_is_declined() {
    let of = |participants: u32, quorum: u32| {
        let mut terms = secure();
        (terms.participants, terms.quorum) = (participants, quorum);
        check(&lenient(), &terms).map(|_| ())
    };
    for (participants, quorum) in [(8, 3), (8, 5), (6, 4), (3, 2)] {
        assert_eq!(of(participants, quorum), Err(v1::DeclineReason::Failed));
    }
    for (participants, quorum) in [(8, 6), (6, 5), (4, 3), (3, 3)] {
        of(participants, quorum).unwrap();
    }
}

#[test]
fn only_the_time_left_may_change_between_stages() {
    let first = check(&lenient(), &plain()).unwrap();
    let mut later = plain();
    later.stage_ends_in_ms = 5;
    assert_eq!(check(&lenient(), &later).unwrap().fingerprint, first.fingerprint);
    later.quorum = 4;
    assert_ne!(check(&lenient(), &later).unwrap().fingerprint, first.fingerprint);
    later.stage_ends_in_ms = u64::MAX;
    assert_eq!(check(&lenient(), &later).unwrap().ends_in, LONGEST_STAGE);
}

proptest! {
    #[test]
    fn any_message_is_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(terms) = v1::RoundTerms::decode(bytes.as_slice()) {
            let _ = Terms::check(&terms, Some(&lenient()), Some(&trainable()));
        }
    }

    #[test]
    fn whatever_is_accepted_keeps_the_policy(
        clip_norm in 0.0_f64..2.0,
        noise_multiplier in 0.0_f64..3.0,
        secure_aggregation: bool,
        quorum in 0_u32..6,
        participants in 0_u32..8,
    ) {
        let mut terms = if secure_aggregation { secure() } else { plain() };
        terms.privacy = Some(v1::PrivacyTerms { clip_norm, noise_multiplier, secure_aggregation });
        terms.quorum = quorum;
        terms.participants = participants;
        if let Ok(accepted) = check(&strict(), &terms) {
            prop_assert!(accepted.protection.secure);
            prop_assert!(accepted.protection.clip_norm.unwrap() <= 0.5);
            prop_assert!(1.0 <= accepted.protection.noise_multiplier);
            prop_assert!(3 <= accepted.quorum);
        }
    }
}
