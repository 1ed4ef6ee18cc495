//! The trainable part: named float32 tensors, as a file and as chunks.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::layout::CHUNK_VALUES;
use barefoot_wire::v1;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

const VALUE_BYTES: usize = size_of::<f32>();
const CHUNK_BYTES: usize = CHUNK_VALUES * VALUE_BYTES;
/// The order a head's tensors are flattened in.
const ORDER: [&str; 2] = ["weight", "bias"];

/// Tensors in the order they are flattened in; little endian.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    tensors: Vec<(String, Vec<usize>)>,
    bytes: Vec<u8>,
}

impl Head {
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let file = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&file).with_context(|| path.display().to_string())
    }

    fn parse(file: &[u8]) -> anyhow::Result<Self> {
        let read = SafeTensors::deserialize(file).context("it is no safetensors file")?;
        let mut head = Self {
            tensors: Vec::new(),
            bytes: Vec::new(),
        };
        for name in ORDER {
            let tensor = read
                .tensor(name)
                .with_context(|| format!("it has no tensor {name}"))?;
            if tensor.dtype() != Dtype::F32 {
                bail!("its tensor {name} is not float32");
            }
            head.tensors.push((name.to_owned(), tensor.shape().to_owned()));
            head.bytes.extend_from_slice(tensor.data());
        }
        if read.len() != ORDER.len() {
            bail!("it holds other tensors than weight and bias");
        }
        head.check_numbers()?;
        Ok(head)
    }

    /// From what the hub gave: the layout, and every chunk of it in order.
    pub(crate) fn from_chunks(parameters: &v1::Parameters, chunks: &[Vec<u8>]) -> anyhow::Result<Self> {
        let named = parameters.chunk.iter().map(Vec::as_slice);
        let held = chunks.iter().map(|chunk| ChunkId::of(chunk).0);
        if parameters.encoding() != v1::Encoding::F32
            || !named.eq(held.collect::<Vec<_>>().iter().map(<[u8; 32]>::as_slice))
        {
            bail!("the hub gave other parameters than it named: try again");
        }
        let tensors = parameters.tensors.iter().map(|tensor| {
            let shape = tensor.shape.iter().map(|side| usize::try_from(*side));
            Ok((tensor.name.clone(), shape.collect::<Result<Vec<_>, _>>()?))
        });
        let head = Self {
            tensors: tensors.collect::<anyhow::Result<_>>()?,
            bytes: chunks.concat(),
        };
        let names: Vec<&str> = head.tensors.iter().map(|(name, _)| name.as_str()).collect();
        let values = head
            .tensors
            .iter()
            .map(|(_, shape)| shape.iter().product::<usize>());
        if names != ORDER || values.sum::<usize>() * VALUE_BYTES != head.bytes.len() {
            bail!(
                "the candidate's parameters are no head of weight and bias: this program cannot bundle them"
            );
        }
        head.check_numbers()?;
        Ok(head)
    }

    fn check_numbers(&self) -> anyhow::Result<()> {
        if !self.values().iter().all(|value| value.is_finite()) {
            bail!("it holds something that is no number");
        }
        Ok(())
    }

    /// As the file of a bundle.
    pub(crate) fn to_bytes(&self) -> anyhow::Result<Vec<u8>> {
        let mut rest = self.bytes.as_slice();
        let mut views = HashMap::new();
        for (name, shape) in &self.tensors {
            let length = shape.iter().product::<usize>() * VALUE_BYTES;
            let (data, after) = rest
                .split_at_checked(length)
                .context("the head is shorter than its tensors")?;
            rest = after;
            views.insert(name.clone(), TensorView::new(Dtype::F32, shape.clone(), data)?);
        }
        Ok(safetensors::serialize(views, None)?)
    }

    /// As parameters of the wire, with each chunk's content.
    pub(crate) fn to_wire(&self) -> (v1::Parameters, Vec<Vec<u8>>) {
        let tensors = self.tensors.iter().map(|(name, shape)| v1::TensorSpec {
            name: name.clone(),
            shape: shape.iter().map(|side| *side as u64).collect(),
        });
        let parameters = v1::Parameters {
            tensors: tensors.collect(),
            encoding: v1::Encoding::F32.into(),
            chunk: self.chunks().map(|(id, _)| id.0.to_vec()).collect(),
        };
        (
            parameters,
            self.chunks().map(|(_, content)| content.to_vec()).collect(),
        )
    }

    pub(crate) fn chunks(&self) -> impl Iterator<Item = (ChunkId, &[u8])> {
        self.bytes
            .chunks(CHUNK_BYTES)
            .map(|chunk| (ChunkId::of(chunk), chunk))
    }

    pub(crate) fn same_tensors(&self, other: &Self) -> bool {
        self.tensors == other.tensors
    }

    fn values(&self) -> Vec<f32> {
        let (values, _) = self.bytes.as_chunks::<VALUE_BYTES>();
        values.iter().map(|value| f32::from_le_bytes(*value)).collect()
    }

    /// Each finding's row of weights and its bias.
    pub(crate) fn rows(&self) -> Vec<(Vec<f32>, f32)> {
        let values = self.values();
        let findings = self
            .tensors
            .last()
            .map_or(0, |(_, shape)| shape.iter().product::<usize>());
        let (weights, biases) = values
            .split_at_checked(values.len().saturating_sub(findings))
            .unwrap_or_default();
        let channels = (weights.len() / findings.max(1)).max(1);
        let rows = weights.chunks_exact(channels).zip(biases);
        rows.map(|(row, bias)| (row.to_vec(), *bias)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(findings: usize, channels: usize, value: impl Fn(usize) -> f32) -> Head {
        let count = findings * channels + findings;
        Head {
            tensors: vec![
                ("weight".into(), vec![findings, channels]),
                ("bias".into(), vec![findings]),
            ],
            bytes: (0..count).flat_map(|place| value(place).to_le_bytes()).collect(),
        }
    }

    #[test]
    fn a_head_comes_back_from_file_and_wire() {
        let head = head(2, 3, |place| place as f32);
        assert_eq!(Head::parse(&head.to_bytes().unwrap()).unwrap(), head);
        let (parameters, chunks) = head.to_wire();
        assert_eq!(Head::from_chunks(&parameters, &chunks).unwrap(), head);
        assert_eq!(
            head.rows(),
            [(vec![0.0, 1.0, 2.0], 6.0), (vec![3.0, 4.0, 5.0], 7.0)]
        );
        let large = self::head(1, CHUNK_VALUES, |_| 0.5);
        let (parameters, chunks) = large.to_wire();
        assert_eq!(chunks.len(), 2);
        assert_eq!(Head::from_chunks(&parameters, &chunks).unwrap(), large);
    }

    #[test]
    fn what_was_not_named_is_not_taken() {
        let (parameters, mut chunks) = head(1, 4, |_| 0.25).to_wire();
        chunks[0][0] ^= 1;
        assert!(Head::from_chunks(&parameters, &chunks).is_err());
        assert!(Head::from_chunks(&parameters, &[]).is_err());
        let broken = head(1, 4, |_| f32::NAN);
        let (parameters, chunks) = broken.to_wire();
        let text = Head::from_chunks(&parameters, &chunks).unwrap_err().to_string();
        assert!(text.contains("no number"), "{text}");
    }

    proptest! {
        #[test]
        fn no_file_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..200, flip in 1_u8..) {
            let _ = Head::parse(&bytes);
            let mut file = head(2, 3, |place| place as f32).to_bytes().unwrap();
            if let Some(byte) = file.get_mut(at) {
                *byte ^= flip;
            }
            let _ = Head::parse(&file);
        }
    }
}
