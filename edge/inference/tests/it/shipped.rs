//! The bundle that comes with the program.

use std::path::Path;

use barefoot_imaging::pixels::GrayImage;
use barefoot_inference::{Bundle, EngineChoice, EngineWish, Model, Outcome, Precision, PrecisionWish};

#[test]
fn the_shipped_bundle_passes_its_golden_cases_on_tract() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles/cxr-pneumonia");
    let bundle = Bundle::load(&directory).unwrap();
    assert!(bundle.version().demonstration);
    let choice = EngineChoice {
        engine: EngineWish::Tract,
        precision: PrecisionWish::Auto,
        ..EngineChoice::default()
    };
    let (_, selection) = Model::open(&bundle, &choice).unwrap();
    println!("{selection:?}");
    for precision in [Precision::F32, Precision::Int8] {
        let mut candidates = selection.considered.iter();
        let passed = candidates.any(|candidate| {
            candidate.precision == precision && matches!(candidate.outcome, Outcome::Passed { .. })
        });
        assert!(passed, "{precision}");
    }
}

fn golden_picture(name: &str) -> GrayImage {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles/cxr-pneumonia/golden");
    let picture = image::open(path.join(name)).unwrap().into_luma8();
    GrayImage {
        width: picture.width(),
        height: picture.height(),
        data: picture.iter().map(|level| f32::from(*level) / 255.0).collect(),
        frame_count: 1,
    }
}

fn on_tract() -> Model {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles/cxr-pneumonia");
    let choice = EngineChoice {
        engine: EngineWish::Tract,
        precision: PrecisionWish::Int8,
        ..EngineChoice::default()
    };
    Model::open(&Bundle::load(&directory).unwrap(), &choice)
        .unwrap()
        .0
}

#[test]
fn only_an_upright_chest_is_within_its_scope() {
    let model = on_tract();
    let chest = golden_picture("chest.png");
    assert!(!model.assess(&chest).unwrap().outside);
    assert!(
        model
            .assess(&golden_picture("chest-inverted.png"))
            .unwrap()
            .outside
    );
    let mut turned = chest.clone();
    turned.data.reverse();
    assert!(model.assess(&turned).unwrap().outside);
    for level in [0.0, 0.5, 1.0] {
        let mut flat = chest.clone();
        flat.data.fill(level);
        assert!(model.assess(&flat).unwrap().outside, "{level}");
    }
}

#[test]
fn what_lies_outside_the_lung_field_moves_no_score_and_is_on_no_map() {
    let model = on_tract();
    let mut chest = golden_picture("phantom-5-224x224.png");
    let before = model.assess(&chest).unwrap();
    let side = chest.width as usize;
    for (place, level) in chest.data.iter_mut().enumerate() {
        let (row, column) = (place / side, place % side);
        if !(36..188).contains(&row) || !(29..195).contains(&column) {
            *level = 1.0;
        }
    }
    let after = model.assess(&chest).unwrap();
    assert_eq!(before.findings, after.findings);
    let map = &before.heat_map;
    assert!(map.values.iter().any(|value| 0.0 < *value));
    for (place, value) in map.values.iter().enumerate() {
        let row = (place / map.width as usize) as f32 + 0.5;
        let column = (place % map.width as usize) as f32 + 0.5;
        let (y, x) = (row / map.height as f32, column / map.width as f32);
        let seen = (0.16..0.84).contains(&y) && (0.13..0.87).contains(&x);
        assert!(seen || *value == 0.0, "{x} {y}");
    }
}
