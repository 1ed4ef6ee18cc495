//! The examples training and evaluation work on, in memory, shared by whoever keeps them and whoever learns from them.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use barefoot_federation::layout::{Layout, LayoutError, TensorSpec};
use ring::digest;

/// One of this many patients is never trained on.
const HELD_OUT_ONE_IN: u64 = 5;

/// Values of all examples together, at most: 64 MiB.
const MOST_VALUES: usize = 16 * 1024 * 1024;

/// What this box can train: the head of one model on the features of one artefact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trainable {
    /// The model's id and the version it is of.
    pub id: String,
    pub version: String,
    /// SHA-256 of the artefact that makes the features, lower-case hex.
    pub backbone: String,
    /// Rows of the head.
    pub findings: usize,
    /// Values of a picture's pooled features.
    pub channels: usize,
}

impl Trainable {
    /// The head's tensors: `weight` `[findings, channels]`, then `bias` `[findings]`.
    ///
    /// # Errors
    /// When a head of these sizes cannot be.
    pub fn layout(&self) -> Result<Layout, LayoutError> {
        let (findings, channels) = (self.findings as u64, self.channels as u64);
        Layout::new(vec![
            TensorSpec {
                name: "weight".to_owned(),
                shape: vec![findings, channels],
            },
            TensorSpec {
                name: "bias".to_owned(),
                shape: vec![findings],
            },
        ])
    }
}

/// One finding of one study, as the head sees it. Prints nothing.
#[derive(Clone, PartialEq)]
pub struct LabelledFeatures {
    /// What must stay together on one side of the held-out share: the patient, or the study where the patient is not known.
    /// It is only ever hashed, and never leaves.
    pub group: String,
    /// The head's row.
    pub finding: usize,
    /// Pooled features, one value a channel.
    pub features: Arc<[f32]>,
    pub present: bool,
}

impl fmt::Debug for LabelledFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LabelledFeatures(redacted)")
    }
}

impl LabelledFeatures {
    /// Whether it is kept from training to measure with. The same for a patient at all times.
    #[must_use]
    pub fn is_held_out(&self) -> bool {
        let text = ["held-out share\0", &self.group].concat();
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let first = hash.as_ref().first_chunk::<8>().copied().unwrap_or_default();
        u64::from_be_bytes(first).is_multiple_of(HELD_OUT_ONE_IN)
    }
}

/// All examples of one model.
#[derive(Debug, Clone, Default)]
pub struct Examples {
    trainable: Option<Trainable>,
    /// Trained on.
    training: Vec<LabelledFeatures>,
    /// Measured with.
    held_out: Vec<LabelledFeatures>,
}

impl Examples {
    /// Takes the examples that fit the head, the first ones when there are more than memory is meant for.
    #[must_use]
    pub fn new(trainable: Trainable, all: impl IntoIterator<Item = LabelledFeatures>) -> Self {
        let fits = |one: &LabelledFeatures| {
            one.finding < trainable.findings
                && one.features.len() == trainable.channels
                && one.features.iter().all(|value| value.is_finite())
        };
        let most = most_examples(trainable.channels);
        let (held_out, training) = all
            .into_iter()
            .filter(fits)
            .take(most)
            .partition(LabelledFeatures::is_held_out);
        Self {
            training,
            held_out,
            trainable: Some(trainable),
        }
    }

    /// `None` where no model works.
    #[must_use]
    pub fn trainable(&self) -> Option<&Trainable> {
        self.trainable.as_ref()
    }

    #[must_use]
    pub fn training(&self) -> &[LabelledFeatures] {
        &self.training
    }

    #[must_use]
    pub fn held_out(&self) -> &[LabelledFeatures] {
        &self.held_out
    }
}

/// Examples that fit the memory they are meant to take.
pub(crate) fn most_examples(channels: usize) -> usize {
    MOST_VALUES / channels.max(1)
}

/// Shared examples; every clone sees the same. A round in training keeps those it began with.
#[derive(Debug, Clone, Default)]
pub struct Dataset(Arc<RwLock<Arc<Examples>>>);

impl Dataset {
    #[must_use]
    pub fn new(examples: Examples) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(examples))))
    }

    #[must_use]
    pub fn get(&self) -> Arc<Examples> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set(&self, examples: Examples) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(examples);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(group: &str, finding: usize, features: &[f32]) -> LabelledFeatures {
        LabelledFeatures {
            group: group.to_owned(),
            finding,
            features: features.into(),
            present: true,
        }
    }

    fn trainable() -> Trainable {
        Trainable {
            id: "cxr".into(),
            version: "1".into(),
            backbone: "ab".into(),
            findings: 2,
            channels: 3,
        }
    }

    #[test]
    fn a_patient_is_on_one_side_and_about_a_fifth_is_held_out() {
        let all = (0..2000).map(|number| one(&format!("patient {}", number / 2), number % 2, &[0.0; 3]));
        let examples = Examples::new(trainable(), all);
        let held: std::collections::BTreeSet<&str> =
            examples.held_out().iter().map(|one| one.group.as_str()).collect();
        assert!(
            examples
                .training()
                .iter()
                .all(|one| !held.contains(one.group.as_str()))
        );
        assert!((150..250).contains(&held.len()), "{}", held.len());
        assert_eq!(examples.held_out().len() + examples.training().len(), 2000);
    }

    #[test]
    fn the_side_never_changes() {
        // Written down once: a change of the hash would move patients between the sides.
        let held: Vec<usize> = (0..20)
            .filter(|number| one(&format!("p{number}"), 0, &[]).is_held_out())
            .collect();
        assert_eq!(held, [5, 9, 17]);
    }

    #[test]
    fn what_does_not_fit_the_head_is_left_out() {
        let examples = Examples::new(
            trainable(),
            [
                one("a", 2, &[0.0; 3]),
                one("b", 0, &[0.0; 2]),
                one("c", 0, &[f32::NAN, 0.0, 0.0]),
                one("d", 1, &[0.0; 3]),
            ],
        );
        assert_eq!(examples.training().len() + examples.held_out().len(), 1);
    }
}
