//! `barefoot-federate`, behind `cargo xtask federate`: federated training of a head over real gRPC on real pictures, beside
//! pooled and local training of the same head, with noise, with poison and with kills.
//!
//! `barefoot-federate clinic FILE` is one clinic of such a federation, to be killed.

mod data;

mod split;

mod recipe;

mod baseline;

mod runs;

mod privacy_table;

mod killed;

mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use barefoot_federation::strategy::Strategy;
use barefoot_test_support::daemons::workspace;
use barefoot_test_support::federation::obey;
use clap::{Args, Parser, Subcommand};

use crate::data::Pictures;
use crate::report::Report;
use crate::split::Split;

/// The seeds of the splits, fixed before any of them was looked at.
const SEEDS: [u64; 4] = [0, 1, 2, 3];

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask federate",
    version,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    simulation: Simulation,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Be one clinic until killed (the simulation starts these itself).
    #[command(hide = true)]
    Clinic { orders: PathBuf },
}

/// Trains a head federatedly on a folder of X-rays, split by patient into unequal clinics with label skew.
#[derive(Debug, Args)]
struct Simulation {
    /// Clinics of the federation; at least 7, or the robust strategies have nothing to do.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(7..=64))]
    clinics: u16,
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Splits to run, by seed.
    #[arg(long, num_args = 1.., default_values_t = [0])]
    seeds: Vec<u64>,
    /// All fixed seeds, 0 to 3.
    #[arg(long, conflicts_with = "seeds")]
    all_seeds: bool,
    /// Folder with `labels.csv` and the pictures it names. Default: `../shared/data/kermany-cxr-224`.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Only these strategies, by Flower's names.
    #[arg(long, num_args = 1.., value_name = "NAME")]
    strategy: Vec<String>,
    /// Three rounds of FedAvg: does it run at all? Nothing is judged.
    #[arg(long)]
    quick: bool,
    /// AUC against epsilon for 8 to 200 clinics and noise of 0.5 to 4 (minutes).
    #[arg(long)]
    privacy_table: bool,
    /// Kill the hub and clinics, each a process, this often during a run.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "20")]
    kill: Option<u32>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.part {
        Some(Part::Clinic { orders }) => {
            tracing_subscriber::fmt()
                .with_writer(std::io::stderr)
                .with_ansi(false)
                .init();
            obey(&orders).await.map(|()| true).map_err(Into::into)
        }
        None => simulate(arguments.simulation).await,
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nThe simulation failed: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether every verdict that must hold holds.
async fn simulate(mut wanted: Simulation) -> anyhow::Result<bool> {
    let begun = Instant::now();
    if wanted.all_seeds {
        wanted.seeds = SEEDS.to_vec();
    }
    if wanted.quick {
        wanted.rounds = 3;
        wanted.strategy = vec!["FedAvg".into()];
    }
    let strategies = recipe::strategies(&wanted.strategy)?;
    let pictures = Pictures::read(wanted.data.as_deref())?;
    let clinics = usize::from(wanted.clinics);
    let mut report = Report::new(clinics, wanted.rounds, &wanted.seeds, &pictures);
    for seed in &wanted.seeds {
        let split = Split::new(&pictures.cases, clinics, *seed);
        one_split(&mut report, &pictures, &split, &strategies, &wanted, *seed).await?;
        save(&mut report, begun)?;
    }
    if wanted.privacy_table {
        report.privacy_table = privacy_table::compute(&pictures, wanted.rounds)?;
    }
    if let Some(kills) = wanted.kill {
        let seed = wanted.seeds.first().copied().unwrap_or_default();
        let split = Split::new(&pictures.cases, clinics, seed);
        report.killed = Some(killed::run(&pictures, &split, wanted.rounds, kills, seed).await?);
    }
    let table = save(&mut report, begun)?;
    println!("{table}");
    println!("Written: target/federate/report.json and report.md.");
    println!("More: --all-seeds, --privacy-table, --kill [N]; --help names every flag.");
    Ok(wanted.quick || report.holds())
}

/// What is known so far, as files; returns the text.
fn save(report: &mut Report, begun: Instant) -> anyhow::Result<String> {
    report.seconds = begun.elapsed().as_secs();
    let folder = workspace().join("target/federate");
    let table = report.markdown();
    std::fs::write(folder.join("report.json"), serde_json::to_vec_pretty(report)?)?;
    std::fs::write(folder.join("report.md"), &table)?;
    Ok(table)
}

async fn one_split(
    report: &mut Report,
    pictures: &Pictures,
    split: &Split,
    strategies: &[Strategy],
    wanted: &Simulation,
    seed: u64,
) -> anyhow::Result<()> {
    eprintln!("Split {seed}: {}", split.describe());
    let mut scene = runs::Scene::begin(pictures, split, wanted.rounds).await?;
    let mut outcome = report::Outcome::new(seed, baseline::compute(&pictures.trainable, split)?);
    for strategy in strategies {
        let run = scene.strategy(strategy).await?;
        eprintln!("  {}: {:.4}", strategy.name(), run.auc);
        outcome.strategies.push(run);
    }
    if !wanted.quick && wanted.strategy.is_empty() {
        for noise in [0.5, 1.0] {
            let run = scene.private(noise).await?;
            eprintln!("  secure, z {noise}: {:.4}, epsilon {:.1}", run.auc, run.epsilon);
            outcome.private.push(run);
        }
        for strategy in recipe::robust() {
            let attacked = scene.attacked(&strategy).await?;
            for run in &attacked.runs {
                eprintln!("  {} against {}: {:.4}", strategy.name(), run.attack, run.auc);
            }
            outcome.attacked.push(attacked);
        }
    }
    report.outcomes.push(outcome);
    Ok(())
}
