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
mod rows;
mod select;
mod step;

use self::columns::Columns;
pub use self::error::{AggregateError, SourceError};
use self::mean::Mean;
pub use self::memory::{MemoryModel, MemoryUpdates};
use self::step::ServerStep;
use crate::clip::L2Norm;
use crate::encoding::BLOCK_VALUES;
use crate::layout::{CHUNK_VALUES, Layout};
use crate::strategy::{Moment, Strategy, count};

/// Values worked on at a time, so that running sums stay in the processor's cache.
const BLOCK: usize = 8 * BLOCK_VALUES;

/// Heaviest weight of a client. Weights are example counts; the limit keeps sums far from overflow.
pub const MAX_WEIGHT: f64 = 1e12;

/// The clients' updates, wherever they are kept. Clients are numbered from 0.
pub trait Updates {
    /// How many there are.
    fn clients(&self) -> usize;

    /// What one counts in a weighted mean: above 0, at most [`MAX_WEIGHT`]. Robust strategies do not ask.
    fn weight(&self, client: usize) -> f64;

    /// Fills `into` with the values `offset ..` of `chunk`. `offset` is a multiple of
    /// [`BLOCK_VALUES`], so any encoding can be decoded from there.
    ///
    /// # Errors
    /// Whatever keeps the values from being read; it ends the aggregation.
    fn read(
        &mut self,
        client: usize,
        chunk: usize,
        offset: usize,
        into: &mut [f32],
    ) -> Result<(), SourceError>;
}

/// A sum of weighted updates whose parts nobody can see: what secure aggregation gives.
pub trait UpdateSum {
    /// Fills `into` with the sum's values `offset ..` of `chunk`.
    ///
    /// # Errors
    /// Whatever keeps the values from being read; it ends the aggregation.
    fn read(&mut self, chunk: usize, offset: usize, into: &mut [f64]) -> Result<(), SourceError>;
}

/// The global model and the server's moments, in chunks of float32 values.
///
/// Every chunk is read once, before it is written. A store that must survive a crash in between writes to a new
/// version and makes it the current one when [`aggregate`] has returned.
pub trait ModelStore {
    /// Fills `into` with a chunk of the present global model.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn read_global(&mut self, chunk: usize, into: &mut [f32]) -> Result<(), SourceError>;

    /// Takes a chunk of the next global model.
    ///
    /// # Errors
    /// Whatever keeps it from being written.
    fn write_global(&mut self, chunk: usize, values: &[f32]) -> Result<(), SourceError>;

    /// Fills `into` with a chunk of a moment and says `true`, or says `false` when none was ever written.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn read_moment(&mut self, moment: Moment, chunk: usize, into: &mut [f32]) -> Result<bool, SourceError>;

    /// Takes a chunk of the next state of a moment.
    ///
    /// # Errors
    /// Whatever keeps it from being written.
    fn write_moment(&mut self, moment: Moment, chunk: usize, values: &[f32]) -> Result<(), SourceError>;
}

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
    let everyone: Vec<usize> = (0..clients).collect();
    match strategy {
        Strategy::FedMedian => {
            let mut columns = Columns::median(everyone);
            run(
                step,
                layout,
                store,
                clients,
                columns.used(),
                &mut |place, into| columns.combine(updates, place, into),
            )
        }
        Strategy::FedTrimmedAvg { beta } => {
            let mut columns = Columns::trimmed(everyone, beta);
            run(
                step,
                layout,
                store,
                clients,
                columns.used(),
                &mut |place, into| columns.combine(updates, place, into),
            )
        }
        Strategy::Bulyan { num_malicious_nodes } => {
            let distances = distance::squared(layout, updates)?;
            let chosen = select::bulyan(&distances, count(num_malicious_nodes));
            let mut columns = Columns::near_median(chosen, 2 * count(num_malicious_nodes));
            run(
                step,
                layout,
                store,
                clients,
                columns.used(),
                &mut |place, into| columns.combine(updates, place, into),
            )
        }
        Strategy::Krum { num_malicious_nodes } => {
            let distances = distance::squared(layout, updates)?;
            let mut mean = Mean::unweighted(select::krum(&distances, count(num_malicious_nodes), 1));
            run(step, layout, store, clients, mean.used(), &mut |place, into| {
                mean.combine(updates, place, into)
            })
        }
        Strategy::MultiKrum {
            num_malicious_nodes,
            num_nodes_to_select,
        } => {
            let distances = distance::squared(layout, updates)?;
            let f = count(num_malicious_nodes);
            let keep = if num_nodes_to_select == 0 {
                clients - f
            } else {
                count(num_nodes_to_select)
            };
            let mut mean = Mean::unweighted(select::krum(&distances, f, keep));
            run(step, layout, store, clients, mean.used(), &mut |place, into| {
                mean.combine(updates, place, into)
            })
        }
        Strategy::FedAvg
        | Strategy::FedAvgM { .. }
        | Strategy::FedProx { .. }
        | Strategy::FedAdam(_)
        | Strategy::FedYogi(_)
        | Strategy::FedAdagrad { .. } => {
            let mut mean = Mean::weighted(updates)?;
            run(step, layout, store, clients, mean.used(), &mut |place, into| {
                mean.combine(updates, place, into)
            })
        }
    }
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
        into.iter_mut().for_each(|value| *value /= total_weight);
        Ok(())
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

/// A block of values: `offset ..` of a chunk.
#[derive(Debug, Clone, Copy)]
struct Place {
    chunk: usize,
    offset: usize,
    values: usize,
}

impl Place {
    /// Place of its value `index` in the whole vector.
    fn value(self, index: usize) -> usize {
        self.chunk * CHUNK_VALUES + self.offset + index
    }

    fn read(self, updates: &mut dyn Updates, client: usize, into: &mut [f32]) -> Result<(), AggregateError> {
        let read = updates.read(client, self.chunk, self.offset, into);
        read.map_err(|source| AggregateError::Update {
            client,
            chunk: self.chunk,
            source,
        })
    }
}

/// All blocks of a layout in order.
fn places(layout: &Layout, block: usize) -> impl Iterator<Item = Place> {
    (0..layout.chunks()).flat_map(move |chunk| blocks(chunk, layout.chunk_values(chunk), block))
}

/// All blocks of a chunk of so many values, in order.
fn blocks(chunk: usize, values: usize, block: usize) -> impl Iterator<Item = Place> {
    (0..values).step_by(block).map(move |offset| Place {
        chunk,
        offset,
        values: block.min(values - offset),
    })
}

/// Whose updates a combination counts, and as how much together.
#[derive(Debug)]
struct Used {
    clients: Vec<usize>,
    total_weight: f64,
}

/// Fills a block with the combined update.
type Combine<'a> = &'a mut dyn FnMut(Place, &mut [f64]) -> Result<(), AggregateError>;

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
            combine(place, update)?;
            update_norm.add_wide(update);
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
