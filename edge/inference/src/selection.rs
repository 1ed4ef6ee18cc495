//! Which engine runs which artefact on this box, and how.

mod candidates;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use barefoot_domain::EngineUse;
use serde::Deserialize;

use crate::bundle::Bundle;
use crate::engine::{Engine, EngineError, EngineKind, Precision, Provider, ort_identity};
use crate::golden::Questions;
use crate::memory::{Memory, Remembered};
use candidates::{Candidate, Loader};

/// Runs of the micro-benchmark.
const RUNS: usize = 5;
/// A way to run an artefact whose first run takes so many times as long as another way's runs is not tried to the end.
const FAR_SLOWER: f32 = 2.0;
/// A graph so slow that its runs take longer than this has been measured well enough.
const MEASURE_FOR: Duration = Duration::from_secs(2);
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
    /// tract only where ONNX Runtime cannot be trusted with the bundle.
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
    /// The library of ONNX Runtime; without it `ORT_DYLIB_PATH` is asked, then the program's own folder.
    pub onnxruntime: Option<PathBuf>,
    /// What ONNX Runtime computes on, in the order of wish; of those that work the first is taken.
    pub providers: Vec<Provider>,
    /// Threads within one picture, at least 1.
    pub threads: usize,
    /// The file where the choice is kept for the next start; without it every start measures.
    pub remember: Option<PathBuf>,
}

impl Default for EngineChoice {
    fn default() -> Self {
        Self {
            engine: EngineWish::Auto,
            precision: PrecisionWish::Auto,
            onnxruntime: None,
            providers: vec![Provider::Cpu],
            threads: 1,
            remember: None,
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
    /// So much slower than another way to run the same artefact that it was not tried to the end.
    Slower {
        first_ms: f32,
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
    /// Its way to run the graph: `nhwc`, `expanded`, `cuda` and the like.
    pub form: &'static str,
    pub outcome: Outcome,
}

/// What was chosen and what else was looked at: for the log and the result.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    pub chosen: EngineUse,
    /// The chosen engine's way to run the graph.
    pub form: &'static str,
    /// SHA-256 of the artefact that answers, in lower-case hex: features of the same artefact may be learnt from together.
    pub backbone: String,
    /// It was chosen at an earlier start and gave the golden answers again; nothing else was tried.
    pub remembered: bool,
    /// From the artefact's bytes to an engine that can run, milliseconds.
    pub load_ms: f32,
    /// The site's first wish could not be had.
    pub fallback: bool,
    pub considered: Vec<Considered>,
}

/// The chosen engine, or every reason why there is none.
pub(crate) fn select(
    bundle: &Bundle,
    choice: &EngineChoice,
) -> Result<(Box<dyn Engine>, Selection), Vec<Considered>> {
    let loader = Loader::new(bundle, choice);
    let questions = Questions::new(bundle, || loader.referee()).map_err(|error| chain(&error));
    let memory = choice.remember.as_deref().map(Memory::at);
    let key = key(bundle, choice);
    let mut race = Race {
        bundle,
        questions: questions.as_ref(),
        loader: &loader,
        best: None,
        considered: Vec::new(),
    };
    let recalled = memory.as_ref().and_then(|memory| memory.recall(&key));
    let recalled = recalled.and_then(|known| loader.recalled(&known));
    let remembered = recalled.is_some_and(|candidate| race.enter(candidate));
    if !remembered {
        race.run();
    }
    let Race { best, considered, .. } = race;
    let Some(best) = best else {
        return Err(considered);
    };
    if let Some(memory) = memory.filter(|_| !remembered) {
        memory.keep(
            &key,
            &Remembered {
                engine: best.engine.kind(),
                precision: best.engine.precision(),
                form: best.engine.form().to_owned(),
            },
        );
    }
    let selection = Selection {
        chosen: EngineUse {
            engine: named(best.engine.as_ref()),
            precision: best.engine.precision().as_str().to_owned(),
        },
        form: best.engine.form(),
        backbone: best.sha256,
        load_ms: best.load_ms,
        remembered,
        fallback: loader.is_fallback(best.engine.as_ref()),
        considered,
    };
    Ok((best.engine, selection))
}

/// `ort` alone is ONNX Runtime on the processor.
fn named(engine: &dyn Engine) -> String {
    let kind = engine.kind().as_str();
    if engine.kind() == EngineKind::Ort && engine.form() != Provider::Cpu.as_str() {
        return format!("{kind}-{}", engine.form());
    }
    kind.to_owned()
}

/// Raised when a way to run a graph has become faster: what was remembered may then no longer be the best.
const WAYS: u32 = 2;

/// Everything the choice depends on, but the speed of the box, which does not change.
fn key(bundle: &Bundle, choice: &EngineChoice) -> String {
    let wishes = (choice.engine, choice.precision, &choice.providers, choice.threads);
    let library = ort_identity(choice.onnxruntime.as_deref());
    let program = env!("CARGO_PKG_VERSION");
    format!("{} {program} ways {WAYS} {wishes:?} {library}", bundle.digest)
}

/// An engine that gave the golden answers.
struct Runner {
    engine: Box<dyn Engine>,
    sha256: String,
    load_ms: f32,
    rank: f32,
}

/// Candidates one after the other: of those before only the best is kept in memory.
struct Race<'a> {
    bundle: &'a Bundle,
    questions: Result<&'a Questions, &'a String>,
    loader: &'a Loader<'a>,
    best: Option<Runner>,
    considered: Vec<Considered>,
}

impl Race<'_> {
    fn run(&mut self) {
        for heat in self.loader.heats() {
            if heat.last_resort && self.best.is_some() {
                break;
            }
            let mut passed = false;
            for candidate in heat.candidates {
                let needless = passed && candidate.stands_in || candidate.has_lost(&self.considered);
                passed |= !needless && self.enter(candidate);
            }
        }
    }

