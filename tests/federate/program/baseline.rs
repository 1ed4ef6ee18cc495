//! What no federation can be without: the same head trained by the same trainer on everything, and by each clinic alone.

use std::ops::ControlFlow;

use barefoot_edge::federated::{FitOrder, Learner, Trainable};
use barefoot_federation::metrics::auc;
use barefoot_test_support::federation::{Case, learner};
use serde::Serialize;

use crate::split::Split;

/// As many passes as ten rounds of thirty.
const PASSES: u32 = 300;

/// Areas under the curve on the validation patients.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Baseline {
    pub(crate) pooled: f64,
    /// Clinic by clinic.
    pub(crate) local: Vec<f64>,
    /// Of clinics that have both classes.
    pub(crate) local_both_classes: Vec<f64>,
}

impl Baseline {
    pub(crate) fn mean_local(&self) -> f64 {
        mean(&self.local)
    }

    pub(crate) fn worst_local(&self) -> f64 {
        self.local.iter().copied().fold(1.0, f64::min)
    }
}

pub(crate) fn compute(trainable: &Trainable, split: &Split) -> anyhow::Result<Baseline> {
    let everything = split.clinics.concat();
    let pooled = trained(trainable, &everything, &split.validation)?;
    let (mut local, mut local_both_classes) = (Vec::new(), Vec::new());
    for own in &split.clinics {
        let area = trained(trainable, own, &split.validation)?;
        local.push(area);
        if own.iter().any(|case| case.present) && own.iter().any(|case| !case.present) {
            local_both_classes.push(area);
        }
    }
    Ok(Baseline {
        pooled,
        local,
        local_both_classes,
    })
}

fn trained(trainable: &Trainable, cases: &[Case], validation: &[Case]) -> anyhow::Result<f64> {
    let zeros = vec![0.0; trainable.channels + 1];
    let order = FitOrder {
        epochs: PASSES,
        ..order()
    };
    let fitted = learner(trainable, cases).fit(&zeros, &order, &mut || ControlFlow::Continue(()))?;
    area(&fitted.delta, validation)
}

/// One round's training.
pub(crate) fn order() -> FitOrder {
    FitOrder {
        epochs: 30,
        l2: 1e-3,
        proximal_mu: 0.0,
        class_weights: true,
    }
}

/// Of a head: weights, then the bias.
pub(crate) fn area(head: &[f32], cases: &[Case]) -> anyhow::Result<f64> {
    let logit = |case: &Case| {
        let weights = head.iter().zip(case.features.iter());
        weights
            .map(|(weight, value)| f64::from(*weight) * f64::from(*value))
            .sum::<f64>()
    };
    let scores: Vec<f64> = cases.iter().map(logit).collect();
    let present: Vec<bool> = cases.iter().map(|case| case.present).collect();
    Ok(auc(&scores, &present)?.value)
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
