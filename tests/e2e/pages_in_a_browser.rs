//! Both pages in a real browser, in Chinese and English.

use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::scanner::Scanner;

use crate::browser::draw;
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
