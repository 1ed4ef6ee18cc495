//! What the two kinds of convolution have in common.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch};
use tract_linalg::multithread::{Executor, current_tract_executor};

/// Limits to what a layer gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limits {
    pub(super) lowest: f32,
    pub(super) highest: f32,
}

impl Limits {
    pub(super) const NONE: Self = Self {
        lowest: f32::NEG_INFINITY,
        highest: f32::INFINITY,
    };

    pub(super) fn raised_to(self, least: f32) -> Self {
        Self {
            lowest: self.lowest.max(least),
            highest: self.highest.max(least),
        }
    }

    pub(super) fn lowered_to(self, most: f32) -> Self {
        Self {
            lowest: self.lowest.min(most),
            highest: self.highest.min(most),
        }
    }

    /// What is no number stays none: of two operands the processor then gives the second.
    #[inline(always)]
    pub(super) fn apply<S: Simd>(self, simd: S, values: S::f32s) -> S::f32s {
        let raised = S::f32s::splat(simd, self.lowest).max(values);
        S::f32s::splat(simd, self.highest).min(raised)
    }
}

/// How many channels a vector holds.
pub(super) fn lanes(level: Level) -> usize {
    #[inline(always)]
    fn of<S: Simd>(_: S) -> usize {
        S::f32s::LEN
    }
    dispatch!(level, simd => of(simd))
}

/// The threads that share in the work of this one.
pub(super) fn threads() -> usize {
    match current_tract_executor() {
        Executor::MultiThread(pool) => pool.current_num_threads(),
        Executor::SingleThread | Executor::RayonGlobal => 1,
    }
}
