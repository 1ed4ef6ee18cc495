//! `barefootctl` as people call it, for everything that needs no hub.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose assumption breaks must stop"
)]

mod bundling;
mod candidate;
mod checking;
mod releasing;
mod test_sets;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What it printed, or what it said when it refused.
fn ctl<S: AsRef<OsStr>>(arguments: &[S]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_barefootctl"))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

#[track_caller]
fn refused<S: AsRef<OsStr>>(arguments: &[S], because: &str) {
    let said = ctl(arguments).expect_err("refused");
    assert!(
        said.starts_with("barefootctl: ") && said.contains(because),
        "{said}"
    );
}

/// A small bundle with two findings and both precisions, in a folder of its own.
fn tiny_bundle(folder: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../edge/inference/tests/data/tiny");
    let bundle = folder.join("tiny-0.0.1");
    fs::create_dir_all(bundle.join("golden")).unwrap();
    for part in ["", "golden"] {
        for entry in fs::read_dir(from.join(part)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), bundle.join(part).join(entry.file_name())).unwrap();
            }
        }
    }
    fs::write(
        bundle.join("CARD.md"),
        "# Stripes and dots (0.0.1)\n\n**Demonstration.**\n\nWhat was known before.\n",
    )
    .unwrap();
    bundle
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
