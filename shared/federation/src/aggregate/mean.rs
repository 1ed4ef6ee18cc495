//! The weighted mean of any number of updates, with running sums that stay in the processor's cache.

use super::place::Place;
use super::rule::Used;
use super::{AggregateError, BLOCK, MAX_WEIGHT, Updates};
use crate::encoding::first_not_finite;

/// Updates added in one pass over the sums, which saves most of the traffic to and from them.
const ABREAST: usize = 4;

/// Who is averaged with which weight, and the buffers for it.
#[derive(Debug)]
pub(super) struct Mean {
    members: Vec<(usize, f64)>,
    total_weight: f64,
    buffers: [Vec<f32>; ABREAST],
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
            buffers: std::array::from_fn(|_| vec![0.0; BLOCK]),
        }
    }

    pub(super) fn used(&self) -> Used {
        Used {
            clients: self.members.iter().map(|(client, _)| *client).collect(),
            total_weight: self.total_weight,
        }
    }

    /// Fills `into` with the mean of its values.
    pub(super) fn combine(
        &mut self,
        updates: &mut dyn Updates,
        place: Place,
        into: &mut [f64],
    ) -> Result<(), AggregateError> {
        into.fill(0.0);
        let (groups, rest) = self.members.as_chunks::<ABREAST>();
        for group in groups {
            for ((client, _), buffer) in group.iter().zip(&mut self.buffers) {
                place.read(updates, *client, front(buffer, place))?;
            }
            add_abreast(into, group.map(|(_, weight)| weight), &self.buffers);
        }
        let [buffer, ..] = &mut self.buffers;
        for (client, weight) in rest {
            let values = front(buffer, place);
            place.read(updates, *client, values)?;
            for (sum, value) in into.iter_mut().zip(values) {
                *sum += weight * f64::from(*value);
            }
        }
        let mut finite = true;
        for sum in into {
            *sum /= self.total_weight;
            finite &= sum.is_finite();
        }
        if finite {
            Ok(())
        } else {
            self.culprit(updates, place)
        }
    }

    /// Finite values under bounded weights cannot sum to an infinity, so one of the updates holds one.
    fn culprit(&mut self, updates: &mut dyn Updates, place: Place) -> Result<(), AggregateError> {
        let [buffer, ..] = &mut self.buffers;
        for (client, _) in &self.members {
            let values = front(buffer, place);
            place.read(updates, *client, values)?;
            if let Some(index) = first_not_finite(values) {
                return Err(AggregateError::NotFinite {
                    client: *client,
                    value: place.value(index),
                });
            }
        }
        Err(AggregateError::Result {
            value: place.value(0),
        })
    }
}

fn front(buffer: &mut [f32], place: Place) -> &mut [f32] {
    buffer.get_mut(..place.values).unwrap_or_default()
}

/// The same order of additions, and so the same rounding, as adding one update after another.
fn add_abreast(into: &mut [f64], weights: [f64; ABREAST], buffers: &[Vec<f32>; ABREAST]) {
    let [w0, w1, w2, w3] = weights;
    let [b0, b1, b2, b3] = buffers;
    for ((((sum, v0), v1), v2), v3) in into.iter_mut().zip(b0).zip(b1).zip(b2).zip(b3) {
        *sum = *sum + w0 * f64::from(*v0) + w1 * f64::from(*v1) + w2 * f64::from(*v2) + w3 * f64::from(*v3);
    }
}
