//! Who is connected since when, how each box is, and how a script asks for it.

use std::time::Duration;

use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::http::get;
use barefoot_test_support::wait::wait_for;
use serde_json::Value;

use crate::story::{CLINIC, SOON, Story, chests};

/// The hub's word on the clinic, once it is as wanted.
async fn clinic_at_hub(story: &Story, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let waited = wait_for(what, SOON, async || {
        let status = barefoot_test_support::http::get_json(story.hub.address("page").unwrap(), "/api/status")
            .await
            .unwrap();
        let clinics = status["clinics"].as_array().cloned().unwrap_or_default();
        let found = clinics.into_iter().find(|clinic| clinic["clinic"] == CLINIC);
        match found {
            Some(clinic) if wanted(&clinic) => Ok(clinic),
            other => Err(format!("{other:?}")),
        }
    });
    waited
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", story.logs()))
}

async fn comes_and_goes(mut story: Story) {
    let folder = tempfile::tempdir().unwrap();
    story.store(&chests(&folder, 500..501)).await;
    story.all_receipted(1).await;
    let up = clinic_at_hub(&story, "the clinic online with its health", |clinic| {
        clinic["online"] == true && clinic["health"].is_object()
    })
    .await;
    assert!(up["since_ms"].is_i64() && up["version"].is_string(), "{up}");
    assert!(0 < up["health"]["disk_total_bytes"].as_u64().unwrap(), "{up}");
    let result = story.results().await.remove(0);
    assert!(0 < result["detected_at_ms"].as_i64().unwrap(), "{result}");

    story.edge.kill9();
    let down = clinic_at_hub(&story, "the clinic offline", |clinic| clinic["online"] == false).await;
    assert!(
        up["since_ms"].as_i64() <= down["since_ms"].as_i64(),
        "{up} {down}"
    );
    story.edge.start().await.unwrap();
    let again = clinic_at_hub(&story, "the clinic online again", |clinic| {
        clinic["online"] == true
    })
    .await;
    assert!(
        down["since_ms"].as_i64() <= again["since_ms"].as_i64(),
        "{down} {again}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_sees_a_clinic_come_and_go() {
    comes_and_goes(Story::begin(&EdgeOptions::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_by_births_and_wills_behind_mosquitto() {
    comes_and_goes(Story::begin_behind_broker(&EdgeOptions::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_learns_how_the_box_is() {
    let mut story = Story::begin(&EdgeOptions {
        more: "[metrics]\nlisten = \"127.0.0.1:0\"\n".into(),
        ..EdgeOptions::default()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    story.store(&chests(&folder, 510..511)).await;
    story.all_receipted(1).await;
    let code = async |story: &Story, arguments: &[&str]| {
        let ended = story.edge.run_to_end(arguments, Duration::from_secs(60)).await;
        ended.unwrap().code()
    };
    assert_eq!(code(&story, &["status"]).await, Some(0), "{}", story.logs());
    assert_eq!(code(&story, &["status", "--json"]).await, Some(0));
    let metrics = get(story.edge.address("metrics").unwrap(), "/metrics")
        .await
        .unwrap();
    let metrics = String::from_utf8(metrics).unwrap();
    for line in [
        "barefoot_edge_line_up 1",
        "barefoot_edge_queue_pending{lane=\"critical\"} 0",
        "barefoot_edge_model_answers 1",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
    assert!(!metrics.contains("barefoot_edge_receipts_total 0\n"), "{metrics}");
    let case = story.cases().await.remove(0);
    for secret in ["study_uid", "case_id", "study", "envelope_id"] {
        let secret = case[secret].as_str().unwrap();
        assert!(!metrics.contains(secret), "{secret} in\n{metrics}");
    }
    story.edge.stop().await.unwrap();
    assert_eq!(code(&story, &["status"]).await, Some(69));
}
