//! Which engine runs which artefact on this box.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use barefoot_domain::EngineUse;
use serde::Deserialize;

use crate::bundle::{Artefact, Bundle};
use crate::engine::{Contract, Engine, EngineError, EngineKind, OrtLibrary, Precision, TractEngine};
use crate::golden;

/// Runs of the micro-benchmark.
const RUNS: usize = 5;
/// How much slower the integer form may look and still be taken. It is what the bundle is released for: boxes with and
/// without ONNX Runtime then answer from the same artefact, a third the size, and a noisy measurement at start does not
/// change which one.
const INTEGER_BONUS: f32 = 3.0;

/// Which engine the site wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineWish {
    #[default]
    Auto,
    Tract,
    Ort,
}

/// Which precision the site wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionWish {
    #[default]
    Auto,
    F32,
    Int8,
}

/// What the site allows.
#[derive(Debug, Clone)]
pub struct EngineChoice {
    pub engine: EngineWish,
    pub precision: PrecisionWish,
    /// The library of ONNX Runtime; without it `ORT_DYLIB_PATH` is asked.
    pub onnxruntime: Option<PathBuf>,
    /// Threads of ONNX Runtime within one picture, at least 1.
    pub threads: usize,
}

impl Default for EngineChoice {
    fn default() -> Self {
        Self {
            engine: EngineWish::Auto,
            precision: PrecisionWish::Auto,
            onnxruntime: None,
            threads: 1,
        }
    }
}

/// What became of one candidate.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Passed {
        /// Of one picture.
        median_ms: f32,
        /// Largest difference from the golden scores.
        worst_difference: f32,
    },
    Refused {
        reason: String,
    },
}

/// One engine with one artefact.
#[derive(Debug, Clone, PartialEq)]
pub struct Considered {
    pub engine: EngineKind,
    pub precision: Precision,
    pub outcome: Outcome,
}

/// What was chosen and what else was looked at: for the log and the result.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    pub chosen: EngineUse,
    /// SHA-256 of the artefact that answers, in lower-case hex: features of the same artefact may be learnt from together.
    pub backbone: String,
    pub considered: Vec<Considered>,
}

/// The chosen engine, or every reason why there is none.
pub(crate) fn select(
    bundle: &Bundle,
    choice: &EngineChoice,
) -> Result<(Box<dyn Engine>, Selection), Vec<Considered>> {
    let inputs = golden::inputs(bundle).map_err(|error| chain(&error));
    let mut considered = Vec::new();
    let mut best: Option<(Box<dyn Engine>, String, f32)> = None;
    for candidate in load_all(bundle, choice) {
        let tried = match (candidate.loaded, &inputs) {
            (Err(reason), _) => Err(reason),
            (_, Err(reason)) => Err(reason.clone()),
            (Ok(engine), Ok(inputs)) => try_out(engine, bundle, inputs),
        };
        let outcome = match tried {
            Err(reason) => Outcome::Refused { reason },
            Ok(passed) => {
                let rank = rank(passed.engine.as_ref(), passed.fastest_ms);
                if best.as_ref().is_none_or(|(_, _, least)| rank < *least) {
                    best = Some((passed.engine, candidate.sha256, rank));
                }
                Outcome::Passed {
                    median_ms: passed.median_ms,
                    worst_difference: passed.worst_difference,
                }
            }
        };
        considered.push(Considered {
            engine: candidate.kind,
            precision: candidate.precision,
            outcome,
        });
    }
    match best {
        None => Err(considered),
        Some((engine, backbone, _)) => {
            let chosen = EngineUse {
                engine: engine.kind().as_str().to_owned(),
                precision: engine.precision().as_str().to_owned(),
            };
            let selection = Selection {
                chosen,
                backbone,
                considered,
            };
            Ok((engine, selection))
        }
    }
}

/// By the fastest run: what else the box does only ever makes a run slower.
fn rank(engine: &dyn Engine, fastest_ms: f32) -> f32 {
    match engine.precision() {
        Precision::Int8 => fastest_ms / INTEGER_BONUS,
        Precision::F32 => fastest_ms,
    }
}

fn kinds(wish: EngineWish) -> Vec<EngineKind> {
    match wish {
        EngineWish::Auto => vec![EngineKind::Ort, EngineKind::Tract],
        EngineWish::Tract => vec![EngineKind::Tract],
        EngineWish::Ort => vec![EngineKind::Ort],
    }
}

