//! What happens around a box in a township: names that do not resolve, portals in the hub's place, half-open
//! connections, a thin and lossy line, a clock that jumps. Nothing is lost, nothing is doubled, the clinic works on.

use std::time::Duration;

use barefoot_test_support::daemons::{Edge, EdgeOptions, Region};
use barefoot_test_support::line::{Line, Portal, Quality};
use barefoot_test_support::surroundings::{Names, ShiftedClock};
use barefoot_test_support::wait::wait_for;

use crate::story::{CLINIC, SOON, Story, chests};

/// A short patience with the hub, so that a test need not wait for the one of a clinic.
fn impatient() -> EdgeOptions {
    EdgeOptions {
        link: "receipt_timeout_s = 3\nmax_backoff_s = 1\n".to_owned(),
        ..EdgeOptions::default()
    }
}

async fn line_is(story: &Story, state: &str) {
    let what = format!("the line to be {state}");
    let seen = wait_for(&what, SOON, async || {
        let link = story.edge_status().await["link"].clone();
        if link == state { Ok(()) } else { Err(link) }
    });
    seen.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_in_the_hubs_place_takes_nothing() {
    let story = Story::begin(&impatient()).await;
    let folder = tempfile::tempdir().unwrap();
    let files = chests(&folder, 30..34);
    story.store(&files[..1]).await;
    story.all_receipted(1).await;
    for (portal, at) in [(Portal::Page, 1), (Portal::Noise, 2), (Portal::Silence, 3)] {
        story.line.capture(portal);
        line_is(&story, "connecting").await;
        story.store(&files[at..=at]).await;
        story.all_assessed(at + 1).await;
        assert_eq!(story.edge_status().await["queue"]["pending"], 1, "{portal:?}");
        story.line.restore();
        story.all_receipted(at + 1).await;
    }
    assert_eq!(story.results().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_a_router_forgot_is_replaced() {
    let story = Story::begin(&impatient()).await;
    let folder = tempfile::tempdir().unwrap();
    let files = chests(&folder, 40..42);
    story.store(&files[..1]).await;
    story.all_receipted(1).await;
    story.line.strand();
    story.store(&files[1..]).await;
    story.all_receipted(2).await;
    assert_eq!(story.results().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thin_and_lossy_line_carries_everything() {
    let story = Story::begin(&EdgeOptions::default()).await;
    story.line.set(Quality::TOWNSHIP);
    let folder = tempfile::tempdir().unwrap();
    let files = chests(&folder, 50..56);
    story.store(&files).await;
    story.all_receipted(6).await;
    assert_eq!(story.results().await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_is_found_again_when_its_name_resolves_again() {
    const NAME: &str = "hub.barefoot.example";
    let region = Region::for_hosts(&[NAME.to_owned()]).unwrap();
    let mut hub = region.hub("en", "127.0.0.1:0").unwrap();
    hub.start().await.unwrap();
    let line = Line::start(hub.address("mqtt").unwrap()).await.unwrap();
    let names = Names::new(region.folder()).unwrap();
    let address = format!("{NAME}:{}", line.address.port());
    let mut edge = region.edge(CLINIC, &address, &impatient()).unwrap();
    edge.within = names.within();
    edge.start().await.unwrap();
    let story = Story::of(region, hub, line, edge);
    let folder = tempfile::tempdir().unwrap();
    let files = chests(&folder, 60..62);
    story.store(&files[..1]).await;
    story.all_assessed(1).await;
    line_is(&story, "connecting").await;

    names.know(NAME).unwrap();
    story.all_receipted(1).await;
    names.forget().unwrap();
    story.line.cut();
    story.store(&files[1..]).await;
    story.all_assessed(2).await;
    story.line.restore();
    line_is(&story, "connecting").await;
    names.know(NAME).unwrap();
    story.all_receipted(2).await;
}

/// A day back, a year on: the box goes on receiving, assessing and sending; each result exactly once.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_loses_nothing() {
    let region = Region::new().unwrap();
    let mut hub = region.hub("en", "127.0.0.1:0").unwrap();
    hub.start().await.unwrap();
    let line = Line::start(hub.address("mqtt").unwrap()).await.unwrap();
    let clock = ShiftedClock::new(region.folder()).unwrap();
    let mut edge: Edge = region
        .edge(CLINIC, &line.address.to_string(), &impatient())
        .unwrap();
    edge.environment = clock.environment();
    edge.start().await.unwrap();
    let story = Story::of(region, hub, line, edge);
    let folder = tempfile::tempdir().unwrap();
    let files = chests(&folder, 70..74);
    const HOUR: i64 = 3_600;
    for (at, shift) in [-23 * HOUR, 0, 20 * HOUR, -2 * HOUR].into_iter().enumerate() {
        clock.shift(shift).unwrap();
        story.store(&files[at..=at]).await;
        story.all_receipted(at + 1).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(story.results().await.len(), 4);
}
