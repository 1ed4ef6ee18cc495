use barefoot_wire::v1;
use barefoot_wire::v1::task::Task;

use super::clinic::{TestClinic, play};
use super::maintainer::{Client, layout, maintainer, refusals, register, settings, start, view};
use crate::support::Region;

fn secure(rounds: u32, noise_multiplier: f64) -> v1::RunSettings {
    v1::RunSettings {
        rounds,
        quorum: 3,
        target: 4,
        stage_ms: 3000,
        retries: 2,
        delta: 1e-5,
        privacy: Some(v1::PrivacyTerms {
            clip_norm: 2.0,
            noise_multiplier,
            secure_aggregation: true,
        }),
        ..settings(4)
    }
}

async fn prepared(region: &Region, port: u16, channels: u64) -> (Client, Vec<TestClinic>) {
    let layout = layout(channels);
    let mut mara = maintainer(region, port);
    register(&mut mara, &layout, 1.0).await;
    let clinics = [("a", 0.1, 10), ("b", 0.2, 30), ("c", 0.3, 60), ("d", 0.9, 500)];
    let clinics = clinics
        .into_iter()
        .map(|(name, delta, examples)| TestClinic::new(region, name, port, &layout).with(delta, examples));
    (mara, clinics.collect())
}

fn close(value: Option<f32>, expected: f64) {
    let value = f64::from(value.unwrap());
    assert!((value - expected).abs() < 1e-4, "{value} instead of {expected}");
}

#[tokio::test]
async fn the_hub_learns_the_weighted_mean_and_no_update() {
    let region = Region::new();
    let hub = region.hub().await;
    // The masked vector has one value more than the model: here that is a chunk of its own.
    let (mut mara, mut clinics) = prepared(&region, hub.grpc, 262_143).await;
    let run = start(&mut mara, secure(2, 0.0)).await;
    let view = play(&mut clinics, &mut mara, &run).await;
    assert_eq!(view.state, "finished", "{view:?}");
    let weights = 10.0 + 30.0 + 60.0 + 500.0;
    let mean = (0.1 * 10.0 + 0.2 * 30.0 + 0.3 * 60.0 + 0.9 * 500.0) / weights;
    // Nobody evaluates under secure aggregation: what was seen last is what round 2 started from.
    close(clinics[0].seen, 1.0 + mean);
    assert!(
        view.round
            .iter()
            .all(|round| round.accepted == 4 && round.metric.is_empty())
    );
    assert_eq!(view.epsilon_spent, 0.0);
    hub.stop().await;
}

#[tokio::test]
async fn drop_outs_at_every_stage_leave_the_mean_of_those_who_stay() {
    let region = Region::new();
    let hub = region.hub().await;
    let (mut mara, mut clinics) = prepared(&region, hub.grpc, 3).await;
    let noised = v1::RunSettings {
        strategy: "FedAvg".into(),
        ..secure(2, 1.0)
    };
    let run = start(&mut mara, noised).await;
    // All four deal shares; then one is gone, and only a deadline tells.
    for stage in ["keys", "shares"] {
        for clinic in &mut clinics {
            while !clinic.step().await.unwrap() {}
        }
        assert_ne!(view(&mut mara, &run).await.unwrap().round[0].stage, stage);
    }
    let gone = clinics.pop().unwrap();
    while view(&mut mara, &run).await.unwrap().round[0].stage != "finished" {
        for clinic in &mut clinics {
            clinic.step().await.unwrap();
        }
    }
    // The one that was gone comes back in time for the next round.
    clinics.push(gone);
    let view = play(&mut clinics, &mut mara, &run).await;
    assert_eq!(view.state, "finished", "{view:?}");
    let accepted: Vec<_> = view
        .round
        .iter()
        .map(|round| (round.stage.as_str(), round.accepted))
        .collect();
    assert_eq!(accepted, [("finished", 3), ("finished", 4)]);
    // With noise in the terms all clinics count the same.
    close(clinics[0].seen, 1.0 + 0.2);
    let spent: Vec<f64> = view.round.iter().map(|round| round.epsilon_spent).collect();
    assert!(4.37 < spent[0] && spent[0] < 4.38 && spent[0] < spent[1] && spent[1] == view.epsilon_spent);
    hub.stop().await;
}

#[tokio::test]
async fn below_the_threshold_nothing_is_revealed_and_the_round_is_tried_again() {
    let region = Region::new();
    let hub = region.hub().await;
    let (mut mara, mut clinics) = prepared(&region, hub.grpc, 3).await;
    let run = start(&mut mara, secure(1, 0.0)).await;
    for _ in ["keys", "shares"] {
        for clinic in &mut clinics {
            while !clinic.step().await.unwrap() {}
        }
    }
    for clinic in clinics.iter_mut().skip(2) {
        let id = clinic.fit_task().await.terms.unwrap().id;
        let reason = v1::DeclineReason::Failed.into();
        clinic
            .calls
            .decline(v1::DeclineReply { id, reason })
            .await
            .unwrap();
    }
    let view = play(&mut clinics, &mut mara, &run).await;
    assert_eq!(view.state, "finished", "{view:?}");
    let rounds: Vec<_> = view
        .round
        .iter()
        .map(|round| (round.attempt, round.stage.as_str(), round.accepted))
        .collect();
    assert_eq!(rounds, [(1, "failed", 0), (2, "finished", 4)]);
    hub.stop().await;
}

