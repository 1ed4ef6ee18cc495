//! Other people's graphs by manifest alone, where they lie beside the project; `BAREFOOT_ONNX_MODELS` names another folder.

use std::fs;
use std::path::{Path, PathBuf};

use barefoot_imaging::pixels::GrayImage;
use barefoot_inference::{Bundle, EngineChoice, EngineWish, Model};

/// File, side, channels, input, output, what it gives, how many classes, which is pneumonia.
type Graph = (
    &'static str,
    u32,
    u32,
    &'static str,
    &'static str,
    &'static str,
    u32,
    u32,
);

const GRAPHS: [Graph; 6] = [
    (
        "tanish1408_pneumonia",
        64,
        3,
        "serving_default_input_layer:0",
        "StatefulPartitionedCall_1:0",
        "probabilities",
        1,
        0,
    ),
    (
        "sami442_pneumonia",
        150,
        3,
        "serving_default_keras_tensor:0",
        "StatefulPartitionedCall_1:0",
        "probabilities",
        1,
        0,
    ),
    (
        "sami442_covid",
        150,
        3,
        "serving_default_keras_tensor:0",
        "StatefulPartitionedCall_1:0",
        "probabilities",
        1,
        0,
    ),
    (
        "sami442_dr",
        150,
        3,
        "serving_default_keras_tensor:0",
        "StatefulPartitionedCall_1:0",
        "probabilities",
        1,
        0,
    ),
    (
        "sarojp3_pneumonia",
        196,
        1,
        "conv2d_50_input",
        "Identity",
        "probabilities",
        2,
        1,
    ),
    (
        "mha_pneumonia",
        128,
        3,
        "conv2d_76_input",
        "output_0",
        "probabilities",
        2,
        1,
    ),
];

fn manifest(graph: &Graph, sha256: &str) -> String {
    let (file, side, channels, input, output, gives, classes, class) = graph;
    format!(
        r#"schema = 1
id = "{file}"
version = "1"
title = "{file}"
status = "demonstration"
intended_use = "Tests."
licence = "not stated"
attribution = "not stated"

[takes]
modalities = ["DX", "CR"]
body_parts = ["CHEST"]
min_rows = 16
min_columns = 16

[preprocessing]
width = {side}
height = {side}
resize = "stretch"
filter = "triangle"
mean = 0.0
std = 1.0

[input]
layout = "nhwc"
channels = {channels}

[output]
kind = "scores"
input = "{input}"
scores = "{output}"
gives = "{gives}"
classes = {classes}

[[artefact]]
precision = "f32"
file = "model.onnx"
sha256 = "{sha256}"

[[finding]]
code = "pneumonia"
name_en = "Pneumonia"
name_zh = "肺炎"
urgent = false
class = {class}
operating_point = 0.5
operating_set = "none"
temperature = 1.0
calibration_set = "none"
"#
    )
}

fn picture(spots: f32) -> GrayImage {
    let (width, height) = (300_u32, 260_u32);
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x as f32, y as f32)));
    let level = |(x, y): (f32, f32)| 0.45 + 0.3 * (x / spots).sin() * (y / 31.0).cos();
    GrayImage {
        width,
        height,
        data: pixels.map(level).collect(),
        frame_count: 1,
    }
}

fn engines() -> Vec<EngineWish> {
    let onnxruntime = std::env::var_os("ORT_DYLIB_PATH").map(|_| EngineWish::Ort);
    std::iter::once(EngineWish::Tract).chain(onnxruntime).collect()
}

#[test]
fn graphs_of_others_answer_by_manifest_alone() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/models/onnx");
    let folder = std::env::var_os("BAREFOOT_ONNX_MODELS").map_or_else(beside, PathBuf::from);
    for graph in &GRAPHS {
        let Ok(bytes) = fs::read(folder.join(graph.0).with_extension("onnx")) else {
            println!("{} is not there: skipped", graph.0);
            continue;
        };
        answers(graph, &bytes);
    }
}

fn answers(graph: &Graph, bytes: &[u8]) {
    let bundle = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(Path::new(bundle.path()).join(name), bytes).unwrap();
    write("model.onnx", bytes);
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let sha256: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    write("manifest.toml", manifest(graph, &sha256).as_bytes());
    let read = Bundle::load(bundle.path()).unwrap();
    let mut scores: Vec<f32> = Vec::new();
    for engine in engines() {
        let choice = EngineChoice {
            engine,
            ..EngineChoice::default()
        };
        let (model, selection) = Model::open(&read, &choice).unwrap();
        let said = [picture(7.0), picture(40.0)].map(|picture| model.assess(&picture).unwrap());
        println!(
            "{} {selection:?} {:?}",
            graph.0,
            said.each_ref().map(|said| said.findings[0].score)
        );
        assert!(said.iter().all(|said| said.findings.len() == 1));
        scores.push(said[0].findings[0].score.value());
    }
    let apart = scores
        .iter()
        .map(|score| (score - scores[0]).abs())
        .fold(0.0, f32::max);
    assert!(apart < 0.01, "{}: {scores:?}", graph.0);
}
