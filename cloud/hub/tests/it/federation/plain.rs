use barefoot_wire::v1;
use barefoot_wire::v1::task::Task;
use tokio_stream::StreamExt;

use super::clinic::{TestClinic, play};
use super::maintainer::{self, ended, layout, maintainer, metric, refusals, register, settings, start, view};
use crate::support::Region;

fn clinics(region: &Region, port: u16, layout: &barefoot_federation::layout::Layout) -> Vec<TestClinic> {
    let of = |name: &str, delta, examples| TestClinic::new(region, name, port, layout).with(delta, examples);
    vec![of("a", 0.1, 10), of("b", 0.2, 30), of("c", 0.3, 60)]
}

fn close(value: Option<f32>, expected: f64) {
    let value = f64::from(value.unwrap());
    assert!((value - expected).abs() < 1e-5, "{value} instead of {expected}");
}

#[tokio::test]
async fn two_rounds_of_fedavg_end_with_a_candidate() {
    let region = Region::new();
    let hub = region.hub().await;
    // More than one chunk.
    let layout = layout(300_000);
    let mut mara = maintainer(&region, hub.grpc);
    register(&mut mara, &layout, 1.0).await;
    let mut clinics = clinics(&region, hub.grpc, &layout);
    let run = start(&mut mara, settings(3)).await;
    let mut watched = mara
        .watch_run(v1::RunName { run: run.clone() })
        .await
        .unwrap()
        .into_inner();

    let view = play(&mut clinics, &mut mara, &run).await;
    assert_eq!((view.state.as_str(), view.reason.as_str()), ("finished", ""));
    assert!(!view.candidate_version.is_empty());
    let stages: Vec<_> = view
        .round
        .iter()
        .map(|round| (round.round, round.stage.as_str()))
        .collect();
    assert_eq!(stages, [(1, "finished"), (2, "finished")]);
    assert!(
        view.round
            .iter()
            .all(|round| round.accepted == 3 && round.refused.is_empty())
    );
    // Mean of the updates, weighted by examples, twice: seen in the last evaluation.
    let mean = 0.1 * 0.1 + 0.3 * 0.2 + 0.6 * 0.3;
    for clinic in &clinics {
        close(clinic.seen, 1.0 + 2.0 * mean);
    }
    let auc = metric(&view.round[1], "clinics.auc").unwrap();
    assert!((auc - (0.5 + mean / 10.0)).abs() < 1e-6);
    assert!((metric(&view.round[0], "fit/loss").unwrap() - mean).abs() < 1e-6);

    let mut told = Vec::new();
    while let Some(view) = watched.next().await {
        told.push(view.unwrap());
    }
    assert_eq!(told.last(), Some(&view));
    assert!(told.windows(2).all(|pair| pair[0] != pair[1]));
    let models = mara
        .list_models(v1::ListModelsRequest {})
        .await
        .unwrap()
        .into_inner();
    let made = models.model.iter().find(|model| model.run == run).unwrap();
    assert_eq!(made.version, view.candidate_version);
    hub.stop().await;
}

