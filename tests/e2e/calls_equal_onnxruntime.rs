//! The pipeline's calls on pictures, wrapped and sent by dcmtk's storescu, are onnxruntime's calls on the same pictures:
//! same label, score within 0.01 in float and 0.03 in integers. tract multiplies integer weights in float and rounds
//! nothing between, so it is held against the float model. `BAREFOOT_PARITY` names a folder of pictures to take instead
//! of a few: all of the validation part, as `edge/inference/training/parity.py` writes them.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use barefoot_test_support::Samples;
use barefoot_test_support::daemons::{EdgeOptions, workspace};
use barefoot_test_support::phantom::{Chest, Size};
use barefoot_test_support::sources::prepare;
use barefoot_test_support::wrap::Wrapping;
use serde_json::Value;

use crate::peers::{peer, python, run, text};
use crate::story::{Story, data};

const EACH: usize = 20;

/// How the box runs the model, and which of onnxruntime's answers it is held against.
struct Way {
    engine: &'static str,
    precision: &'static str,
    theirs: &'static str,
    tolerance: f64,
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_float_artefact() {
    calls_equal(Way {
        engine: "tract",
        precision: "f32",
        theirs: "f32",
        tolerance: 0.01,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_quantized_artefact_in_float() {
    calls_equal(Way {
        engine: "tract",
        precision: "int8",
        theirs: "f32",
        tolerance: 0.03,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_quantized_artefact_in_integers() {
    calls_equal(Way {
        engine: "ort",
        precision: "int8",
        theirs: "int8",
        tolerance: 0.03,
    })
    .await;
}

async fn calls_equal(way: Way) {
    let Way {
        engine, precision, ..
    } = way;
    let folder = tempfile::tempdir().unwrap();
    let pictures = pictures(&folder);
    let options = EdgeOptions {
        engine,
        precision,
        onnxruntime: (engine == "ort").then(library),
        scanners: vec!["DCMTK".into()],
        ..EdgeOptions::default()
    };
    let story = Story::begin(&options).await;
    let wrapping = Wrapping::default();
    let sent: Vec<_> = pictures
        .iter()
        .enumerate()
        .map(|(number, path)| prepare(path, &wrapping, folder.path(), number).unwrap().file)
        .collect();
    let (host, port) = story.edge.address("dicom").unwrap().split_once(':').unwrap();
    let mut storescu = Command::new(peer("storescu", "dcmtk"));
    storescu.args(["-aet", "DCMTK", "-aec", "BAREFOOT", host, port]);
    storescu.args(sent.iter().map(|file| &file.path));
    let output = run(storescu).await;
    assert!(output.status.success(), "{}", text(&output));
    story.all_receipted(sent.len()).await;
    let theirs = onnxruntime_scores(&pictures, way.theirs).await;
    let operating_point = operating_point();
    let mut worst = 0.0f64;
    for (picture, file) in pictures.iter().zip(&sent) {
        let case = story.case_of(file).await.unwrap();
        assert_eq!(
            (&case["engine"], &case["precision"]),
            (&engine.into(), &precision.into())
        );
        let finding = &case["findings"][0];
        let (ours, theirs) = (finding["score"].as_f64().unwrap(), theirs[picture]);
        let name = picture.file_name().unwrap().to_string_lossy();
        worst = worst.max((ours - theirs).abs());
        assert!(
            (ours - theirs).abs() <= way.tolerance,
            "{name}: {ours} here, {theirs} in onnxruntime"
        );
        let their_call = if operating_point <= theirs {
            "positive"
        } else {
            "negative"
        };
        assert_eq!(finding["call"], their_call, "{name}: {ours} and {theirs}");
    }
    println!(
        "{} pictures, {engine} {precision}: the scores differ by at most {worst:.5}",
        pictures.len()
    );
}

/// Real X-rays where they are at hand, drawn ones elsewhere.
fn pictures(folder: &tempfile::TempDir) -> Vec<PathBuf> {
    if let Some(all) = std::env::var_os("BAREFOOT_PARITY") {
        let entries = fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path());
        let mut pictures: Vec<_> = entries
            .filter(|path| path.extension().is_some_and(|ending| ending == "png"))
            .collect();
        pictures.sort();
        // Some pictures are in the set twice: wrapped, they are one image.
        let mut seen = HashSet::new();
        pictures.retain(|path| seen.insert(fs::read(path).unwrap()));
        return pictures;
    }
    if let Some(data) = data() {
        return ["NORMAL", "PNEUMONIA"]
            .iter()
            .flat_map(|label| {
                let mut all: Vec<_> = fs::read_dir(data.join("kermany-cxr-224").join(label))
                    .unwrap()
                    .filter_map(Result::ok)
                    .map(|entry| entry.path())
                    .collect();
                all.sort();
                let step = (all.len() / EACH).max(1);
                all.into_iter().step_by(step).take(EACH)
            })
            .collect();
    }
    (1..=6)
        .map(|seed| {
            let pixels = Chest {
                seed,
                size: Size::Small,
                ..Chest::default()
            }
            .pixels();
            let Samples::Sixteen(samples) = &pixels.samples else {
                panic!("a chest has 16 bits")
            };
            let shift = pixels.bits_stored - 8;
            let grey = samples
                .iter()
                .map(|sample| u8::try_from(sample >> shift).unwrap())
                .collect();
            let path = folder.path().join(format!("chest-{seed}.png"));
            image::GrayImage::from_raw(u32::from(pixels.columns), u32::from(pixels.rows), grey)
                .unwrap()
                .save(&path)
                .unwrap();
            path
        })
        .collect()
}

/// The library inside the Python package that is the reference.
fn library() -> PathBuf {
    let about = "import glob, os, onnxruntime; print(glob.glob(os.path.dirname(onnxruntime.__file__) + '/capi/libonnxruntime.so*')[0])";
    let output = Command::new(python()).args(["-c", about]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap().trim().into()
}

async fn onnxruntime_scores(pictures: &[PathBuf], precision: &str) -> HashMap<PathBuf, f64> {
    let inference = workspace().join("edge/inference");
    let mut command = Command::new(python());
    command
        .arg(inference.join("training/score_onnx.py"))
        .arg(inference.join("bundles/cxr-pneumonia"))
        .args(pictures)
        .args(["--precision", precision]);
    let output = run(command).await;
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let score: Value = serde_json::from_str(line).unwrap();
            let value = score["score"]
                .as_f64()
                .or_else(|| score["score"][0].as_f64())
                .unwrap();
            (PathBuf::from(score["file"].as_str().unwrap()), value)
        })
        .collect()
}

fn operating_point() -> f64 {
    let manifest =
        fs::read_to_string(workspace().join("edge/inference/bundles/cxr-pneumonia/manifest.toml")).unwrap();
    let line = manifest
        .lines()
        .find(|line| line.starts_with("operating_point"))
        .unwrap();
    line.split('=').nth(1).unwrap().trim().parse().unwrap()
}
