//! The shipped bundle on real pictures: what the training code's reference gives, this program gives.
//!
//! Needs the folder that `training/parity.py` writes from the validation part; `BAREFOOT_PARITY` names it.

use std::path::{Path, PathBuf};

use barefoot_imaging::pixels::GrayImage;
use barefoot_inference::{Bundle, EngineChoice, EngineWish, Model, PrecisionWish};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    file: String,
    f32: f32,
    int8: f32,
    outside: bool,
}

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("BAREFOOT_PARITY").map(PathBuf::from);
    if folder.is_none() {
        println!("BAREFOOT_PARITY names no folder of pictures and expected scores: skipped");
    }
    folder
}

fn grey(path: &Path) -> GrayImage {
    let picture = image::open(path).unwrap().into_luma8();
    GrayImage {
        width: picture.width(),
        height: picture.height(),
        data: picture.iter().map(|level| f32::from(*level) / 255.0).collect(),
        frame_count: 1,
    }
}

/// A way to run the bundle, the reference it is held against and how near it must be. tract multiplies the integer weights
/// in float and rounds nothing between: it gives the float model's answers, not those of ONNX Runtime's integers, which
/// rounds every step.
const WAYS: [(EngineWish, PrecisionWish, Reference, f32); 4] = [
    (EngineWish::Tract, PrecisionWish::F32, Reference::Float, 0.01),
    (EngineWish::Tract, PrecisionWish::Int8, Reference::Float, 0.03),
    (EngineWish::Ort, PrecisionWish::F32, Reference::Float, 0.01),
    (EngineWish::Ort, PrecisionWish::Int8, Reference::Integer, 0.03),
];

#[derive(Clone, Copy)]
enum Reference {
    Float,
    Integer,
}

#[test]
fn every_validation_picture_gets_the_references_score_and_call() {
    let Some(folder) = folder() else {
        return;
    };
    let text = std::fs::read(folder.join("expected.json")).unwrap();
    let expected: Vec<Expected> = serde_json::from_slice(&text).unwrap();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles/cxr-pneumonia");
    let bundle = Bundle::load(&directory).unwrap();
    let has_library = std::env::var_os("ORT_DYLIB_PATH").is_some();
    for (engine, precision, reference, tolerance) in WAYS {
        if engine == EngineWish::Ort && !has_library {
            println!("ORT_DYLIB_PATH names no ONNX Runtime: {precision:?} on it skipped");
            continue;
        }
        let choice = EngineChoice {
            engine,
            precision,
            ..EngineChoice::default()
        };
        let model = Model::open(&bundle, &choice).unwrap().0;
        let code = model.findings().next().unwrap().clone();
        let point = model.operating_point(&code).unwrap();
        let (mut worst, mut other_calls) = (0.0_f32, 0);
        for one in &expected {
            let image = grey(&folder.join(&one.file));
            let score = model.pooled_features(&image).unwrap().scores[0].value();
            let theirs = match reference {
                Reference::Float => one.f32,
                Reference::Integer => one.int8,
            };
            let difference = (score - theirs).abs();
            assert!(difference <= tolerance, "{}: {score}, not {theirs}", one.file);
            assert_eq!(model.is_outside(&image).unwrap(), one.outside, "{}", one.file);
            worst = worst.max(difference);
            other_calls += usize::from((point <= score) != (point <= theirs));
        }
        println!(
            "{} pictures, {engine:?} {precision:?}: the scores differ by at most {worst:.5}, {other_calls} calls differ",
            expected.len()
        );
        assert_eq!(other_calls, 0);
    }
}
