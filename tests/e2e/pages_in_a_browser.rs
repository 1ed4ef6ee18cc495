//! Both pages in a real browser at 1024×768, in Chinese and English. The pictures are kept in `target/screenshots` for
//! people to look at.

use std::fs;
use std::path::Path;
use std::process::Command;

use barefoot_test_support::daemons::{EdgeOptions, workspace};
use barefoot_test_support::scanner::Scanner;

use crate::peers::{peer, run, text};
use crate::story::{Story, chests, ct};

#[tokio::test(flavor = "multi_thread")]
async fn clinic_page_and_hub_page_are_drawn_in_both_languages() {
    let story = Story::begin(&EdgeOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    story.store(&chests(&folder, 1..4)).await;
    story.store(&ct(&folder, 1)).await;
    let stranger = Scanner::new(story.edge.address("dicom").unwrap(), "BAREFOOT", "NEW_SCANNER");
    let _ = stranger.echo().await;
    let cases = story.all_receipted(4).await;
    let (clinic, hub) = (
        story.edge.address("page").unwrap(),
        story.hub.address("page").unwrap(),
    );
    let chest = cases.iter().find(|case| case["modality"] == "DX").unwrap()["study"]
        .as_str()
        .unwrap();

    let languages = [
        (
            "zh",
            ["肺炎", "AI 辅助", "演示"],
            ["肺炎", "人工智能辅助", "演示"],
        ),
        (
            "en",
            ["Pneumonia", "a clinician decides", "not for clinical use"],
            ["Pneumonia", "a clinician decides", "not for clinical use"],
        ),
    ];
    for (language, at_clinic, at_hub) in languages {
        let pages = [
            ("clinic", format!("http://{clinic}/?lang={language}")),
            ("case", format!("http://{clinic}/case/{chest}?lang={language}")),
            ("hub", format!("http://{hub}/?lang={language}")),
        ];
        for (name, url) in pages {
            let drawn = draw(&url, &format!("{name}-{language}.png")).await;
            for word in if name == "hub" { at_hub } else { at_clinic } {
                assert!(drawn.contains(word), "{name} in {language} lacks \"{word}\"");
            }
            assert!(
                drawn.contains(&format!("lang=\"{language}")),
                "{name} says its language"
            );
        }
    }
}

/// Saves a screenshot and gives the document as the browser had it in the end.
async fn draw(url: &str, name: &str) -> String {
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
