//! Who may do what, and see what.

use std::time::Duration;

use barefoot_federation::chunk::ChunkId;
use barefoot_trust::Role;
use barefoot_wire::v1;
use barefoot_wire::v1::corrections_client::CorrectionsClient;
use barefoot_wire::v1::federation_client::FederationClient;
use barefoot_wire::v1::releases_client::ReleasesClient;
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tonic::Code;

use super::clinic::TestClinic;
use super::line::channel;
use super::maintainer::{self, chunks, layout, maintainer, register, settings, start};
use crate::support::{Region, wait_for};

#[tokio::test]
async fn a_clinic_sees_no_chunk_of_another_and_only_the_parameters_of_its_round() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut mara = maintainer(&region, hub.grpc);
    register(&mut mara, &layout(3), 1.0).await;
    let mut a = TestClinic::new(&region, "a", hub.grpc, &layout(3)).with(0.1, 50);
    let mut b = TestClinic::new(&region, "b", hub.grpc, &layout(3)).with(0.1, 50);
    assert_eq!(
        a.push(chunks(&[0.0; 4])).await.unwrap_err().code(),
        Code::FailedPrecondition,
        "no round waits for it"
    );
    start(&mut mara, settings(2)).await;
    let terms = a.fit_task().await.terms.unwrap();
    let reply = a.plain(&terms, &[0.1; 4]).await.unwrap();
    let secret = v1::ChunkIds {
        id: reply.update.as_ref().unwrap().chunk.clone(),
    };
    // Not even that the hub has it.
    let missing = b.calls.missing_chunks(secret.clone()).await.unwrap().into_inner();
    assert_eq!(missing, secret);
    assert_eq!(
        b.calls.pull_chunks(secret.clone()).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(
        a.calls.pull_chunks(secret).await.unwrap_err().code(),
        Code::NotFound
    );
    // Naming another clinic's chunks as one's own update does not work either.
    let stolen = b.calls.submit_fit(reply.clone()).await.unwrap().into_inner();
    assert_eq!((stolen.accepted, stolen.code.as_str()), (false, "missing_chunk"));
    assert!(a.calls.submit_fit(reply).await.unwrap().into_inner().accepted);
    b.look(&terms).await.unwrap();
    assert_eq!(b.seen, Some(1.0));
    // A box that cannot run the backbone is told nothing.
    let other = v1::PullTaskRequest {
        model: vec![v1::TrainableModel {
            id: maintainer::MODEL.into(),
            version: "0.1.0".into(),
            backbone: vec!["00".repeat(32)],
        }],
        client_version: String::new(),
    };
    let task = b.calls.pull_task(other).await.unwrap().into_inner();
    assert!(matches!(task.task, Some(v1::task::Task::Idle(_))));
    hub.stop().await;
}

