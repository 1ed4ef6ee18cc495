//! The tiny bundle of `tests/data`, and changed copies of it.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub(crate) fn original() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiny")
}

pub(crate) fn copy() -> TempDir {
    let target = tempfile::tempdir().unwrap();
    fs::create_dir(target.path().join("golden")).unwrap();
    for file in [
        "manifest.toml",
        "f32.onnx",
        "int8.onnx",
        "head.safetensors",
        "golden/golden.json",
        "golden/0.png",
        "golden/1.png",
    ] {
        fs::copy(original().join(file), target.path().join(file)).unwrap();
    }
    target
}

/// Replaces a text in a file of the bundle.
pub(crate) fn edit(bundle: &TempDir, file: &str, from: &str, to: &str) {
    let path = bundle.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Writes a file and its hash into whatever names it.
pub(crate) fn replace(bundle: &TempDir, file: &str, bytes: &[u8], named_in: &str) {
    let old = sha256(&fs::read(bundle.path().join(file)).unwrap());
    fs::write(bundle.path().join(file), bytes).unwrap();
    edit(bundle, named_in, &old, &sha256(bytes));
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
