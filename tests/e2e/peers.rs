//! Programs of other people. A missing one is a failure, never a silent skip.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use barefoot_test_support::daemons::workspace;

pub(crate) fn peer(name: &str, package: &str) -> PathBuf {
    ["/usr/bin", "/usr/local/bin", "/usr/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!("{name} is missing: `cargo xtask test` installs it, or your system's package {package}")
        })
}

/// The Python of the test environment.
pub(crate) fn python() -> PathBuf {
    let path = workspace().join("target/test-venv/bin/python");
    assert!(
        path.is_file(),
        "target/test-venv is missing: `cargo xtask test` makes it"
    );
    path
}

/// Runs to the end away from the async threads.
pub(crate) async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
