//! No line for weeks: results go to the hub on a stick, and its receipts come back the same way.

use std::fs;
use std::path::{Path, PathBuf};

use barefoot_test_support::daemons::{EdgeOptions, Region};
use barefoot_test_support::wait::wait_for;

use crate::story::{SOON, Story, chests};

async fn edge_command(story: &Story, arguments: &[&str]) -> bool {
    let ended = story.edge.run_to_end(arguments, SOON).await;
    ended.unwrap().success()
}

async fn import(story: &Story, file: &Path) -> bool {
    let file = file.display().to_string();
    let ended = story.hub.run_to_end(&["import-queue", &file], SOON).await;
    ended.unwrap().success()
}

fn files_ending(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .collect();
    found.sort();
    found
}

/// The box has met its hub once, and has `count` results that the hub has not.
async fn cut_off(story: &Story, folder: &tempfile::TempDir, count: u64) {
    let files = chests(folder, 300..301 + count);
    story.store(&files[..1]).await;
    story.all_receipted(1).await;
    let known = wait_for("the hub's certificate to be known", SOON, async || {
        let path = story.edge.state().join("hub.certificate");
        if path.exists() { Ok(()) } else { Err("not yet") }
    });
    known.await.unwrap();
    story.line.cut();
    story.store(&files[1..]).await;
    story.all_assessed(1 + usize::try_from(count).unwrap()).await;
}

async fn pending(story: &Story, wanted: u64) {
    let waited = wait_for("the queue", SOON, async || {
        let queue = story.edge_status().await["queue"].clone();
        if queue["pending"] == wanted {
            Ok(())
        } else {
            Err(queue)
        }
    });
    waited
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", story.logs()));
}

#[tokio::test(flavor = "multi_thread")]
async fn results_and_receipts_travel_on_a_stick_and_meet_the_line_again() {
    let story = Story::begin(&EdgeOptions::default()).await;
    let (folder, stick) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    cut_off(&story, &folder, 3).await;
    let to = stick.path().display().to_string();
    assert!(
        edge_command(&story, &["export-queue", &to]).await,
        "{}",
        story.logs()
    );
    pending(&story, 3).await;
    let files = files_ending(stick.path(), "results");
    assert_eq!(files.len(), 1, "{files:?}");
    let bytes = fs::read(&files[0]).unwrap();
    assert!(edge_command(&story, &["export-queue", &to]).await);
    assert_eq!(
        fs::read(&files[0]).unwrap(),
        bytes,
        "what is there already is not written again"
    );

    for _ in 0..2 {
        assert!(import(&story, &files[0]).await, "{}", story.logs());
        assert_eq!(story.results().await.len(), 4);
    }
    let receipts = files_ending(stick.path(), "receipts");
    assert_eq!(receipts.len(), 1);
    let receipts = receipts[0].display().to_string();
    assert!(
        edge_command(&story, &["import-receipts", &receipts]).await,
        "{}",
        story.logs()
    );
    story.all_receipted(4).await;
    assert!(
        edge_command(&story, &["import-receipts", &receipts]).await,
        "a second time changes nothing"
    );

    story.line.restore();
    story.store(&chests(&folder, 400..401)).await;
    story.all_receipted(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_stands_still_is_exported_and_what_comes_by_line_and_stick_is_stored_once() {
    let mut story = Story::begin(&EdgeOptions::default()).await;
    let (folder, stick) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    cut_off(&story, &folder, 2).await;
    story.edge.kill9();
    let to = stick.path().display().to_string();
    assert!(
        edge_command(&story, &["export-queue", &to]).await,
        "{}",
        story.logs()
    );
    story.line.restore();
    story.edge.start().await.unwrap();
    story.all_receipted(3).await;
    let files = files_ending(stick.path(), "results");
    assert!(import(&story, &files[0]).await, "{}", story.logs());
    assert_eq!(story.results().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_changed_cut_or_of_others_are_refused() {
    let story = Story::begin(&EdgeOptions::default()).await;
    let (folder, stick) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    cut_off(&story, &folder, 1).await;
    let to = stick.path().display().to_string();
    assert!(
        edge_command(&story, &["export-queue", &to]).await,
        "{}",
        story.logs()
    );
    let file = files_ending(stick.path(), "results").remove(0);
    let good = fs::read(&file).unwrap();
    let bad = stick.path().join("bad.results");
    let refused = async |bytes: &[u8]| {
        fs::write(&bad, bytes).unwrap();
        assert!(!import(&story, &bad).await);
        assert_eq!(story.results().await.len(), 1);
        assert!(!bad.with_extension("receipts").exists());
    };
    refused(&good[..good.len() / 2]).await;
    let mut changed = good.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    refused(&changed).await;
    refused(b"no results at all").await;

    // Another region's hub cannot read it, and another region's clinic is not believed here.
    let elsewhere = Region::new().unwrap();
    let mut other_hub = elsewhere.hub("en", "127.0.0.1:0").unwrap();
    other_hub.start().await.unwrap();
    let path = file.display().to_string();
    let ended = other_hub
        .run_to_end(&["import-queue", &path], SOON)
        .await
        .unwrap();
    assert!(!ended.success());
    assert!(
        other_hub.log().contains("sealed for another reader"),
        "{}",
        other_hub.log()
    );

    assert!(import(&story, &file).await);
    let receipts = files_ending(stick.path(), "receipts").remove(0);
    let good = fs::read(&receipts).unwrap();
    let bad = stick.path().join("bad.receipts");
    for bytes in [&good[..good.len() - 1], b"no receipts"] {
        fs::write(&bad, bytes).unwrap();
        assert!(!edge_command(&story, &["import-receipts", &bad.display().to_string()]).await);
    }
    // The results themselves are no receipts.
    assert!(!edge_command(&story, &["import-receipts", &path]).await);
    pending(&story, 1).await;
    assert!(edge_command(&story, &["import-receipts", &receipts.display().to_string()]).await);
    pending(&story, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stick_without_room_is_named_and_the_queue_stays() {
    let story = Story::begin(&EdgeOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    cut_off(&story, &folder, 1).await;
    // Nothing can be written there, as on a stick that is full or write-protected.
    assert!(!edge_command(&story, &["export-queue", "/proc/self"]).await);
    assert!(!edge_command(&story, &["export-queue", "/nowhere/at/all"]).await);
    pending(&story, 1).await;
}
