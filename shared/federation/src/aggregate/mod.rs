//! Many updates and a global model become the next global model, one chunk at a time.
//!
//! Memory is a few chunks, whatever the number of clients and the size of the model. Robust strategies hold a block
//! of every client's values (at most 4 MiB) and, for Krum and its kin, the clients' mutual distances.
//!
//! Sums are kept in float64 in the order in which the caller lists the clients. The result is the same bit for bit
//! for the same order; a caller who wants it independent of arrival sorts the clients, by name for instance.

mod columns;
mod distance;
mod error;
mod mean;
mod memory;
mod place;
mod rows;
mod rule;
mod select;
mod step;
mod stores;

pub use self::error::{AggregateError, SourceError};
pub use self::memory::{MemoryModel, MemoryUpdates};
use self::place::{Place, blocks, places};
use self::rule::{Rule, Used};
use self::step::ServerStep;
pub use self::stores::{ModelStore, UpdateSum, Updates};
use crate::clip::L2Norm;
use crate::encoding::BLOCK_VALUES;
use crate::kernels::divide;
use crate::layout::Layout;
use crate::strategy::Strategy;

/// Values worked on at a time, so that running sums stay in the processor's cache.
const BLOCK: usize = 16 * BLOCK_VALUES;

/// Heaviest weight of a client. Weights are example counts; the limit keeps sums far from overflow.
pub const MAX_WEIGHT: f64 = 1e12;

/// What an aggregation did.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Clients whose updates went into the result, in ascending order. Empty for a secure sum.
    pub used: Vec<usize>,
    /// Clients a robust strategy left out as a whole, in ascending order.
    pub left_out: Vec<usize>,
    /// What the sum was divided by; the number of clients used for a robust strategy.
    pub total_weight: f64,
    /// l2 norm of the combined update.
    pub update_norm: f64,
    /// l2 norm of the change of the global model.
    pub step_norm: f64,
}

/// Combines the updates by `strategy` and takes the server's step.
///
/// `round` counts from 1, the first step taken with the moments in `store`.
///
/// # Errors
/// [`AggregateError`]; chunks already written to `store` are then of no use.
pub fn aggregate(
    strategy: &Strategy,
    round: u32,
    layout: &Layout,
    updates: &mut dyn Updates,
    store: &mut dyn ModelStore,
) -> Result<Summary, AggregateError> {
    let strategy = strategy.validated()?;
    let clients = updates.clients();
    let needed = strategy.minimum_clients().max(1);
    if clients < needed {
        return Err(AggregateError::NotEnoughClients { clients, needed });
    }
    if let Some(limit) = strategy.maximum_clients().filter(|limit| clients > *limit) {
        return Err(AggregateError::TooManyClients { clients, limit });
    }
    let step = ServerStep::new(strategy, round);
    let mut rule = Rule::choose(&strategy, layout, updates)?;
    run(step, layout, store, clients, rule.used(), &mut |place, into| {
        rule.combine(updates, place, into)
    })
}

/// Takes the server's step with a sum of updates that secure aggregation gave, divided by `total_weight`.
///
/// # Errors
/// [`AggregateError::NeedsPlainUpdates`] for a robust strategy; else as [`aggregate`].
pub fn aggregate_sum(
    strategy: &Strategy,
    round: u32,
    layout: &Layout,
    sum: &mut dyn UpdateSum,
    total_weight: f64,
    store: &mut dyn ModelStore,
) -> Result<Summary, AggregateError> {
    let strategy = strategy.validated()?;
    if strategy.needs_plain_updates() {
        return Err(AggregateError::NeedsPlainUpdates);
    }
    if !(total_weight.is_finite() && total_weight > 0.0) {
        return Err(AggregateError::TotalWeight);
    }
    let step = ServerStep::new(strategy, round);
    let used = Used {
        clients: Vec::new(),
        total_weight,
    };
    run(step, layout, store, 0, used, &mut |place, into| {
        let read = sum.read(place.chunk, place.offset, into);
        read.map_err(|source| AggregateError::Sum {
            chunk: place.chunk,
            source,
        })?;
        Ok(divide(into, total_weight))
    })
}

/// The l2 norm of every update, NaN or infinite when one of its values is.
///
/// # Errors
/// [`AggregateError::Update`].
pub fn update_norms(layout: &Layout, updates: &mut dyn Updates) -> Result<Vec<f64>, AggregateError> {
    let mut buffer = vec![0.0; BLOCK];
    (0..updates.clients())
        .map(|client| {
            let mut norm = L2Norm::default();
            for place in places(layout, BLOCK) {
                let values = buffer.get_mut(..place.values).unwrap_or_default();
                place.read(updates, client, values)?;
                norm.add(values);
            }
            Ok(norm.value())
        })
        .collect()
}

/// Fills a block with the combined update; the sum of its values' squares.
type Combine<'a> = &'a mut dyn FnMut(Place, &mut [f64]) -> Result<f64, AggregateError>;

fn run(
    mut step: ServerStep,
    layout: &Layout,
    store: &mut dyn ModelStore,
    clients: usize,
    used: Used,
    combine: Combine<'_>,
) -> Result<Summary, AggregateError> {
    let mut update_norm = L2Norm::default();
    let mut buffer = vec![0.0_f64; BLOCK];
    for chunk in 0..layout.chunks() {
        let values = layout.chunk_values(chunk);
        step.begin(chunk, values, store)?;
        for place in blocks(chunk, values, BLOCK) {
            let update = buffer.get_mut(..place.values).unwrap_or_default();
            update_norm.add_squares(combine(place, update)?);
            step.take(place.offset, update);
        }
        step.finish(chunk, store)?;
    }
    let left_out = (0..clients)
        .filter(|client| used.clients.binary_search(client).is_err())
        .collect();
    Ok(Summary {
        used: used.clients,
        left_out,
        total_weight: used.total_weight,
        update_norm: update_norm.value(),
        step_norm: step.norm(),
    })
}
