use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::line::Direction;
use barefoot_test_support::wait::wait_for;

use crate::story::{SOON, Story, chests};

const KILLS: u64 = 20;

/// `kill -9` of the box after a scanner heard success and before the hub heard anything: the line holds everything
/// back, so the kill is certain to fall between the two. Each round falls at another point of the way inside the box:
/// right after success, or once the study was assessed and queued.
#[tokio::test(flavor = "multi_thread")]
async fn the_box_killed_between_store_and_send_loses_and_doubles_nothing() {
    let mut story = Story::begin(&EdgeOptions {
        after_release_ms: 50,
        ..EdgeOptions::default()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let files = chests(&folder, 100..100 + KILLS);
    for (round, file) in files.iter().enumerate() {
        story.line.hold(Direction::Up);
        story.store(std::slice::from_ref(file)).await;
        match round % 4 {
            0 => {}
            1 => tokio::task::yield_now().await,
            2 => {
                // The first sight of the case, whatever its state.
                let seen = wait_for("the case", SOON, async || {
                    story.case_of(file).await.ok_or("no case")
                });
                seen.await.unwrap();
            }
            _ => {
                story.all_assessed(round + 1).await;
            }
        }
        story.edge.kill9();
        story.line.cut();
        story.line.restore();
        story.edge.start().await.unwrap();
    }
    story.all_receipted(files.len()).await;
    assert_eq!(story.results().await.len(), files.len());
}

/// `kill -9` of the hub after it received and before the box has the receipt: the line holds the way back.
#[tokio::test(flavor = "multi_thread")]
async fn the_hub_killed_between_receive_and_receipt_loses_and_doubles_nothing() {
    let mut story = Story::begin(&EdgeOptions {
        after_release_ms: 50,
        ..EdgeOptions::default()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let files = chests(&folder, 200..200 + KILLS);
    for (round, file) in files.iter().enumerate() {
        story.line.hold(Direction::Down);
        story.store(std::slice::from_ref(file)).await;
        if round % 2 == 0 {
            // Committed for certain; otherwise the kill falls wherever it falls.
            let arrived = wait_for("the result at the hub", SOON, async || {
                let count = story.results().await.len();
                if count == round + 1 { Ok(()) } else { Err(count) }
            });
            arrived
                .await
                .unwrap_or_else(|error| panic!("{error}\n{}", story.logs()));
        } else {
            story.all_assessed(round + 1).await;
        }
        story.hub.kill9();
        story.line.cut();
        story.hub.start().await.unwrap();
        story.line.lead_to(story.hub.address("mqtt").unwrap());
        story.line.restore();
        story.all_receipted(round + 1).await;
    }
    assert_eq!(story.results().await.len(), files.len());
}

/// What waits is there the moment the box answers again: from the queue itself, not made anew from the studies.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_line_waits_on_after_a_kill() {
    let mut story = Story::begin(&EdgeOptions::default()).await;
    story.line.cut();
    let folder = tempfile::tempdir().unwrap();
    story.store(&chests(&folder, 90..95)).await;
    story.all_assessed(5).await;
    let queued = wait_for("the queue to hold them", SOON, async || {
        let pending = story.edge_status().await["queue"]["pending"].clone();
        if pending == 5 { Ok(()) } else { Err(pending) }
    });
    queued.await.unwrap();
    for _ in 0..3 {
        story.edge.kill9();
        story.edge.start().await.unwrap();
        assert_eq!(
            story.edge_status().await["queue"]["pending"],
            5,
            "{}",
            story.logs()
        );
    }
    story.line.restore();
    story.all_receipted(5).await;
    assert_eq!(story.results().await.len(), 5);
}
