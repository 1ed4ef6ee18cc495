//! From what a graph gives to calibrated scores, for each kind of output.

use barefoot_domain::Score;

use crate::bundle::{Bundle, Finding, Gives, HeadWeights, Layout, MaskOutput, Output};
use crate::head::{self, FeatureMap};

/// Knows what a graph's numbers mean.
#[derive(Clone)]
pub(crate) enum Reader {
    Features { head: HeadWeights, grid: [usize; 2] },
    Scores { gives: Gives },
    Mask { output: MaskOutput, layout: Layout },
}

impl Reader {
    /// `None` for a bundle whose head is missing, which reading it refuses.
    pub(crate) fn of(bundle: &Bundle) -> Option<Self> {
        Some(match &bundle.output {
            Output::Features(output) => Self::Features {
                head: bundle.head.clone()?,
                grid: output.grid,
            },
            Output::Scores(output) => Self::Scores { gives: output.gives },
            Output::Mask(output) => Self::Mask {
                output: output.clone(),
                layout: bundle.input.layout,
            },
        })
    }

    pub(crate) fn head(&self) -> Option<&HeadWeights> {
        match self {
            Self::Features { head, .. } => Some(head),
            Self::Scores { .. } | Self::Mask { .. } => None,
        }
    }

    /// What the linear head sees; `None` where the graph holds everything itself.
    pub(crate) fn features<'a>(&self, raw: &'a [f32]) -> Option<(FeatureMap<'a>, &HeadWeights)> {
        match self {
            Self::Features { head, grid } => Some((
                FeatureMap {
                    height: grid[0],
                    width: grid[1],
                    data: raw,
                },
                head,
            )),
            Self::Scores { .. } | Self::Mask { .. } => None,
        }
    }

    /// Calibrated scores, finding by finding; `None` where the graph gave something that is no number.
    pub(crate) fn scores(&self, raw: &[f32], findings: &[Finding]) -> Option<Vec<Score>> {
        if !raw.iter().all(|value| value.is_finite()) {
            return None;
        }
        match self {
            Self::Features { .. } => {
                let (features, head) = self.features(raw)?;
                head::scores(&features, head, findings)
            }
            Self::Scores { gives } => findings
                .iter()
                .map(|finding| calibrated(*gives, raw, finding))
                .collect(),
            Self::Mask { output, .. } => findings
                .iter()
                .map(|finding| {
                    let pixels = self.mask(raw, finding)?;
                    let score = Score::new(strongest_mean(pixels, output.least_extent))?;
                    tempered(logit(score.value()), finding)
                })
                .collect(),
        }
    }

    /// The probability that each pixel belongs to the finding, row by row; `None` for other kinds of output.
    pub(crate) fn mask(&self, raw: &[f32], finding: &Finding) -> Option<Vec<f32>> {
        let Self::Mask { output, layout } = self else {
            return None;
        };
        let pixels = output.grid[0] * output.grid[1];
        let at = |class: usize, pixel: usize| match layout {
            Layout::Nchw => raw.get(class * pixels + pixel),
            Layout::Nhwc => raw.get(pixel * output.classes + class),
        };
        (0..pixels)
            .map(|pixel| {
                let own = *at(finding.class, pixel)?;
                Some(match output.gives {
                    Gives::Probabilities => own.clamp(0.0, 1.0),
                    Gives::Logits => head::sigmoid(own),
                    Gives::ClassLogits => {
                        let all = (0..output.classes).filter_map(|class| at(class, pixel));
                        softmax(own, all.copied())
                    }
                })
            })
            .collect()
    }
}

fn calibrated(gives: Gives, raw: &[f32], finding: &Finding) -> Option<Score> {
    let own = *raw.get(finding.class)?;
    match gives {
        Gives::Logits => tempered(own, finding),
        // A graph that promises probabilities and gives others is not understood.
        Gives::Probabilities => tempered(logit(Score::new(own)?.value()), finding),
        Gives::ClassLogits => {
            let all = raw.iter().map(|logit| logit / finding.temperature);
            Score::new(softmax(own / finding.temperature, all))
        }
    }
}

