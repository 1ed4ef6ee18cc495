//! What a model was not made for ends in review with its reason, and the study behind it does not wait.

use std::path::Path;

use barefoot_test_support::daemons::{EdgeOptions, workspace};
use barefoot_test_support::phantom::CtSlice;
use barefoot_test_support::scanner::DicomFile;
use barefoot_test_support::{Charset, Description, Instance, Pixels, Radiograph, Samples};
use serde_json::Value;

use crate::story::{Story, chests};

/// A picture sent as a chest radiograph, whatever it shows: `level` from 0 to 1 at a place from 0 to 1.
fn as_chest(folder: &Path, name: &str, side: u16, level: impl Fn(f32, f32) -> f32) -> DicomFile {
    let place = |index: u16| (f32::from(index) + 0.5) / f32::from(side);
    let samples = (0..side).flat_map(|row| {
        let level = &level;
        (0..side).map(move |column| (level(place(column), place(row)).clamp(0.0, 1.0) * 4095.0) as u16)
    });
    let pixels = Pixels {
        rows: side,
        columns: side,
        bits_stored: 12,
        samples: Samples::Sixteen(samples.collect()),
    };
    let about = Description {
        charset: Charset::Utf8,
        seed: name.as_bytes().to_vec(),
        instance_number: 1,
        monochrome1: false,
        pixel_spacing: 0.3,
        lossy_ratio: None,
        manufacturer: "Barefoot phantom",
    };
    let path = folder.join(format!("{name}.dcm"));
    Instance::radiograph(Radiograph::Dx, pixels, &about)
        .save(&path)
        .unwrap();
    DicomFile::open(&path).unwrap()
}

/// A head before a window: skin, hair, eyes, mouth, and a bright scene behind.
fn face(x: f32, y: f32) -> f32 {
    let within = |cx: f32, cy: f32, rx: f32, ry: f32| ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) < 1.0;
    if within(0.42, 0.45, 0.05, 0.025) || within(0.58, 0.45, 0.05, 0.025) {
        return 0.15;
    }
    if within(0.5, 0.68, 0.09, 0.025) {
        return 0.35;
    }
    if within(0.5, 0.52, 0.2, 0.27) {
        return 0.72 - 0.3 * (x - 0.5).abs() - 0.1 * y;
    }
    if within(0.5, 0.42, 0.25, 0.3) {
        return 0.08 + 0.05 * (60.0 * x).sin().abs();
    }
    if 0.85 < y + (x - 0.5).powi(2) {
        return 0.3 + 0.1 * (40.0 * x).sin();
    }
    0.85 + 0.1 * (9.0 * x + 5.0 * y).sin()
}

fn reasons(case: &Value) -> Vec<&str> {
    let reasons = case["reasons"].as_array().unwrap().iter();
    reasons.filter_map(Value::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_chest_goes_to_review_with_its_reason() {
    let story = Story::begin(&EdgeOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let slice = CtSlice {
        seed: 5,
        number: 1,
        charset: Charset::Utf8,
    };
    let ct = folder.path().join("ct.dcm");
    slice.instance().save(&ct).unwrap();
    let stripes = |x: f32, y: f32| 0.5 + 0.5 * (120.0 * (x + 0.3 * y)).sin();
    let strange = [
        (
            "a CT slice",
            DicomFile::open(&ct).unwrap(),
            "outside_intended_use",
        ),
        (
            "a face",
            as_chest(folder.path(), "face", 1024, face),
            "picture_outside",
        ),
        (
            "stripes",
            as_chest(folder.path(), "stripes", 1024, stripes),
            "picture_outside",
        ),
        (
            "a black frame",
            as_chest(folder.path(), "black", 1024, |_, _| 0.0),
            "poor_quality",
        ),
        (
            "one pixel",
            as_chest(folder.path(), "pixel", 1, |_, _| 0.5),
            "outside_intended_use",
        ),
    ];
    let chest = chests(&folder, 1..2).remove(0);
    let mut files: Vec<DicomFile> = strange.iter().map(|(_, file, _)| file.clone()).collect();
    files.push(chest.clone());
    story.store(&files).await;
    story.all_receipted(files.len()).await;
    for (what, file, reason) in &strange {
        let case = story.case_of(file).await.unwrap();
        assert_eq!(case["urgency"], "review", "{what}: {case}");
        assert!(reasons(&case).contains(reason), "{what}: {case}");
    }
    let case = story.case_of(&chest).await.unwrap();
    assert!(!reasons(&case).contains(&"picture_outside"), "{case}");
    assert_ne!(case["findings"].as_array().unwrap().len(), 0, "{case}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_without_a_number_costs_its_answer_and_no_other_study() {
    // For a picture that is white all over this graph divides nothing by nothing.
    let story = Story::begin(&EdgeOptions {
        bundle: workspace().join("edge/inference/tests/data/tiny-nan"),
        ..EdgeOptions::default()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let white = as_chest(folder.path(), "white", 512, |_, _| 1.0);
    let chest = chests(&folder, 1..2).remove(0);
    story.store(&[white.clone(), chest.clone()]).await;
    story.all_receipted(2).await;
    let case = story.case_of(&white).await.unwrap();
    assert_eq!(case["urgency"], "review", "{case}");
    assert!(reasons(&case).contains(&"model_failed"), "{case}");
    assert_eq!(case["findings"], serde_json::json!([]));
    let case = story.case_of(&chest).await.unwrap();
    assert!(!reasons(&case).contains(&"model_failed"), "{case}");
    assert_eq!(case["findings"].as_array().unwrap().len(), 1, "{case}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_takes_a_minute_keeps_no_study_waiting() {
    // For a picture that is white all over this graph multiplies large matrices, for longer than anybody waits. The chest
    // has a model of its own.
    let slow = workspace().join("edge/inference/tests/data/tiny-slow");
    let more = format!(
        "[[other_model]]\ndirectory = {:?}\nrole = \"also\"\n",
        slow.display().to_string()
    );
    let mut story = Story::begin(&EdgeOptions {
        model: "deadline_s = 5\n".to_owned(),
        more,
        ..EdgeOptions::default()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let white = as_chest(folder.path(), "white", 512, |_, _| 1.0);
    let chest = chests(&folder, 1..2).remove(0);
    story.store(&[white.clone(), chest.clone()]).await;
    story.all_receipted(2).await;
    for file in [&white, &chest] {
        let case = story.case_of(file).await.unwrap();
        assert_eq!(case["urgency"], "review", "{case}");
        // While it works on the one it is asked for no other, and both say so.
        assert!(reasons(&case).contains(&"model_too_slow"), "{case}");
        assert_eq!(case["findings"].as_array().unwrap().len(), 1, "{case}");
    }
    // Nor does it keep the box from ending.
    assert!(story.edge.stop().await.unwrap().success());
}
