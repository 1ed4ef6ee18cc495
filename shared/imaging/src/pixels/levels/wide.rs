//! Samples of 32 bits and of floating point: too many values for a table, so each is worked out by itself.

use super::{Chain, Voi};
use crate::pixels::frame::Samples;
use crate::pixels::layout::Layout;

pub(super) fn grey(layout: &Layout, samples: &Samples, chain: &Chain) -> Vec<f32> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    if matches!(chain.voi, Voi::Absent) {
        each(layout, samples, |value| {
            let value = chain.modality_number(value);
            if value.is_finite() {
                (low, high) = (low.min(value), high.max(value));
            }
        });
    }
    let mut data = Vec::with_capacity(layout.pixels());
    each(layout, samples, |value| {
        let level = chain
            .voi
            .level(chain.modality_number(value), low, high)
            .clamp(0.0, 1.0) as f32;
        // What is no number is black on either ground.
        data.push(match (level.is_nan(), chain.inverted) {
            (true, _) => 0.0,
            (false, true) => 1.0 - level,
            (false, false) => level,
        });
    });
    data
}

/// Calls `visit` for every pixel's stored value.
fn each(layout: &Layout, samples: &Samples, mut visit: impl FnMut(f64)) {
    if samples.bits == 64 {
        let (numbers, _) = samples.bytes.as_chunks::<8>();
        let numbers = numbers.iter().take(layout.pixels());
        numbers.for_each(|bytes| visit(f64::from_le_bytes(*bytes)));
        return;
    }
    let (numbers, _) = samples.bytes.as_chunks::<4>();
    let above = 31 - u32::from(layout.high_bit.min(31));
    let unused = 32 - u32::from(layout.bits_stored.clamp(1, 32));
    for bytes in numbers.iter().take(layout.pixels()) {
        let bits = u32::from_le_bytes(*bytes);
        visit(match (layout.float, layout.signed) {
            (true, _) => f64::from(f32::from_bits(bits)),
            (false, true) => f64::from((bits << above).cast_signed() >> unused),
            (false, false) => f64::from((bits << above) >> unused),
        });
    }
}
