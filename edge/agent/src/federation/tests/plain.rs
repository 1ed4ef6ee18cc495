use barefoot_federation::clip::l2_norm;
use barefoot_federation::encoding::{Encoding, decode_into};
use proptest::prelude::*;

use super::super::terms::tests::{lenient, plain};
use super::*;

fn task(terms: v1::RoundTerms) -> v1::FitTask {
    v1::FitTask {
        terms: Some(terms),
        inbox: Vec::new(),
    }
}

fn noised() -> v1::RoundTerms {
    let mut terms = plain();
    terms.privacy = Some(v1::PrivacyTerms {
        clip_norm: 0.5,
        noise_multiplier: 1.0,
        secure_aggregation: false,
    });
    terms
}

fn demanding(epsilon: f64) -> Policy {
    Policy {
        clip_norm: 0.5,
        noise_multiplier: 1.0,
        epsilon_budget: Some(epsilon),
        ..lenient()
    }
}

fn of_round(mut terms: v1::RoundTerms, round: u32, attempt: u32) -> v1::RoundTerms {
    let id = terms.id.as_mut().unwrap();
    (id.round, id.attempt) = (round, attempt);
    terms
}

fn values(bytes: &[u8]) -> Vec<f32> {
    let mut values = vec![0.0; bytes.len() / 4];
    decode_into(bytes, Encoding::F32, &mut values).unwrap();
    values
}

#[test]
fn an_update_without_noise_is_what_was_trained_with_its_figures() {
    let region = Region::new(&["a"]);
    let folder = tempfile::tempdir().unwrap();
    let learner = Fixed::new([1.0, -2.0, 0.0, 0.5]);
    let mut stages = start(&region, "a", folder.path(), &lenient(), &learner);
    let reply = fit(&mut stages, &task(plain())).unwrap();
    assert_eq!((reply.examples, reply.metric.len()), (50, 1));
    let terms = checked(&stages, &plain());
    assert_eq!(values(&update(&stages, &terms, &reply)), [1.0, -2.0, 0.0, 0.5]);
}

#[test]
fn after_a_kill_the_same_bytes_are_sent_and_nothing_is_trained_or_noised_twice() {
    let region = Region::new(&["a"]);
    let folder = tempfile::tempdir().unwrap();
    let learner = Fixed::new([1.0, -2.0, 0.0, 0.5]);
    let policy = demanding(100.0);
    let mut stages = start(&region, "a", folder.path(), &policy, &learner);
    let first = fit(&mut stages, &task(noised())).unwrap();
    let terms = checked(&stages, &noised());
    let bytes = update(&stages, &terms, &first);
    assert_ne!(values(&bytes), [1.0, -2.0, 0.0, 0.5]);
    assert_eq!(
        (first.examples, first.metric.len()),
        (1, 0),
        "figures leave with noise"
    );
    let spent = stages.rules.budget().unwrap().spent();
    drop(stages);

    let mut stages = start(&region, "a", folder.path(), &policy, &learner);
    let second = fit(&mut stages, &task(noised())).unwrap();
    assert_eq!(second, first);
    assert_eq!(update(&stages, &terms, &second), bytes);
    assert_eq!(learner.trained(), 1);
    assert_eq!(stages.rules.budget().unwrap().spent(), spent);

    // Another attempt is another release.
    let again = fit(&mut stages, &task(of_round(noised(), 1, 2))).unwrap();
    assert_ne!(chunk_ids(&again), chunk_ids(&first));
    assert!(spent < stages.rules.budget().unwrap().spent());
}

#[test]
fn a_noised_update_that_was_lost_is_never_drawn_again() {
    let region = Region::new(&["a"]);
    let folder = tempfile::tempdir().unwrap();
    let learner = Fixed::new([1.0, 0.0, 0.0, 0.0]);
    let policy = demanding(100.0);
    let mut stages = start(&region, "a", folder.path(), &policy, &learner);
    fit(&mut stages, &task(noised())).unwrap();
    std::fs::remove_dir_all(folder.path().join("rounds")).unwrap();
    std::fs::create_dir(folder.path().join("rounds")).unwrap();
    let stop = fit(&mut stages, &task(noised())).unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::Failed);
    assert_eq!(learner.trained(), 1);
}

