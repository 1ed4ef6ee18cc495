use std::fs;

use barefoot_inference::{Bundle, BundleError};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::tiny::{copy, edit, original, replace};

fn refusal(bundle: &TempDir) -> String {
    Bundle::load(bundle.path()).unwrap_err().to_string()
}

#[test]
fn a_whole_bundle_is_read() {
    let bundle = Bundle::load(&original()).unwrap();
    assert_eq!(bundle.version().to_string(), "tiny 0.0.1");
    assert!(bundle.version().demonstration);
    assert_eq!(bundle.title(), "Stripes and dots");
}

#[test]
fn a_changed_byte_anywhere_is_named_with_its_file_and_the_cure() {
    for file in [
        "f32.onnx",
        "int8.onnx",
        "head.safetensors",
        "golden/golden.json",
        "golden/1.png",
    ] {
        let bundle = copy();
        let path = bundle.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
        let refusal = refusal(&bundle);
        assert!(
            refusal.contains(file) && refusal.contains("install the bundle again"),
            "{refusal}"
        );
    }
}

#[test]
fn a_missing_file_is_named() {
    for file in ["manifest.toml", "f32.onnx", "golden/0.png"] {
        let bundle = copy();
        fs::remove_file(bundle.path().join(file)).unwrap();
        assert!(refusal(&bundle).contains(file));
    }
    let nowhere = Bundle::load(&original().join("nowhere"));
    assert!(matches!(nowhere, Err(BundleError::Read { .. })));
}

#[test]
fn no_path_leads_out_of_the_bundle() {
    let bundle = copy();
    for path in ["../f32.onnx", "/etc/passwd", "golden/../../x", "", "."] {
        let bundle = copy();
        edit(
            &bundle,
            "manifest.toml",
            "file = \"f32.onnx\"",
            &format!("file = \"{path}\""),
        );
        assert!(
            matches!(Bundle::load(bundle.path()), Err(BundleError::OutsideBundle)),
            "{path}"
        );
    }
    let graph = bundle.path().join("f32.onnx");
    fs::remove_file(&graph).unwrap();
    std::os::unix::fs::symlink(original().join("f32.onnx"), &graph).unwrap();
    assert!(matches!(
        Bundle::load(bundle.path()),
        Err(BundleError::OutsideBundle)
    ));
}

#[test]
fn a_manifest_that_breaks_a_rule_is_refused() {
    for (from, to) in [
        ("schema = 1", "schema = 2"),
        ("id = \"tiny\"", "id = \"ti ny\""),
        ("id = \"tiny\"", "id = \"tiny\"\nsurprise = true"),
        ("status = \"demonstration\"", "status = \"proven\""),
        ("std = 0.25", "std = 0.0"),
        ("std = 0.25", "std = nan"),
        ("std = 0.25", "std = 0.25\ncontrast_floor = 0.0"),
        (
            "std = 0.25",
            "std = 0.25\ncrop = { top = 0.5, bottom = 0.4, left = 0.0, right = 1.0 }",
        ),
        (
            "std = 0.25",
            "std = 0.25\ncrop = { top = 0.0, bottom = nan, left = 0.0, right = 1.0 }",
        ),
        ("filter = \"triangle\"", "filter = \"box\""),
        ("kind = \"features+head\"", "kind = \"mask\""),
        ("channels = 4", "channels = 5"),
        ("temperature = 1.0", "temperature = -1.0"),
        ("operating_point = 0.3", "operating_point = 1.3"),
        ("code = \"dots\"", "code = \"Dots\""),
        ("modalities = [\"DX\", \"CR\"]", "modalities = []"),
        ("grid = [8, 8]", "grid = [0, 8]"),
        ("precision = \"int8\"", "precision = \"f16\""),
    ] {
        let bundle = copy();
        edit(&bundle, "manifest.toml", from, to);
        assert!(Bundle::load(bundle.path()).is_err(), "{to}");
    }
    let bundle = copy();
    edit(
        &bundle,
        "manifest.toml",
        "anything = \"goes\"",
        "auc = [0.9, 1.0]",
    );
    assert!(Bundle::load(bundle.path()).is_ok());
}

#[test]
fn golden_cases_that_could_wave_anything_through_are_refused() {
    let json = fs::read_to_string(original().join("golden/golden.json")).unwrap();
    for changed in [
        json.replace("0.005", "0.5"),
        json.replace("\"schema\": 1", "\"schema\": 7"),
        json.replacen("0.27", "1.27", 1),
        "{\"schema\":1,\"cases\":[]}".to_owned(),
    ] {
        let bundle = copy();
        replace(&bundle, "golden/golden.json", changed.as_bytes(), "manifest.toml");
        assert!(refusal(&bundle).contains("golden/golden.json"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_manifest_is_read_or_refused(bytes: Vec<u8>) {
        let bundle = tempfile::tempdir().unwrap();
        fs::write(bundle.path().join("manifest.toml"), bytes).unwrap();
        prop_assert!(Bundle::load(bundle.path()).is_err());
    }

    #[test]
    fn a_manifest_with_changed_bytes_is_read_or_refused(
        changes in prop::collection::vec((0_usize..1300, any::<u8>()), 1..4),
    ) {
        let bundle = copy();
        let path = bundle.path().join("manifest.toml");
        let mut bytes = fs::read(&path).unwrap();
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        fs::write(path, bytes).unwrap();
        let _ = Bundle::load(bundle.path());
    }

    #[test]
    fn any_head_or_golden_file_with_the_right_hash_is_read_or_refused(
        bytes: Vec<u8>,
        file in prop::sample::select(vec!["head.safetensors", "golden/golden.json"]),
        at in 0_usize..600,
        whole: bool,
    ) {
        let bundle = copy();
        let mut changed = fs::read(bundle.path().join(file)).unwrap();
        if whole {
            changed = bytes;
        } else {
            let start = at.min(changed.len());
            let end = (start + bytes.len()).min(changed.len());
            changed.splice(start..end, bytes);
        }
        replace(&bundle, file, &changed, "manifest.toml");
        let _ = Bundle::load(bundle.path());
    }
}
