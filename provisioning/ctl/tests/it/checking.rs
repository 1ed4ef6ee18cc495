//! `barefootctl bundle check`.

use std::fs;
use std::path::Path;

use crate::{ctl, refused, text, tiny_bundle};

fn check(bundle: &Path) -> [&str; 3] {
    ["bundle", "check", text(bundle)]
}

fn edit(bundle: &Path, from: &str, to: &str) {
    let path = bundle.join("manifest.toml");
    let manifest = fs::read_to_string(&path).unwrap();
    assert!(manifest.contains(from), "{from}");
    fs::write(path, manifest.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_good_bundle_is_described_with_the_engines_that_run_it() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = tiny_bundle(folder.path());
    let said = ctl(&check(&bundle)).unwrap();
    for part in [
        "tiny 0.0.1 (Stripes and dots): a demonstration, not for clinical use",
        "Output: features+head",
        "Finding: stripes, Stripes, 条纹",
        "Golden cases: 2",
        "tract f32 (plain): ",
        "tract int8 (",
        " would answer.",
    ] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }
}

#[test]
fn every_fault_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = tiny_bundle(folder.path());
    fs::remove_file(bundle.join("int8.onnx")).unwrap();
    fs::remove_file(bundle.join("golden/1.png")).unwrap();
    fs::remove_file(bundle.join("CARD.md")).unwrap();
    fs::write(bundle.join("head.safetensors"), "another").unwrap();
    edit(&bundle, "name_zh = \"条纹\"", "name_zh = \"\"");
    edit(&bundle, "temperature = 2.0", "temperature = 200.0");
    edit(&bundle, "operating_point = 0.3", "operating_point = 0.0");
    let said = ctl(&check(&bundle)).unwrap_err();
    for part in [
        "int8.onnx cannot be read",
        "golden/1.png cannot be read",
        "CARD.md is missing",
        "head.safetensors is not the file the bundle was made with",
        "stripes lacks a Chinese name",
        "dots: temperature 200 is absurd",
        "stripes: operating_point 0 is absurd",
    ] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }
}

#[test]
fn keys_shapes_and_answers_that_do_not_fit_are_named() {
    let changed = |from: &str, to: &str| {
        let folder = tempfile::tempdir().unwrap();
        let bundle = tiny_bundle(folder.path());
        edit(&bundle, from, to);
        (folder, bundle)
    };
    for (from, to, because) in [
        ("schema = 1", "schema = 1\nsurprise = true", "surprise"),
        (
            "channels = 4",
            "channels = 5",
            "weight is not float32 of [findings, channels]",
        ),
        ("grid = [8, 8]", "grid = [4, 16]", "not what the manifest says"),
        ("mean = 0.5", "mean = 0.1", "differs by"),
    ] {
        let (_folder, bundle) = changed(from, to);
        refused(&check(&bundle), because);
    }
    let folder = tempfile::tempdir().unwrap();
    refused(&check(folder.path()), "manifest.toml cannot be read");
}
