//! The same graphs on the same inputs: our engines beside onnxruntime from PyPI, with one and two threads.
//!
//! - `MODEL_PRECISION_tN_ENGINE_ms`: the median of one run. Ours is the engine as a box runs it, chosen and held against
//!   its golden answers before; what comes before and after it (resampling, the map) is not in it, on neither side.
//! - `..._load_ms`: from the graph's bytes to the first run.
//! - `..._peak_mib`: the process's most memory. Ours knows its choice from a start before, as a box does.
//!
//! Each figure is a process of its own, in turn, round by round.

mod ours;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context;
use barefoot_test_support::daemons::workspace;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::report::{Report, Target, percentile, rounds};

pub(crate) const NAME: &str = "inference";

/// `barefoot-bench --infer ...`: one of our engines with one graph, started by the benchmark.
pub(crate) const CHILD: &str = "--infer";

const PEER: &str = "onnxruntime";
/// The bundle that comes with the program.
const SHIPPED: &str = "cxr-pneumonia";
const MADE: [&str; 5] = [
    "densenet121",
    "mobilenetv3",
    "efficientnet_b0",
    "resnet18",
    "unet512",
];
const ENGINES: [&str; 2] = ["ort", "tract"];
const ROUNDS: usize = 3;
const RUNS: usize = 20;

/// What one process measured.
#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    times_ms: Vec<f64>,
    load_ms: f64,
    peak_mib: f64,
}

#[derive(Default)]
struct Side(BTreeMap<String, Vec<f64>>);

impl Side {
    fn note(&mut self, figure: &str, measured: &Measured) {
        let mut note = |what: &str, value: f64| {
            self.0.entry(format!("{figure}_{what}")).or_default().push(value);
        };
        for time in &measured.times_ms {
            note("ms", *time);
        }
        note("load_ms", measured.load_ms);
        note("peak_mib", measured.peak_mib);
    }

    fn medians(&self) -> BTreeMap<String, f64> {
        let medians = self.0.iter().filter_map(|(figure, values)| {
            let middle = percentile(values, 50.0)?;
            Some((figure.clone(), middle))
        });
        medians.collect()
    }
}

pub(crate) async fn run() -> anyhow::Result<Report> {
    let python = workspace().join("target/inference-venv/bin/python");
    anyhow::ensure!(
        python.is_file(),
        "onnxruntime, the peer of this benchmark, is missing: `cargo xtask bench {NAME}` installs it"
    );
    let made = workspace().join("target/bench/inference-models");
    println!(
        "Graphs are made in {} where they are not yet there.",
        made.display()
    );
    let status = Command::new(&python)
        .arg(workspace().join("tests/bench/inference/make_models.py"))
        .arg(&made)
        .status()?;
    anyhow::ensure!(status.success(), "the graphs could not be made");
    let library = library(&python)?;
    let (mut ours, mut theirs, mut runs) = (Side::default(), Side::default(), Vec::new());
    for round in 1..=rounds(ROUNDS)? {
        for (model, bundle) in bundles(&made) {
            for (precision, threads) in [("f32", 1), ("f32", 2), ("int8", 1), ("int8", 2)] {
                let graph = graph(&bundle, precision);
                let peer = answer(
                    Command::new(&python)
                        .arg(workspace().join("tests/bench/inference/peer.py"))
                        .arg(&graph)
                        .args([threads, RUNS].map(|number| number.to_string())),
                )?;
                for engine in ENGINES {
                    let figure = format!("{model}_{precision}_t{threads}_{engine}");
                    theirs.note(&figure, &peer);
                    let own = ours::measure(&bundle, engine, precision, threads, &library);
                    match own {
                        Ok(own) => {
                            ours.note(&figure, &own);
                            runs.push(json!({ "round": round, "figure": figure, "ours": own, "peer": peer }));
                        }
                        // One that the golden check refuses is a finding, not the end of the benchmark.
                        Err(error) => println!("{figure}: {error:#}"),
                    }
                }
            }
        }
    }
    let peers = BTreeMap::from([(PEER.to_owned(), theirs.medians())]);
    let mut report = Report::new(NAME, ours.medians(), peers, runs);
    report.targets = targets();
    Ok(report)
}

fn targets() -> Vec<Target> {
    let models = MADE.into_iter().chain([SHIPPED]);
    let mut targets: Vec<Target> = models
        .clone()
        .flat_map(|model| {
            [1, 2].map(|threads| Target::at_most(format!("{PEER}.{model}_int8_t{threads}_ort_ms"), 1.1))
        })
        .collect();
    targets.push(Target::at_most(format!("{PEER}.{SHIPPED}_f32_t1_tract_ms"), 2.5));
    targets.push(Target::at_most(format!("{PEER}.{SHIPPED}_f32_t2_tract_ms"), 2.5));
    targets.extend(models.flat_map(|model| {
        [("f32", "tract"), ("f32", "ort"), ("int8", "ort")].map(|(precision, engine)| {
            Target::at_most(format!("{PEER}.{model}_{precision}_t1_{engine}_peak_mib"), 1.0)
        })
    }));
    targets
}

fn bundles(made: &Path) -> Vec<(&'static str, PathBuf)> {
    let shipped = workspace().join("edge/inference/bundles").join(SHIPPED);
    let made = MADE.map(|name| (name, made.join(name)));
    std::iter::once((SHIPPED, shipped)).chain(made).collect()
}

fn graph(bundle: &Path, precision: &str) -> PathBuf {
    let own = bundle.join(format!("{precision}.onnx"));
    if own.is_file() {
        return own;
    }
    bundle.join(format!("backbone.{precision}.onnx"))
}

/// The same library for both sides: the one in the Python package.
fn library(python: &Path) -> anyhow::Result<PathBuf> {
    let said = Command::new(python)
        .args([
            "-c",
            "import glob, os, onnxruntime; print(glob.glob(os.path.dirname(onnxruntime.__file__) + '/capi/libonnxruntime.so*')[0])",
        ])
        .output()?;
    anyhow::ensure!(said.status.success(), "the Python package holds no library");
    Ok(PathBuf::from(String::from_utf8(said.stdout)?.trim()))
}

/// What a process prints, as JSON.
fn answer(command: &mut Command) -> anyhow::Result<Measured> {
    let ended = command.stdin(Stdio::null()).output()?;
    anyhow::ensure!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr).trim()
    );
    serde_json::from_slice(&ended.stdout).context("figures in JSON")
}

pub(crate) fn child(arguments: impl Iterator<Item = String>) -> ExitCode {
    match ours::child(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
