use safetensors::{Dtype, SafeTensors};

/// The linear head: one row of weights and a bias for each finding.
#[derive(Clone)]
pub(crate) struct HeadWeights {
    pub(crate) channels: usize,
    /// Finding by finding.
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

impl HeadWeights {
    /// Tensors `weight` `[findings, channels]` and `bias` `[findings]`, both float32.
    pub(super) fn parse(bytes: &[u8], findings: usize, channels: usize) -> Result<Self, &'static str> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|_| "not a safetensors file")?;
        Ok(Self {
            channels,
            weight: floats(&tensors, "weight", &[findings, channels])
                .ok_or("weight is not float32 of [findings, channels]")?,
            bias: floats(&tensors, "bias", &[findings]).ok_or("bias is not float32 of [findings]")?,
        })
    }
}

pub(crate) fn floats(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Option<Vec<f32>> {
    let tensor = tensors.tensor(name).ok()?;
    if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
        return None;
    }
    let (values, rest) = tensor.data().as_chunks::<4>();
    let values: Vec<f32> = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
    (rest.is_empty() && values.iter().all(|value| value.is_finite())).then_some(values)
}
