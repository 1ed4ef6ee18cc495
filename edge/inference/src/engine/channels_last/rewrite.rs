//! Puts the layers in the place of a graph's convolutions, and takes up what follows them.

use std::sync::Arc;

use fearless_simd::Level;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cnn::conv::{Conv, KernelFormat};
use tract_onnx::tract_core::ops::math::{Add, Max, Min, Mul};
use tract_onnx::tract_core::ops::nn::{DataFormat, Reduce, Reducer};

use super::dense::{Dense, Panel};
use super::depthwise::Depthwise;
use super::gate::Gate;
use super::geometry::{Geometry, Side};
use super::layer::{self, Limits};
use super::op::{ChannelsLast, Layer, Padding};

/// Numbers that a place of a larger kernel may read: a picture's first layer has few. tract's own product of matrices
/// keeps more of them near the processor.
const MOST_NUMBERS: usize = 256;

/// For a graph as it was read: tidied up, its convolutions are no longer told by their looks.
pub(in crate::engine) fn rewrite(model: &mut TypedModel) -> TractResult<()> {
    rewrite_for(None, model)
}

/// For vectors of a kind, or for the widest.
pub(super) fn rewrite_for(level: Option<Level>, model: &mut TypedModel) -> TractResult<()> {
    // Biases come behind casts to what they are.
    model.prop_consts()?;
    Rewriter::default()
        .with_rule_for("channels-last", convolution)
        .with_rule_for("channels-last-sums", sums)
        .with_rule_for("channels-last-times", times)
        .rewrite(&level, model)
}

fn convolution(
    level: &Option<Level>,
    model: &TypedModel,
    node: &TypedNode,
    name: &str,
    op: &Conv,
) -> TractResult<Option<TypedModelPatch>> {
    let level = level.unwrap_or_else(Level::new);
    let Some(mut found) = Found::read(level, model, node, op)? else {
        return Ok(None);
    };
    let last = found.take_up(model, node)?;
    let added = found.added;
    let op = ChannelsLast(Arc::new(Layer::from(found)));
    let inputs = node.inputs.first().into_iter().chain(&added).copied();
    replace(model, last, name, op, inputs)
}

/// The mean of a whole picture comes as a sum, divided then.
fn sums(
    _: &Option<Level>,
    model: &TypedModel,
    node: &TypedNode,
    name: &str,
    op: &Reduce,
) -> TractResult<Option<TypedModelPatch>> {
    let Some(&input) = node.inputs.first() else {
        return Ok(None);
    };
    rule_if!(op.reducer == Reducer::Sum && op.axes[..] == [2, 3]);
    rule_if!(picture(model, input)?.is_some());
    replace(model, node.id, name, Gate::Sums, [input])
}

fn times(
    _: &Option<Level>,
    model: &TypedModel,
    node: &TypedNode,
    name: &str,
    TypedBinOp(op, datum): &TypedBinOp,
) -> TractResult<Option<TypedModelPatch>> {
    let [first, second] = node.inputs[..] else {
        return Ok(None);
    };
    rule_if!(op.is::<Mul>() && datum.is_none());
    let (Some(one), Some(other)) = (picture(model, first)?, picture(model, second)?) else {
        return Ok(None);
    };
    let inputs = match (one, other) {
        ([channels, height, width], [factors, 1, 1]) if channels == factors && 1 < height * width => {
            [first, second]
        }
        ([factors, 1, 1], [channels, height, width]) if channels == factors && 1 < height * width => {
            [second, first]
        }
        _ => return Ok(None),
    };
    replace(model, node.id, name, Gate::Times, inputs)
}

/// Channels, height and width of one picture that the graph computes.
fn picture(model: &TypedModel, outlet: OutletId) -> TractResult<Option<[usize; 3]>> {
    let fact = model.outlet_fact(outlet)?;
    Ok(match fact.shape.as_concrete() {
        Some(&[1, channels, height, width])
            if fact.datum_type == f32::datum_type()
                && fact.konst.is_none()
                && 0 < channels * height * width =>
        {
            Some([channels, height, width])
        }
        _ => None,
    })
}

