//! A layer as a part of tract's graph.

use std::sync::Arc;

use tract_onnx::tract_core::internal::*;

use super::dense::Dense;
use super::depthwise::Depthwise;
use super::geometry::Geometry;

/// Products of which tract's measure for sharing out work counts one. About half a million pay for waking a thread.
pub(super) const SHARED: usize = 16;

/// A convolution with the channels last, of one picture.
#[derive(Debug, Clone)]
pub(super) struct ChannelsLast(pub(super) Arc<Layer>);

#[derive(Debug)]
pub(super) enum Layer {
    Depthwise(Depthwise),
    /// With the zeros that the picture gets on its four sides.
    Dense(Dense, Padding),
}

/// Zeros around a picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Padding {
    pub(super) top: usize,
    pub(super) left: usize,
    /// Of the picture without them.
    pub(super) input: [usize; 2],
}

impl Layer {
    fn geometry(&self) -> &Geometry {
        match self {
            Self::Depthwise(layer) => &layer.geometry,
            Self::Dense(layer, _) => &layer.geometry,
        }
    }

    fn outputs(&self) -> usize {
        match self {
            Self::Depthwise(layer) => layer.channels,
            Self::Dense(layer, _) => layer.outputs,
        }
    }
}

impl PartialEq for ChannelsLast {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ChannelsLast {}

impl Op for ChannelsLast {
    fn name(&self) -> StaticName {
        match &*self.0 {
            Layer::Depthwise(_) => "DepthwiseChannelsLast".into(),
            Layer::Dense(..) => "DenseChannelsLast".into(),
        }
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![format!("{:?}", self.0.geometry())])
    }

    fn validation(&self) -> Validation {
        Validation::Rounding
    }

    op_as_typed_op!();
}

impl EvalOp for ChannelsLast {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let picture = inputs
            .first()
            .context("a convolution has an input")?
            .try_as_plain_ram()?;
        let picture = picture.as_slice::<f32>()?;
        let added = inputs.get(1).map(|added| added.try_as_plain_ram()).transpose()?;
        let added = added.as_ref().map(|added| added.as_slice::<f32>()).transpose()?;
        let Geometry { rows, columns } = self.0.geometry();
        let mut output = Tensor::zero::<f32>(&[1, rows.output, columns.output, self.0.outputs()])?;
        let mut plain = output.try_as_plain_ram_mut()?;
        let out = plain.as_slice_mut::<f32>()?;
        match &*self.0 {
            Layer::Depthwise(layer) => layer.run(picture, out)?,
            Layer::Dense(layer, padding) if padding.is_none([rows.input, columns.input]) => {
                layer.run(picture, added, out)?;
            }
            Layer::Dense(layer, padding) => {
                let picture = padding.surround(picture, layer.inputs, [rows.input, columns.input]);
                layer.run(&picture, added, out)?;
            }
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl Padding {
    fn is_none(self, padded: [usize; 2]) -> bool {
        (self.top, self.left, self.input) == (0, 0, padded)
    }

    fn surround(self, picture: &[f32], channels: usize, [height, width]: [usize; 2]) -> Vec<f32> {
        let mut out = vec![0.0; height * width * channels];
        let [_, columns] = self.input;
        let lines = out.chunks_exact_mut(width * channels).skip(self.top);
        for (line, from) in lines.zip(picture.chunks_exact(columns * channels)) {
            let line = line.iter_mut().skip(self.left * channels);
            line.zip(from).for_each(|(to, from)| *to = *from);
        }
        out
    }
}

impl TypedOp for ChannelsLast {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let Geometry { rows, columns } = self.0.geometry();
        let (input, channels) = match &*self.0 {
            Layer::Depthwise(layer) => ([rows.input, columns.input], layer.channels),
            Layer::Dense(layer, padding) => (padding.input, layer.inputs),
        };
        let [height, width] = input;
        let output = [1, rows.output, columns.output, self.0.outputs()];
        let takes = |fact: Option<&&TypedFact>, shape: [usize; 4]| {
            fact.is_none_or(|fact| fact.shape.as_concrete() == Some(&shape[..]))
        };
        ensure!(takes(inputs.first(), [1, height, width, channels]));
        ensure!(takes(inputs.get(1), output));
        Ok(tvec!(f32::fact(output)))
    }

    as_op!();
}