#[tokio::test]
async fn keys_and_shares_that_are_wrong_are_refused_with_their_reason() {
    let region = Region::new();
    let hub = region.hub().await;
    let (mut mara, mut clinics) = prepared(&region, hub.grpc, 3).await;
    let run = start(&mut mara, secure(1, 0.0)).await;
    let Task::Keys(task) = clinics[0].task().await else {
        panic!("no keys task");
    };
    let terms = task.terms.unwrap();
    // Another clinic's advert, and one whose signature is for other keys.
    let stolen = clinics[1].keys(&terms);
    let refused = clinics[0].calls.submit_keys(stolen).await.unwrap().into_inner();
    assert_eq!((refused.accepted, refused.code.as_str()), (false, "wrong_keys"));
    let mut forged = clinics[1].keys(&terms);
    forged.advert.as_mut().unwrap().mask_public[0] ^= 1;
    let refused = clinics[1].calls.submit_keys(forged).await.unwrap().into_inner();
    assert_eq!((refused.accepted, refused.code.as_str()), (false, "wrong_keys"));
    // Both are out of the attempt; the next one starts afresh, and all take part.
    let view = play(&mut clinics, &mut mara, &run).await;
    assert_eq!(view.state, "finished", "{view:?}");
    assert_eq!(view.round.len(), 2);
    let wrong = |clinic: &str| (clinic.to_owned(), "wrong_keys".to_owned());
    assert_eq!(refusals(&view), [wrong("a"), wrong("b")]);
    hub.stop().await;
}

#[tokio::test]
async fn a_masked_update_with_chunks_of_the_wrong_lengths_is_refused_before_it_counts() {
    let region = Region::new();
    let hub = region.hub().await;
    // Two chunks, the second of them short.
    let (mut mara, mut clinics) = prepared(&region, hub.grpc, 262_143).await;
    let run = start(&mut mara, secure(1, 0.0)).await;
    for _ in ["keys", "shares"] {
        for clinic in &mut clinics {
            while !clinic.step().await.unwrap() {}
        }
    }
    let task = clinics[3].fit_task().await;
    let mut swapped = clinics[3].masked(&task).await.unwrap();
    swapped.update.as_mut().unwrap().chunk.swap(0, 1);
    let refused = clinics[3].calls.submit_fit(swapped).await.unwrap().into_inner();
    assert_eq!(
        (refused.accepted, refused.code.as_str()),
        (false, "damaged_chunk")
    );
    let view = play(&mut clinics, &mut mara, &run).await;
    let rounds: Vec<_> = view
        .round
        .iter()
        .map(|round| (round.stage.as_str(), round.accepted))
        .collect();
    assert_eq!(rounds, [("finished", 3)], "{view:?}");
    assert_eq!(refusals(&view), [("d".to_owned(), "damaged_chunk".to_owned())]);
    hub.stop().await;
}

#[tokio::test]
async fn shares_for_other_clinics_than_the_roster_are_refused() {
    let region = Region::new();
    let hub = region.hub().await;
    let (mut mara, mut clinics) = prepared(&region, hub.grpc, 3).await;
    let run = start(&mut mara, secure(1, 0.0)).await;
    for clinic in &mut clinics {
        while !clinic.step().await.unwrap() {}
    }
    let Task::Shares(task) = clinics[3].task().await else {
        panic!("no shares task");
    };
    let mut wrong = clinics[3].shares(&task);
    wrong.share.swap(0, 1);
    let refused = clinics[3].calls.submit_shares(wrong).await.unwrap().into_inner();
    assert_eq!((refused.accepted, refused.code.as_str()), (false, "wrong_shares"));
    let view = play(&mut clinics, &mut mara, &run).await;
    assert_eq!(
        (view.state.as_str(), view.round[0].accepted),
        ("finished", 3),
        "{view:?}"
    );
    assert_eq!(refusals(&view), [("d".to_owned(), "wrong_shares".to_owned())]);
    hub.stop().await;
}

#[tokio::test]
async fn a_clinic_whose_shares_break_an_attempt_is_left_out_of_the_next() {
    let region = Region::new();
    let hub = region.hub().await;
    let (mut mara, mut clinics) = prepared(&region, hub.grpc, 3).await;
    let run = start(&mut mara, secure(1, 0.0)).await;
    for clinic in &mut clinics {
        while !clinic.step().await.unwrap() {}
    }
    let Task::Shares(task) = clinics[3].task().await else {
        panic!("no shares task");
    };
    let mut wrong = clinics[3].shares(&task);
    wrong.seed_commitment[0] ^= 1;
    let taken = clinics[3].calls.submit_shares(wrong).await.unwrap().into_inner();
    assert!(taken.accepted, "only the sum will tell: {taken:?}");
    let view = play(&mut clinics, &mut mara, &run).await;
    let rounds: Vec<_> = view
        .round
        .iter()
        .map(|round| (round.attempt, round.stage.as_str(), round.accepted))
        .collect();
    assert_eq!(rounds, [(1, "failed", 4), (2, "finished", 3)]);
    assert!(
        view.round[0].reason.contains("clinic d"),
        "{}",
        view.round[0].reason
    );
    assert_eq!(refusals(&view), [("d".to_owned(), "wrong_dealer".to_owned())]);
    hub.stop().await;
}
