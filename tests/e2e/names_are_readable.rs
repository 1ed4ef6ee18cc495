//! Names as scanners write them reach the page readable, and what was guessed is marked.

use std::fs;

use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::http::get;
use barefoot_test_support::phantom::{Chest, Size};
use barefoot_test_support::scanner::DicomFile;
use barefoot_test_support::{Charset, wait::wait_for};

use crate::story::{SOON, Story};

const GUESSED: &str = "character set guessed";

#[tokio::test(flavor = "multi_thread")]
async fn the_site_file_knows_a_scanners_character_set_better() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chest.dcm");
    let mut chest = Chest::varied(5, Size::Small, Default::default());
    chest.charset = Charset::Gb18030;
    chest.instance().save(&path).unwrap();
    let honest = fs::read(&path).unwrap();
    // It writes GB18030 and says ASCII, in as many letters.
    let place = honest
        .windows(8)
        .position(|window| window == b"GB18030 ")
        .unwrap();
    let mut lying = honest.clone();
    lying[place..place + 8].copy_from_slice(b"ISO_IR 6");
    fs::write(&path, &lying).unwrap();
    let file = DicomFile::open(&path).unwrap();
    for (known, guessed) in [("", true), ("character_set = \"GB18030\"\n", false)] {
        let story = Story::begin(&EdgeOptions {
            scanners: Vec::new(),
            more: format!("[[dicom.scanner]]\nae_title = \"SIM_DR1\"\n{known}"),
            ..EdgeOptions::default()
        })
        .await;
        story.store(std::slice::from_ref(&file)).await;
        story.all_assessed(1).await;
        let case = story.case_of(&file).await.unwrap();
        let address = format!("/case/{}", case["study"].as_str().unwrap());
        let page = story.edge.address("page").unwrap();
        let html = wait_for("the case's page", SOON, async || get(page, &address).await)
            .await
            .unwrap();
        let html = String::from_utf8(html).unwrap();
        let ideograph = |c: char| ('\u{4E00}'..='\u{9FFF}').contains(&c);
        let heading = html.split("<h").find(|part| part.contains(ideograph));
        assert!(heading.is_some(), "{html}");
        assert_eq!(html.contains(GUESSED), guessed, "{known}\n{html}");
    }
}
