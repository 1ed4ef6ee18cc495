//! What runs a graph. Engines know nothing of findings: they turn an input into a feature map.

mod ort;
mod tract;

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

pub(crate) use self::ort::OrtLibrary;
pub(crate) use self::tract::TractEngine;

/// In which numbers a graph computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// Height and width; one channel.
    pub(crate) input: [usize; 2],
    pub(crate) output_name: String,
    /// Channels, height and width.
    pub(crate) output: [usize; 3],
}

/// Channel by channel, each row by row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FeatureMap {
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) data: Vec<f32>,
}

/// Runs one graph in one precision.
pub(crate) trait Engine: Send + Sync {
    fn kind(&self) -> EngineKind;

    fn precision(&self) -> Precision;

    /// `input` is one picture, row by row, of the contract's size.
    fn run(&self, input: &[f32]) -> Result<FeatureMap, EngineError>;
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

impl FeatureMap {
    /// Takes the engine's answer if it has the promised shape.
    fn checked(contract: &Contract, shape: &[usize], data: Vec<f32>) -> Result<Self, EngineError> {
        let [channels, height, width] = contract.output;
        if shape != [1, channels, height, width] || data.len() != channels * height * width {
            return Err(EngineError::Shape);
        }
        Ok(Self {
            channels,
            height,
            width,
            data,
        })
    }
}
