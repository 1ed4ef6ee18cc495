use barefoot_wire::v1;
use barefoot_wire::v1::task::Task;
use tonic::Code;

use super::clinic::TestClinic;
use super::maintainer::{Client, chunks, layout, maintainer, register, settings, start, view};
use crate::support::{Hub, Region};

const VALUES: [f32; 4] = [0.1, 0.2, 0.3, 0.4];

struct Scene {
    region: Region,
    hub: Hub,
    mara: Client,
    run: String,
}

async fn scene(settings: v1::RunSettings) -> Scene {
    let region = Region::new();
    let hub = region.hub().await;
    let mut mara = maintainer(&region, hub.grpc);
    register(&mut mara, &layout(3), 0.0).await;
    let run = start(&mut mara, settings).await;
    Scene {
        region,
        hub,
        mara,
        run,
    }
}

impl Scene {
    fn clinic(&self, name: &str) -> TestClinic {
        TestClinic::new(&self.region, name, self.hub.grpc, &layout(3)).with(0.1, 50)
    }

    /// A sound reply of a fresh clinic, spoilt by `spoil`, is refused with `code`, and so it stands in the journal.
    async fn refused(&mut self, code: &str, values: &[f32], spoil: impl FnOnce(&mut v1::FitReply)) {
        let name = format!("for-{}", code.replace('_', "-"));
        let mut clinic = self.clinic(&name);
        let terms = clinic.fit_task().await.terms.unwrap();
        let mut reply = clinic.plain(&terms, values).await.unwrap();
        spoil(&mut reply);
        let answer = clinic.calls.submit_fit(reply.clone()).await.unwrap().into_inner();
        assert_eq!(
            (answer.accepted, answer.code.as_str()),
            (false, code),
            "{answer:?}"
        );
        assert!(answer.reason.ends_with('.'), "{}", answer.reason);
        let again = clinic.calls.submit_fit(reply).await.unwrap().into_inner();
        assert!(!again.accepted, "the same again is refused again");
        let view = view(&mut self.mara, &self.run).await.unwrap();
        let found = view.round[0].refused.iter().any(|refusal| {
            refusal.clinic == name
                && refusal.code == code
                && refusal.reason == answer.reason
                && 0 < refusal.at_ms
        });
        assert!(found, "{code} is not in {:?}", view.round[0].refused);
        assert_eq!(view.round[0].accepted, 0);
    }
}

/// Too few to tell an outlier by, and nobody set a limit.
#[tokio::test]
async fn a_huge_update_is_refused_also_where_nobody_set_a_limit() {
    let mut scene = scene(settings(5)).await;
    scene
        .refused("norm_too_large", &[1e30, 0.1, 0.1, 0.1], |_| {})
        .await;
    // Of four values: a norm of 200 is what is left.
    let mut clinic = scene.clinic("loud");
    let terms = clinic.fit_task().await.terms.unwrap();
    let reply = clinic.plain(&terms, &[99.9; 4]).await.unwrap();
    let answer = clinic.calls.submit_fit(reply).await.unwrap().into_inner();
    assert!(answer.accepted, "{answer:?}");
    scene.hub.stop().await;
}

#[tokio::test]
async fn every_fault_of_an_update_is_refused_with_its_reason() {
    let mut scene = scene(v1::RunSettings {
        norm_limit: 10.0,
        ..settings(5)
    })
    .await;
    let update =
        |reply: &mut v1::FitReply, spoil: fn(&mut v1::Parameters)| spoil(reply.update.as_mut().unwrap());
    scene
        .refused("not_finite", &[0.1, f32::NAN, 0.1, 0.1], |_| {})
        .await;
    scene.refused("norm_too_large", &[10.0; 4], |_| {}).await;
    scene
        .refused("wrong_layout", &VALUES, |reply| {
            update(reply, |update| update.tensors[0].shape = vec![3, 1])
        })
        .await;
    scene
        .refused("wrong_encoding", &VALUES, |reply| {
            update(reply, |update| update.encoding = v1::Encoding::F16.into());
        })
        .await;
    scene
        .refused("wrong_protection", &VALUES, |reply| {
            update(reply, |update| update.encoding = v1::Encoding::Masked.into());
        })
        .await;
    scene
        .refused("wrong_chunk_count", &VALUES, |reply| {
            update(reply, |update| update.chunk.push(update.chunk[0].clone()));
        })
        .await;
    scene
        .refused("damaged_chunk", &VALUES, |reply| {
            update(reply, |update| {
                update.chunk[0].pop();
            });
        })
        .await;
    scene
        .refused("missing_chunk", &VALUES, |reply| {
            update(reply, |update| update.chunk[0] = vec![7; 32])
        })
        .await;
    scene
        .refused("absurd_examples", &VALUES, |reply| reply.examples = 0)
        .await;
    scene
        .refused("too_few_examples", &VALUES, |reply| reply.examples = 9)
        .await;
    scene
        .refused("absurd_metric", &VALUES, |reply| reply.metric[0].value = f64::NAN)
        .await;
    scene
        .refused("wrong_round", &VALUES, |reply| {
            reply.id.as_mut().unwrap().round = 2
        })
        .await;
    scene.hub.stop().await;
}

