//! SQLite as the peer: WAL, `synchronous=FULL`, through Python's own module, in a process of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use barefoot_test_support::daemons::workspace;

use super::{AT_ONCE, Figures, PAYLOAD_BYTES};

pub(super) fn append(folder: &Path, producers: usize, records: usize) -> anyhow::Result<Figures> {
    measure(folder, "append", &[records, producers])
}

pub(super) fn drain(folder: &Path, records: usize) -> anyhow::Result<Figures> {
    measure(folder, "drain", &[records, AT_ONCE])
}

pub(super) fn churn(folder: &Path, records: usize, waiting: usize) -> anyhow::Result<Figures> {
    measure(folder, "churn", &[records, AT_ONCE, waiting])
}

pub(super) fn open(folder: &Path, records: usize) -> anyhow::Result<Figures> {
    measure(folder, "open", &[records, AT_ONCE])
}

fn measure(folder: &Path, what: &str, numbers: &[usize]) -> anyhow::Result<Figures> {
    let place = folder.join("sqlite");
    std::fs::create_dir_all(&place)?;
    rustix::fs::sync();
    let ended = Command::new("python3")
        .arg(workspace().join("tests/bench/queue/sqlite.py"))
        .arg(&place)
        .arg(what)
        .arg(PAYLOAD_BYTES.to_string())
        .args(numbers.iter().map(usize::to_string))
        .stdin(Stdio::null())
        .output()
        .context("python3 does not start")?;
    anyhow::ensure!(
        ended.status.success(),
        "SQLite's {what} failed: {}",
        String::from_utf8_lossy(&ended.stderr)
    );
    std::fs::remove_dir_all(&place)?;
    serde_json::from_slice(&ended.stdout).context("figures in JSON")
}
