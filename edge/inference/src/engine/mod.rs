//! What runs a graph. Engines know nothing of findings: they turn numbers into numbers.

mod channels_last;
mod expand;
mod ort;
mod tract;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::ort::Provider;
pub(crate) use self::ort::{OrtLibrary, identity as ort_identity};
pub(crate) use self::tract::{Threads, TractEngine, TractForm, Traits};

/// In which numbers a graph computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    F32,
    Int8,
}

impl Precision {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which program runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// In this program, everywhere.
    Tract,
    /// ONNX Runtime, where its library is installed.
    Ort,
}

impl EngineKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tract => "tract",
            Self::Ort => "ort",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The input's and output's names and shapes, both for one picture.
#[derive(Debug, Clone)]
pub(crate) struct Contract {
    pub(crate) input_name: String,
    pub(crate) input: [usize; 4],
    pub(crate) output_name: String,
    /// Sides of one do not count: graphs leave them out or put them in as they like.
    pub(crate) output: Vec<usize>,
}

impl Contract {
    fn takes(&self, input: &[f32]) -> Result<(), EngineError> {
        if input.len() == self.input.iter().product::<usize>() {
            Ok(())
        } else {
            Err(EngineError::Shape)
        }
    }

    /// Takes the graph's answer if it has the promised shape.
    fn gives(&self, shape: &[usize], data: &[f32]) -> Result<Vec<f32>, EngineError> {
        let sides = |shape: &[usize]| {
            let sides = shape.iter().copied().filter(|side| *side != 1);
            sides.collect::<Vec<_>>()
        };
        if sides(shape) != sides(&self.output) || data.len() != self.output.iter().product::<usize>() {
            return Err(EngineError::Shape);
        }
        Ok(data.to_vec())
    }
}

/// Runs one graph in one precision.
pub(crate) trait Engine: Send + Sync {
    fn kind(&self) -> EngineKind;

    fn precision(&self) -> Precision;

    /// Which of its ways to run the graph: the order of axes of tract, the provider of ONNX Runtime.
    fn form(&self) -> &'static str;

    /// `input` is one picture in the contract's shape; so is what comes back.
    fn run(&self, input: &[f32]) -> Result<Vec<f32>, EngineError>;
}

/// Why an engine gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("{path} is not there: set `onnxruntime` to the library of ONNX Runtime, or the engine to tract", path = path.display())]
    LibraryMissing { path: PathBuf },
    #[error("ONNX Runtime is not installed")]
    LibraryNotNamed,
    #[error("the library of ONNX Runtime cannot be used: {reason}")]
    Library { reason: String },
    #[error("this ONNX Runtime has no provider {provider}")]
    Provider { provider: &'static str },
    #[error("the graph cannot be loaded: {reason}")]
    Load { reason: String },
    #[error("the graph failed: {reason}")]
    Run { reason: String },
    #[error("the graph's input or output is not what the manifest says")]
    Shape,
    /// A fault in the engine, stopped here.
    #[error("the engine failed on this graph")]
    Panic,
}
