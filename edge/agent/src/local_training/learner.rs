//! Training and measuring the head of the active model on the clinic's own examples.

use std::ops::ControlFlow;

use super::evaluation::{auc, log_loss};
use super::examples::{Dataset, LabelledFeatures, Trainable};
use super::trainer::{self, Row, Sample, Settings};

/// What a round says about training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitOrder {
    /// Passes over all examples.
    pub epochs: u32,
    pub l2: f64,
    /// FedProx's pull to the global head; 0 for none.
    pub proximal_mu: f64,
    pub class_weights: bool,
}

/// What training changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// Local minus global, in the order of the layout.
    pub delta: Vec<f32>,
    /// Examples trained on; the weight of the update.
    pub examples: u32,
    /// Of the trained head on the held-out share: `auc`, `log_loss`.
    pub metrics: Vec<(String, f64)>,
}

/// How well a head does here.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// Examples measured with.
    pub examples: u32,
    /// `auc` and `log_loss`: means over the findings that allow them.
    pub metrics: Vec<(String, f64)>,
}

/// Why nothing was learnt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    /// No model works, or it is not the one the round is about.
    #[error("there is no model to train")]
    NoModel,
    /// Stopped from outside; may be tried again.
    #[error("training was stopped")]
    Stopped,
    /// It would go the same way again.
    #[error("training failed: {reason}")]
    Failed { reason: String },
}

/// Whether to go on; asked often, may block while the processor is wanted elsewhere.
pub type GoOn<'a> = &'a mut dyn FnMut() -> ControlFlow<()>;

/// What learns in a clinic. The box has one, [`HeadLearner`]; a test may put another in its place.
pub trait Learner: Send + Sync + 'static {
    /// What can be trained; `None` while no model works.
    fn trainable(&self) -> Option<Trainable>;

    /// Examples that would be trained on.
    fn examples(&self) -> u32;

    /// Trains from `global` (flattened in the order of the layout). Blocking, for seconds.
    ///
    /// # Errors
    /// [`LearnError`].
    fn fit(&self, global: &[f32], order: &FitOrder, go_on: GoOn<'_>) -> Result<Fitted, LearnError>;

    /// Measures `global` on the held-out share. Blocking.
    ///
    /// # Errors
    /// [`LearnError`].
    fn evaluate(&self, global: &[f32]) -> Result<Evaluated, LearnError>;
}

/// Trains each finding's row by itself on the examples with a label for it.
#[derive(Debug, Clone, Default)]
pub struct HeadLearner {
    dataset: Dataset,
}

impl HeadLearner {
    #[must_use]
    pub fn new(dataset: Dataset) -> Self {
        Self { dataset }
    }
}

impl Learner for HeadLearner {
    fn trainable(&self) -> Option<Trainable> {
        self.dataset.get().trainable().cloned()
    }

    fn examples(&self) -> u32 {
        count(self.dataset.get().training().len())
    }

    fn fit(&self, global: &[f32], order: &FitOrder, go_on: GoOn<'_>) -> Result<Fitted, LearnError> {
        // It may wait long: what may be learnt from is looked up afterwards.
        if go_on().is_break() {
            return Err(LearnError::Stopped);
        }
        let examples = self.dataset.get();
        let head = Head::read(examples.trainable(), global)?;
        let settings = Settings {
            steps: order.epochs,
            l2: order.l2,
            proximal_mu: order.proximal_mu,
            class_weights: order.class_weights,
        };
        let mut trained = Vec::with_capacity(head.rows.len());
        for (finding, start) in head.rows.iter().enumerate() {
            let samples = samples(examples.training(), finding);
            let row =
                trainer::train(&samples, start, settings, &mut *go_on).map_err(|error| match error {
                    trainer::Error::Stopped => LearnError::Stopped,
                    trainer::Error::Shape | trainer::Error::Diverged => LearnError::Failed {
                        reason: error.to_string(),
                    },
                })?;
            trained.push(row);
        }
        let trained = Head { rows: trained };
        let delta = trained.delta(&head);
        if !delta.iter().all(|value| value.is_finite()) {
            return Err(LearnError::Failed {
                reason: "the update does not fit float32".to_owned(),
            });
        }
        Ok(Fitted {
            delta,
            examples: count(examples.training().len()),
            metrics: trained.measure(examples.held_out()),
        })
    }

    fn evaluate(&self, global: &[f32]) -> Result<Evaluated, LearnError> {
        let examples = self.dataset.get();
        let head = Head::read(examples.trainable(), global)?;
        Ok(Evaluated {
            examples: count(examples.held_out().len()),
            metrics: head.measure(examples.held_out()),
        })
    }
}

/// A head, finding by finding.
struct Head {
    rows: Vec<Row>,
}

