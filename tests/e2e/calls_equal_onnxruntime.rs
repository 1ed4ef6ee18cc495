//! The pipeline's calls on pictures, wrapped and sent by dcmtk's storescu, are onnxruntime's calls on the same pictures:
//! same label, score within 0.01 in float and 0.03 in integers.

use std::collections::HashMap;
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

#[tokio::test(flavor = "multi_thread")]
async fn with_the_float_artefact() {
    calls_equal("f32", 0.01).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_quantized_artefact() {
    calls_equal("int8", 0.03).await;
}

async fn calls_equal(precision: &'static str, tolerance: f64) {
    let folder = tempfile::tempdir().unwrap();
    let pictures = pictures(&folder);
    let options = EdgeOptions {
        engine: "tract",
        precision,
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
    let theirs = onnxruntime_scores(&pictures, precision).await;
    let operating_point = operating_point();
    let mut worst = 0.0f64;
    for (picture, file) in pictures.iter().zip(&sent) {
        let case = story.case_of(file).await.unwrap();
        assert_eq!(case["precision"], precision);
        let finding = &case["findings"][0];
        let (ours, theirs) = (finding["score"].as_f64().unwrap(), theirs[picture]);
        let name = picture.file_name().unwrap().to_string_lossy();
        worst = worst.max((ours - theirs).abs());
        assert!(
            (ours - theirs).abs() <= tolerance,
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
        "{} pictures, {precision}: the scores differ by at most {worst:.5}",
        pictures.len()
    );
}

/// Real X-rays where they are at hand, drawn ones elsewhere.
fn pictures(folder: &tempfile::TempDir) -> Vec<PathBuf> {
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