#[tokio::test]
async fn every_service_is_open_to_one_kind_of_caller() {
    let region = Region::new();
    let hub = region.hub().await;
    let clinic = region.identity("clinic-7");
    let expert = region.person(Role::Expert, "erin");
    let mara = region.person(Role::Maintainer, "mara");
    let idle = v1::PullTaskRequest::default();
    let correction = v1::RecordCorrectionRequest::default();
    for (identity, rounds, runs, corrections) in [
        (&clinic, true, false, false),
        (&expert, false, false, true),
        (&mara, false, true, false),
    ] {
        let line = || channel(identity, hub.grpc);
        let may = |result: Result<(), tonic::Status>| {
            result
                .err()
                .is_none_or(|status| status.code() != Code::PermissionDenied)
        };
        let task = FederationClient::new(line()).pull_task(idle.clone()).await;
        assert_eq!(may(task.map(drop)), rounds);
        let report = ReleasesClient::new(line()).report(v1::BoxReport::default()).await;
        assert_eq!(may(report.map(drop)), rounds);
        let list = maintainer::of(identity, hub.grpc)
            .list_runs(v1::ListRunsRequest {})
            .await;
        assert_eq!(may(list.map(drop)), runs);
        let recorded = CorrectionsClient::new(line())
            .record_correction(correction.clone())
            .await;
        assert_eq!(may(recorded.map(drop)), corrections);
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_stranger_is_not_let_in() {
    let (region, other) = (Region::new(), Region::new());
    let hub = region.hub().await;
    let mut stranger = FederationClient::new(channel(&other.identity("clinic-7"), hub.grpc));
    let status = stranger
        .pull_task(v1::PullTaskRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    hub.stop().await;
}

#[tokio::test]
async fn neither_silent_sockets_nor_one_certificate_take_the_places_of_others() {
    let region = Region::new();
    let text = region.config_text("endpoint = \"embedded\"\nlisten = \"127.0.0.1:0\"");
    let hub = region.start_as(&format!("{text}max_connections = 34\n")).await;
    let sockets = (0..50).map(|_| TcpStream::connect(("127.0.0.1", hub.grpc)));
    let silent = futures_util::future::join_all(sockets).await;
    let greedy = region.identity("greedy");
    let mut lines = Vec::new();
    for _ in 0..34 {
        let mut calls = FederationClient::new(channel(&greedy, hub.grpc));
        if calls.pull_task(v1::PullTaskRequest::default()).await.is_ok() {
            lines.push(calls);
        }
    }
    assert_eq!(lines.len(), 32);
    let mut honest = TestClinic::new(&region, "honest", hub.grpc, &layout(3));
    honest.pull().await.unwrap();
    // What a line gives back is taken again.
    drop(lines);
    let mut again = FederationClient::new(channel(&greedy, hub.grpc));
    wait_for("a place", async || {
        let task = again.pull_task(v1::PullTaskRequest::default()).await;
        task.map_err(|status| status.to_string())
    })
    .await;
    drop(silent);
    hub.stop().await;
}

#[tokio::test]
async fn a_broken_upload_goes_on_where_it_stopped_also_after_a_restart() {
    let region = Region::new();
    let hub = region.hub().await;
    let layout = layout(600_000);
    let mut mara = maintainer(&region, hub.grpc);
    register(&mut mara, &layout, 0.0).await;
    let run = start(&mut mara, settings(2)).await;
    let mut clinic = TestClinic::new(&region, "a", hub.grpc, &layout).with(0.1, 50);
    let terms = clinic.fit_task().await.terms.unwrap();
    let values: Vec<f32> = (0..layout.elements()).map(|value| value as f32 * 1e-9).collect();
    let content = chunks(&values);
    let ids: Vec<Vec<u8>> = content
        .iter()
        .map(|bytes| ChunkId::of(bytes).0.to_vec())
        .collect();
    assert_eq!(content.len(), 3);
    // Two chunks come, then the clinic's line breaks.
    let first: Vec<_> = content[..2]
        .iter()
        .map(|bytes| v1::Chunk {
            content: bytes.clone().into(),
        })
        .collect();
    let (broken, line) = tokio::sync::oneshot::channel::<()>();
    let stream = tokio_stream::iter(first).chain(futures_util::stream::once(async move {
        let _ = line.await;
        v1::Chunk::default()
    }));
    let mut calls = clinic.calls.clone();
    let push = tokio::spawn(async move { calls.push_chunks(Box::pin(stream)).await });
    let asked = v1::ChunkIds { id: ids.clone() };
    drop(broken);
    // The empty chunk after them is of no update: the upload is refused there, and what came before is kept.
    assert!(push.await.unwrap().is_err());
    let missing = clinic
        .calls
        .missing_chunks(asked.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(missing.id, ids[2..]);

    hub.stop().await;
    let hub = region.hub().await;
    clinic.reconnect(hub.grpc);
    let again = clinic.fit_task().await.terms.unwrap();
    assert_eq!((again.id, again.global), (terms.id.clone(), terms.global.clone()));
    let missing = clinic.calls.missing_chunks(asked).await.unwrap().into_inner();
    assert_eq!(missing.id, ids[2..]);
    assert_eq!(clinic.push(content[2..].to_vec()).await.unwrap(), 1);
    let reply = clinic.plain(&terms, &values).await.unwrap();
    assert!(
        clinic
            .calls
            .submit_fit(reply)
            .await
            .unwrap()
            .into_inner()
            .accepted
    );
    let mut mara = maintainer(&region, hub.grpc);
    let view = maintainer::view(&mut mara, &run).await.unwrap();
    assert_eq!((view.round.len(), view.round[0].accepted), (1, 1));
    hub.stop().await;
}

#[tokio::test]
async fn the_time_without_a_hub_does_not_count_for_a_stage() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut mara = maintainer(&region, hub.grpc);
    register(&mut mara, &layout(3), 0.0).await;
    let short = v1::RunSettings {
        stage_ms: 4000,
        ..settings(1)
    };
    let run = start(&mut mara, short).await;
    let mut clinic = TestClinic::new(&region, "a", hub.grpc, &layout(3)).with(0.1, 50);
    let before = clinic.fit_task().await.terms.unwrap();
    hub.stop().await;
    tokio::time::sleep(Duration::from_millis(before.stage_ends_in_ms)).await;
    let hub = region.hub().await;
    clinic.reconnect(hub.grpc);
    assert!(clinic.step().await.unwrap());
    let view = maintainer::view(&mut maintainer(&region, hub.grpc), &run)
        .await
        .unwrap();
    assert_eq!(
        (view.round[0].accepted, view.round[0].attempt),
        (1, 1),
        "{view:?}"
    );
    hub.stop().await;
}

#[tokio::test]
async fn whoever_follows_a_run_hears_that_the_hub_stops() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut mara = maintainer(&region, hub.grpc);
    register(&mut mara, &layout(3), 0.0).await;
    let run = start(&mut mara, settings(1)).await;
    let mut watched = mara.watch_run(v1::RunName { run }).await.unwrap().into_inner();
    assert_eq!(watched.next().await.unwrap().unwrap().state, "running");
    // A connection that never says hello does not keep the hub from stopping either.
    let silent = TcpStream::connect(("127.0.0.1", hub.grpc)).await.unwrap();
    hub.stop().await;
    assert_eq!(
        watched.next().await.unwrap().unwrap_err().code(),
        Code::Unavailable
    );
    drop(silent);
}
