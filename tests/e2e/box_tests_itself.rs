//! A box that is set up: it tests itself with a picture that is nobody's, and its screen says what one must know.

use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::http::get_json;

use crate::peers::text;
use crate::story::{Story, chests};

#[tokio::test(flavor = "multi_thread")]
async fn a_test_goes_all_the_way_and_is_nobodys_study() {
    let mut story = Story::begin(&EdgeOptions::default()).await;
    for _ in 0..2 {
        let tested = story.edge.ask(&["self-test"]).unwrap();
        let said = text(&tested);
        assert!(tested.status.success(), "{said}\n{}", story.logs());
        for passed in [
            "ok      the DICOM port takes a picture",
            "ok      it arrived as it was sent",
            "ok      the picture is decoded and graded",
            "ok      a model answers (cxr-pneumonia",
            "ok      nothing of the test is left",
        ] {
            assert!(said.contains(passed), "{passed}: {said}");
        }
    }
    // It is in no list, no count and no queue, and the hub never hears of it.
    let status = story.edge_status().await;
    assert_eq!(
        (&status["stored"], &status["queue"]["pending"]),
        (&0.into(), &0.into())
    );
    assert!(story.cases().await.is_empty());
    let quality = get_json(story.edge.address("page").unwrap(), "/api/quality")
        .await
        .unwrap();
    assert!(!quality.to_string().contains("TEST"), "{quality}");
    assert!(!story.edge.state().join("self-test").exists());
    let folder = tempfile::tempdir().unwrap();
    story.store(&chests(&folder, 1..2)).await;
    story.all_receipted(1).await;
    assert_eq!(story.results().await.len(), 1);

    let console = text(&story.edge.ask(&["console"]).unwrap());
    let page = story.edge.address("page").unwrap().to_owned();
    for wanted in [page.as_str(), "AE title BAREFOOT", "Hub:       connected"] {
        assert!(console.contains(wanted), "{wanted}: {console}");
    }
    story.edge.stop().await.unwrap();
    let console = text(&story.edge.ask(&["console"]).unwrap());
    assert!(console.contains("THE DAEMON DOES NOT RUN"), "{console}");
    assert_eq!(story.edge.ask(&["self-test"]).unwrap().status.code(), Some(69));
}
