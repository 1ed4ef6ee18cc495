//! A real browser at 1024×768. Its pictures are kept in `target/screenshots` for people to look at.

use std::fs;
use std::path::Path;
use std::process::Command;

use barefoot_test_support::daemons::workspace;

use crate::peers::{peer, run, text};

/// Saves a screenshot and gives the document as the browser had it in the end.
pub(crate) async fn draw(url: &str, name: &str) -> String {
    let folder = workspace().join("target/screenshots");
    fs::create_dir_all(&folder).unwrap();
    let picture = folder.join(name);
    let _ = fs::remove_file(&picture);
    let shot = run(chromium(&[&format!("--screenshot={}", picture.display())], url)).await;
    assert!(shot.status.success(), "{}", text(&shot));
    assert!(is_drawn(&picture), "{name} is blank");
    let document = run(chromium(&["--dump-dom"], url)).await;
    assert!(document.status.success(), "{}", text(&document));
    String::from_utf8(document.stdout).unwrap()
}

fn chromium(what: &[&str], url: &str) -> Command {
    let profile = tempfile::tempdir().unwrap().keep();
    let mut command = Command::new(peer("chromium", "chromium"));
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args(["--hide-scrollbars", "--window-size=1024,768", "--timeout=5000"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(what)
        .arg(url);
    command
}

/// More than a few colours: something stands on the page.
fn is_drawn(picture: &Path) -> bool {
    let image = image::open(picture).unwrap().to_rgb8();
    let colours: std::collections::BTreeSet<_> = image.pixels().map(|pixel| pixel.0).collect();
    assert_eq!((image.width(), image.height()), (1024, 768));
    16 < colours.len()
}
