//! How long a clinic waits: from the box's acknowledgement of an image (its last byte is on disk) to the result in
//! the case list of the clinic page. The settling time is set to zero, so that only work is measured.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use barefoot_test_support::daemons::{Daemon, Edge, EdgeOptions, Region};
use barefoot_test_support::phantom::{Chest, CtSlice, Size};
use barefoot_test_support::scanner::{DicomFile, Scanner};
use barefoot_test_support::wait::wait_for;
use barefoot_test_support::{Charset, Instance};
use serde_json::json;

use crate::report::{Report, latencies, medians};

pub(crate) const NAME: &str = "image-to-page";

/// Each round starts both programs afresh.
const ROUNDS: u64 = 3;
const IMAGES: u64 = 20;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run() -> anyhow::Result<Report> {
    let mut rounds = Vec::new();
    let mut waits: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    let mut runs = Vec::new();
    for round in 1..=ROUNDS {
        let figures = one_round(round, &mut waits).await?;
        println!("  round {round}: {}", json!(figures));
        runs.push(json!({ "round": round, "figures": figures }));
        rounds.push(figures);
    }
    let mut ours = medians(&rounds);
    // Single images are what a clinic waits for: their spread is over all rounds.
    for (kind, waits) in &waits {
        let millis: Vec<f64> = waits.iter().map(|wait| wait.as_secs_f64() * 1000.0).collect();
        runs.push(json!({ "picture": kind, "ms": millis }));
        for (figure, value) in latencies(waits) {
            ours.insert(format!("{kind}_{figure}"), value);
        }
    }
    for name in ["barefoot-edge", "barefoot-hub"] {
        let program = std::env::current_exe()?.with_file_name(name);
        let bytes = program.metadata().context("the programs lie side by side")?.len();
        ours.insert(format!("{name}_binary_mib"), bytes as f64 / 1_048_576.0);
    }
    Ok(Report::new(NAME, ours, BTreeMap::new(), runs))
}

async fn one_round(
    round: u64,
    waits: &mut BTreeMap<&'static str, Vec<Duration>>,
) -> anyhow::Result<BTreeMap<String, f64>> {
    let region = Region::new()?;
    let mut figures = BTreeMap::new();
    let mut hub = region.hub("en", "127.0.0.1:0")?;
    figures.insert("hub_start_ms".to_owned(), started(&mut hub).await?);
    let options = EdgeOptions {
        after_release_ms: 0,
        ..EdgeOptions::default()
    };
    let mut edge = region.edge("bench", hub.address("mqtt")?, &options)?;
    figures.insert("edge_start_ms".to_owned(), started(&mut edge).await?);
    // Start-up work is over when nothing is asked of them any more.
    tokio::time::sleep(Duration::from_secs(2)).await;
    figures.insert("hub_idle_mib".to_owned(), resident_mib(&hub)?);
    figures.insert("edge_idle_mib".to_owned(), resident_mib(&edge)?);
    for kind in ["dx_2500x3000", "ct_512x512"] {
        for number in 1..=IMAGES {
            let instance = picture(kind, round * IMAGES + number);
            let waited = one(&edge, &instance, region.folder()).await?;
            waits.entry(kind).or_default().push(waited);
        }
    }
    figures.insert("edge_peak_mib".to_owned(), peak_mib(&edge)?);
    edge.stop().await?;
    hub.stop().await?;
    Ok(figures)
}

fn picture(kind: &str, number: u64) -> Instance {
    if kind.starts_with("ct") {
        let slice = CtSlice {
            seed: number,
            number: 1,
            charset: Charset::Utf8,
        };
        return slice.instance();
    }
    Chest {
        seed: number,
        size: Size::Full,
        ..Chest::default()
    }
    .instance()
}

async fn one(edge: &Edge, instance: &Instance, folder: &Path) -> anyhow::Result<Duration> {
    let path = folder.join("bench.dcm");
    instance.save(&path)?;
    let file = DicomFile::open(&path)?;
    let scanner = Scanner::new(edge.address("dicom")?, "BAREFOOT", "SIM_DR1");
    let mut acknowledged = None;
    let mut error = None;
    scanner
        .send(&[file], |outcome| {
            acknowledged = Some(Instant::now());
            error = outcome.error;
        })
        .await;
    if let Some(error) = error {
        anyhow::bail!("the box did not take the image: {error}");
    }
    let acknowledged = acknowledged.context("one image, one outcome")?;
    wait_for("the result on the page", PATIENCE, async || {
        let cases = edge.cases().await.map_err(|error| error.to_string())?;
        let case = cases.iter().find(|case| case.study_uid == instance.study_uid);
        match case {
            Some(case) if case.state == "assessed" => Ok(()),
            Some(case) => Err(case.state.clone()),
            None => Err("not listed".to_owned()),
        }
    })
    .await?;
    Ok(acknowledged.elapsed())
}

async fn started(daemon: &mut Daemon) -> anyhow::Result<f64> {
    let begun = Instant::now();
    daemon.start().await?;
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}

fn resident_mib(daemon: &Daemon) -> anyhow::Result<f64> {
    memory(daemon, "VmRSS")
}

fn peak_mib(daemon: &Daemon) -> anyhow::Result<f64> {
    memory(daemon, "VmHWM")
}

fn memory(daemon: &Daemon, key: &str) -> anyhow::Result<f64> {
    let pid = daemon.pid().context("it runs")?;
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text
        .lines()
        .find(|line| line.starts_with(key))
        .context("Linux tells a process's memory")?;
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .context("a number")?
        .parse()
        .context("a number")?;
    Ok(kib / 1024.0)
}
