//! What the graph gives, in the three kinds a manifest can name.

use serde::Deserialize;

/// What the graph gives.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind")]
pub(crate) enum Output {
    /// A feature map; pooling and the linear head are ours.
    #[serde(rename = "features+head")]
    Features(FeaturesOutput),
    /// One number a class.
    #[serde(rename = "scores")]
    Scores(ScoresOutput),
    /// One number a class and pixel.
    #[serde(rename = "mask")]
    Mask(MaskOutput),
}

/// What the numbers of a graph mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Gives {
    /// Each class by itself, before the sigmoid.
    Logits,
    /// Probabilities, whatever made them.
    Probabilities,
    /// One class excludes the others, before the softmax.
    ClassLogits,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeaturesOutput {
    pub(crate) input: String,
    pub(crate) features: String,
    pub(crate) channels: usize,
    /// Height and width of the feature map.
    pub(crate) grid: [usize; 2],
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScoresOutput {
    pub(crate) input: String,
    pub(crate) scores: String,
    pub(crate) gives: Gives,
    pub(crate) classes: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaskOutput {
    pub(crate) input: String,
    pub(crate) mask: String,
    pub(crate) gives: Gives,
    pub(crate) classes: usize,
    /// Height and width of the mask.
    pub(crate) grid: [usize; 2],
    /// The smallest finding worth a call, as a share of the picture: the score is the mean over so many of its most
    /// probable pixels.
    #[serde(default = "least_extent")]
    pub(crate) least_extent: f32,
}

fn least_extent() -> f32 {
    0.002
}

impl Output {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let grid = |[height, width]: [usize; 2], most: usize| {
            (1..=most).contains(&height) && (1..=most).contains(&width)
        };
        let counts = 1..=65_536;
        let (kept, rule) = match self {
            Self::Features(output) => (
                counts.contains(&output.channels) && grid(output.grid, 1024),
                "channels are within 1 and 65536, grid sides within 1 and 1024",
            ),
            Self::Scores(output) => (counts.contains(&output.classes), "classes are within 1 and 65536"),
            Self::Mask(output) => (
                (1..=256).contains(&output.classes)
                    && grid(output.grid, 4096)
                    && 0.0 < output.least_extent
                    && output.least_extent <= 1.0,
                "classes are within 1 and 256, grid sides within 1 and 4096, least_extent above 0 and at most 1",
            ),
        };
        if kept { Ok(()) } else { Err(rule) }
    }

    /// How many findings the graph can tell apart; a head of ours has as many rows as there are findings.
    pub(super) fn classes(&self) -> usize {
        match self {
            Self::Features(_) => usize::MAX,
            Self::Scores(output) => output.classes,
            Self::Mask(output) => output.classes,
        }
    }

    pub(super) fn features(&self) -> Option<&FeaturesOutput> {
        match self {
            Self::Features(output) => Some(output),
            Self::Scores(_) | Self::Mask(_) => None,
        }
    }

    pub(crate) fn input(&self) -> &str {
        match self {
            Self::Features(output) => &output.input,
            Self::Scores(output) => &output.input,
            Self::Mask(output) => &output.input,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Features(_) => "features+head",
            Self::Scores(_) => "scores",
            Self::Mask(_) => "mask",
        }
    }
}
