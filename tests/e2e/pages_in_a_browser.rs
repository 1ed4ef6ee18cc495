//! Both pages in a real browser, in Chinese and English.

use std::fs;
use std::process::Command;

use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::http::get;
use barefoot_test_support::scanner::{DicomFile, Scanner};
use barefoot_test_support::wait::wait_for;

use crate::browser::draw;
use crate::nodes::{free_port, node_is};
use crate::peers::{peer, run, text};
use crate::story::{SOON, Story, chests, ct};

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

/// Two examinations of one person stand together, with what changed between them.
#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_study_of_the_same_patient_is_drawn_beside_the_newer() {
    let story = Story::begin(&EdgeOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let files = chests(&folder, 21..23);
    for (file, day) in files.iter().zip(["20260302", "20261109"]) {
        let mut dcmodify = Command::new(peer("dcmodify", "dcmtk"));
        dcmodify.arg("-nb");
        let patient = [
            "(0010,0010)=Zhao^Min",
            "(0010,0020)=B7",
            "(0010,0030)=20210404",
            "(0010,0040)=F",
        ];
        let dates = ["(0008,0020)", "(0008,0022)", "(0008,0023)"].map(|tag| format!("{tag}={day}"));
        for change in patient.iter().map(ToString::to_string).chain(dates) {
            dcmodify.args(["-i", &change]);
        }
        dcmodify.arg(&file.path);
        let output = run(dcmodify).await;
        assert!(output.status.success(), "{}", text(&output));
    }
    let files: Vec<DicomFile> = files
        .iter()
        .map(|file| DicomFile::open(&file.path).unwrap())
        .collect();
    story.store(&files).await;
    story.all_receipted(2).await;
    let newer = story.case_of(&files[1]).await.unwrap();
    let (clinic, study) = (
        story.edge.address("page").unwrap(),
        newer["study"].as_str().unwrap(),
    );
    for (language, heading, then) in [
        ("zh", "该患者的既往检查", "2026"),
        ("en", "Earlier studies of this patient", "% then,"),
    ] {
        let url = format!("http://{clinic}/case/{study}?lang={language}");
        let drawn = draw(&url, &format!("prior-{language}.png")).await;
        assert!(
            drawn.contains(heading) && drawn.contains(then),
            "{language}: {drawn}"
        );
    }
}

/// A stick that waits, a node that is down, an order from the registry: what clinic staff see of the box's neighbours.
#[tokio::test(flavor = "multi_thread")]
async fn exchange_and_orders_are_drawn_in_both_languages() {
    let (made, media, orders) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let files = chests(&made, 1..3);
    let stick = media.path().join("KINGSTON");
    fs::create_dir_all(&stick).unwrap();
    fs::copy(&files[0].path, stick.join("I0")).unwrap();
    let story = Story::begin(&EdgeOptions {
        more: format!(
            "[[deliver]]\nname = \"county-pacs\"\nae_title = \"COUNTY\"\nhost = \"127.0.0.1\"\nport = {}\n\
             what = [\"originals\"]\nmax_backoff_s = 1\n\n[import]\ndirectory = \"{}\"\n\n\
             [worklist]\ndrop_folder = \"{}\"\npoll_ms = 100\n",
            free_port(),
            media.path().display(),
            orders.path().display(),
        ),
        ..EdgeOptions::default()
    })
    .await;
    story.store(&files[1..]).await;
    story.all_assessed(1).await;
    node_is(&story, "the box to know the node is down", |node| {
        node["trouble"].is_string()
    })
    .await;
    let order = "MSH|^~\\&|HIS|镇卫生院|BAREFOOT|BOX|20260102080000||ORM^O01|1|P|2.5|||||CHN|UNICODE UTF-8\r\
                 PID|1||P7^^^HIS||张^三^^^^^^I~Zhang^San^^^^^^A||19800229|M\r\
                 ORC|NW|A1|||||||||||||20991231090000\r\
                 OBR|1|A1||C1^胸部正位^99LOCAL||||||||||||||ACC1|RP1|SPS1||||DX\r";
    fs::write(orders.path().join("1.part"), order).unwrap();
    fs::rename(orders.path().join("1.part"), orders.path().join("1.hl7")).unwrap();
    let clinic = story.edge.address("page").unwrap();
    let listed = wait_for("the order to be listed", SOON, async || {
        let page = String::from_utf8(get(clinic, "/orders").await.unwrap()).unwrap();
        if page.contains("ACC1") {
            Ok(())
        } else {
            Err("not yet")
        }
    });
    listed.await.unwrap();
    for language in ["zh", "en"] {
        for (name, words) in [
            ("exchange", ["KINGSTON", "county-pacs"]),
            ("orders", ["ACC1", "胸部正位"]),
        ] {
            let url = format!("http://{clinic}/{name}?lang={language}");
            let drawn = draw(&url, &format!("{name}-{language}.png")).await;
            for word in words {
                assert!(drawn.contains(word), "{name} in {language} lacks \"{word}\"");
            }
        }
    }
}
