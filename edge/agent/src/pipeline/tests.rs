use std::fs;
use std::path::Path;

use barefoot_domain::ClinicId;
use barefoot_trust::Authority;
use time::{Duration as Days, OffsetDateTime};

use super::*;

/// Runs until it takes images; a start that fails says why.
async fn takes_images(config: Config) {
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let mut was_ready = false;
    let ran = Box::pin(run(config, shutdown, || {
        was_ready = true;
        stop.cancel();
    }));
    ran.await.unwrap();
    assert!(was_ready);
}

fn site(root: &Path) -> Config {
    let pki = root.join("pki");
    fs::create_dir_all(&pki).unwrap();
    let now = OffsetDateTime::now_utc();
    let authority = Authority::create(&pki, "Test region", now).unwrap();
    let clinic = ClinicId::new("clinic-7").unwrap();
    let issued = authority.issue_clinic(&clinic, now, Days::days(1)).unwrap();
    issued.save(&pki, "clinic-7").unwrap();
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../inference/tests/data/tiny");
    let (state, pki, bundle) = (root.join("state"), pki.display(), bundle.display());
    let text = format!(
        r#"
        clinic = "clinic-7"
        [storage]
        directory = "{}"
        [dicom]
        listen = "127.0.0.1:0"
        ae_title = "BAREFOOT"
        [[dicom.scanner]]
        ae_title = "DR"
        [model]
        bundle = "{bundle}"
        engine = "tract"
        precision = "f32"
        [link]
        hub = "localhost:1"
        [link.tls]
        authority = "{pki}/authority.crt"
        certificate = "{pki}/clinic-7.crt"
        key = "{pki}/clinic-7.key"
        [page]
        listen = "127.0.0.1:0"
        [services]
        hub = "localhost:1"
        [releases]
        root = "{pki}/root.json"
        "#,
        state.display()
    );
    toml::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_of_learning_and_releases_that_fail_keep_no_image_out() {
    let root = tempfile::tempdir().unwrap();
    let config = site(root.path());
    fs::create_dir_all(&config.storage.directory).unwrap();
    for folder in ["training", "models"] {
        fs::write(config.storage.directory.join(folder), b"no folder").unwrap();
    }
    takes_images(config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn start_and_stop_stand_in_a_log_that_a_stranger_can_check() {
    let root = tempfile::tempdir().unwrap();
    let config = site(root.path());
    takes_images(config.clone()).await;
    takes_images(config.clone()).await;
    let file = root.path().join("audit.jsonl");
    crate::audit::export(&config, &file, crate::audit::Form::Signed).unwrap();
    let authorities = barefoot_trust::Authorities::load(&root.path().join("pki/authority.crt")).unwrap();
    let mut checker = barefoot_trust::audit::Checker::of_clinic(authorities, config.clinic.unwrap());
    let text = fs::read_to_string(&file).unwrap();
    text.lines().try_for_each(|line| checker.line(line)).unwrap();
    assert!(4 <= checker.finish().unwrap().entries);
    for word in ["\"start\"", "\"stop\""] {
        assert_eq!(text.matches(word).count(), 2, "{text}");
    }
    assert!(!text.contains("ended without a stop"), "{text}");
}
