//! Where a kernel lies on a picture.

use std::ops::Range;

/// Height and width, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) rows: Side,
    pub(super) columns: Side,
}

/// One of a picture's two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) input: usize,
    pub(super) output: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    /// Zeros in front of the input.
    pub(super) before: usize,
}

impl Side {
    /// The taps of the kernel that meet the input at this place of the output.
    pub(super) fn taps(&self, place: usize) -> Range<usize> {
        let start = place * self.stride;
        let first = self.before.saturating_sub(start).div_ceil(self.dilation);
        let end = (self.input + self.before)
            .saturating_sub(start)
            .div_ceil(self.dilation);
        let end = end.min(self.kernel);
        first.min(end)..end
    }

    /// Where on the input a tap lies that meets it.
    pub(super) fn meets(&self, place: usize, tap: usize) -> usize {
        place * self.stride + tap * self.dilation - self.before
    }

    /// The places of the output whose taps all meet the input.
    pub(super) fn inside(&self) -> Range<usize> {
        let whole = |place: &usize| self.taps(*place) == (0..self.kernel);
        let first = (0..self.output).find(whole).unwrap_or(self.output);
        let count = (first..self.output).take_while(whole).count();
        first..first + count
    }

    pub(super) fn is_padded(&self) -> bool {
        self.inside() != (0..self.output)
    }
}