#[tokio::test]
async fn a_robust_strategy_from_zero_leaves_the_poisoned_updates_out() {
    let region = Region::new();
    let hub = region.hub().await;
    let layout = layout(20);
    let mut mara = maintainer(&region, hub.grpc);
    register(&mut mara, &layout, 1.0).await;
    let mut clinics: Vec<TestClinic> = [0.1, 0.11, 0.12, 0.13, -0.2, 90.0]
        .into_iter()
        .enumerate()
        .map(|(number, delta)| {
            TestClinic::new(&region, &format!("c{number}"), hub.grpc, &layout).with(delta, 50)
        })
        .collect();
    let run = start(
        &mut mara,
        v1::RunSettings {
            rounds: 1,
            from_zero: true,
            strategy: "MultiKrum".into(),
            quorum: 5,
            target: 6,
            ..settings(6)
        },
    )
    .await;
    let view = play(&mut clinics, &mut mara, &run).await;
    assert_eq!(view.state, "finished", "{view:?}");
    close(clinics[0].seen, (0.1 + 0.11 + 0.12 + 0.13) / 4.0);
    let named = [("c4", "left_out"), ("c5", "norm_outlier")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    let mut found = refusals(&view);
    found.sort();
    assert_eq!(found, named);
    assert_eq!(view.round[0].accepted, 5);
    hub.stop().await;
}

#[tokio::test]
async fn a_deadline_with_the_quorum_goes_on_and_the_late_clinic_is_told() {
    let region = Region::new();
    let hub = region.hub().await;
    let layout = layout(3);
    let mut mara = maintainer(&region, hub.grpc);
    register(&mut mara, &layout, 0.0).await;
    let mut clinics = clinics(&region, hub.grpc, &layout);
    let late = v1::RunSettings {
        quorum: 1,
        target: 0,
        stage_ms: 1500,
        rounds: 1,
        ..settings(1)
    };
    let run = start(&mut mara, late).await;
    let task = clinics[2].fit_task().await;
    assert!(task.terms.as_ref().unwrap().stage_ends_in_ms <= 1500);
    let reply = clinics[2]
        .plain(task.terms.as_ref().unwrap(), &[0.3; 4])
        .await
        .unwrap();
    let first = clinics[0].step().await.unwrap();
    assert!(first);
    let view = ended(&mut mara, &run).await;
    let answer = clinics[2].calls.submit_fit(reply).await.unwrap().into_inner();
    assert_eq!((answer.accepted, answer.code.as_str()), (false, "late"));
    // Nobody measured; the stage ended by its deadline.
    assert_eq!((view.state.as_str(), view.round[0].accepted), ("finished", 1));
    assert!(metric(&view.round[0], "clinics.auc").is_none());
    let after = maintainer::view(&mut mara, &run).await.unwrap();
    assert_eq!(refusals(&after), [("c".to_owned(), "late".to_owned())]);
    hub.stop().await;
}

#[tokio::test]
async fn without_a_quorum_the_round_is_tried_again_and_then_the_run_fails() {
    let region = Region::new();
    let hub = region.hub().await;
    let layout = layout(3);
    let mut mara = maintainer(&region, hub.grpc);
    register(&mut mara, &layout, 0.0).await;
    let mut clinics = clinics(&region, hub.grpc, &layout);
    let hopeless = v1::RunSettings {
        stage_ms: 700,
        retries: 1,
        late: v1::LatePolicy::AcceptUntilAggregation.into(),
        ..settings(3)
    };
    let run = start(&mut mara, hopeless).await;
    let id = clinics[1].fit_task().await.terms.unwrap().id;
    let decline = v1::DeclineReply {
        id,
        reason: v1::DeclineReason::Budget.into(),
    };
    assert!(
        clinics[1]
            .calls
            .decline(decline)
            .await
            .unwrap()
            .into_inner()
            .accepted
    );
    assert!(matches!(clinics[1].pull().await.unwrap(), Task::Idle(_)));
    let view = play(&mut clinics[..1], &mut mara, &run).await;
    assert_eq!(view.state, "failed");
    assert!(view.reason.contains("Round 1"), "{}", view.reason);
    let rounds: Vec<_> = view
        .round
        .iter()
        .map(|round| {
            (
                round.attempt,
                round.stage.as_str(),
                round.accepted,
                round.declined,
            )
        })
        .collect();
    assert_eq!(rounds, [(1, "failed", 1, 1), (2, "failed", 1, 0)]);
    assert!(
        view.round[0].reason.contains("3 are needed"),
        "{}",
        view.round[0].reason
    );
    assert!(view.candidate_version.is_empty());
    hub.stop().await;
}

#[tokio::test]
async fn a_run_is_stopped_by_a_person_and_settings_are_checked_before() {
    let region = Region::new();
    let hub = region.hub().await;
    let layout = layout(3);
    let mut mara = maintainer(&region, hub.grpc);
    register(&mut mara, &layout, 0.0).await;
    for (what, wrong) in [
        (
            "strategy",
            v1::RunSettings {
                strategy: "FedBest".into(),
                ..settings(3)
            },
        ),
        (
            "quorum",
            v1::RunSettings {
                strategy: "Bulyan".into(),
                ..settings(3)
            },
        ),
        (
            "base",
            v1::RunSettings {
                base_version: "9.9.9".into(),
                ..settings(3)
            },
        ),
        (
            "plan",
            v1::RunSettings {
                plan: "unwritten".into(),
                ..settings(3)
            },
        ),
        (
            "fit",
            v1::RunSettings {
                fit: None,
                ..settings(3)
            },
        ),
        (
            "choose one",
            v1::RunSettings {
                strategy: "FedMedian".into(),
                privacy: Some(v1::PrivacyTerms {
                    clip_norm: 1.0,
                    noise_multiplier: 0.0,
                    secure_aggregation: true,
                }),
                ..settings(3)
            },
        ),
        (
            "delta",
            v1::RunSettings {
                privacy: Some(v1::PrivacyTerms {
                    clip_norm: 1.0,
                    noise_multiplier: 1.0,
                    secure_aggregation: false,
                }),
                ..settings(3)
            },
        ),
    ] {
        let status = mara.start_run(wrong).await.unwrap_err();
        let known = [tonic::Code::InvalidArgument, tonic::Code::NotFound];
        assert!(known.contains(&status.code()), "{what}: {status}");
    }
    let run = start(&mut mara, settings(3)).await;
    let twice = mara.start_run(settings(3)).await.unwrap_err();
    assert_eq!(twice.code(), tonic::Code::FailedPrecondition);
    let name = v1::RunName { run: run.clone() };
    mara.stop_run(name.clone()).await.unwrap();
    let stopped = view(&mut mara, &run).await.unwrap();
    assert_eq!(
        (stopped.state.as_str(), stopped.round[0].stage.as_str()),
        ("stopped", "failed")
    );
    assert_eq!(
        mara.stop_run(name).await.unwrap_err().code(),
        tonic::Code::FailedPrecondition
    );
    let unknown = v1::RunName {
        run: "unknown".into(),
    };
    assert_eq!(
        mara.stop_run(unknown.clone()).await.unwrap_err().code(),
        tonic::Code::NotFound
    );
    assert_eq!(
        mara.watch_run(unknown).await.unwrap_err().code(),
        tonic::Code::NotFound
    );
    start(&mut mara, settings(3)).await;
    hub.stop().await;
}
