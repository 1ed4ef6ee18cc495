//! What each program contains, as it is handed out: by CycloneDX's own schema, and nothing left out or put in.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use barefoot_test_support::daemons::workspace;

#[test]
fn what_each_program_contains_is_told_as_cyclonedx() {
    let root = workspace();
    let python = root.join("target/test-venv/bin/python");
    if !python.is_file() {
        assert!(
            std::env::var_os("CI").is_none(),
            "target/test-venv must be there in CI: `cargo xtask test` makes it"
        );
        eprintln!("SKIPPED: target/test-venv is missing; run `cargo xtask test`.");
        return;
    }
    let said = |script: &str, arguments: &[&std::path::Path]| {
        let output = Command::new(&python)
            .arg(root.join(script))
            .args(arguments)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (here, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&here, &again] {
        said("provisioning/sbom/make.py", &[folder.path()]);
    }
    let names = ["barefoot-edge", "barefoot-hub", "barefootctl"];
    let files = names.map(|name| here.path().join(format!("{name}.cdx.json")));
    for file in &files {
        let other = again.path().join(file.file_name().unwrap());
        assert!(
            std::fs::read(file).unwrap() == std::fs::read(other).unwrap(),
            "the same sources give the same bytes"
        );
    }
    let listed = said(
        "tests/interop/check_sbom.py",
        &files.each_ref().map(std::path::PathBuf::as_path),
    );
    let mut contents: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (program, component) in listed.lines().filter_map(|line| line.split_once(' ')) {
        contents.entry(program).or_default().insert(component);
    }
    let has = |program: &str, name: &str| {
        contents[program]
            .iter()
            .any(|component| component.starts_with(&format!("pkg:{name}@")))
    };
    for name in names {
        assert!(has(name, "cargo/rustls") && has(name, "cargo/ring") && has(name, "generic/zstd"));
        // What tests and builds use is in no program.
        for not in [
            "cargo/proptest",
            "cargo/tempfile",
            "cargo/serde_derive",
            "cargo/cc",
        ] {
            assert!(!has(name, not), "{name} has {not}");
        }
    }
    assert!(has("barefoot-edge", "cargo/tract-onnx") && !has("barefoot-hub", "cargo/tract-onnx"));
    assert!(has("barefoot-hub", "generic/sqlite") && !has("barefoot-edge", "generic/sqlite"));
    assert!(has("barefoot-hub", "npm/%40cornerstonejs/dicom-image-loader"));
    assert!(!has("barefoot-hub", "npm/vite"), "only what is shipped");
    assert!(!has("barefoot-edge", "npm/dicom-parser"));
}
