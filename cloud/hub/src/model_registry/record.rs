//! What the registry writes into the archive, and the way back. A change of these is a new migration.

use barefoot_federation::chunk::ChunkId;
use barefoot_federation::layout::{Layout, TensorSpec};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::provenance::ProvenanceRecord;
use super::{BaseModel, Error, FindingSetting};

/// What belongs to one version of a model beside its name, state and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ModelRecord {
    pub(super) tensors: Vec<TensorRecord>,
    /// SHA-256 (hex) of the F32 chunks in order.
    pub(super) chunks: Vec<String>,
    pub(super) backbone: Vec<String>,
    pub(super) findings: Vec<FindingSetting>,
    /// None for a base.
    pub(super) provenance: Option<ProvenanceRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TensorRecord {
    pub(super) name: String,
    pub(super) shape: Vec<u64>,
}

/// What belongs to a test set beside its name, purpose and hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TestSetRecord {
    pub(super) backbone: String,
    pub(super) findings: Vec<String>,
    pub(super) channels: u32,
    pub(super) cases: u32,
    pub(super) bytes: u64,
    pub(super) source: String,
    pub(super) chunks: Vec<String>,
}

impl ModelRecord {
    pub(super) fn new(model: &BaseModel, provenance: Option<ProvenanceRecord>) -> Self {
        Self {
            tensors: model
                .layout
                .specs()
                .iter()
                .map(|spec| TensorRecord {
                    name: spec.name.clone(),
                    shape: spec.shape.clone(),
                })
                .collect(),
            chunks: model.chunks.iter().map(ToString::to_string).collect(),
            backbone: model.backbone.clone(),
            findings: model.findings.clone(),
            provenance,
        }
    }

    pub(super) fn model(&self) -> Result<BaseModel, Error> {
        let specs = self.tensors.iter().map(|tensor| TensorSpec {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
        });
        Ok(BaseModel {
            layout: Layout::new(specs.collect()).map_err(|_| Error::Stored { what: "layout" })?,
            chunks: chunk_ids(&self.chunks)?,
            backbone: self.backbone.clone(),
            findings: self.findings.clone(),
        })
    }
}

pub(super) fn chunk_ids(texts: &[String]) -> Result<Vec<ChunkId>, Error> {
    texts
        .iter()
        .map(|text| text.parse().map_err(|_| Error::Stored { what: "chunk name" }))
        .collect()
}

pub(super) fn to_json(record: &impl Serialize, what: &'static str) -> Result<String, Error> {
    serde_json::to_string(record).map_err(|_| Error::Stored { what })
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|_| Error::Stored { what })
}
