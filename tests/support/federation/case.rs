use barefoot_edge::federated::{Dataset, Examples, HeadLearner, LabelledFeatures, Trainable};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// One picture with its label, as the head sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Cases of a patient stay together.
    pub patient: String,
    pub present: bool,
    /// Pooled features, one value a channel.
    pub features: Vec<f32>,
}

/// The box's own learner over these cases, labels of finding 0. It keeps a fifth of the patients for itself to measure
/// with.
#[must_use]
pub fn learner(trainable: &Trainable, cases: &[Case]) -> HeadLearner {
    let all = cases.iter().map(|case| LabelledFeatures {
        group: case.patient.clone(),
        finding: 0,
        features: case.features.as_slice().into(),
        present: case.present,
    });
    HeadLearner::new(Dataset::new(Examples::new(trainable.clone(), all)))
}

/// Cases without pictures, for tests: normal noise, the first channel shifted by `shift` up or down with the label.
#[must_use]
pub fn bump_cases(name: &str, count: usize, channels: usize, shift: f32, seed: u64) -> Vec<Case> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count)
        .map(|number| {
            let present = rng.random_bool(0.5);
            let side = if present { shift } else { -shift };
            let mut features: Vec<f32> = (0..channels).map(|_| StandardNormal.sample(&mut rng)).collect();
            if let Some(first) = features.first_mut() {
                *first += side;
            }
            Case {
                patient: format!("{name}-{number}"),
                present,
                features,
            }
        })
        .collect()
}
