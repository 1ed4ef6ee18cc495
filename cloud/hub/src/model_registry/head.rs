use barefoot_federation::layout::Layout;

/// The linear head over pooled features: one row of weights and a bias for each finding.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Head {
    channels: usize,
    /// Finding by finding.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// Why parameters are no head of this model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadError {
    #[error("the tensors are not `weight` [findings, channels] and `bias` [findings]")]
    Tensors,
    #[error("the number of values is not the layout's")]
    Values,
    #[error("a value is not finite")]
    NotFinite,
}

impl Head {
    /// `values` are the parameters, flattened in the layout's order.
    pub(super) fn new(layout: &Layout, findings: usize, values: &[f32]) -> Result<Self, HeadError> {
        let channels = channels(layout, findings).ok_or(HeadError::Tensors)?;
        if values.len() != layout.elements() {
            return Err(HeadError::Values);
        }
        if !values.iter().all(|value| value.is_finite()) {
            return Err(HeadError::NotFinite);
        }
        let weight_first = layout.specs().first().is_some_and(|spec| spec.name == "weight");
        let at = if weight_first {
            findings * channels
        } else {
            findings
        };
        let (first, second) = values.split_at_checked(at).ok_or(HeadError::Values)?;
        let (weight, bias) = if weight_first {
            (first, second)
        } else {
            (second, first)
        };
        Ok(Self {
            channels,
            weight: weight.to_vec(),
            bias: bias.to_vec(),
        })
    }

    /// `w·f + b` of one finding, summed in double precision. `None` when there is no such row or `features` has
    /// another length.
    pub(super) fn logit(&self, finding: usize, features: &[f32]) -> Option<f64> {
        let row = self.weight.chunks_exact(self.channels).nth(finding)?;
        let bias = self.bias.get(finding)?;
        if features.len() != row.len() {
            return None;
        }
        let dot: f64 = row
            .iter()
            .zip(features)
            .map(|(w, f)| f64::from(*w) * f64::from(*f))
            .sum();
        Some(dot + f64::from(*bias))
    }
}

/// Channels of a head with that many findings; `None` when the layout is no such head.
pub(super) fn channels(layout: &Layout, findings: usize) -> Option<usize> {
    let shape = |name: &str| {
        let mut named = layout.specs().iter().filter(|spec| spec.name == name);
        named.next().map(|spec| spec.shape.as_slice())
    };
    let rows = u64::try_from(findings).ok()?;
    match (layout.specs().len(), shape("weight")?, shape("bias")?) {
        (2, [found, channels], [biases]) if *found == rows && *biases == rows => {
            usize::try_from(*channels).ok()
        }
        _ => None,
    }
}

/// The calibrated score as a box computes it: single precision, so that what the gate counts is what boxes call.
pub(super) fn score(logit: f64, temperature: f64) -> f32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding to the box's precision is the point"
    )]
    let score = (1.0 / (1.0 + (-logit / temperature).exp())) as f32;
    score
}

#[cfg(test)]
mod tests {
    use barefoot_federation::layout::TensorSpec;

    use super::*;

    fn layout(specs: &[(&str, &[u64])]) -> Layout {
        let specs = specs.iter().map(|(name, shape)| TensorSpec {
            name: (*name).to_owned(),
            shape: shape.to_vec(),
        });
        Layout::new(specs.collect()).unwrap()
    }

    #[test]
    fn rows_meet_their_bias_in_either_order() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 10.0, 20.0];
        let head = Head::new(&layout(&[("weight", &[2, 3]), ("bias", &[2])]), 2, &values).unwrap();
        assert_eq!(head.logit(0, &[1.0, 1.0, 1.0]), Some(16.0));
        assert_eq!(head.logit(1, &[1.0, 0.0, 2.0]), Some(36.0));
        assert_eq!(head.logit(2, &[1.0, 1.0, 1.0]), None);
        assert_eq!(head.logit(0, &[1.0]), None);

        let values = [10.0, 20.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let turned = Head::new(&layout(&[("bias", &[2]), ("weight", &[2, 3])]), 2, &values).unwrap();
        assert_eq!(turned, head);
    }

    #[test]
    fn other_parameters_are_no_head() {
        let good = layout(&[("weight", &[2, 3]), ("bias", &[2])]);
        assert_eq!(Head::new(&good, 3, &[0.0; 8]), Err(HeadError::Tensors));
        assert_eq!(Head::new(&good, 2, &[0.0; 7]), Err(HeadError::Values));
        assert_eq!(Head::new(&good, 2, &[f32::NAN; 8]), Err(HeadError::NotFinite));
        for bad in [
            layout(&[("weight", &[2, 3])]),
            layout(&[("weight", &[2, 3, 1]), ("bias", &[2])]),
            layout(&[("weight", &[2, 3]), ("bias", &[3])]),
            layout(&[("weight", &[2, 3]), ("bias", &[2]), ("more", &[1])]),
        ] {
            let values = vec![0.0; bad.elements()];
            assert_eq!(Head::new(&bad, 2, &values), Err(HeadError::Tensors));
        }
    }

    #[test]
    fn a_score_is_a_probability_even_far_out() {
        assert!((score(2.0, 1.0) - 0.880_797).abs() < 1e-6);
        assert!((score(2.0, 2.0) - 0.731_059).abs() < 1e-6);
        assert_eq!((score(1e9, 1.0), score(-1e9, 1.0)), (1.0, 0.0));
    }
}
