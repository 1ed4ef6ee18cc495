//! The linear head over the feature map, in our own code: it is what federated rounds train, and it makes the class
//! activation map exact.

use crate::bundle::{Finding, HeadWeights};
use crate::explain::Grid;
use barefoot_domain::Score;

/// Channel by channel, each row by row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FeatureMap<'a> {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) data: &'a [f32],
}

/// The mean of every channel: global average pooling.
pub(crate) fn pooled(features: &FeatureMap<'_>) -> Vec<f32> {
    let cells = features.height * features.width;
    features
        .data
        .chunks_exact(cells)
        .map(|channel| channel.iter().sum::<f32>() / cells as f32)
        .collect()
}

/// Calibrated scores, finding by finding; `None` where the graph gave something that is no number.
pub(crate) fn scores(
    features: &FeatureMap<'_>,
    head: &HeadWeights,
    findings: &[Finding],
) -> Option<Vec<Score>> {
    scores_of_pooled(&pooled(features), head, findings)
}

/// The same from features that were pooled before; `None` where they are of another width, too.
pub(crate) fn scores_of_pooled(
    pooled: &[f32],
    head: &HeadWeights,
    findings: &[Finding],
) -> Option<Vec<Score>> {
    if pooled.len() != head.channels {
        return None;
    }
    let rows = head.weight.chunks_exact(head.channels).zip(&head.bias);
    rows.zip(findings)
        .map(|((weights, bias), finding)| {
            let products = weights.iter().zip(pooled).map(|(weight, value)| weight * value);
            let logit = products.sum::<f32>() + bias;
            Score::new(sigmoid(logit / finding.temperature))
        })
        .collect()
}

/// Where the evidence for one finding lies: the head's weights over the channels, negatives left out, the peak at 1.
pub(crate) fn activation_map(features: &FeatureMap<'_>, head: &HeadWeights, finding: usize) -> Grid {
    let cells = features.height * features.width;
    let mut values = vec![0.0_f32; cells];
    let weights = head.weight.chunks_exact(head.channels).nth(finding);
    for (weight, channel) in weights
        .into_iter()
        .flatten()
        .zip(features.data.chunks_exact(cells))
    {
        for (value, feature) in values.iter_mut().zip(channel) {
            *value += weight * feature;
        }
    }
    let peak = values.iter().copied().fold(0.0_f32, f32::max);
    for value in &mut values {
        *value = if 0.0 < peak { (*value / peak).max(0.0) } else { 0.0 };
    }
    Grid {
        width: features.width,
        height: features.height,
        values,
    }
}

pub(crate) fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use barefoot_domain::FindingCode;

    use super::*;

    fn features(data: &[f32; 4]) -> FeatureMap<'_> {
        FeatureMap {
            height: 1,
            width: 2,
            data,
        }
    }

    const DATA: [f32; 4] = [1.0, 3.0, 2.0, 0.0];

    fn head() -> HeadWeights {
        HeadWeights {
            channels: 2,
            weight: vec![1.0, -1.0],
            bias: vec![1.0],
        }
    }

    fn finding(temperature: f32) -> Finding {
        Finding {
            code: FindingCode::new("pneumonia").unwrap(),
            name_en: String::new(),
            name_zh: String::new(),
            urgent: false,
            class: 0,
            threshold: 0.5,
            operating_point: 0.5,
            temperature,
        }
    }

    #[test]
    fn the_score_is_the_sigmoid_of_the_tempered_logit() {
        // Pooled 2 and 1, logit 2 - 1 + 1 = 2.
        for (temperature, expected) in [(1.0, 0.880_797), (2.0, 0.731_059)] {
            let found = scores(&features(&DATA), &head(), &[finding(temperature)]).unwrap();
            assert!((found[0].value() - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn a_feature_that_is_no_number_gives_no_score() {
        let broken = [f32::NAN, 3.0, 2.0, 0.0];
        assert!(scores(&features(&broken), &head(), &[finding(1.0)]).is_none());
    }

    #[test]
    fn the_map_shows_only_evidence_for_the_finding() {
        // Cells: 1 - 2 = -1 and 3 - 0 = 3.
        assert_eq!(activation_map(&features(&DATA), &head(), 0).values, [0.0, 1.0]);
        let against = HeadWeights {
            weight: vec![-1.0, -1.0],
            ..head()
        };
        assert_eq!(activation_map(&features(&DATA), &against, 0).values, [0.0, 0.0]);
    }
}
