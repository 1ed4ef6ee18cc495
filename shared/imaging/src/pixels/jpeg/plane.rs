//! One component's samples, in whole blocks.

use super::segments::{Component, Frame};
use super::transform;

/// A byte of eight bits, a word of twelve.
pub(super) trait Sample: Copy + Default {
    const PRECISION: u32;
    /// Bits kept between the transform's passes beside the sample's own; more would not fit 32.
    const GUARD: u32;
    const BYTES: usize;

    /// What lies outside the range becomes its end.
    fn clamped(level: i32) -> Self;
    fn level(self) -> i32;
    fn write(samples: &[Self], to: &mut Vec<u8>);
}

impl Sample for u8 {
    const PRECISION: u32 = 8;
    const GUARD: u32 = 2;
    const BYTES: usize = 1;

    fn clamped(level: i32) -> Self {
        level.clamp(0, 255) as Self
    }

    fn level(self) -> i32 {
        i32::from(self)
    }

    fn write(samples: &[Self], to: &mut Vec<u8>) {
        to.extend_from_slice(samples);
    }
}

impl Sample for u16 {
    const PRECISION: u32 = 12;
    const GUARD: u32 = 1;
    const BYTES: usize = 2;

    fn clamped(level: i32) -> Self {
        level.clamp(0, 4095) as Self
    }

    fn level(self) -> i32 {
        i32::from(self)
    }

    fn write(samples: &[Self], to: &mut Vec<u8>) {
        to.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    }
}

pub(super) struct Plane<S> {
    pub(super) width: usize,
    pub(super) height: usize,
    /// How many pixels of the picture a sample stands for, across and down.
    pub(super) across: usize,
    pub(super) down: usize,
    stride: usize,
    rows: usize,
    /// None before its scan.
    samples: Vec<S>,
}

impl<S: Sample> Plane<S> {
    /// `None` where a sample stands for no whole number of pixels.
    pub(super) fn new(frame: &Frame, component: &Component) -> Option<Self> {
        let (most_across, most_down) = frame.most();
        if most_across % component.across != 0 || most_down % component.down != 0 {
            return None;
        }
        let (units_across, units_down) = frame.units();
        Some(Self {
            width: (frame.width * component.across).div_ceil(most_across),
            height: (frame.height * component.down).div_ceil(most_down),
            across: most_across / component.across,
            down: most_down / component.down,
            stride: units_across * component.across * 8,
            rows: units_down * component.down * 8,
            samples: Vec::new(),
        })
    }

    pub(super) fn is_decoded(&self) -> bool {
        !self.samples.is_empty()
    }

    /// Makes room; `None` where a scan came before.
    pub(super) fn begin(&mut self) -> Option<()> {
        if self.is_decoded() {
            return None;
        }
        self.samples = vec![S::default(); self.stride * self.rows];
        Some(())
    }

    /// Blocks that hold a part of the picture (T.81 section A.2.2).
    pub(super) fn blocks(&self) -> (usize, usize) {
        (self.width.div_ceil(8), self.height.div_ceil(8))
    }

    /// `is_flat`: the first coefficient is the only one.
    pub(super) fn put(&mut self, x: usize, y: usize, block: &[[i32; 8]; 8], is_flat: bool) -> Option<()> {
        let start = y * 8 * self.stride + x * 8;
        let rows = self.samples.get_mut(start..)?.chunks_mut(self.stride).take(8);
        let lines = if is_flat {
            [[transform::flat(block[0][0]); 8]; 8]
        } else {
            transform::inverse(block)
        };
        for (row, line) in rows.zip(lines) {
            *row.first_chunk_mut::<8>()? = line;
        }
        Some(())
    }

    /// The row's samples, those beyond the picture left out. The last row stands for what lies below it.
    pub(super) fn row(&self, y: usize) -> &[S] {
        let start = y.min(self.height.saturating_sub(1)) * self.stride;
        self.samples.get(start..start + self.width).unwrap_or_default()
    }
}