impl Head {
    fn read(trainable: Option<&Trainable>, global: &[f32]) -> Result<Self, LearnError> {
        let trainable = trainable.ok_or(LearnError::NoModel)?;
        let (findings, channels) = (trainable.findings, trainable.channels);
        let weights = findings.saturating_mul(channels);
        let (weight, bias) = global.split_at_checked(weights).ok_or(LearnError::NoModel)?;
        if channels == 0 || bias.len() != findings {
            return Err(LearnError::NoModel);
        }
        let rows = weight.chunks_exact(channels).zip(bias).map(|(weight, bias)| Row {
            weight: weight.iter().map(|value| f64::from(*value)).collect(),
            bias: f64::from(*bias),
        });
        Ok(Self { rows: rows.collect() })
    }

    /// In the order of the layout: all weights, then all biases.
    fn delta(&self, from: &Self) -> Vec<f32> {
        let pairs = || self.rows.iter().zip(&from.rows);
        let weights = pairs().flat_map(|(to, from)| {
            let values = to.weight.iter().zip(&from.weight);
            values.map(|(to, from)| (to - from) as f32)
        });
        let biases = pairs().map(|(to, from)| (to.bias - from.bias) as f32);
        weights.chain(biases).collect()
    }

    fn measure(&self, held_out: &[LabelledFeatures]) -> Vec<(String, f64)> {
        let (mut areas, mut losses) = (Vec::new(), Vec::new());
        for (finding, row) in self.rows.iter().enumerate() {
            let scored: Vec<(f64, bool)> = samples(held_out, finding)
                .iter()
                .map(|sample| (trainer::logit(row, sample.features), sample.present))
                .collect();
            areas.extend(auc(&scored));
            losses.extend(log_loss(&scored));
        }
        [("auc", areas), ("log_loss", losses)]
            .into_iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(name, values)| {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                (name.to_owned(), mean)
            })
            .collect()
    }
}

fn samples(all: &[LabelledFeatures], finding: usize) -> Vec<Sample<'_>> {
    all.iter()
        .filter(|one| one.finding == finding)
        .map(|one| Sample {
            features: &one.features,
            present: one.present,
        })
        .collect()
}

fn count(examples: usize) -> u32 {
    u32::try_from(examples).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::examples::Examples;
    use super::*;

    const ORDER: FitOrder = FitOrder {
        epochs: 30,
        l2: 1e-3,
        proximal_mu: 0.0,
        class_weights: true,
    };

    /// Two findings; the second has no examples.
    fn learner() -> HeadLearner {
        let trainable = Trainable {
            id: "cxr".into(),
            version: "1".into(),
            backbone: "ab".into(),
            findings: 2,
            channels: 2,
        };
        let all = (0..200_u8).map(|number| {
            let present = number % 2 == 0;
            let side = if present { 1.0 } else { -1.0 };
            let jitter = f32::from(number % 7) / 10.0;
            LabelledFeatures {
                group: format!("p{number}"),
                finding: 0,
                features: [side + jitter, jitter].into(),
                present,
            }
        });
        HeadLearner::new(Dataset::new(Examples::new(trainable, all)))
    }

    fn fit(learner: &HeadLearner, global: &[f32]) -> Result<Fitted, LearnError> {
        learner.fit(global, &ORDER, &mut || ControlFlow::Continue(()))
    }

    #[test]
    fn training_helps_on_patients_it_never_saw_and_leaves_unlabelled_findings_alone() {
        let learner = learner();
        let global = [0.0; 6];
        let before = learner.evaluate(&global).unwrap();
        let fitted = fit(&learner, &global).unwrap();
        assert_eq!(fitted.examples + before.examples, 200);
        assert_eq!(fitted.examples, learner.examples());
        assert_eq!(
            (fitted.delta[2], fitted.delta[3], fitted.delta[5]),
            (0.0, 0.0, 0.0)
        );
        let local: Vec<f32> = global.iter().zip(&fitted.delta).map(|(g, d)| g + d).collect();
        let after = learner.evaluate(&local).unwrap();
        assert_eq!(after.metrics[0], ("auc".to_owned(), 1.0));
        assert!(after.metrics[1].1 < before.metrics[1].1);
        // The same but for the rounding to float32.
        assert!((after.metrics[1].1 - fitted.metrics[1].1).abs() < 1e-6);
    }

    #[test]
    fn what_was_withdrawn_while_training_waited_is_not_learnt_from() {
        let learner = learner();
        let all = learner.examples();
        let trainable = learner.trainable().unwrap();
        let mut withdraw = || {
            let (dataset, kept) = (&learner.dataset, learner.dataset.get());
            let rest = kept.training().iter().skip(1).chain(kept.held_out()).cloned();
            if kept.training().len() == all as usize {
                dataset.set(Examples::new(trainable.clone(), rest));
            }
            ControlFlow::Continue(())
        };
        let fitted = learner.fit(&[0.0; 6], &ORDER, &mut withdraw).unwrap();
        assert_eq!(fitted.examples, all - 1);
    }

    #[test]
    fn a_global_head_of_another_shape_is_refused() {
        let learner = learner();
        for length in [0, 5, 7, 1000] {
            assert_eq!(fit(&learner, &vec![0.0; length]), Err(LearnError::NoModel));
        }
        assert_eq!(HeadLearner::default().trainable(), None);
        assert_eq!(fit(&HeadLearner::default(), &[]), Err(LearnError::NoModel));
    }
}
