//! What a technician is told of a series and of a loop, on the page and in the scanner's figures.

use std::path::Path;

use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::http::{get, get_json};
use barefoot_test_support::phantom::CtSlice;
use barefoot_test_support::scanner::DicomFile;
use barefoot_test_support::{Charset, Description, Instance};

use crate::story::Story;

const SIDE: u16 = 64;

fn saved(folder: &Path, name: &str, instance: &Instance) -> DicomFile {
    let path = folder.join(format!("{name}.dcm"));
    instance.save(&path).unwrap();
    DicomFile::open(&path).unwrap()
}

/// Slices at these places of one series.
fn series(folder: &Path, seed: u64, places: &[u32]) -> Vec<DicomFile> {
    let slice = |number: &u32| {
        let slice = CtSlice {
            seed,
            number: *number,
            charset: Charset::Utf8,
        };
        saved(folder, &format!("ct {seed} {number}"), &slice.instance())
    };
    places.iter().map(slice).collect()
}

/// Eight frames, each as `level` has it.
fn ultrasound(folder: &Path, name: &str, level: impl Fn(usize, usize) -> u8) -> DicomFile {
    let pixels = usize::from(SIDE) * usize::from(SIDE);
    let frames: Vec<Vec<u8>> = (0..8)
        .map(|frame| (0..pixels).map(|pixel| level(frame, pixel)).collect())
        .collect();
    let about = Description {
        charset: Charset::Utf8,
        seed: name.as_bytes().to_vec(),
        instance_number: 1,
        monochrome1: false,
        pixel_spacing: 0.3,
        lossy_ratio: None,
        manufacturer: "Barefoot phantom",
    };
    let instance = Instance::ultrasound_loop((SIDE, SIDE), &frames, &about);
    saved(folder, name, &instance)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_series_or_a_loop_is_said_and_counted() {
    let story = Story::begin(&EdgeOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let speckle = |frame: usize, pixel: usize| ((pixel * 97 + frame * 41) % 200) as u8;
    let studies = [
        (
            series(folder.path(), 1, &[1, 2, 3, 4, 8, 9, 10, 11]),
            Some("Slices of the series are missing."),
            Some("slices_missing"),
        ),
        (series(folder.path(), 2, &[1, 2, 3, 4, 5, 6]), None, None),
        (
            vec![ultrasound(folder.path(), "black", |_, _| 3)],
            Some("Some frames hold no picture."),
            Some("frames_black"),
        ),
        (
            vec![ultrasound(folder.path(), "frozen", |_, pixel| speckle(0, pixel))],
            Some("The clip stands still."),
            Some("frames_frozen"),
        ),
        (vec![ultrasound(folder.path(), "moving", speckle)], None, None),
    ];
    for (files, _, _) in &studies {
        story.store(files).await;
    }
    story.all_assessed(studies.len()).await;
    let page = story.edge.address("page").unwrap();
    let figures = get_json(page, "/api/quality").await.unwrap();
    let counted = |problem: &str| -> u64 {
        let days = figures["days"].as_array().unwrap().iter();
        days.filter_map(|day| day["problems"][problem].as_u64()).sum()
    };
    for (files, said, problem) in &studies {
        let case = story.case_of(&files[0]).await.unwrap();
        let key = case["study"].as_str().unwrap();
        let shown = get(page, &format!("/case/{key}?lang=en")).await.unwrap();
        let shown = String::from_utf8(shown).unwrap();
        match (said, problem) {
            (Some(said), Some(problem)) => {
                assert!(shown.contains(said), "{said}: {case}\n{shown}");
                // A series is nobody's single picture, so only loops are counted.
                if problem.starts_with("frames") {
                    assert_eq!(counted(problem), 1, "{problem}: {figures}");
                }
                assert_ne!(case["quality"], "A", "{case}");
            }
            _ => {
                assert_eq!(case["quality"], "A", "{case}");
                assert!(!shown.contains("Send the whole series again"), "{shown}");
            }
        }
    }
}
