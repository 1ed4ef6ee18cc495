//! The bundle that comes with the program.

use std::path::Path;

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
