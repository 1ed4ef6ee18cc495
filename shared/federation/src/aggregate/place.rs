//! The blocks of values an aggregation works on.

use super::{AggregateError, Updates};
use crate::layout::{CHUNK_VALUES, Layout};

/// A block of values: `offset ..` of a chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) chunk: usize,
    pub(super) offset: usize,
    pub(super) values: usize,
}

impl Place {
    /// Place of its value `index` in the whole vector.
    pub(super) fn value(self, index: usize) -> usize {
        self.chunk * CHUNK_VALUES + self.offset + index
    }

    pub(super) fn read(
        self,
        updates: &mut dyn Updates,
        client: usize,
        into: &mut [f32],
    ) -> Result<(), AggregateError> {
        let read = updates.read(client, self.chunk, self.offset, into);
        read.map_err(|source| AggregateError::Update {
            client,
            chunk: self.chunk,
            source,
        })
    }
}

impl Place {
    /// Its values of a client where they lie in memory.
    pub(super) fn held(self, updates: &dyn Updates, client: usize) -> Option<&[f32]> {
        let held = updates.held(client, self.chunk, self.offset, self.values);
        held.filter(|values| values.len() == self.values)
    }
}

/// All blocks of a layout in order.
pub(super) fn places(layout: &Layout, block: usize) -> impl Iterator<Item = Place> {
    (0..layout.chunks()).flat_map(move |chunk| blocks(chunk, layout.chunk_values(chunk), block))
}

/// All blocks of a chunk of so many values, in order.
pub(super) fn blocks(chunk: usize, values: usize, block: usize) -> impl Iterator<Item = Place> {
    (0..values).step_by(block).map(move |offset| Place {
        chunk,
        offset,
        values: block.min(values - offset),
    })
}