#[test]
fn an_update_sealed_before_its_cost_was_written_down_is_charged_before_it_leaves() {
    let region = Region::new(&["a"]);
    let folder = tempfile::tempdir().unwrap();
    let learner = Fixed::new([1.0, 0.0, 0.0, 0.0]);
    let policy = demanding(100.0);
    let mut stages = start(&region, "a", folder.path(), &policy, &learner);
    let sealed = fit(&mut stages, &task(noised())).unwrap();
    drop(stages);
    // As a kill between the two leaves it.
    std::fs::write(folder.path().join("privacy.log"), b"").unwrap();
    let mut stages = start(&region, "a", folder.path(), &policy, &learner);
    assert_eq!(stages.rules.budget().unwrap().spent(), 0.0);
    assert_eq!(fit(&mut stages, &task(noised())).unwrap(), sealed);
    assert!(4.0 < stages.rules.budget().unwrap().spent());
}

#[test]
fn the_budget_ends_taking_part_and_stays_spent_over_a_restart() {
    let region = Region::new(&["a"]);
    let folder = tempfile::tempdir().unwrap();
    let learner = Fixed::new([1.0, 0.0, 0.0, 0.0]);
    // Two releases with z = 1 cost 6.6 at delta 1e-5, three 8.4.
    let policy = demanding(8.0);
    for round in 1..=2 {
        let mut stages = start(&region, "a", folder.path(), &policy, &learner);
        fit(&mut stages, &task(of_round(noised(), round, 1))).unwrap();
    }
    let mut stages = start(&region, "a", folder.path(), &policy, &learner);
    let stop = fit(&mut stages, &task(of_round(noised(), 3, 1))).unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::Budget);
    assert_eq!(learner.trained(), 2);
    stages.rules.lose_budget();
    let stop = fit(&mut stages, &task(of_round(noised(), 3, 1))).unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::Budget);
}

#[test]
fn too_few_examples_changed_terms_and_poisoned_globals_are_declined() {
    let region = Region::new(&["a"]);
    let folder = tempfile::tempdir().unwrap();
    let learner = Fixed::new([1.0, 0.0, 0.0, 0.0]);
    let mut stages = start(&region, "a", folder.path(), &lenient(), &learner);
    let mut many = plain();
    many.fit.as_mut().unwrap().minimum_examples = 51;
    let stop = fit(&mut stages, &task(many)).unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::TooFewExamples);

    fit(&mut stages, &task(plain())).unwrap();
    let mut changed = plain();
    changed.quorum = 4;
    let stop = fit(&mut stages, &task(changed)).unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::Failed);

    let nan: Vec<u8> = [f32::NAN; 4]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let mut poisoned = of_round(plain(), 2, 1);
    poisoned.global.as_mut().unwrap().chunk = vec![ChunkId::of(&nan).0.to_vec()];
    stages.store.put_global(&ChunkId::of(&nan), &nan).unwrap();
    let stop = fit(&mut stages, &task(poisoned)).unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::Failed);

    let short = vec![0_u8; 8];
    let mut cut = of_round(plain(), 3, 1);
    cut.global.as_mut().unwrap().chunk = vec![ChunkId::of(&short).0.to_vec()];
    stages.store.put_global(&ChunkId::of(&short), &short).unwrap();
    let stop = fit(&mut stages, &task(cut)).unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::Failed);
    assert_eq!(learner.trained(), 1);
}

#[test]
fn a_clinic_left_with_too_few_examples_on_the_way_neither_sends_nor_measures() {
    let region = Region::new(&["a"]);
    let folder = tempfile::tempdir().unwrap();
    let learner = Fixed::new([1.0, 0.0, 0.0, 0.0]);
    let policy = Policy {
        minimum_examples: 50,
        ..lenient()
    };
    let mut stages = start(&region, "a", folder.path(), &policy, &learner);
    let terms = checked(&stages, &plain());
    assert_eq!(stages.sealed_fit(&terms, 1).unwrap(), None);
    learner.examples.store(49, Ordering::SeqCst);
    let stop = fit(&mut stages, &task(plain())).unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::TooFewExamples);
    assert_eq!(stages.sealed_fit(&terms, 1).unwrap(), None);
    let stop = stages.evaluate(&terms).unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::TooFewExamples);
    learner.examples.store(50, Ordering::SeqCst);
    stages.evaluate(&terms).unwrap();
}

