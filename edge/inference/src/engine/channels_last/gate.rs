//! What a gate on channels needs besides convolutions (squeeze and excitation): every channel's sum, and every channel
//! times a number of its own.

use fearless_simd::{Level, Simd, dispatch};
use tract_onnx::tract_core::internal::*;

/// Done with the channels last, of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// The sum of every channel.
    Sums,
    /// The first input with every channel times its number in the second.
    Times,
}

impl Op for Gate {
    fn name(&self) -> StaticName {
        match self {
            Self::Sums => "SumsChannelsLast".into(),
            Self::Times => "TimesChannelsLast".into(),
        }
    }

    fn validation(&self) -> Validation {
        Validation::Rounding
    }

    op_as_typed_op!();
}

impl EvalOp for Gate {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut inputs = inputs.into_iter();
        let picture = inputs.next().context("a gate has an input")?;
        let &[1, _, width, channels] = picture.shape() else {
            bail!("a gate is on one picture");
        };
        let output = match self {
            Self::Sums => {
                let mut sums = Tensor::zero::<f32>(&[1, 1, 1, channels])?;
                let picture = picture.try_as_plain_ram()?;
                let picture = picture.as_slice::<f32>()?;
                let mut plain = sums.try_as_plain_ram_mut()?;
                let out = plain.as_slice_mut::<f32>()?;
                dispatch!(Level::new(), simd => sum(simd, picture, width, out));
                sums
            }
            Self::Times => {
                let factors = inputs.next().context("a gate has factors")?;
                let factors = factors.try_as_plain_ram()?;
                let factors = factors.as_slice::<f32>()?;
                let mut picture = picture.into_tensor();
                let mut plain = picture.try_as_plain_ram_mut()?;
                let values = plain.as_slice_mut::<f32>()?;
                dispatch!(Level::new(), simd => multiply(simd, values, factors));
                picture
            }
        };
        Ok(tvec!(output.into_tvalue()))
    }
}

/// Line by line: the sum of a whole picture's values is too large to add single ones to.
#[inline(always)]
fn sum<S: Simd>(_: S, picture: &[f32], width: usize, out: &mut [f32]) {
    let mut sums = vec![0.0; out.len()];
    for line in picture.chunks(width * out.len()) {
        sums.fill(0.0);
        for place in line.chunks_exact(out.len()) {
            sums.iter_mut().zip(place).for_each(|(sum, value)| *sum += value);
        }
        out.iter_mut().zip(&sums).for_each(|(out, sum)| *out += sum);
    }
}

#[inline(always)]
fn multiply<S: Simd>(_: S, values: &mut [f32], factors: &[f32]) {
    for place in values.chunks_exact_mut(factors.len()) {
        place
            .iter_mut()
            .zip(factors)
            .for_each(|(value, factor)| *value *= factor);
    }
}

impl TypedOp for Gate {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shape = inputs.first().and_then(|fact| fact.shape.as_concrete());
        let Some(&[1, height, width, channels]) = shape else {
            bail!("a gate is on one picture");
        };
        ensure!(0 < height && 0 < width && 0 < channels);
        let each = [1, 1, 1, channels];
        Ok(tvec!(match self {
            Self::Sums => f32::fact(each),
            Self::Times => {
                ensure!(inputs.get(1).and_then(|fact| fact.shape.as_concrete()) == Some(&each[..]));
                f32::fact([1, height, width, channels])
            }
        }))
    }

    as_op!();
}