/// Puts `op` between moves of the channels, in the place of all up to the node `last`. Moves that meet cancel out.
fn replace(
    model: &TypedModel,
    last: usize,
    name: &str,
    op: impl Into<Box<dyn TypedOp>>,
    inputs: impl IntoIterator<Item = OutletId>,
) -> TractResult<Option<TypedModelPatch>> {
    let mut patch = TypedModelPatch::default();
    let mut moved: TVec<OutletId> = tvec!();
    for (index, outlet) in inputs.into_iter().enumerate() {
        let tap = patch.tap_model(model, outlet)?;
        moved.extend(patch.wire_node(format!("{name}.last.{index}"), AxisOp::Move(1, 3), &[tap])?);
    }
    let made = patch.wire_node(name, op.into(), &moved)?;
    let back = patch.wire_node(format!("{name}.first"), AxisOp::Move(3, 1), &made)?;
    let back = back.first().context("a move has an output")?;
    patch.shunt_outside(model, last.into(), *back)?;
    Ok(Some(patch))
}

/// A convolution that a layer can stand in for.
struct Found {
    level: Level,
    geometry: Geometry,
    inputs: usize,
    outputs: usize,
    depthwise: bool,
    /// As ONNX has them: outputs, inputs, height, width.
    weights: Vec<f32>,
    bias: Vec<f32>,
    limits: Limits,
    added: Option<OutletId>,
}

impl Found {
    fn read(level: Level, model: &TypedModel, node: &TypedNode, op: &Conv) -> TractResult<Option<Self>> {
        let pool = &op.pool_spec;
        let [input, weights, bias] = node.inputs[..] else {
            return Ok(None);
        };
        let fact = model.outlet_fact(input)?;
        let Some(&[1, inputs, height, width]) = fact.shape.as_concrete() else {
            return Ok(None);
        };
        let (Some(weights), Some(bias)) = (floats(model, weights)?, floats(model, bias)?) else {
            return Ok(None);
        };
        let outputs = pool.output_channels;
        rule_if!(fact.datum_type == f32::datum_type() && op.q_params.is_none());
        rule_if!(pool.data_format == DataFormat::NCHW && op.kernel_fmt == KernelFormat::OIHW);
        rule_if!(layer::lanes(level) <= outputs);
        let depthwise = op.group == inputs && inputs == outputs && 1 < inputs;
        rule_if!(depthwise || op.group == 1);
        let padding = pool.computed_padding(&[height, width]);
        let (&[down, right], [high, wide]) = (&pool.kernel_shape[..], &padding[..]) else {
            return Ok(None);
        };
        let rows = Side {
            input: height,
            output: high.convoluted,
            kernel: down,
            stride: pool.stride(0),
            dilation: pool.dilation(0),
            before: high.pad_before,
        };
        let columns = Side {
            input: width,
            output: wide.convoluted,
            kernel: right,
            stride: pool.stride(1),
            dilation: pool.dilation(1),
            before: wide.pad_before,
        };
        if !depthwise {
            rule_if!(down * right == 1 || down * right * inputs <= MOST_NUMBERS);
            rule_if!(rows.dilation == 1 && columns.dilation == 1);
        }
        rule_if!(0 < rows.output && 0 < columns.output && 0 < inputs);
        let each = if depthwise { 1 } else { inputs };
        rule_if!(weights.len() == outputs * each * down * right);
        rule_if!(bias.len() == 1 || bias.len() == outputs);
        Ok(Some(Self {
            level,
            geometry: Geometry { rows, columns },
            inputs,
            outputs,
            depthwise,
            weights,
            bias: bias.into_iter().cycle().take(outputs).collect(),
            limits: Limits::NONE,
            added: None,
        }))
    }

    /// What follows and nothing else needs the result of; gives the last node of it.
    fn take_up(&mut self, model: &TypedModel, node: &TypedNode) -> TractResult<usize> {
        let mut last = node;
        while let Some(next) = model.single_succ(last.id)? {
            if model.outputs.contains(&last.id.into()) || !self.takes(model, last, next)? {
                break;
            }
            last = next;
        }
        Ok(last.id)
    }