#[tokio::test]
async fn a_reply_counts_once_and_a_second_one_is_refused() {
    let mut scene = scene(settings(2)).await;
    let mut a = scene.clinic("a");
    let terms = a.fit_task().await.terms.unwrap();
    let reply = a.plain(&terms, &[0.1; 4]).await.unwrap();
    for _ in 0..3 {
        let answer = a.calls.submit_fit(reply.clone()).await.unwrap().into_inner();
        assert!(answer.accepted, "{answer:?}");
    }
    // What the clinic sent is still its own after the update was accepted.
    let asked = v1::ChunkIds {
        id: reply.update.as_ref().unwrap().chunk.clone(),
    };
    let missing = a.calls.missing_chunks(asked).await.unwrap().into_inner();
    assert!(missing.id.is_empty());
    let other = v1::FitReply {
        examples: 51,
        ..reply.clone()
    };
    let answer = a.calls.submit_fit(other).await.unwrap().into_inner();
    assert_eq!(
        (answer.accepted, answer.code.as_str()),
        (false, "double_submission")
    );
    assert_eq!(
        view(&mut scene.mara, &scene.run).await.unwrap().round[0].accepted,
        1
    );

    let mut unknown = reply.clone();
    unknown.id.as_mut().unwrap().run = "unknown".into();
    let answer = a.calls.submit_fit(unknown).await.unwrap().into_inner();
    assert_eq!((answer.accepted, answer.code.as_str()), (false, "unknown_run"));
    let nameless = v1::FitReply { id: None, ..reply };
    let answer = a.calls.submit_fit(nameless).await.unwrap().into_inner();
    assert_eq!((answer.accepted, answer.code.as_str()), (false, "wrong_round"));

    // The accepted one is what counts in the end, and the same again is still the same.
    let mut b = scene.clinic("b");
    assert!(b.step().await.unwrap());
    while !a.step().await.unwrap() {}
    let global = a.seen.unwrap();
    assert!((global - 0.1).abs() < 1e-6, "{global}");
    scene.hub.stop().await;
}

#[tokio::test]
async fn a_second_submission_while_the_first_is_checked_is_the_same_one() {
    let mut scene = scene(settings(3)).await;
    let mut a = scene.clinic("a");
    let terms = a.fit_task().await.terms.unwrap();
    let reply = a.plain(&terms, &VALUES).await.unwrap();
    let tries = (0..8).map(|_| {
        let (mut calls, reply) = (a.calls.clone(), reply.clone());
        async move { calls.submit_fit(reply).await.unwrap().into_inner().accepted }
    });
    let answers = futures_util::future::join_all(tries).await;
    assert!(answers.iter().all(|accepted| *accepted), "{answers:?}");
    let seen = view(&mut scene.mara, &scene.run).await.unwrap();
    assert_eq!((seen.round[0].accepted, seen.round[0].refused.len()), (1, 0));
    scene.hub.stop().await;
}

#[tokio::test]
async fn compressed_updates_are_decoded_and_damaged_ones_refused() {
    let mut settings = settings(2);
    settings.fit.as_mut().unwrap().encoding = v1::Encoding::Int8.into();
    let scene = scene(settings).await;
    let int8 = |scale: f32, steps: [i8; 4]| {
        let mut bytes = scale.to_le_bytes().to_vec();
        bytes.extend(steps.map(|step| step as u8));
        bytes
    };
    let mut replies = Vec::new();
    for (name, content) in [
        ("bad", int8(0.1, [1, -128, 1, 1])),
        ("worse", int8(f32::NAN, [1; 4])),
        ("a", int8(0.1, [1; 4])),
        ("b", int8(0.1, [3; 4])),
    ] {
        let mut clinic = scene.clinic(name);
        let terms = clinic.fit_task().await.terms.unwrap();
        let ids = clinic.upload(vec![content]).await.unwrap();
        let reply = v1::FitReply {
            id: terms.id,
            update: Some(super::maintainer::parameters(
                &layout(3),
                v1::Encoding::Int8,
                &ids,
            )),
            examples: 50,
            metric: vec![],
        };
        replies.push(clinic.calls.submit_fit(reply).await.unwrap().into_inner().code);
        if name == "b" {
            while !clinic.step().await.unwrap() {}
            assert!((clinic.seen.unwrap() - 0.2).abs() < 1e-6);
        }
    }
    assert_eq!(replies, ["damaged_chunk", "damaged_chunk", "", ""]);
    scene.hub.stop().await;
}

#[tokio::test]
async fn an_upload_has_the_sizes_of_an_update_and_not_the_bytes_of_many() {
    let (region, layout) = (Region::new(), layout(262_143));
    let hub = region.hub().await;
    let mut mara = maintainer(&region, hub.grpc);
    register(&mut mara, &layout, 0.0).await;
    let run = start(&mut mara, settings(3)).await;
    let mut clinic = TestClinic::new(&region, "a", hub.grpc, &layout).with(0.1, 50);
    let content = |number: u32| chunks(&vec![number as f32; layout.elements()]);
    let wrong = clinic.push(vec![vec![0; 15]]).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    // One chunk of a mebibyte is an update: two of them and the slack are three.
    for number in 1..=3 {
        assert_eq!(clinic.push(content(number)).await.unwrap(), 1);
    }
    assert_eq!(
        clinic.push(content(3)).await.unwrap(),
        1,
        "the same again takes no room"
    );
    let refused = clinic.push(content(4)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let round = view(&mut mara, &run).await.unwrap().round.remove(0);
    assert_eq!(
        (round.refused[0].clinic.as_str(), round.refused[0].code.as_str()),
        ("a", "too_large")
    );
    assert!(
        matches!(clinic.pull().await.unwrap(), Task::Idle(_)),
        "it is out of the attempt"
    );
    hub.stop().await;
}