#[test]
fn what_a_learner_gets_wrong_does_not_leave() {
    let region = Region::new(&["a"]);
    let folder = tempfile::tempdir().unwrap();
    let learner = Fixed::new([f32::NAN, 0.0, 0.0, 0.0]);
    let mut stages = start(&region, "a", folder.path(), &lenient(), &learner);
    let stop = fit(&mut stages, &task(plain())).unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::Failed);
    learner.delta.lock().unwrap().push(0.0);
    let stop = fit(&mut stages, &task(plain())).unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::Failed);
}

#[test]
fn what_a_coarse_encoding_could_not_send_is_sent_by_the_next_round_once_the_hub_has_the_first() {
    let region = Region::new(&["a"]);
    let folder = tempfile::tempdir().unwrap();
    let learner = Fixed::new([1.0, 0.000_1, 0.000_2, 0.0]);
    let mut stages = start(&region, "a", folder.path(), &lenient(), &learner);
    let coarse = |round| {
        let mut terms = of_round(plain(), round, 1);
        terms.fit.as_mut().unwrap().encoding = v1::Encoding::Int8.into();
        terms
    };
    let mut sum = [0.0_f32; 4];
    for round in 1..=3 {
        let reply = fit(&mut stages, &task(coarse(round))).unwrap();
        let terms = checked(&stages, &coarse(round));
        let mut sent = [0.0; 4];
        decode_into(&update(&stages, &terms, &reply), Encoding::Int8, &mut sent).unwrap();
        sum.iter_mut().zip(sent).for_each(|(sum, sent)| *sum += sent);
        stages.fit_accepted(&terms.id).unwrap();
    }
    let owed = stages
        .store
        .enter(&checked(&stages, &coarse(4)).id)
        .unwrap()
        .owed()
        .unwrap()
        .unwrap();
    for ((sum, owed), delta) in sum.iter().zip(owed).zip([3.0, 0.000_3, 0.000_6, 0.0]) {
        assert!((sum + owed - delta).abs() < 1e-6);
    }
    // Refused: nothing of that round is owed.
    fit(&mut stages, &task(coarse(5))).unwrap();
    let kept = stages
        .store
        .enter(&checked(&stages, &coarse(6)).id)
        .unwrap()
        .owed()
        .unwrap();
    assert!(kept.is_some());
}

#[test]
fn measuring_is_declined_where_figures_are_hidden() {
    let region = Region::new(&["a"]);
    let folder = tempfile::tempdir().unwrap();
    let stages = start(&region, "a", folder.path(), &lenient(), &Fixed::new([0.0; 4]));
    put_zeros(&stages);
    let reply = stages.evaluate(&checked(&stages, &plain())).unwrap();
    assert_eq!((reply.examples, reply.metric[0].value), (7, 0.5));
    let stop = stages.evaluate(&checked(&stages, &noised())).unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::Policy);
}

#[test]
fn training_that_is_told_to_stop_leaves_nothing_and_is_done_later() {
    let region = Region::new(&["a"]);
    let folder = tempfile::tempdir().unwrap();
    let learner = Fixed::new([1.0, 0.0, 0.0, 0.0]);
    let mut stages = start(&region, "a", folder.path(), &lenient(), &learner);
    let terms = checked(&stages, &plain());
    assert_eq!(stages.sealed_fit(&terms, 1).unwrap(), None);
    put_zeros(&stages);
    let mut stop_now = || std::ops::ControlFlow::Break(());
    let stop = stages
        .fit(&task(plain()), &terms, || 1, &mut stop_now)
        .unwrap_err();
    assert!(matches!(stop, Stop::Interrupted));
    fit(&mut stages, &task(plain())).unwrap();
    assert_eq!(learner.trained(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_clipped_update_is_longer_than_the_clip_norm(delta in any::<[i16; 4]>(), clip_norm in 0.01_f64..2.0) {
        let region = Region::new(&["a"]);
        let folder = tempfile::tempdir().unwrap();
        let learner = Fixed::new(delta.map(|value| f32::from(value) / 100.0));
        let mut stages = start(&region, "a", folder.path(), &lenient(), &learner);
        let mut terms = plain();
        terms.privacy = Some(v1::PrivacyTerms { clip_norm, ..Default::default() });
        let reply = fit(&mut stages, &task(terms.clone())).unwrap();
        let sent = values(&update(&stages, &checked(&stages, &terms), &reply));
        prop_assert!(l2_norm(&sent) <= clip_norm);
    }
}
