//! The values of several clients side by side, cut into tiles small enough for the processor's first cache.

use super::place::Place;
use super::{AggregateError, BLOCK, Updates};
use crate::encoding::{BLOCK_VALUES, first_not_finite};

/// Values of one client in a tile.
pub(super) const TILE: usize = 64;

/// Bytes of all clients' values held at a time.
const BUDGET: usize = 4 << 20;

/// One block of values of each of several clients.
#[derive(Debug)]
pub(super) struct Rows {
    clients: Vec<usize>,
    /// Values of each client held at a time.
    width: usize,
    values: Vec<f32>,
    /// One tile: a row of each client.
    tile: Vec<[f32; TILE]>,
}

impl Rows {
    pub(super) fn new(clients: Vec<usize>) -> Self {
        let fitting = BUDGET / size_of::<f32>() / clients.len().max(1) / BLOCK_VALUES * BLOCK_VALUES;
        let width = fitting.clamp(BLOCK_VALUES, BLOCK);
        let tile = Vec::with_capacity(clients.len());
        Self {
            values: vec![0.0; width * clients.len()],
            clients,
            width,
            tile,
        }
    }

    /// The clients in the order of the rows.
    pub(super) fn clients(&self) -> &[usize] {
        &self.clients
    }

    /// Reads `place` piece by piece and hands over tile by tile: where in `place` its values begin, and a row of
    /// each client, free to be reordered. Where `place` ends within a tile, the values beyond are 0 and count
    /// nothing.
    pub(super) fn tiles(
        &mut self,
        updates: &mut dyn Updates,
        place: Place,
        mut visit: impl FnMut(usize, &mut [[f32; TILE]]),
    ) -> Result<(), AggregateError> {
        for begin in (0..place.values).step_by(self.width) {
            let values = self.width.min(place.values - begin);
            let piece = Place {
                chunk: place.chunk,
                offset: place.offset + begin,
                values,
            };
            for (client, row) in self.clients.iter().zip(self.values.chunks_mut(self.width)) {
                let row = row.get_mut(..values).unwrap_or_default();
                piece.read(updates, *client, row)?;
                if let Some(index) = first_not_finite(row) {
                    return Err(AggregateError::NotFinite {
                        client: *client,
                        value: piece.value(index),
                    });
                }
            }
            for start in (0..values).step_by(TILE) {
                let rows = self.values.chunks(self.width);
                self.tile.clear();
                self.tile.extend(rows.map(|row| tile(row, start, values)));
                visit(begin + start, &mut self.tile);
            }
        }
        Ok(())
    }
}

fn tile(row: &[f32], start: usize, end: usize) -> [f32; TILE] {
    let values = row.get(start..end).unwrap_or_default();
    values.first_chunk().copied().unwrap_or_else(|| {
        let mut tile = [0.0; TILE];
        tile.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
        tile
    })
}