fn wanted(bundle: &Bundle, wish: PrecisionWish) -> impl Iterator<Item = &Artefact> {
    let fits = move |artefact: &&Artefact| match wish {
        PrecisionWish::Auto => true,
        PrecisionWish::F32 => artefact.precision == Precision::F32,
        PrecisionWish::Int8 => artefact.precision == Precision::Int8,
    };
    bundle.artefacts.iter().filter(fits)
}

/// What an engine needs before it can load graphs.
enum Prepared {
    Tract,
    Ort(OrtLibrary),
}

impl Prepared {
    fn new(kind: EngineKind, choice: &EngineChoice) -> Result<Self, EngineError> {
        match kind {
            EngineKind::Tract => Ok(Self::Tract),
            EngineKind::Ort => OrtLibrary::load(choice.onnxruntime.as_deref()).map(Self::Ort),
        }
    }

    fn load(
        &self,
        artefact: &Artefact,
        contract: Contract,
        threads: usize,
    ) -> Result<Box<dyn Engine>, EngineError> {
        let Artefact { precision, bytes, .. } = artefact;
        Ok(match self {
            Self::Tract => Box::new(TractEngine::load(bytes, *precision, contract)?),
            Self::Ort(library) => Box::new(library.engine(bytes, *precision, contract, threads)?),
        })
    }
}

/// One engine with one artefact, loaded or not.
struct Candidate {
    kind: EngineKind,
    precision: Precision,
    sha256: String,
    loaded: Result<Box<dyn Engine>, String>,
}

/// Side by side: loading is the longest part of a start. A loader that panics costs its candidate, not the daemon.
fn load_all(bundle: &Bundle, choice: &EngineChoice) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for kind in kinds(choice.engine) {
        let prepared = Prepared::new(kind, choice).map_err(|error| chain(&error));
        let load = |artefact| {
            let prepared = prepared.as_ref().map_err(String::clone)?;
            prepared
                .load(artefact, contract(bundle), choice.threads)
                .map_err(|error| chain(&error))
        };
        thread::scope(|scope| {
            let load = &load;
            let loading: Vec<_> = wanted(bundle, choice.precision)
                .map(|artefact| (artefact, scope.spawn(move || load(artefact))))
                .collect();
            candidates.extend(loading.into_iter().map(|(artefact, thread)| {
                Candidate {
                    kind,
                    precision: artefact.precision,
                    sha256: artefact.sha256.clone(),
                    loaded: thread
                        .join()
                        .unwrap_or_else(|_| Err(EngineError::Panic.to_string())),
                }
            }));
        });
    }
    candidates
}

/// An engine that gave the golden answers.
struct Passed {
    engine: Box<dyn Engine>,
    median_ms: f32,
    fastest_ms: f32,
    worst_difference: f32,
}

fn try_out(engine: Box<dyn Engine>, bundle: &Bundle, inputs: &[Vec<f32>]) -> Result<Passed, String> {
    let attempt = || -> Result<Passed, String> {
        let worst_difference =
            golden::check(engine.as_ref(), bundle, inputs).map_err(|error| chain(&error))?;
        let times = measure(engine.as_ref(), inputs).map_err(|error| chain(&error))?;
        let at = |index: usize| times.get(index).copied().unwrap_or(f32::INFINITY);
        Ok(Passed {
            median_ms: at(times.len() / 2),
            fastest_ms: at(0),
            worst_difference,
            engine,
        })
    };
    catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|_| Err(EngineError::Panic.to_string()))
}

fn contract(bundle: &Bundle) -> Contract {
    let [height, width] = bundle.output.grid;
    Contract {
        input_name: bundle.output.input.clone(),
        input: [
            bundle.preprocessing.height as usize,
            bundle.preprocessing.width as usize,
        ],
        output_name: bundle.output.features.clone(),
        output: [bundle.output.channels, height, width],
    }
}

/// Milliseconds of a few runs, fastest first. The golden check before has warmed the engine up.
fn measure(engine: &dyn Engine, inputs: &[Vec<f32>]) -> Result<Vec<f32>, EngineError> {
    let mut times = Vec::with_capacity(RUNS);
    for input in inputs.iter().cycle().take(RUNS) {
        let start = Instant::now();
        engine.run(input)?;
        times.push(start.elapsed().as_secs_f32() * 1000.0);
    }
    times.sort_by(f32::total_cmp);
    Ok(times)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
