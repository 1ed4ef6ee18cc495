//! Between messages and types.

use barefoot_federation::chunk::ChunkId;
use barefoot_federation::encoding::Encoding;
use barefoot_federation::layout::{Layout, LayoutError, TensorSpec};
use barefoot_wire::v1;

use crate::archive::AttemptKey;

pub(super) fn layout(tensors: &[v1::TensorSpec]) -> Result<Layout, LayoutError> {
    let specs = tensors.iter().map(|tensor| TensorSpec {
        name: tensor.name.clone(),
        shape: tensor.shape.clone(),
    });
    Layout::new(specs.collect())
}

/// Whether the message names exactly the layout's tensors.
pub(super) fn is_layout(tensors: &[v1::TensorSpec], layout: &Layout) -> bool {
    let specs = layout.specs();
    tensors.len() == specs.len()
        && tensors
            .iter()
            .zip(specs)
            .all(|(tensor, spec)| tensor.name == spec.name && tensor.shape == spec.shape)
}

pub(super) fn parameters(layout: &Layout, encoding: Encoding, chunks: &[ChunkId]) -> v1::Parameters {
    v1::Parameters {
        tensors: layout
            .specs()
            .iter()
            .map(|spec| v1::TensorSpec {
                name: spec.name.clone(),
                shape: spec.shape.clone(),
            })
            .collect(),
        encoding: to_encoding(encoding).into(),
        chunk: chunks.iter().map(|id| id.0.to_vec()).collect(),
    }
}

pub(super) fn to_encoding(encoding: Encoding) -> v1::Encoding {
    match encoding {
        Encoding::F32 => v1::Encoding::F32,
        Encoding::F16 => v1::Encoding::F16,
        Encoding::Int8 => v1::Encoding::Int8,
        Encoding::Masked => v1::Encoding::Masked,
    }
}

/// `None` when one is no chunk's name.
pub(super) fn chunk_ids(ids: &[Vec<u8>]) -> Option<Vec<ChunkId>> {
    ids.iter()
        .map(|id| ChunkId::try_from(id.as_slice()).ok())
        .collect()
}

pub(super) fn round_id(key: &AttemptKey) -> v1::RoundId {
    v1::RoundId {
        run: key.run.clone(),
        round: key.round,
        attempt: key.attempt,
    }
}

/// An attempt the message could be about; numbers count from 1.
pub(super) fn attempt_key(id: Option<&v1::RoundId>) -> Option<AttemptKey> {
    let id = id.filter(|id| 0 < id.round && 0 < id.attempt && id.run.len() <= 64)?;
    Some(AttemptKey {
        run: id.run.clone(),
        round: id.round,
        attempt: id.attempt,
    })
}

pub(super) fn metrics(metrics: &[v1::Metric]) -> Vec<(String, f64)> {
    metrics
        .iter()
        .map(|metric| (metric.name.clone(), metric.value))
        .collect()
}