    /// Whether it gave the golden answers.
    fn enter(&mut self, candidate: Candidate<'_>) -> bool {
        let tried = self
            .questions
            .map_err(String::clone)
            .and_then(|questions| self.try_out(candidate, questions));
        let (outcome, passed) = match tried {
            Err(reason) => (Outcome::Refused { reason }, false),
            Ok(Tried::Slower { first_ms }) => (Outcome::Slower { first_ms }, false),
            Ok(Tried::Passed { runner, outcome }) => {
                if self.best.as_ref().is_none_or(|best| runner.rank < best.rank) {
                    self.best = Some(runner);
                }
                (outcome, true)
            }
        };
        self.considered.push(Considered {
            engine: candidate.kind(),
            precision: candidate.artefact.precision,
            form: candidate.form(),
            outcome,
        });
        passed
    }

    /// The time of its first run, warmed up, where another way with the same artefact is far faster.
    fn is_far_slower(
        &self,
        engine: &dyn Engine,
        candidate: Candidate<'_>,
        questions: &Questions,
    ) -> Result<Option<f32>, String> {
        let rival = self
            .best
            .as_ref()
            .filter(|best| best.engine.kind() == engine.kind() && best.sha256 == candidate.artefact.sha256);
        let (Some(rival), Some(input)) = (rival, questions.inputs.first()) else {
            return Ok(None);
        };
        let mut first_ms = 0.0;
        for _ in 0..2 {
            let begun = Instant::now();
            engine.run(input).map_err(|error| chain(&error))?;
            first_ms = begun.elapsed().as_secs_f32() * 1000.0;
        }
        let far = rival.rank * FAR_SLOWER < rank(engine, first_ms);
        Ok(far.then_some(first_ms))
    }

    /// A loader or an engine that panics costs its candidate, not the daemon.
    fn try_out(&self, candidate: Candidate<'_>, questions: &Questions) -> Result<Tried, String> {
        let attempt = || {
            let begun = Instant::now();
            let engine = self.loader.load(candidate)?;
            let load_ms = begun.elapsed().as_secs_f32() * 1000.0;
            if let Some(first_ms) = self.is_far_slower(engine.as_ref(), candidate, questions)? {
                return Ok(Tried::Slower { first_ms });
            }
            let worst_difference = questions
                .check(engine.as_ref(), self.bundle)
                .map_err(|error| chain(&error))?;
            let times = measure(engine.as_ref(), &questions.inputs).map_err(|error| chain(&error))?;
            let at = |index: usize| times.get(index).copied().unwrap_or(f32::INFINITY);
            let outcome = Outcome::Passed {
                median_ms: at(times.len() / 2),
                worst_difference,
            };
            let runner = Runner {
                rank: rank(engine.as_ref(), at(0)),
                sha256: candidate.artefact.sha256.clone(),
                load_ms,
                engine,
            };
            Ok(Tried::Passed { runner, outcome })
        };
        catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|_| Err(EngineError::Panic.to_string()))
    }
}

/// What became of a candidate, with its engine where it may be kept.
enum Tried {
    Passed { runner: Runner, outcome: Outcome },
    Slower { first_ms: f32 },
}

/// By the fastest run: what else the box does only ever makes a run slower.
fn rank(engine: &dyn Engine, fastest_ms: f32) -> f32 {
    match engine.precision() {
        Precision::Int8 => fastest_ms / INTEGER_BONUS,
        Precision::F32 => fastest_ms,
    }
}

/// Milliseconds of a few runs, fastest first. The golden check before has warmed the engine up.
fn measure(engine: &dyn Engine, inputs: &[Vec<f32>]) -> Result<Vec<f32>, EngineError> {
    let mut times = Vec::with_capacity(RUNS);
    let begun = Instant::now();
    for input in inputs.iter().cycle().take(RUNS) {
        let start = Instant::now();
        engine.run(input)?;
        times.push(start.elapsed().as_secs_f32() * 1000.0);
        if MEASURE_FOR < begun.elapsed() {
            break;
        }
    }
    times.sort_by(f32::total_cmp);
    Ok(times)
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
