//! From a run to a verdict: what a maintainer registers before, fetches after, and what the page shows.

use barefoot_wire::v1;
use prost::Message;
use tokio_stream::StreamExt;
use tonic::Code;

use super::clinic::{TestClinic, play};
use super::maintainer::{BACKBONE, Client, MODEL, chunks, layout, maintainer, register, settings, start};
use crate::support::Region;

const PLAN: &str = r#"
schema = 1
name = "plan-1"
model = "cxr-pneumonia"
rationale = "The head may be retrained."
[change]
tensors = ["weight", "bias"]
largest_relative_distance = 5.0
[recalibration]
temperature = "keep"
operating_point = "keep"
[[gate]]
set = "validation"
minimum_present = 50
minimum_absent = 50
auc = { at_least = 0.8, judged_by = "interval" }
[subgroups]
minimum_present = 10
minimum_absent = 10
largest_drop = { auc = 0.02 }
not_covered = "report"
"#;

/// The sum of the two features tells, seven times out of eight, whether the finding is there.
fn test_set() -> v1::TestSet {
    let case = |place: u16| {
        let present = place.is_multiple_of(2);
        let shown = present != (place % 8 == 3);
        let spread = f32::from(place) / 200.0;
        v1::TestCase {
            feature: vec![if shown { 1.0 } else { -1.0 }, spread],
            present: vec![present],
            subgroup: vec![if place < 100 { "sex=F" } else { "sex=M" }.into()],
        }
    };
    v1::TestSet {
        name: "validation".into(),
        purpose: "evaluation".into(),
        model_id: MODEL.into(),
        backbone: BACKBONE.into(),
        finding: vec!["pneumonia".into()],
        channels: 2,
        case: (0..200).map(case).collect(),
        source: "made for a test".into(),
    }
}

async fn lock(mara: &mut Client, set: &v1::TestSet) -> Result<v1::RegisterTestSetReply, tonic::Status> {
    let pieces = set.encode_to_vec();
    let pieces: Vec<v1::Chunk> = pieces
        .chunks(700)
        .map(|piece| v1::Chunk {
            content: piece.to_vec().into(),
        })
        .collect();
    let reply = mara.register_test_set(tokio_stream::iter(pieces)).await?;
    Ok(reply.into_inner())
}

fn name(version: &str) -> v1::ModelName {
    v1::ModelName {
        id: MODEL.into(),
        version: version.into(),
    }
}

#[tokio::test]
async fn a_good_candidate_can_be_fetched_a_bad_one_cannot_and_the_page_shows_both() {
    let region = Region::new();
    let hub = region.hub().await;
    let layout = layout(2);
    let mut mara = maintainer(&region, hub.grpc);
    register(&mut mara, &layout, 1.0).await;

    let unknown = mara
        .register_plan(v1::RegisterPlanRequest { toml: PLAN.into() })
        .await;
    assert_eq!(
        unknown.unwrap_err().code(),
        Code::InvalidArgument,
        "its set is not there"
    );
    let locked = lock(&mut mara, &test_set()).await.unwrap();
    assert_eq!((locked.cases, locked.sha256.len()), (200, 64));
    let mut other = test_set();
    other.case.pop();
    assert_eq!(
        lock(&mut mara, &other).await.unwrap_err().code(),
        Code::AlreadyExists
    );
    mara.register_plan(v1::RegisterPlanRequest { toml: PLAN.into() })
        .await
        .unwrap();
    let no_plan = v1::RunSettings {
        plan: "plan-2".into(),
        ..settings(2)
    };
    assert_eq!(mara.start_run(no_plan).await.unwrap_err().code(), Code::NotFound);

    let mut versions = Vec::new();
    for delta in [0.25, -1.0] {
        let mut clinics: Vec<TestClinic> = ["a", "b"]
            .into_iter()
            .map(|name| TestClinic::new(&region, name, hub.grpc, &layout).with(delta, 50))
            .collect();
        let run = start(
            &mut mara,
            v1::RunSettings {
                plan: "plan-1".into(),
                ..settings(2)
            },
        )
        .await;
        let view = play(&mut clinics, &mut mara, &run).await;
        assert_eq!(view.state, "finished", "{}", view.reason);
        versions.push(view.candidate_version);
    }
    assert_eq!(versions, ["0.2.0", "0.3.0"]);

    let report = mara.get_report(name("0.2.0")).await.unwrap().into_inner();
    assert!(report.passed, "{}", report.json);
    let candidate = mara.get_candidate(name("0.2.0")).await.unwrap().into_inner();
    let ids = v1::ChunkIds {
        id: candidate.parameters.unwrap().chunk,
    };
    let mut stream = mara.pull_candidate_chunks(ids).await.unwrap().into_inner();
    let content = stream.next().await.unwrap().unwrap().content;
    assert_eq!(vec![content.to_vec()], chunks(&[1.5; 3]));
    assert!(stream.next().await.is_none());

    let refused = mara.get_candidate(name("0.3.0")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("AUC [validation] [pneumonia]"),
        "{refused}"
    );
    assert!(!mara.get_report(name("0.3.0")).await.unwrap().into_inner().passed);
    assert_eq!(
        mara.get_report(name("0.9.0")).await.unwrap_err().code(),
        Code::NotFound
    );

    let page = hub.get("/models").await.body;
    for told in [
        "通过评审",
        "未通过",
        "cxr-pneumonia 0.2.0",
        "曲线下面积 · validation · pneumonia",
        "已完成 2 / 2 轮",
    ] {
        assert!(page.contains(told), "{told} is missing in {page}");
    }
    let shown = hub.get("/models/report?id=cxr-pneumonia&version=0.3.0").await;
    assert!(
        shown
            .head
            .contains("content-security-policy: default-src 'none'; style-src"),
        "{}",
        shown.head
    );
    assert!(shown.head.contains("sandbox") && shown.body.contains("Bounds not held"));
    assert!(
        hub.get("/models/report?id=x&version=1")
            .await
            .head
            .starts_with("http/1.1 404")
    );
    let runs = hub.get("/api/runs").await.json();
    let aucs: Vec<f64> = (0..2)
        .map(|run| runs["runs"][run]["rounds"][1]["metrics"]["auc"].as_f64().unwrap())
        .collect();
    assert!(aucs[0] < 0.5 && 0.8 < aucs[1], "the newest first: {aucs:?}");
    let models = hub.get("/api/models").await.json();
    assert_eq!(models["models"][0]["state"], "refused");
    assert_eq!(models["models"][0]["gate"]["broken"][0]["quantity"], "auc");
    assert_eq!(models["models"][2]["state"], "base");
    hub.stop().await;
}
