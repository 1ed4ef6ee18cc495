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

#[test]
fn every_validation_picture_gets_the_references_score_and_call() {
    let Some(folder) = folder() else {
        return;
    };
    let text = std::fs::read(folder.join("expected.json")).unwrap();
    let expected: Vec<Expected> = serde_json::from_slice(&text).unwrap();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles/cxr-pneumonia");
    let bundle = Bundle::load(&directory).unwrap();
    for (wish, tolerance) in [(PrecisionWish::F32, 0.01), (PrecisionWish::Int8, 0.03)] {
        let choice = EngineChoice {
            engine: EngineWish::Tract,
            precision: wish,
            ..EngineChoice::default()
        };
        let model = Model::open(&bundle, &choice).unwrap().0;
        let code = model.findings().next().unwrap().clone();
        let operating_point = model.operating_point(&code).unwrap();
        let (mut worst, mut other_calls) = (0.0_f32, 0);
        for one in &expected {
            let image = grey(&folder.join(&one.file));
            let score = model.pooled_features(&image).unwrap().scores[0].value();
            let theirs = if wish == PrecisionWish::F32 {
                one.f32
            } else {
                one.int8
            };
            let difference = (score - theirs).abs();
            assert!(difference <= tolerance, "{}: {score}, not {theirs}", one.file);
            assert_eq!(model.is_outside(&image).unwrap(), one.outside, "{}", one.file);
            worst = worst.max(difference);
            other_calls += usize::from((operating_point <= score) != (operating_point <= theirs));
        }
        println!(
            "{} pictures, {wish:?}: the scores differ by at most {worst:.5}, {other_calls} calls differ",
            expected.len()
        );
        assert_eq!(other_calls, 0);
    }
}
