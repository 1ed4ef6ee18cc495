//! The bundle that comes with the program.

use std::path::Path;

use barefoot_inference::{Bundle, EngineChoice, EngineWish, Model, Outcome, PrecisionWish};

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
    assert_eq!(selection.considered.len(), 2);
    for candidate in selection.considered {
        assert!(
            matches!(candidate.outcome, Outcome::Passed { .. }),
            "{candidate:?}"
        );
    }
}
