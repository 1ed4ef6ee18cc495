//! A presentation state from the front door to the clinic page: it comes after its image, as they do.

use std::path::Path;
use std::process::Command;

use barefoot_test_support::daemons::{EdgeOptions, workspace};
use barefoot_test_support::http::get;
use barefoot_test_support::scanner::DicomFile;
use barefoot_test_support::wait::wait_for;
use serde_json::Value;

use crate::peers::{peer, python, run, text};
use crate::story::{SOON, Story, chests};

/// Width, height and levels of a binary graymap: three numbers, then a byte a pixel.
fn graymap(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
    let head = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| byte.is_ascii_whitespace());
    let end = head.map(|(at, _)| at).nth(3).unwrap();
    let words = str::from_utf8(&bytes[..end]).unwrap();
    let numbers: Vec<u32> = words
        .split_whitespace()
        .skip(1)
        .map(|word| word.parse().unwrap())
        .collect();
    (numbers[0], numbers[1], bytes[end + 1..].to_vec())
}

async fn picture(story: &Story, key: &str, name: &str) -> Option<image::GrayImage> {
    let page = story.edge.address("page").unwrap();
    let shown = get(page, &format!("/case/{key}/{name}.jpg")).await.ok()?;
    Some(image::load_from_memory(&shown).ok()?.to_luma8())
}

async fn state_of(image: &DicomFile, to: &Path) -> DicomFile {
    let mut making = Command::new(python());
    making
        .arg(workspace().join("tests/e2e/peers/present.py"))
        .args([&image.path, to]);
    let made = run(making).await;
    assert!(made.status.success(), "{}", text(&made));
    DicomFile::open(to).unwrap()
}

async fn assessed(story: &Story, file: &DicomFile, version: u64) -> Value {
    let waited = wait_for("the version to be assessed", SOON, async || {
        match story.case_of(file).await {
            Some(case) if case["state"] == "assessed" && case["version"] == version => Ok(case),
            other => Err(format!("{other:?}")),
        }
    });
    let waited = waited.await;
    waited.unwrap_or_else(|error| panic!("{error}\n{}", story.logs()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_comes_later_changes_what_pages_show_and_nothing_a_model_sees() {
    let story = Story::begin(&EdgeOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let chest = chests(&folder, 1..2).remove(0);
    let state = state_of(&chest, &folder.path().join("state.dcm")).await;
    story.store(std::slice::from_ref(&chest)).await;
    let first = assessed(&story, &chest, 1).await;
    let key = first["study"].as_str().unwrap().to_owned();
    let plain = picture(&story, &key, "preview").await.unwrap();
    assert!(picture(&story, &key, "presented").await.is_none());

    let door = story.edge.address("dicom").unwrap().to_owned();
    let (host, port) = door.rsplit_once(':').unwrap();
    let mut sending = Command::new(peer("storescu", "dcmtk"));
    sending
        .args(["-aet", "SIM_DR1", "-aec", "BAREFOOT", host, port])
        .arg(&state.path);
    let sent = run(sending).await;
    assert!(sent.status.success(), "{}", text(&sent));

    let second = assessed(&story, &chest, 2).await;
    for same in ["findings", "urgency", "reasons", "quality"] {
        assert_eq!(second[same], first[same], "{same}");
    }
    assert_eq!(picture(&story, &key, "preview").await.unwrap(), plain);
    let shown = picture(&story, &key, "presented").await.unwrap();

    let to = folder.path().join("shown.pgm");
    let mut dcmtk = Command::new(peer("dcmp2pgm", "dcmtk"));
    dcmtk.arg("-p").args([&state.path, &chest.path, &to]);
    let drawn = run(dcmtk).await;
    assert!(drawn.status.success(), "{}", text(&drawn));
    let (width, height, levels) = graymap(&std::fs::read(&to).unwrap());
    assert_eq!(shown.dimensions(), (width, height));
    let off: u64 = shown
        .pixels()
        .zip(&levels)
        .map(|(one, other)| u64::from(one.0[0].abs_diff(*other)))
        .sum();
    // Of the page's own JPEG.
    assert!(off / (u64::from(width) * u64::from(height)) < 4, "off by {off}");

    let page = story.edge.address("page").unwrap();
    let html = get(page, &format!("/case/{key}?lang=en")).await.unwrap();
    let html = String::from_utf8(html).unwrap();
    for part in [
        "presented.jpg",
        "preview.jpg",
        "Shown as the presentation state",
        "Show it without",
    ] {
        assert!(html.contains(part), "{part}\n{html}");
    }
}
