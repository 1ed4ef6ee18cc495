//! From the combined update to the next global model: a plain step, momentum, or one of the adaptive steps of
//! Reddi et al. 2021 (arXiv 2003.00295), with the combined update as the negated gradient.

use super::{AggregateError, ModelStore, SourceError};
use crate::layout::CHUNK_VALUES;
use crate::strategy::{Adaptive, Moment, Strategy};

/// A strategy's step in one round.
#[derive(Debug)]
pub(super) struct ServerStep {
    strategy: Strategy,
    /// Adam's learning rate with its bias correction for this round.
    corrected_eta: f64,
}

impl ServerStep {
    pub(super) fn new(strategy: Strategy, round: u32) -> Self {
        let corrected_eta = match strategy {
            Strategy::FedAdam(Adaptive {
                eta, beta_1, beta_2, ..
            }) => {
                // Flower's exponent: one more than the number of the round.
                let exponent = f64::from(round.max(1)) + 1.0;
                eta * (1.0 - beta_2.powf(exponent)).sqrt() / (1.0 - beta_1.powf(exponent))
            }
            _ => 0.0,
        };
        Self {
            strategy,
            corrected_eta,
        }
    }

    /// Steps one chunk. Returns the square of the l2 norm of its change.
    pub(super) fn take(
        &self,
        chunk: usize,
        update: &[f64],
        store: &mut dyn ModelStore,
    ) -> Result<f64, AggregateError> {
        let failed = |source: SourceError| AggregateError::Model { chunk, source };
        let mut global = vec![0.0_f32; update.len()];
        store.read_global(chunk, &mut global).map_err(failed)?;
        let mut state = State {
            first: Vec::new(),
            second: Vec::new(),
        };
        for moment in self.strategy.moments() {
            let values = state.of(*moment);
            values.resize(update.len(), 0.0);
            if !store.read_moment(*moment, chunk, values).map_err(failed)? {
                values.fill(0.0);
            }
        }
        let change = self.apply(update, &mut global, &mut state);
        if let Some(index) = crate::encoding::first_not_finite(&global) {
            return Err(AggregateError::Result {
                value: chunk * CHUNK_VALUES + index,
            });
        }
        for moment in self.strategy.moments() {
            store
                .write_moment(*moment, chunk, state.of(*moment))
                .map_err(failed)?;
        }
        store.write_global(chunk, &global).map_err(failed)?;
        Ok(change)
    }

    fn apply(&self, update: &[f64], global: &mut [f32], state: &mut State) -> f64 {
        let State { first, second } = state;
        match self.strategy {
            Strategy::FedAvgM {
                server_learning_rate,
                server_momentum,
            } => {
                let mut change = 0.0;
                for ((x, d), m) in global.iter_mut().zip(update).zip(first) {
                    let momentum = server_momentum * f64::from(*m) + d;
                    *m = momentum as f32;
                    change += advance(x, server_learning_rate * momentum);
                }
                change
            }
            Strategy::FedAdam(Adaptive {
                beta_1, beta_2, tau, ..
            }) => adaptive(
                update,
                global,
                state,
                (self.corrected_eta, beta_1, tau),
                |v, square| beta_2 * v + (1.0 - beta_2) * square,
            ),
            Strategy::FedYogi(Adaptive {
                eta,
                beta_1,
                beta_2,
                tau,
            }) => adaptive(update, global, state, (eta, beta_1, tau), |v, square| {
                let sign = if v > square {
                    1.0
                } else if v < square {
                    -1.0
                } else {
                    0.0
                };
                v - (1.0 - beta_2) * square * sign
            }),
            Strategy::FedAdagrad { eta, tau } => {
                let mut change = 0.0;
                for ((x, d), v) in global.iter_mut().zip(update).zip(second) {
                    let sum = f64::from(*v) + d * d;
                    *v = sum as f32;
                    change += advance(x, eta * d / (sum.sqrt() + tau));
                }
                change
            }
            Strategy::FedAvg
            | Strategy::FedProx { .. }
            | Strategy::FedMedian
            | Strategy::FedTrimmedAvg { .. }
            | Strategy::Krum { .. }
            | Strategy::MultiKrum { .. }
            | Strategy::Bulyan { .. } => global.iter_mut().zip(update).map(|(x, d)| advance(x, *d)).sum(),
        }
    }
}

#[derive(Debug)]
struct State {
    first: Vec<f32>,
    second: Vec<f32>,
}

impl State {
    fn of(&mut self, moment: Moment) -> &mut Vec<f32> {
        match moment {
            Moment::First => &mut self.first,
            Moment::Second => &mut self.second,
        }
    }
}

/// The step Adam and Yogi share; they differ in how the second moment follows the squared update.
fn adaptive(
    update: &[f64],
    global: &mut [f32],
    state: &mut State,
    (eta, beta_1, tau): (f64, f64, f64),
    second: impl Fn(f64, f64) -> f64,
) -> f64 {
    let mut change = 0.0;
    let moments = state.first.iter_mut().zip(&mut state.second);
    for ((x, d), (m, v)) in global.iter_mut().zip(update).zip(moments) {
        let mean = beta_1 * f64::from(*m) + (1.0 - beta_1) * d;
        let square = second(f64::from(*v), d * d);
        (*m, *v) = (mean as f32, square as f32);
        change += advance(x, eta * mean / (square.sqrt() + tau));
    }
    change
}

/// Moves one value; returns the square of what it moved after rounding.
fn advance(x: &mut f32, by: f64) -> f64 {
    let before = f64::from(*x);
    *x = (before + by) as f32;
    let moved = f64::from(*x) - before;
    moved * moved
}
