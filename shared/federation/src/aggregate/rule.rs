//! Which rule of combination a strategy means, and whose updates it takes.

use super::columns::Columns;
use super::mean::Mean;
use super::place::Place;
use super::{AggregateError, Updates, distance, select};
use crate::kernels::wide_squares;
use crate::layout::Layout;
use crate::strategy::{Strategy, count};

/// Whose updates a combination counts, and as how much together.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) clients: Vec<usize>,
    pub(super) total_weight: f64,
}

/// Makes one update of many, block by block.
#[derive(Debug)]
pub(super) enum Rule {
    Mean(Mean),
    Columns(Columns),
}

impl Rule {
    /// For Krum and its kin this reads all updates once, to compare them. Takes a number of clients that the
    /// strategy takes.
    pub(super) fn choose(
        strategy: &Strategy,
        layout: &Layout,
        updates: &mut dyn Updates,
    ) -> Result<Self, AggregateError> {
        let clients = updates.clients();
        Ok(match *strategy {
            Strategy::FedAvg
            | Strategy::FedAvgM { .. }
            | Strategy::FedProx { .. }
            | Strategy::FedAdam(_)
            | Strategy::FedYogi(_)
            | Strategy::FedAdagrad { .. } => Self::Mean(Mean::weighted(updates)?),
            Strategy::FedMedian => Self::Columns(Columns::median((0..clients).collect())),
            Strategy::FedTrimmedAvg { beta } => Self::Columns(Columns::trimmed((0..clients).collect(), beta)),
            Strategy::Krum { num_malicious_nodes } => {
                let distances = distance::squared(layout, updates)?;
                Self::Mean(Mean::unweighted(select::krum(
                    &distances,
                    count(num_malicious_nodes),
                    1,
                )))
            }
            Strategy::MultiKrum {
                num_malicious_nodes,
                num_nodes_to_select,
            } => {
                let distances = distance::squared(layout, updates)?;
                let f = count(num_malicious_nodes);
                let keep = match count(num_nodes_to_select) {
                    0 => clients.saturating_sub(f),
                    keep => keep,
                };
                Self::Mean(Mean::unweighted(select::krum(&distances, f, keep)))
            }
            Strategy::Bulyan { num_malicious_nodes } => {
                let distances = distance::squared(layout, updates)?;
                let f = count(num_malicious_nodes);
                Self::Columns(Columns::near_median(select::bulyan(&distances, f), 2 * f))
            }
        })
    }

    pub(super) fn used(&self) -> Used {
        match self {
            Self::Mean(mean) => mean.used(),
            Self::Columns(columns) => columns.used(),
        }
    }

    /// Fills `into` with the combined values of `place`; the sum of their squares.
    pub(super) fn combine(
        &mut self,
        updates: &mut dyn Updates,
        place: Place,
        into: &mut [f64],
    ) -> Result<f64, AggregateError> {
        match self {
            Self::Mean(mean) => mean.combine(updates, place, into),
            Self::Columns(columns) => {
                columns.combine(updates, place, into)?;
                Ok(wide_squares(into))
            }
        }
    }
}
