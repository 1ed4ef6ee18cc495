//! Clients that others wrote: `dicomweb-client`, from Python. Where it is missing this is said aloud; `cargo xtask test`
//! installs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn python() -> Option<PathBuf> {
    let python = root().join("target/test-venv/bin/python");
    let has = |python: &Path| {
        let asked = Command::new(python)
            .args(["-c", "import dicomweb_client, websockets"])
            .output();
        asked.is_ok_and(|output| output.status.success())
    };
    if has(&python) {
        return Some(python);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "dicomweb-client must be there in CI: `cargo xtask test` installs it"
    );
    eprintln!("SKIPPED: dicomweb-client is missing; run `cargo xtask test`.");
    None
}

#[tokio::test]
async fn dicomweb_client_lists_fetches_draws_stores_and_works() {
    let Some(python) = python() else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // The client leaves the port out of its Host header: only the settings can tell it right addresses.
    let house = House::with(&Settings {
        public_url: Some(format!("http://{address}")),
        ..Settings::default()
    })
    .await;
    let several = Image {
        instance: 2,
        frames: 2,
        ..Image::default()
    };
    house.commit("c1", 1, &[Image::default(), several]).await;
    let folder = tempfile::tempdir().unwrap();
    let prior = Image {
        study: 8,
        series: 8,
        instance: 8,
        ..Image::default()
    };
    std::fs::write(folder.path().join("prior.dcm"), prior.make().0).unwrap();
    std::fs::write(folder.path().join("named.dcm"), prior.identified()).unwrap();
    std::fs::write(folder.path().join("pixels.raw"), several.pixels(1)).unwrap();
    let server = tokio::spawn(axum::serve(listener, house.router.clone()).into_future());
    let indexer = Indexer::new(house.archive.clone(), house.store.clone(), house.changes.clone());
    let indexing = tokio::spawn(indexer.run(house.shutdown.clone()));
    let script = root().join("tests/interop/ask_dicomweb.py");
    let (study, instance) = (several.study_uid(), several.instance_uid());
    let asked = spawn_blocking(move || {
        Command::new(python)
            .arg(script)
            .arg(format!("http://{address}{PREFIX}"))
            .args(["all", &study, &instance])
            .arg(folder.path())
            .output()
            .unwrap()
    });
    let output = asked.await.unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    house.shutdown.trigger();
    indexing.await.unwrap();
    server.abort();
}
