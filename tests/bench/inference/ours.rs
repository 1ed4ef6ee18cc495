//! One of our engines with one graph, in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use barefoot_inference::{Bundle, EngineChoice, EngineWish, Model, PrecisionWish};

use super::{CHILD, Measured, RUNS, answer};
use barefoot_test_support::processes::memory_mib;

/// The first start chooses the way to run the graph and remembers it; the second is measured.
pub(super) fn measure(
    bundle: &Path,
    engine: &str,
    precision: &str,
    threads: usize,
    library: &Path,
) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir()?;
    let mut measured = None;
    for runs in [1, RUNS] {
        let mut start = Command::new(std::env::current_exe()?);
        start
            .arg(CHILD)
            .arg(bundle)
            .args([engine, precision])
            .args([threads, runs].map(|number| number.to_string()))
            .arg(library)
            .arg(folder.path().join("engines.json"));
        measured = Some(answer(&mut start)?);
    }
    measured.context("started twice")
}

pub(super) fn child(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut next = || {
        arguments
            .next()
            .context("BUNDLE ENGINE PRECISION THREADS RUNS LIBRARY MEMORY")
    };
    let bundle = Bundle::load(Path::new(&next()?))?;
    let engine = next()?;
    let choice = EngineChoice {
        engine: match engine.as_str() {
            "ort" => EngineWish::Ort,
            _ => EngineWish::Tract,
        },
        precision: match next()?.as_str() {
            "int8" => PrecisionWish::Int8,
            _ => PrecisionWish::F32,
        },
        threads: next()?.parse()?,
        ..EngineChoice::default()
    };
    let runs = next()?.parse()?;
    let choice = EngineChoice {
        onnxruntime: Some(PathBuf::from(next()?)),
        remember: Some(PathBuf::from(next()?)),
        ..choice
    };
    let (model, selection) = Model::open(&bundle, &choice)?;
    anyhow::ensure!(
        selection.chosen.engine == engine,
        "{} answers instead of {engine}: {:?}",
        selection.chosen.engine,
        selection.considered
    );
    let times = model.engine_times(runs)?;
    let measured = Measured {
        times_ms: times.iter().map(|time| time.as_secs_f64() * 1e3).collect(),
        load_ms: f64::from(selection.load_ms),
        peak_mib: memory_mib(std::process::id(), "VmHWM")?,
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}
