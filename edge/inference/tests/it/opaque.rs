//! Graphs that hold everything themselves: scores and masks, by manifest alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use barefoot_domain::{Call, Side};
use barefoot_imaging::pixels::GrayImage;
use barefoot_inference::{AssessError, Bundle, EngineChoice, EngineWish, Model, Pose, Prediction, Viewing};
use tempfile::TempDir;

use crate::tiny::edit;

fn bundle(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn open(directory: &Path) -> Model {
    let bundle = Bundle::load(directory).unwrap();
    let choice = EngineChoice {
        engine: EngineWish::Tract,
        ..EngineChoice::default()
    };
    Model::open(&bundle, &choice).unwrap().0
}

/// Grey with a brighter part, black on its right fifth.
fn picture(bright: impl Fn(f32, f32) -> bool) -> GrayImage {
    let level = |x: f32, y: f32| match (x < 0.8, bright(x, y)) {
        (false, _) => 0.0,
        (true, true) => 0.9,
        (true, false) => 0.2,
    };
    let (width, height) = (120_u32, 90_u32);
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    GrayImage {
        width,
        height,
        data: pixels
            .map(|(x, y)| level(x as f32 / width as f32, y as f32 / height as f32))
            .collect(),
        frame_count: 1,
    }
}

fn facing() -> Viewing {
    Viewing {
        pose: Pose::Facing,
        ..Viewing::default()
    }
}

/// What of the map is shown within this part of the picture.
fn shown(prediction: &Prediction, within: impl Fn(f32, f32) -> bool) -> f32 {
    let map = &prediction.heat_map;
    let all = map.values.iter().zip(0..);
    let within = all.filter(|(_, index)| {
        let (x, y) = (index % map.width, index / map.width);
        within(x as f32 / map.width as f32, y as f32 / map.height as f32)
    });
    within.map(|(value, _)| *value).sum()
}

#[test]
fn an_opaque_graph_answers_and_is_asked_where_it_looked() {
    let model = open(&bundle("tiny-scores"));
    let bright = model
        .assess_viewed(&picture(|x, y| x < 0.5 && y < 0.5), facing())
        .unwrap();
    let [finding] = &bright.findings[..] else {
        panic!("one finding");
    };
    assert_eq!(finding.call, Call::Positive);
    // The mean of the corner is 0.9 or nearly: softmax of a difference of 8.
    assert!((0.99..1.0).contains(&finding.score.value()), "{finding:?}");
    let corner = shown(&bright, |x, y| x < 0.52 && y < 0.52);
    assert!(0.0 < corner && shown(&bright, |x, y| 0.55 < x || 0.55 < y) < 0.05 * corner);
    let region = &bright.regions[0];
    assert!(region.left < 0.1 && region.top < 0.1 && region.left + region.width < 0.6);
    assert_eq!(region.side, Some(Side::Right), "the picture's left");
    assert!((0.05..0.5).contains(&region.extent), "{region:?}");

    let dark = model.assess_viewed(&picture(|_, _| false), facing()).unwrap();
    assert_eq!(dark.findings[0].call, Call::Negative);
    assert!(dark.regions.is_empty());
    assert_eq!(shown(&dark, |_, _| true), 0.0, "nobody is asked about nothing");
    assert!(matches!(
        model.pooled_features(&picture(|_, _| false)),
        Err(AssessError::NoHead)
    ));
    assert_eq!((model.channels(), model.head().0.len()), (0, 0));
}

#[test]
fn an_answer_does_not_wait_for_its_explanation() {
    let model = open(&bundle("tiny-scores"));
    let viewing = Viewing {
        until: Instant::now(),
        ..facing()
    };
    let said = model.assess_viewed(&picture(|_, _| true), viewing).unwrap();
    assert_eq!(said.findings[0].call, Call::Positive);
    assert!(said.regions.is_empty());
}

#[test]
fn a_mask_is_measured_within_the_anatomy() {
    let model = open(&bundle("tiny-mask"));
    let inside = |x: f32, y: f32| (x - 0.6).abs() < 0.1 && (y - 0.5).abs() < 0.2;
    let said = model.assess_viewed(&picture(inside), facing()).unwrap();
    assert_eq!(said.findings[0].call, Call::Positive);
    let [region] = &said.regions[..] else {
        panic!("{:?}", said.regions);
    };
    // 0.2 by 0.4 of the picture, of which 0.8 is anatomy.
    assert!((region.extent - 0.1).abs() < 0.03, "{region:?}");
    assert!(
        (region.left - 0.5).abs() < 0.05 && (region.width - 0.2).abs() < 0.08,
        "{region:?}"
    );
    assert_eq!(region.side, Some(Side::Left), "the picture's right");
    assert!(
        shown(&said, |x, _| 0.85 < x) < f32::EPSILON,
        "nothing on the black border"
    );
    let [mask] = &said.masks[..] else {
        panic!("{:?}", said.masks);
    };
    assert_eq!(mask.finding, said.findings[0].code);
    let covered: f32 = mask.map.values.iter().sum();
    let share = covered / mask.map.values.len() as f32;
    assert!((share - 0.08).abs() < 0.03, "{share}");
    assert!(mask.map.values.iter().all(|value| *value == 0.0 || *value == 1.0));

    let nothing = model.assess_viewed(&picture(|_, _| false), facing()).unwrap();
    assert_eq!(nothing.findings[0].call, Call::Negative);
    assert!(nothing.regions.is_empty() && nothing.masks.is_empty());
}

fn copy(name: &str) -> TempDir {
    let target = tempfile::tempdir().unwrap();
    for file in ["manifest.toml", "model.onnx"] {
        fs::copy(bundle(name).join(file), target.path().join(file)).unwrap();
    }
    target
}

#[test]
fn a_manifest_that_does_not_describe_its_graph_is_refused() {
    for (from, to) in [
        ("classes = 2", "classes = 1"),
        ("class = 1", "class = 2"),
        ("gives = \"class-logits\"", "gives = \"stars\""),
        ("channels = 3", "channels = 4"),
        ("layout = \"nhwc\"", "layout = \"hwc\""),
        ("scale = 255", "scale = 0"),
        ("ages = [16, 120]", "ages = [16, 2]"),
        ("[output]", "[head]\nfile = \"x\"\nsha256 = \"x\"\n[output]"),
    ] {
        let bundle = copy("tiny-scores");
        edit(&bundle, "manifest.toml", from, to);
        assert!(Bundle::load(bundle.path()).is_err(), "{to}");
    }
    for (from, to) in [
        ("channels = 3", "channels = 1"),
        ("layout = \"nhwc\"", "layout = \"nchw\""),
        ("input = \"picture:0\"", "input = \"picture\""),
        ("scores = \"classes\"", "scores = \"class\""),
        ("width = 40", "width = 41"),
    ] {
        let bundle = copy("tiny-scores");
        edit(&bundle, "manifest.toml", from, to);
        let read = Bundle::load(bundle.path()).unwrap();
        assert!(Model::open(&read, &EngineChoice::default()).is_err(), "{to}");
    }
}

#[test]
fn numbers_that_are_no_probabilities_give_no_answer() {
    let bundle = copy("tiny-scores");
    edit(
        &bundle,
        "manifest.toml",
        "gives = \"class-logits\"",
        "gives = \"probabilities\"",
    );
    let read = Bundle::load(bundle.path()).unwrap();
    assert!(Model::open(&read, &EngineChoice::default()).is_err());
}

#[test]
fn a_graph_that_gives_no_number_gives_no_answer() {
    let model = open(&bundle("tiny-nan"));
    let mut image = picture(|_, _| false);
    assert!(model.assess(&image).is_ok());
    image.data.fill(1.0);
    assert!(matches!(model.assess(&image), Err(AssessError::NoNumber)));
}
