use barefoot_trust::release::TrustedState;

use super::super::fetching::{consult, obtain};
use super::super::ledger::Signed;
use super::super::start::open_signed;
use super::*;

#[tokio::test]
async fn a_new_head_of_the_shipped_model_costs_kilobytes_and_passes_its_golden_test() {
    let dir = tempfile::tempdir().unwrap();
    let maintainers = Maintainers::new(&dir.path().join("maintainers"));
    let bundle = maintainers.release_shipped("0.3.0");
    let shelf = Shelf::open(dir.path(), &bundles::shipped()).unwrap();
    let source = Source::Directory(maintainers.repository());
    let targets = consult(&shelf, maintainers.root(), &source).await.unwrap();
    let release = targets.release("cxr-pneumonia", "0.3.0").unwrap().clone();
    let whole: u64 = release.files.iter().map(|file| file.length).sum();
    let signed = Signed {
        sequence: release.details.sequence,
        digest: Shelf::digest_of(&release),
    };
    let name = keeper::name_of(&release);
    let fetched = obtain(shelf.clone(), source, Arc::new(release)).await.unwrap();
    let changed = |file: &str| std::fs::metadata(bundle.join(file)).unwrap().len();
    assert_eq!(fetched, changed("head.safetensors") + changed("manifest.toml"));
    assert!(fetched < 5120 && 4_000_000 < whole, "{fetched} of {whole} bytes");
    let config = ModelConfig {
        engine: EngineWish::Tract,
        precision: PrecisionWish::Int8,
        ..ModelConfig::new(bundles::shipped())
    };
    let model = open_signed(&shelf, &config, &name, Some(&signed)).unwrap();
    assert_eq!(model.model.version().version, "0.3.0");
    // What was learnt of the repository is there for the next look.
    let root = std::fs::read(maintainers.root()).unwrap();
    let state = TrustedState::open(&shelf.trusted(), &root).unwrap();
    assert!(
        state
            .last_targets(time::OffsetDateTime::now_utc())
            .unwrap()
            .is_some()
    );
}
