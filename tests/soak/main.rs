//! `barefoot-soak`, behind `cargo xtask soak`: days in a region, with everything that goes wrong in them.
//!
//! Real boxes, a real hub and Mosquitto between them, each killed with SIGKILL now and then; each clinic has lines of its
//! own that are cut, thin, forgetful or somebody else's. At the end everything that a scanner was told is stored must be in
//! the hub's database exactly once, every radiograph's pixels must be there bit for bit, and no queue may hold anything.
//! Then, with thousands of routine results waiting behind a cut line, critical ones must go first.
//!
//! Simulated time is compressed evenly; where the machine cannot send as fast as the plan wants, the plan waits.

mod clinic;

mod holdings;

mod plan;

mod region;

mod report;

mod urgent;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::task::LocalSet;

use crate::plan::{Plan, Scale};
use crate::region::Region;
use crate::report::Report;

/// Simulated days of a region: cuts, floods, kills; then everything is counted.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask soak", version)]
struct Arguments {
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    clinics: u16,
    /// Simulated hours.
    #[arg(long, default_value_t = 72, value_parser = clap::value_parser!(u32).range(1..=24 * 365))]
    hours: u32,
    /// An hour takes ten seconds instead of an hour.
    #[arg(long)]
    compress: bool,
    /// Studies in all clinics together.
    #[arg(long, default_value_t = 100_000)]
    results: u32,
    /// Radiographs among them, whose pixels travel.
    #[arg(long, default_value_t = 500)]
    images: u32,
    /// Routine results that wait when the critical ones come, in the last part.
    #[arg(long, default_value_t = 10_000)]
    waiting: u32,
    /// The same seed is the same plan.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

const COMPRESSED_HOUR: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Clinics stay on this thread; what they wait for does not.
    match LocalSet::new().run_until(soak(&arguments)).await {
        Ok(report) => {
            println!("{report}");
            report.save(&arguments);
            if report.is_clean() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("The soak could not be run to its end: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn soak(arguments: &Arguments) -> anyhow::Result<Report> {
    let scale = Scale {
        clinics: usize::from(arguments.clinics),
        hours: arguments.hours,
        results: arguments.results,
        images: arguments.images,
        seed: arguments.seed,
    };
    let hour = if arguments.compress { COMPRESSED_HOUR } else { HOUR };
    let plan = Plan::draw(&scale);
    println!(
        "{} clinics, {} hours of {} s each, {} studies, {} of them radiographs, seed {}.",
        scale.clinics,
        scale.hours,
        hour.as_secs(),
        scale.results,
        scale.images,
        scale.seed
    );
    let mut region = Region::start(scale.clinics).await?;
    region.live(&plan, hour).await?;
    println!("The days are over; waiting until nothing is queued any more.");
    region.settle().await?;
    let mut report = region.count().await?;
    report.critical = urgent::measure(&mut region, arguments.waiting).await?;
    Ok(report)
}
