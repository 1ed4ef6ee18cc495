//! The weighted mean of any number of updates, with running sums that stay in the processor's cache.

use super::place::Place;
use super::rule::Used;
use super::{AggregateError, BLOCK, MAX_WEIGHT, Updates};
use crate::encoding::first_not_finite;
use crate::kernels::{MOST_ROWS, add_weighted, divide};

/// Who is averaged with which weight, and the buffers for it.
#[derive(Debug)]
pub(super) struct Mean {
    members: Vec<(usize, f64)>,
    total_weight: f64,
    /// Of updates that do not lie in memory.
    buffers: Vec<Vec<f32>>,
}

impl Mean {
    /// All clients, each with its weight.
    pub(super) fn weighted(updates: &dyn Updates) -> Result<Self, AggregateError> {
        let members = (0..updates.clients()).map(|client| match updates.weight(client) {
            weight if weight > 0.0 && weight <= MAX_WEIGHT => Ok((client, weight)),
            _ => Err(AggregateError::Weight { client }),
        });
        Ok(Self::of(members.collect::<Result<_, _>>()?))
    }

    /// The clients listed, each with weight 1.
    pub(super) fn unweighted(clients: Vec<usize>) -> Self {
        Self::of(clients.into_iter().map(|client| (client, 1.0)).collect())
    }

    fn of(members: Vec<(usize, f64)>) -> Self {
        let total_weight = members.iter().map(|(_, weight)| weight).sum();
        Self {
            members,
            total_weight,
            buffers: vec![Vec::new(); MOST_ROWS],
        }
    }

    pub(super) fn used(&self) -> Used {
        Used {
            clients: self.members.iter().map(|(client, _)| *client).collect(),
            total_weight: self.total_weight,
        }
    }

    /// Fills `into` with the mean of its values; the sum of their squares.
    pub(super) fn combine(
        &mut self,
        updates: &mut dyn Updates,
        place: Place,
        into: &mut [f64],
    ) -> Result<f64, AggregateError> {
        for (group, members) in self.members.chunks(MOST_ROWS).enumerate() {
            for ((client, _), buffer) in members.iter().zip(&mut self.buffers) {
                if place.held(updates, *client).is_none() {
                    place.read(updates, *client, front(buffer, place))?;
                }
            }
            let mut rows: [(f64, &[f32]); MOST_ROWS] = [(0.0, &[]); MOST_ROWS];
            for ((row, (client, weight)), buffer) in rows.iter_mut().zip(members).zip(&self.buffers) {
                let read = || buffer.get(..place.values).unwrap_or_default();
                *row = (*weight, place.held(updates, *client).unwrap_or_else(read));
            }
            add_weighted(into, group == 0, rows.get(..members.len()).unwrap_or_default());
        }
        let squares = divide(into, self.total_weight);
        if squares.is_finite() {
            Ok(squares)
        } else {
            Err(self.culprit(updates, place)?)
        }
    }

    /// Finite values under bounded weights cannot sum to an infinity, so one of the updates holds one.
    fn culprit(&mut self, updates: &mut dyn Updates, place: Place) -> Result<AggregateError, AggregateError> {
        let mut buffer = Vec::new();
        for (client, _) in &self.members {
            let values = front(&mut buffer, place);
            place.read(updates, *client, values)?;
            if let Some(index) = first_not_finite(values) {
                return Ok(AggregateError::NotFinite {
                    client: *client,
                    value: place.value(index),
                });
            }
        }
        Ok(AggregateError::Result {
            value: place.value(0),
        })
    }
}

/// As many values as the place has; a buffer is as long as the longest block it was used for.
fn front(buffer: &mut Vec<f32>, place: Place) -> &mut [f32] {
    if buffer.len() < place.values {
        buffer.resize(BLOCK.max(place.values), 0.0);
    }
    buffer.get_mut(..place.values).unwrap_or_default()
}
