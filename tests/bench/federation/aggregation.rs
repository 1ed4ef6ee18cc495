//! FedAvg by itself, each side in a process of its own, in turn.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use barefoot_federation::aggregate::{MemoryModel, ModelStore, Updates, aggregate};
use barefoot_federation::layout::{Layout, TensorSpec};
use barefoot_federation::strategy::Strategy;
use barefoot_test_support::processes::memory_mib;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::files::{ModelFiles, UpdateFiles, write_updates};
use super::{CHILD, Sides, flower, note};

const CLIENTS: [usize; 2] = [10, 100];

/// Values, how they are called, and how often both sides are measured.
const SIZES: [(usize, &str, usize); 2] = [(1_000_000, "1e6", 5), (10_000_000, "1e7", 3)];

/// What both sides' processes say.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Aggregated {
    /// Processor time of the aggregation of updates that lie in memory, encoded as they travel.
    cpu_s: f64,
    /// Ours: of updates that lie in files, to the next model in files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    files_cpu_s: Option<f64>,
    /// Most memory of the process.
    peak_mib: f64,
    /// Most memory before the aggregation.
    before_mib: f64,
}

pub(super) async fn measure(sides: &mut Sides) -> anyhow::Result<()> {
    for (values, size, times) in SIZES {
        let folder = tempfile::tempdir()?;
        let most = CLIENTS.iter().copied().max().unwrap_or_default();
        write_updates(folder.path(), &layout(values)?, most)?;
        for clients in CLIENTS {
            for _ in 0..times {
                let path = folder.path().to_owned();
                // Both wait for a process.
                let (our, their) = tokio::task::spawn_blocking(move || {
                    anyhow::Ok((ours(&path, values, clients)?, flower::aggregate(values, clients)?))
                })
                .await??;
                let name = format!("aggregate_{size}x{clients}");
                for (side, measured) in [(&mut sides.ours, &our), (&mut sides.flower, &their)] {
                    note(side, format!("{name}_cpu_ms"), 1000.0 * measured.cpu_s);
                    note(side, format!("{name}_peak_mib"), measured.peak_mib);
                    // Flower has no other way than through memory.
                    let files = measured.files_cpu_s.unwrap_or(measured.cpu_s);
                    note(side, format!("{name}_files_cpu_ms"), 1000.0 * files);
                }
                println!("{name}: ours {our:?}, Flower {their:?}");
                sides
                    .runs
                    .push(json!({ "aggregate": name, "ours": our, "flower": their }));
            }
        }
    }
    Ok(())
}

/// A head of one finding, of so many values in all.
pub(super) fn layout(values: usize) -> anyhow::Result<Layout> {
    let spec = |name: &str, shape: &[u64]| TensorSpec {
        name: name.to_owned(),
        shape: shape.to_vec(),
    };
    let channels = values as u64 - 1;
    Ok(Layout::new(vec![
        spec("weight", &[1, channels]),
        spec("bias", &[1]),
    ])?)
}

fn ours(folder: &Path, values: usize, clients: usize) -> anyhow::Result<Aggregated> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg(CHILD)
        .arg(folder)
        .args([values.to_string(), clients.to_string()]);
    flower::answer(command)
}

/// Aggregates the first clients of a folder.
pub(super) fn child(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut next = || arguments.next().context("FOLDER VALUES CLIENTS are needed");
    let folder = PathBuf::from(next()?);
    let layout = layout(next()?.parse()?)?;
    let clients: usize = next()?.parse()?;
    let mut model = ModelFiles::open(&folder)?;
    let mut updates = UpdateFiles::of(&folder, clients);
    let before_mib = peak()?;
    let files_cpu_s = processor_time_of(|| fedavg(&layout, &mut updates, &mut model, clients))?;
    anyhow::ensure!(model.written() == layout.chunks(), "every chunk is written");
    // Before the updates are in memory.
    let peak_mib = peak()?;
    let mut updates = updates.into_memory(&layout)?;
    // As after any earlier round: memory that the system has still to give is no part of the aggregation.
    let mut model = MemoryModel::new(vec![0.25; layout.elements()]);
    let measured = Aggregated {
        cpu_s: processor_time_of(|| fedavg(&layout, &mut updates, &mut model, clients))?,
        files_cpu_s: Some(files_cpu_s),
        peak_mib,
        before_mib,
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

fn fedavg(
    layout: &Layout,
    updates: &mut dyn Updates,
    model: &mut dyn ModelStore,
    clients: usize,
) -> anyhow::Result<()> {
    let summary = aggregate(&Strategy::FedAvg, 1, layout, updates, model)?;
    anyhow::ensure!(summary.used.len() == clients, "every update counts");
    Ok(())
}

fn peak() -> anyhow::Result<f64> {
    Ok(memory_mib(std::process::id(), "VmHWM")?)
}

/// Of all threads, in the program and in the system.
fn processor_time_of(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let now = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let begun = now();
    work()?;
    Ok(now() - begun)
}
