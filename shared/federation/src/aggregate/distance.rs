//! The squared l2 distance of every two updates, in one pass over them.

use super::place::places;
use super::rows::{Rows, TILE};
use super::{AggregateError, BLOCK, Updates};
use crate::layout::Layout;

/// Sums kept apart, so that one addition need not wait for the one before.
const LANES: usize = 8;

/// A symmetric matrix with zeros on its diagonal.
#[derive(Debug)]
pub(super) struct Distances {
    clients: usize,
    rows: Vec<f64>,
}

impl Distances {
    pub(super) fn clients(&self) -> usize {
        self.clients
    }

    /// Distances of one client to each.
    pub(super) fn of(&self, client: usize) -> &[f64] {
        self.rows
            .chunks(self.clients.max(1))
            .nth(client)
            .unwrap_or_default()
    }
}

pub(super) fn squared(layout: &Layout, updates: &mut dyn Updates) -> Result<Distances, AggregateError> {
    let clients = updates.clients();
    let mut distances = Distances {
        clients,
        rows: vec![0.0; clients * clients],
    };
    let mut rows = Rows::new((0..clients).collect());
    let mut wide: Vec<[f64; TILE]> = Vec::with_capacity(clients);
    for place in places(layout, BLOCK) {
        rows.tiles(updates, place, |_, tile| {
            wide.clear();
            wide.extend(tile.iter().map(|values| values.map(f64::from)));
            add_tile(&wide, &mut distances.rows);
        })?;
    }
    mirror(&mut distances);
    Ok(distances)
}

/// Adds a tile's part to the upper half of the matrix.
fn add_tile(wide: &[[f64; TILE]], matrix: &mut [f64]) {
    let clients = wide.len();
    for (client, (one, row)) in wide.iter().zip(matrix.chunks_mut(clients.max(1))).enumerate() {
        let others = wide.iter().zip(row).skip(client + 1);
        others.for_each(|(other, distance)| *distance += between(one, other));
    }
}

fn between(one: &[f64; TILE], other: &[f64; TILE]) -> f64 {
    let mut lanes = [0.0_f64; LANES];
    for (one, other) in one
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(other.as_chunks::<LANES>().0)
    {
        for ((lane, a), b) in lanes.iter_mut().zip(one).zip(other) {
            let difference = a - b;
            *lane += difference * difference;
        }
    }
    lanes.iter().sum()
}

fn mirror(distances: &mut Distances) {
    let upper = distances.rows.clone();
    let clients = distances.clients.max(1);
    for (client, row) in distances.rows.chunks_mut(clients).enumerate() {
        let column = upper.iter().skip(client).step_by(clients);
        row.iter_mut()
            .zip(column)
            .take(client)
            .for_each(|(to, from)| *to = *from);
    }
}