fn tempered(logit: f32, finding: &Finding) -> Option<Score> {
    Score::new(head::sigmoid(logit / finding.temperature))
}

/// Infinite for certainty, which the sigmoid turns back into certainty.
fn logit(probability: f32) -> f32 {
    (probability / (1.0 - probability)).ln()
}

fn softmax(own: f32, all: impl Iterator<Item = f32> + Clone) -> f32 {
    let highest = all.clone().fold(f32::NEG_INFINITY, f32::max);
    (own - highest).exp() / all.map(|value| (value - highest).exp()).sum::<f32>()
}

/// The mean over the most probable pixels, as many as make up `share` of them all.
fn strongest_mean(mut pixels: Vec<f32>, share: f32) -> f32 {
    let count = ((pixels.len() as f32 * share).ceil() as usize).clamp(1, pixels.len().max(1));
    pixels.sort_unstable_by(|one, other| other.total_cmp(one));
    pixels.iter().take(count).sum::<f32>() / count as f32
}

#[cfg(test)]
mod tests {
    use barefoot_domain::FindingCode;

    use super::*;

    fn finding(class: usize, temperature: f32) -> Finding {
        Finding {
            code: FindingCode::new("pneumonia").unwrap(),
            name_en: String::new(),
            name_zh: String::new(),
            urgent: false,
            class,
            threshold: 0.5,
            operating_point: 0.5,
            temperature,
        }
    }

    fn score(gives: Gives, raw: &[f32], class: usize, temperature: f32) -> Option<f32> {
        let scores = Reader::Scores { gives }.scores(raw, &[finding(class, temperature)])?;
        scores.first().map(|score| score.value())
    }

    #[test]
    fn logits_and_probabilities_come_out_calibrated() {
        for (gives, raw, class, temperature, expected) in [
            (Gives::Logits, &[2.0][..], 0, 1.0, 0.880_797),
            (Gives::Logits, &[2.0], 0, 2.0, 0.731_059),
            (Gives::Probabilities, &[0.2, 0.8], 1, 1.0, 0.8),
            // Logit 1.386, halved.
            (Gives::Probabilities, &[0.2, 0.8], 1, 2.0, 0.666_667),
            (Gives::Probabilities, &[1.0], 0, 2.0, 1.0),
            (Gives::Probabilities, &[0.0], 0, 0.5, 0.0),
            (Gives::ClassLogits, &[1.0, 1.0], 1, 1.0, 0.5),
            (Gives::ClassLogits, &[0.0, 2.0, 0.0], 1, 2.0, 0.576_117),
        ] {
            let found = score(gives, raw, class, temperature).unwrap();
            assert!((found - expected).abs() < 1e-5, "{gives:?} {raw:?}: {found}");
        }
    }

    #[test]
    fn what_is_no_probability_or_no_number_gives_no_score() {
        assert!(score(Gives::Probabilities, &[1.2], 0, 1.0).is_none());
        assert!(score(Gives::Logits, &[f32::NAN], 0, 1.0).is_none());
        assert!(score(Gives::Logits, &[0.5, f32::INFINITY], 0, 1.0).is_none());
        assert!(score(Gives::Logits, &[0.5], 3, 1.0).is_none());
    }

    #[test]
    fn a_mask_is_read_in_both_orders_of_axes() {
        let reader = |layout| Reader::Mask {
            output: MaskOutput {
                input: String::new(),
                mask: String::new(),
                gives: Gives::Probabilities,
                classes: 2,
                grid: [1, 2],
                least_extent: 0.5,
            },
            layout,
        };
        let second = finding(1, 1.0);
        let planes = reader(Layout::Nchw);
        assert_eq!(planes.mask(&[0.1, 0.2, 0.3, 0.4], &second).unwrap(), [0.3, 0.4]);
        let pixels = reader(Layout::Nhwc);
        assert_eq!(pixels.mask(&[0.1, 0.2, 0.3, 0.4], &second).unwrap(), [0.2, 0.4]);
        // Half of two pixels is one: the most probable.
        let score = planes.scores(&[0.1, 0.2, 0.3, 0.4], &[second]).unwrap();
        assert!((score[0].value() - 0.4).abs() < 1e-6);
    }
}
