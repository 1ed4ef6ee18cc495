//! A release bundle from a base and a candidate.

use std::fs;
use std::path::{Path, PathBuf};

use barefoot_inference::{Bundle, EngineChoice, EngineWish, Model, PrecisionWish};
use serde_json::json;
use tempfile::TempDir;

use crate::candidate::{self, Made};
use crate::{ctl, refused, text, tiny_bundle};

struct Bench {
    folder: TempDir,
    base: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = tiny_bundle(folder.path());
        Self { folder, base }
    }

    fn candidate(&self) -> Made {
        let versions = ("0.0.1", "0.1.0");
        candidate::make(
            self.folder.path(),
            &self.base,
            versions,
            |value| value * 1.5 + 0.1,
            |_| {},
        )
    }

    fn out(&self, version: &str) -> PathBuf {
        self.folder.path().join(format!("tiny-{version}"))
    }
}

fn build<'a>(base: &'a Path, candidate: &'a Path, out: &'a Path) -> [&'a str; 8] {
    [
        "model",
        "bundle",
        "--base",
        text(base),
        "--candidate",
        text(candidate),
        "--out",
        text(out),
    ]
}

fn golden(bundle: &Path) -> Vec<Vec<f64>> {
    let text = fs::read(bundle.join("golden/golden.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let cases = json["cases"].as_array().unwrap();
    cases
        .iter()
        .flat_map(|case| [&case["scores"]["f32"], &case["scores"]["int8"]])
        .map(|scores| serde_json::from_value(scores.clone()).unwrap())
        .collect()
}

#[test]
fn the_new_bundle_is_the_base_with_another_head() {
    let bench = Bench::new();
    let (made, out) = (bench.candidate(), bench.out("0.1.0"));
    let said = ctl(&build(&bench.base, &made.folder, &out)).unwrap();
    assert!(said.contains("tract f32 and tract int8"), "{said}");
    let bundle = Bundle::load(&out).unwrap();
    assert_eq!(bundle.version().version, "0.1.0");
    assert!(bundle.version().demonstration);
    for precision in [PrecisionWish::F32, PrecisionWish::Int8] {
        let choice = EngineChoice {
            engine: EngineWish::Tract,
            precision,
            ..EngineChoice::default()
        };
        let (model, _) = Model::open(&bundle, &choice).unwrap();
        let stripes = model.findings().next().unwrap();
        assert!((model.operating_point(stripes).unwrap() - 0.42).abs() < 1e-6);
    }
    let (before, now) = (golden(&bench.base), golden(&out));
    assert_eq!(before.len(), now.len());
    assert!(
        before.iter().zip(&now).all(|(before, now)| before != now),
        "another head answers otherwise"
    );
    for untouched in ["f32.onnx", "int8.onnx", "golden/0.png"] {
        assert_eq!(
            fs::read(bench.base.join(untouched)).unwrap(),
            fs::read(out.join(untouched)).unwrap()
        );
    }
    let manifest = fs::read_to_string(out.join("manifest.toml")).unwrap();
    for part in [
        "title = \"Stripes and dots\"",
        "version = \"0.1.0\"",
        "temperature = 1.25",
        "calibration_set = \"the hub's set fitting: least log loss\"",
        "highest point that keeps sensitivity 0.95",
        "[evaluation.locked.stripes]",
        "auc = 0.97",
        "[training.rounds]",
        "epsilon = 4.5",
        "clinics_most = 7",
        &format!("report_sha256 = \"{}\"", made.report_sha256),
    ] {
        assert!(manifest.contains(part), "{part} is missing in\n{manifest}");
    }
    assert!(
        !manifest.contains("anything = "),
        "the base's figures are not this version's"
    );
    let card = fs::read_to_string(out.join("CARD.md")).unwrap();
    for part in [
        "# Stripes and dots (0.1.0)",
        "## Version 0.1.0",
        "5 to 7 clinics",
        "epsilon 4.500",
        "| locked (judges, 40 cases, 20 with) | stripes | now | 0.9700 [0.9600–0.9800] |",
        "Not judged, too few cases: sex=F of dots in locked",
        "What was known before.",
    ] {
        assert!(card.contains(part), "{part} is missing in\n{card}");
    }
}

#[test]
fn the_next_version_tells_its_own_story() {
    let bench = Bench::new();
    let (first, out) = (bench.candidate(), bench.out("0.1.0"));
    ctl(&build(&bench.base, &first.folder, &out)).unwrap();
    let versions = ("0.1.0", "0.2.0");
    let second = candidate::make(bench.folder.path(), &out, versions, |value| value * 0.5, |_| {});
    let next = bench.out("0.2.0");
    ctl(&build(&out, &second.folder, &next)).unwrap();
    let card = fs::read_to_string(next.join("CARD.md")).unwrap();
    assert!(card.starts_with("# Stripes and dots (0.2.0)\n"), "{card}");
    assert!(
        card.contains("## Version 0.2.0") && !card.contains("## Version 0.1.0"),
        "{card}"
    );
    assert!(card.contains("What was known before."), "{card}");
    let manifest = fs::read_to_string(next.join("manifest.toml")).unwrap();
    assert_eq!(manifest.matches("[training.rounds]").count(), 1);
    assert!(manifest.contains("base_version = \"0.1.0\""), "{manifest}");
}

/// Changes a finding in the hub's message, which no hash binds.
fn tell_otherwise(made: &Made, finding: usize, name: &str, value: f64) {
    let path = made.folder.join("candidate.json");
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    record["findings"][finding][name] = json!(value);
    fs::write(&path, record.to_string()).unwrap();
}

#[test]
fn calls_are_made_as_the_report_judged_them() {
    let bench = Bench::new();
    let out = bench.out("x");
    for (finding, name) in [(0, "temperature"), (0, "operating_point"), (1, "operating_point")] {
        let made = bench.candidate();
        tell_otherwise(&made, finding, name, 0.99);
        refused(
            &build(&bench.base, &made.folder, &out),
            "not those that were judged",
        );
    }

    // Where the report fitted nothing, the base's numbers stay.
    let unfitted = |report: &mut serde_json::Value| {
        report["recalibrated"].as_array_mut().unwrap().pop();
    };
    let versions = ("0.0.1", "0.1.0");
    let made = candidate::make(bench.folder.path(), &bench.base, versions, |v| v, unfitted);
    tell_otherwise(&made, 1, "temperature", 1.9);
    refused(
        &build(&bench.base, &made.folder, &out),
        "dots: the gate report names no",
    );
    tell_otherwise(&made, 1, "temperature", 2.0);
    ctl(&build(&bench.base, &made.folder, &out)).unwrap();

    // Two words on one finding: neither is the one that was judged.
    let twice = |report: &mut serde_json::Value| {
        let first = report["recalibrated"][0].clone();
        report["recalibrated"].as_array_mut().unwrap().push(first);
    };
    let made = candidate::make(bench.folder.path(), &bench.base, versions, |v| v, twice);
    refused(
        &build(&bench.base, &made.folder, &bench.out("y")),
        "judged stripes otherwise",
    );
}

#[test]
fn what_does_not_belong_together_is_not_bundled() {
    let bench = Bench::new();
    let out = bench.out("x");
    let made = bench.candidate();
    refused(&build(&bench.base, &made.folder, &bench.base), "exists already");
    refused(&build(&bench.base, bench.folder.path(), &out), "model candidate");
    refused(
        &build(&made.folder, &made.folder, &out),
        "is this a model bundle?",
    );

    let other = candidate::make(
        bench.folder.path(),
        &bench.base,
        ("0.0.9", "0.2.0"),
        |v| v,
        |_| {},
    );
    refused(
        &build(&bench.base, &other.folder, &out),
        "trained from tiny 0.0.9",
    );

    let failed = |report: &mut serde_json::Value| report["passed"] = json!(false);
    let failed = candidate::make(
        bench.folder.path(),
        &bench.base,
        ("0.0.1", "0.3.0"),
        |v| v,
        failed,
    );
    refused(&build(&bench.base, &failed.folder, &out), "did not pass its gate");

    let backbone = |report: &mut serde_json::Value| report["provenance"]["backbone"] = json!(["00"]);
    let backbone = candidate::make(
        bench.folder.path(),
        &bench.base,
        ("0.0.1", "0.4.0"),
        |v| v,
        backbone,
    );
    refused(&build(&bench.base, &backbone.folder, &out), "backbones");

    // Another head under the judged one's name.
    fs::copy(
        bench.base.join("head.safetensors"),
        made.folder.join("head.safetensors"),
    )
    .unwrap();
    refused(&build(&bench.base, &made.folder, &out), "other values");
    let made = bench.candidate();
    fs::write(made.folder.join("report.json"), "{}").unwrap();
    refused(&build(&bench.base, &made.folder, &out), "not the report");

    let made = bench.candidate();
    fs::write(bench.base.join("int8.onnx"), "damaged").unwrap();
    refused(&build(&bench.base, &made.folder, &out), "damaged");
    assert!(!out.exists(), "a refusal leaves nothing");
}
