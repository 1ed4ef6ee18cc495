use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::wait::wait_for;

use crate::story::{SOON, Story, chests};

#[tokio::test(flavor = "multi_thread")]
async fn the_clinic_works_on_and_everything_arrives_later() {
    outage(Story::begin(&EdgeOptions::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_behind_mosquitto() {
    outage(Story::begin_behind_broker(&EdgeOptions::default()).await).await;
}

async fn outage(story: Story) {
    let folder = tempfile::tempdir().unwrap();
    let files = chests(&folder, 10..16);
    story.store(&files[..2]).await;
    story.all_receipted(2).await;

    story.line.cut();
    story.store(&files[2..]).await;
    let cases = story.all_assessed(6).await;
    let waiting = cases.iter().filter(|case| case["delivery"] == "queued").count();
    assert_eq!(
        waiting, 4,
        "the clinic has its answers, the queue has the results"
    );
    let queued = wait_for("the queue to hold them", SOON, async || {
        let queue = story.edge_status().await["queue"].clone();
        if queue["pending"] == 4 {
            Ok(queue)
        } else {
            Err(queue)
        }
    });
    assert!(queued.await.unwrap()["oldest_ms"].is_u64());
    let noticed = wait_for("the page to say that the line is down", SOON, async || {
        let link = story.edge_status().await["link"].clone();
        if link == "connecting" { Ok(()) } else { Err(link) }
    });
    noticed.await.unwrap();
    assert_eq!(story.results().await.len(), 2);

    story.line.restore();
    story.all_receipted(6).await;
}

/// The hub has it, but its word never comes back: the box asks again, and the hub keeps one.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_receipt_doubles_nothing() {
    use barefoot_test_support::line::Direction;
    let story = Story::begin(&EdgeOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let files = chests(&folder, 20..22);
    story.store(&files[..1]).await;
    story.all_receipted(1).await;
    story.line.hold(Direction::Down);
    story.store(&files[1..]).await;
    let arrived = wait_for("the result to arrive", SOON, async || {
        let count = story.results().await.len();
        if count == 2 { Ok(()) } else { Err(count) }
    });
    arrived.await.unwrap();
    assert_eq!(
        story.edge_status().await["queue"]["pending"],
        1,
        "unreceipted, so still kept"
    );
    story.line.cut();
    story.line.restore();
    story.all_receipted(2).await;
    assert_eq!(story.results().await.len(), 2);
}
