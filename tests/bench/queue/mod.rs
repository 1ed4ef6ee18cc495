//! The box's queue beside what the disk can do, SQLite and Mosquitto, in one run.
//!
//! - `append_N_per_s`: records of 1 KB that N threads append one by one, each waiting until its own would survive a power
//!   cut. `fsync_loop`: one thread writes the same bytes to one file and syncs (`fdatasync`) after each record. `disk`: the
//!   same with a sync after every N records, what sharing a sync could give at best where nobody had to be told. `sqlite`: WAL with `synchronous=FULL`, one thread, N records in each transaction.
//! - `drain_per_s`: 64 records asked for and receipted at a time, from a full queue; SQLite selects and deletes 64 in a
//!   transaction.
//! - `churned_mb`: the disk after a million records went in and out while a hundred thousand waited; `pending` is their
//!   payloads alone. `drained_mb`: the disk when nothing waits any more.
//! - `open_ms`: with a million records, closed in order; `open_anew_ms`: the same when the index is gone. `opened_mb`: their
//!   disk.
//! - `lost_after_kill`: acknowledged messages that are gone after a `kill -9`. Mosquitto holds them for a bridge whose other
//!   side is away; with `mosquitto_autosave` it saves after every change or second, as often as it can be told to.
//!
//! `--quick` makes everything twenty times smaller.

mod disk;
mod mosquitto;
mod ours;
mod sqlite;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};

use crate::report::{self, Report, Target, percentile};

pub(crate) const NAME: &str = "queue";

/// `barefoot-bench --fill-queue FOLDER RECORDS`: the process that is killed, started by the benchmark.
pub(crate) const CHILD: &str = "--fill-queue";

const ROUNDS: usize = 3;
const PRODUCERS: [usize; 2] = [1, 16];
const PAYLOAD_BYTES: usize = 1_000;
const AT_ONCE: usize = 64;

/// How much of each.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// By the producers of [`PRODUCERS`].
    appended: [usize; 2],
    drained: usize,
    churned: usize,
    waiting: usize,
    opened: usize,
    killed: usize,
}

const FULL: Size = Size {
    appended: [4_000, 40_000],
    drained: 100_000,
    churned: 1_000_000,
    waiting: 100_000,
    opened: 1_000_000,
    killed: 10_000,
};

impl Size {
    fn asked() -> Self {
        if !std::env::args().any(|word| word == "--quick") {
            return FULL;
        }
        let less = |number: usize| number / 20;
        Self {
            appended: FULL.appended.map(less),
            drained: less(FULL.drained),
            churned: less(FULL.churned),
            waiting: less(FULL.waiting),
            opened: less(FULL.opened),
            killed: less(FULL.killed),
        }
    }
}

type Figures = BTreeMap<String, f64>;

pub(crate) async fn run() -> anyhow::Result<Report> {
    tokio::task::spawn_blocking(measure)
        .await
        .context("the benchmark panicked")?
}

pub(crate) fn child(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let (folder, records) = (
        arguments.next(),
        arguments.next().and_then(|text| text.parse().ok()),
    );
    let (Some(folder), Some(records)) = (folder, records) else {
        return ExitCode::from(2);
    };
    match ours::fill(Path::new(&folder), records) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> anyhow::Result<Report> {
    let size = Size::asked();
    let rounds = report::rounds(ROUNDS)?;
    // Beside what is measured, on the same file system as the workspace.
    let folder = barefoot_test_support::daemons::workspace().join("target/bench");
    std::fs::create_dir_all(&folder)?;
    let folder = tempfile::tempdir_in(folder)?;
    let mut sides: BTreeMap<&str, BTreeMap<String, Vec<f64>>> = BTreeMap::new();
    let mut runs: Vec<Value> = Vec::new();
    let mut note = |side: &'static str, round: usize, figures: Figures| {
        runs.push(json!({ "round": round, "side": side, "figures": figures }));
        let all = sides.entry(side).or_default();
        for (figure, value) in figures {
            all.entry(figure).or_default().push(value);
        }
    };
    for round in 0..rounds {
        for (producers, records) in PRODUCERS.into_iter().zip(size.appended) {
            note("ours", round, ours::append(folder.path(), producers, records)?);
            let alone = disk::append(folder.path(), 1, producers, records / producers)?;
            note("fsync_loop", round, alone);
            let together = disk::append(folder.path(), producers, producers, records)?;
            note("disk", round, together);
            note(
                "sqlite",
                round,
                sqlite::append(folder.path(), producers, records)?,
            );
        }
        note("ours", round, ours::drain(folder.path(), size.drained)?);
        note("sqlite", round, sqlite::drain(folder.path(), size.drained)?);
        println!("Round {} of {rounds}: appends and drains measured.", round + 1);
    }
    let (churned, pending) = ours::churn(folder.path(), size.churned, size.waiting)?;
    note("ours", 0, churned);
    note("pending", 0, pending);
    note(
        "sqlite",
        0,
        sqlite::churn(folder.path(), size.churned, size.waiting)?,
    );
    println!("Disk after {} put and taken measured.", size.churned);
    note("ours", 0, ours::open(folder.path(), size.opened)?);
    let payloads = (size.opened * PAYLOAD_BYTES) as f64 / 1e6;
    note("pending", 0, Figures::from([("opened_mb".to_owned(), payloads)]));
    note("sqlite", 0, sqlite::open(folder.path(), size.opened)?);
    println!("Opening with {} measured.", size.opened);
    note("ours", 0, ours::kill(folder.path(), size.killed)?);
    for (name, autosaves) in [("mosquitto", false), ("mosquitto_autosave", true)] {
        note(name, 0, mosquitto::kill(folder.path(), size.killed, autosaves)?);
    }
    let mut medians: BTreeMap<String, Figures> = sides
        .into_iter()
        .map(|(side, figures)| {
            let medians = figures
                .into_iter()
                .filter_map(|(figure, values)| Some((figure, percentile(&values, 50.0)?)));
            (side.to_owned(), medians.collect())
        })
        .collect();
    let ours = medians.remove("ours").context("ours was measured")?;
    let mut report = Report::new(NAME, ours, medians, runs);
    report.targets = vec![
        Target::at_least("fsync_loop.append_1_per_s".into(), 0.7),
        Target::at_least("fsync_loop.append_16_per_s".into(), 0.7),
        Target::at_least("disk.append_16_per_s".into(), 0.7),
        Target::at_most("pending.churned_mb".into(), 1.3),
        Target::at_most("pending.opened_mb".into(), 1.3),
    ];
    Ok(report)
}

/// What a folder takes of the disk, in megabytes.
fn disk_mb(folder: &Path) -> anyhow::Result<f64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            // A segment may go while we look.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                open.push(entry.path());
            } else {
                bytes += metadata.blocks() * 512;
            }
        }
    }
    Ok(bytes as f64 / 1e6)
}

/// As long and as unlike each other as identifiers of envelopes.
fn id(number: usize) -> String {
    let unlike = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("01JD{:06}{:016X}", number / 1000, unlike ^ (unlike >> 29))
}

fn payload(number: usize) -> Vec<u8> {
    let mut state = number as u64;
    let mut byte = || {
        state = state
            .wrapping_mul(0x5851_F42D_4C95_7F2D)
            .wrapping_add(0x1405_7B7E_F767_814F);
        (state >> 56) as u8
    };
    (0..PAYLOAD_BYTES).map(|_| byte()).collect()
}

fn per_second(count: usize, begun: std::time::Instant) -> f64 {
    count as f64 / begun.elapsed().as_secs_f64()
}
