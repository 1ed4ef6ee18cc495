//! From the combined update to the next global model: a plain step, momentum, or one of the adaptive steps of
//! Reddi et al. 2021 (arXiv 2003.00295), with the combined update as the negated gradient.

use super::{AggregateError, ModelStore, SourceError};
use crate::clip::L2Norm;
use crate::encoding::first_not_finite;
use crate::kernels;
use crate::layout::CHUNK_VALUES;
use crate::strategy::{Adaptive, Moment, Strategy};

/// A strategy's step in one round, with the buffers for one chunk.
#[derive(Debug)]
pub(super) struct ServerStep {
    strategy: Strategy,
    before: Vec<f32>,
    global: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    change: L2Norm,
    /// A value of the chunk may be no number.
    unchecked: bool,
}

impl ServerStep {
    pub(super) fn new(strategy: Strategy, round: u32) -> Self {
        Self {
            strategy: bias_corrected(strategy, round),
            before: Vec::new(),
            global: Vec::new(),
            first: Vec::new(),
            second: Vec::new(),
            change: L2Norm::default(),
            unchecked: false,
        }
    }

    /// l2 norm of the change of the chunks stepped so far.
    pub(super) fn norm(&self) -> f64 {
        self.change.value()
    }

    /// Reads what the step of a chunk starts from.
    pub(super) fn begin(
        &mut self,
        chunk: usize,
        values: usize,
        store: &mut dyn ModelStore,
    ) -> Result<(), AggregateError> {
        let failed = |source: SourceError| AggregateError::Model { chunk, source };
        self.unchecked = false;
        self.global.resize(values, 0.0);
        store.read_global(chunk, &mut self.global).map_err(failed)?;
        for moment in self.strategy.moments() {
            let kept = self.moment(*moment);
            kept.resize(values, 0.0);
            if !store.read_moment(*moment, chunk, kept).map_err(failed)? {
                kept.fill(0.0);
            }
        }
        Ok(())
    }

    /// Steps the values `offset ..` of the chunk begun.
    pub(super) fn take(&mut self, offset: usize, update: &[f64]) {
        let Self {
            strategy,
            before,
            global,
            first,
            second,
            change,
            unchecked,
        } = self;
        let global = span(global, offset, update.len());
        if strategy.moments().is_empty() {
            let squares = kernels::advance(global, update);
            *unchecked |= !squares.is_finite();
            change.add_squares(squares);
            return;
        }
        *unchecked = true;
        before.clear();
        before.extend_from_slice(global);
        let moments = (
            span(first, offset, update.len()),
            span(second, offset, update.len()),
        );
        apply(strategy, update, global, moments);
        before
            .iter_mut()
            .zip(global)
            .for_each(|(before, after)| *before -= *after);
        change.add(before);
    }

    /// Writes the chunk, when all its values are numbers.
    pub(super) fn finish(&mut self, chunk: usize, store: &mut dyn ModelStore) -> Result<(), AggregateError> {
        let failed = |source: SourceError| AggregateError::Model { chunk, source };
        if self.unchecked {
            self.check(chunk)?;
        }
        for moment in self.strategy.moments() {
            store
                .write_moment(*moment, chunk, self.moment(*moment))
                .map_err(failed)?;
        }
        store.write_global(chunk, &self.global).map_err(failed)
    }

    /// Neither the model nor what is kept for the next round may hold a value that is no number.
    fn check(&self, chunk: usize) -> Result<(), AggregateError> {
        let bad = [&self.global, &self.first, &self.second]
            .into_iter()
            .find_map(|values| first_not_finite(values));
        bad.map_or(Ok(()), |index| {
            Err(AggregateError::Result {
                value: chunk * CHUNK_VALUES + index,
            })
        })
    }

    fn moment(&mut self, moment: Moment) -> &mut Vec<f32> {
        match moment {
            Moment::First => &mut self.first,
            Moment::Second => &mut self.second,
        }
    }
}

fn apply(strategy: &Strategy, update: &[f64], global: &mut [f32], (first, second): (&mut [f32], &mut [f32])) {
    match *strategy {
        Strategy::FedAvgM {
            server_learning_rate,
            server_momentum,
        } => {
            for ((x, d), m) in global.iter_mut().zip(update).zip(first) {
                let momentum = server_momentum * f64::from(*m) + d;
                *m = momentum as f32;
                advance(x, server_learning_rate * momentum);
            }
        }
        Strategy::FedAdam(adam) => {
            adaptive(adam, update, global, (first, second), |v, square| {
                adam.beta_2 * v + (1.0 - adam.beta_2) * square
            });
        }
        Strategy::FedYogi(yogi) => {
            adaptive(yogi, update, global, (first, second), |v, square| {
                let grows = if square > v { 1.0 } else { 0.0 };
                let shrinks = if square < v { 1.0 } else { 0.0 };
                v + (1.0 - yogi.beta_2) * square * (grows - shrinks)
            });
        }
        Strategy::FedAdagrad { eta, tau } => {
            for ((x, d), v) in global.iter_mut().zip(update).zip(second) {
                let sum = f64::from(*v) + d * d;
                *v = sum as f32;
                advance(x, eta * d / (sum.sqrt() + tau));
            }
        }
        Strategy::FedAvg
        | Strategy::FedProx { .. }
        | Strategy::FedMedian
        | Strategy::FedTrimmedAvg { .. }
        | Strategy::Krum { .. }
        | Strategy::MultiKrum { .. }
        | Strategy::Bulyan { .. } => {
            kernels::advance(global, update);
        }
    }
}

/// Empty for a moment the strategy does not keep.
fn span(values: &mut [f32], offset: usize, len: usize) -> &mut [f32] {
    values
        .get_mut(offset..)
        .and_then(|rest| rest.get_mut(..len))
        .unwrap_or_default()
}

/// Adam with its learning rate corrected for moments that started from zero. The exponent is one more than the
/// number of the round, as Flower has it. The other strategies are not corrected.
fn bias_corrected(strategy: Strategy, round: u32) -> Strategy {
    let Strategy::FedAdam(adam) = strategy else {
        return strategy;
    };
    let exponent = f64::from(round.max(1)) + 1.0;
    let correction = (1.0 - adam.beta_2.powf(exponent)).sqrt() / (1.0 - adam.beta_1.powf(exponent));
    Strategy::FedAdam(Adaptive {
        eta: adam.eta * correction,
        ..adam
    })
}

/// The step Adam and Yogi share; they differ in how the second moment follows the squared update.
fn adaptive(
    Adaptive { eta, beta_1, tau, .. }: Adaptive,
    update: &[f64],
    global: &mut [f32],
    (first, second): (&mut [f32], &mut [f32]),
    follow: impl Fn(f64, f64) -> f64,
) {
    for (((x, d), m), v) in global.iter_mut().zip(update).zip(first).zip(second) {
        let mean = beta_1 * f64::from(*m) + (1.0 - beta_1) * d;
        let square = follow(f64::from(*v), d * d);
        (*m, *v) = (mean as f32, square as f32);
        advance(x, eta * mean / (square.sqrt() + tau));
    }
}

fn advance(x: &mut f32, by: f64) {
    *x = (f64::from(*x) + by) as f32;
}
