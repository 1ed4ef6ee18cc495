use barefoot_test_support::daemons::EdgeOptions;

use crate::story::{Story, chests, ct};

#[tokio::test(flavor = "multi_thread")]
async fn phantoms_reach_the_hub_over_its_own_endpoint() {
    images_reach_the_hub(Story::begin(&EdgeOptions::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn phantoms_reach_the_hub_over_mosquitto() {
    images_reach_the_hub(Story::begin_behind_broker(&EdgeOptions::default()).await).await;
}

async fn images_reach_the_hub(mut story: Story) {
    let folder = tempfile::tempdir().unwrap();
    let chests = chests(&folder, 1..5);
    let ct = ct(&folder, 3);
    story.store(&chests).await;
    story.store(&ct).await;
    let cases = story.all_receipted(5).await;

    for file in &chests {
        let case = story.case_of(file).await.unwrap();
        assert_eq!(case["findings"][0]["code"], "pneumonia");
        assert!(case["model"].as_str().unwrap().starts_with("cxr-pneumonia "));
        assert_eq!(case["modality"], "DX");
    }
    // No model takes a CT: an expert looks, and the result says why.
    let case = story.case_of(&ct[0]).await.unwrap();
    assert_eq!(case["instances"], 3, "one study, one case");
    assert_eq!(case["urgency"], "review");
    assert_eq!(case["reasons"][0], "outside_intended_use");
    assert_eq!(case["model"], serde_json::Value::Null);

    // Identity stays in the clinic: neither UIDs nor names reach the hub or any log.
    let received = serde_json::to_string(&story.results().await).unwrap();
    let logs = format!("{}{}", story.edge.log(), story.hub.log());
    for case in &cases {
        let uid = case["study_uid"].as_str().unwrap();
        assert!(!received.contains(uid) && !logs.contains(uid));
    }
    for file in chests.iter().chain(&ct) {
        assert!(!logs.contains(&file.sop_instance));
    }

    // The same again is no news.
    story.store(&chests).await;
    assert_eq!(story.all_receipted(5).await.len(), 5);
    assert_eq!(story.results().await.len(), 5);

    assert!(story.edge.stop().await.unwrap().success());
    assert!(story.hub.stop().await.unwrap().success());
}

/// A late image reopens its study: a second version, and the hub holds both.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_image_makes_the_next_version() {
    let story = Story::begin(&EdgeOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let ct = ct(&folder, 3);
    story.store(&ct[..2]).await;
    let first = story.all_receipted(1).await;
    assert_eq!(
        (&first[0]["version"], &first[0]["instances"]),
        (&1.into(), &2.into())
    );
    story.store(&ct[2..]).await;
    let waited = barefoot_test_support::wait::wait_for("version 2", crate::story::SOON, async || {
        let case = story.case_of(&ct[0]).await.unwrap();
        if case["version"] == 2 && case["delivery"] == "receipted" {
            Ok(case)
        } else {
            Err(case.to_string())
        }
    });
    assert_eq!(waited.await.unwrap()["instances"], 3);
    assert_eq!(story.results().await.len(), 2);
}

/// Certificates are the clinics' names: two clinics at one hub see nothing of each other.
#[tokio::test(flavor = "multi_thread")]
async fn two_clinics_send_the_same_study_and_keep_their_own_names_for_it() {
    let story = Story::begin(&EdgeOptions::default()).await;
    let mut other = story
        .region
        .edge(
            "clinic-8",
            story.hub.address("mqtt").unwrap(),
            &EdgeOptions::default(),
        )
        .unwrap();
    other.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let chest = chests(&folder, 1..2);
    story.store(&chest).await;
    let scanner =
        barefoot_test_support::scanner::Scanner::new(other.address("dicom").unwrap(), "BAREFOOT", "SIM_DR1");
    let mut stored = false;
    scanner
        .send(&chest, |outcome| stored = outcome.status == Some(0))
        .await;
    assert!(stored);
    let waited = barefoot_test_support::wait::wait_for("both results", crate::story::SOON, async || {
        let results = story.results().await;
        if results.len() == 2 {
            Ok(results)
        } else {
            Err(results.len())
        }
    });
    let results = waited.await.unwrap();
    assert_ne!(results[0]["clinic"], results[1]["clinic"]);
    assert_ne!(
        results[0]["case_id"], results[1]["case_id"],
        "one study, two clinics, two pseudonyms"
    );
}