    fn takes(&mut self, model: &TypedModel, last: &TypedNode, next: &TypedNode) -> TractResult<bool> {
        let Some(TypedBinOp(op, None)) = next.op_as() else {
            return Ok(false);
        };
        let Some(other) = next.inputs.iter().find(|input| input.node != last.id) else {
            return Ok(false);
        };
        let fact = model.outlet_fact(*other)?;
        if fact.konst.is_none() {
            let result = model.outlet_fact(last.id.into())?;
            let takes = op.is::<Add>()
                && !self.depthwise
                && self.added.is_none()
                && self.limits == Limits::NONE
                && fact.shape == result.shape
                && fact.datum_type == result.datum_type;
            if takes {
                self.added = Some(*other);
            }
            return Ok(takes);
        }
        let by_channel = fact.shape.as_concrete() == Some(&[1, self.outputs, 1, 1]);
        let Some(numbers) = floats(model, *other)?.filter(|numbers| numbers.len() == 1 || by_channel) else {
            return Ok(false);
        };
        let linear = self.limits == Limits::NONE && self.added.is_none();
        if let (true, [limit]) = (op.is::<Max>() || op.is::<Min>(), &numbers[..]) {
            self.limits = if op.is::<Max>() {
                self.limits.raised_to(*limit)
            } else {
                self.limits.lowered_to(*limit)
            };
        } else if op.is::<Add>() && linear {
            let numbers = numbers.iter().cycle();
            self.bias
                .iter_mut()
                .zip(numbers)
                .for_each(|(bias, number)| *bias += number);
        } else if op.is::<Mul>() && linear {
            let each = self.weights.len() / self.outputs;
            let kernels = self.weights.chunks_exact_mut(each).zip(&mut self.bias);
            for ((weights, bias), factor) in kernels.zip(numbers.iter().cycle()) {
                weights.iter_mut().for_each(|weight| *weight *= factor);
                *bias *= factor;
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The weights with the outputs last.
    fn turned(&self) -> Vec<f32> {
        let taps = self.geometry.rows.kernel * self.geometry.columns.kernel;
        let each = self.weights.len() / self.outputs;
        let inputs = each / taps;
        let of = |tap: usize, input: usize| {
            let places = (0..self.outputs).map(move |output| output * each + input * taps + tap);
            places.filter_map(|place| self.weights.get(place).copied())
        };
        let numbers = (0..taps).flat_map(|tap| (0..inputs).map(move |input| (tap, input)));
        numbers.flat_map(|(tap, input)| of(tap, input)).collect()
    }
}

impl From<Found> for Layer {
    fn from(found: Found) -> Self {
        let weights = found.turned();
        let Found {
            level,
            geometry,
            limits,
            ..
        } = found;
        if found.depthwise {
            return Self::Depthwise(Depthwise {
                level,
                geometry,
                channels: found.outputs,
                weights,
                bias: found.bias,
                limits,
            });
        }
        let padding = Padding {
            top: geometry.rows.before,
            left: geometry.columns.before,
            input: [geometry.rows.input, geometry.columns.input],
        };
        let dense = Dense {
            level,
            geometry: Geometry {
                rows: padded(geometry.rows),
                columns: padded(geometry.columns),
            },
            inputs: found.inputs,
            outputs: found.outputs,
            panels: Panel::all(level, &weights, &found.bias),
            limits,
        };
        Self::Dense(dense, padding)
    }
}

/// A side with its zeros counted among the input.
fn padded(side: Side) -> Side {
    if !side.is_padded() {
        return side;
    }
    Side {
        input: (side.output - 1) * side.stride + (side.kernel - 1) * side.dilation + 1,
        before: 0,
        ..side
    }
}

/// The numbers that an outlet always gives.
fn floats(model: &TypedModel, outlet: OutletId) -> TractResult<Option<Vec<f32>>> {
    let fact = model.outlet_fact(outlet)?;
    let Some(konst) = fact
        .konst
        .as_ref()
        .filter(|konst| konst.datum_type() == f32::datum_type())
    else {
        return Ok(None);
    };
    Ok(Some(konst.try_as_plain_ram()?.as_slice::<f32>()?.to_vec()))
}
