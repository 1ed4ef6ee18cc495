use std::sync::atomic::Ordering;

use barefoot_federation::round::Duty;
use prost::Message;

use super::*;

#[tokio::test]
async fn an_update_that_is_being_checked_keeps_its_chunks() {
    let house = House::new().await;
    let run = house.start(settings("one", 2)).await.unwrap();
    let a = clinic("a");
    let update = house.update(&run, &a).await;
    let id = ChunkId::try_from(update.update.as_ref().unwrap().chunk[0].as_slice()).unwrap();
    // No update is read through for now.
    let readers = &house.runs.0.readers;
    let all = u32::try_from(readers.available_permits()).unwrap();
    let busy = readers.acquire_many(all).await.unwrap();
    let (runs, reply) = (house.runs.clone(), Reply::Fit(update));
    let submitted = tokio::spawn(async move { runs.submit(&a, reply).await });
    let kept = [id, ChunkId::of(&encode(&[0.0; 3], Encoding::F32).unwrap())];
    until(async || house.runs.0.to_read.load(Ordering::Relaxed) == 1).await;
    let needed = std::future::ready(Ok::<_, ()>(kept.into()));
    assert!(house.runs.0.chunks.sweep(needed).await.is_none());
    // Meanwhile its update for another run is accepted, and with it all that it has sent is forgotten.
    house.archive.forget_uploads().await.unwrap();
    house.runs.remove_unneeded().await.unwrap();
    drop(busy);
    let answer = submitted.await.unwrap().unwrap();
    assert!(answer.accepted, "{answer:?}");
    house.runs.remove_unneeded().await.unwrap();
    assert!(house.runs.0.chunks.has(&id));
}

#[tokio::test]
async fn what_noise_hides_is_refused_or_not_kept() {
    let house = House::new().await;
    let noised = v1::RunSettings {
        delta: 1e-5,
        privacy: Some(v1::PrivacyTerms {
            clip_norm: 1.0,
            noise_multiplier: 1.0,
            secure_aggregation: false,
        }),
        ..settings("one", 2)
    };
    let run = house.start(noised).await.unwrap();
    let (a, b) = (clinic("a"), clinic("b"));
    let telling = v1::FitReply {
        metric: vec![v1::Metric {
            name: "loss".to_owned(),
            value: 0.5,
        }],
        ..house.update(&run, &a).await
    };
    let answer = house.submit(&a, &telling).await;
    assert_eq!(
        (answer.accepted, answer.code.as_str()),
        (false, "wrong_protection")
    );
    let update = house.update(&run, &b).await;
    assert!(house.submit(&b, &update).await.accepted);
    let kept = house.archive.reply(&house.key(&run).await, &b, Duty::Fit).await;
    let kept = v1::FitReply::decode(kept.unwrap().unwrap().body.as_slice()).unwrap();
    assert_eq!(
        kept,
        v1::FitReply {
            examples: 0,
            ..update.clone()
        }
    );
    assert!(house.submit(&b, &update).await.accepted, "the same again");
}

#[tokio::test]
async fn what_an_update_said_is_forgotten_at_the_end_of_its_attempt() {
    let house = House::new().await;
    let run = house.start(settings("one", 1)).await.unwrap();
    let a = clinic("a");
    let update = house.evaluating(&run, &a).await;
    let key = house.key(&run).await;
    let kept = async |house: &House| {
        let reply = house.archive.reply(&key, &a, Duty::Fit).await.unwrap();
        reply.unwrap().body.len()
    };
    assert_ne!(kept(&house).await, 0);
    let reply = v1::DeclineReply {
        id: update.id.clone(),
        ..v1::DeclineReply::default()
    };
    house.runs.decline(&a, &reply).await.unwrap();
    assert_eq!(kept(&house).await, 0);
    assert!(house.submit(&a, &update).await.accepted, "the same again");
    // The candidate is still to be made, also after a restart.
    let house = house.opened_again().await;
    house.turn().await.unwrap();
    until(async || house.view(&run).await.state == "finished").await;
}
