//! Federated averaging beside Flower: the aggregation by itself, and a whole round over gRPC.
//!
//! - `aggregate_PxN`: N updates of P float32 values become the next global model. `cpu`: on both sides the encoded updates
//!   lie in memory before the time begins and the model is in memory at its end. `files_cpu`: as the hub does it, from
//!   chunk files, and writing and naming the next model's chunks counts; beside it Flower's time from memory, as it has
//!   no other. `peak` is the process's most memory: ours from files, Flower's with all updates. Each side is a process of
//!   its own, in turn.
//! - `round_NxP`: from the start of the round until the updates of N clinics are aggregated. All clients are connected
//!   and have their updates made before. Ours is the real hub: mutual TLS, every chunk checked and synced to disk, the
//!   round journalled. Flower is its `start_server`, without TLS, in memory.

mod aggregation;
mod clinic;
mod files;
mod flower;
mod round;

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::Value;

use crate::report::{Report, percentile};

pub(crate) const NAME: &str = "federation";

/// `barefoot-bench --aggregate FOLDER VALUES CLIENTS`: the process that aggregates, started by the benchmark.
pub(crate) const CHILD: &str = "--aggregate";

/// Figures of one side, each measured several times.
type Measured = BTreeMap<String, Vec<f64>>;

/// What a side's figures may at most be, as a part of Flower's.
const TARGETS: [(&str, f64); 9] = [
    ("aggregate_1e6x10_cpu_ms", 1.0 / 3.0),
    ("aggregate_1e6x100_cpu_ms", 1.0 / 3.0),
    ("aggregate_1e7x10_cpu_ms", 1.0 / 3.0),
    ("aggregate_1e7x100_cpu_ms", 1.0 / 3.0),
    ("aggregate_1e6x10_files_cpu_ms", 1.0 / 3.0),
    ("aggregate_1e6x100_files_cpu_ms", 1.0 / 3.0),
    ("aggregate_1e7x10_files_cpu_ms", 1.0 / 3.0),
    ("aggregate_1e7x100_files_cpu_ms", 1.0 / 3.0),
    ("round_10x1e7_s", 1.0 / 4.0),
];

#[derive(Default)]
struct Sides {
    ours: Measured,
    flower: Measured,
    runs: Vec<Value>,
}

pub(crate) async fn run() -> anyhow::Result<Report> {
    let mut sides = Sides::default();
    aggregation::measure(&mut sides).await?;
    round::measure(&mut sides).await?;
    let ours = medians(&sides.ours);
    for values in ["1e6", "1e7"] {
        let peak = |clients| ours.get(&format!("aggregate_{values}x{clients}_peak_mib"));
        if let (Some(few), Some(many)) = (peak(10), peak(100)) {
            println!(
                "Peak memory of our aggregation of {values} values, 100 clients / 10: {:.2}",
                many / few
            );
        }
    }
    let peers = BTreeMap::from([(flower::NAME.to_owned(), medians(&sides.flower))]);
    let report = Report::new(NAME, ours, peers, sides.runs);
    for (figure, most) in TARGETS {
        let ratio = report.ratios.get(&format!("{}.{figure}", flower::NAME));
        let word = match ratio {
            Some(ratio) if *ratio <= most => "met",
            Some(_) => "MISSED",
            None => "not measured",
        };
        println!("Target {figure} <= {most:.2} of Flower's: {word}");
    }
    Ok(report)
}

pub(crate) fn child(arguments: impl Iterator<Item = String>) -> ExitCode {
    match aggregation::child(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn note(side: &mut Measured, figure: String, value: f64) {
    side.entry(figure).or_default().push(value);
}

fn medians(side: &Measured) -> BTreeMap<String, f64> {
    side.iter()
        .filter_map(|(figure, values)| Some((figure.clone(), percentile(values, 50.0)?)))
        .collect()
}
