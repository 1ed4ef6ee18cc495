//! How the graph wants the grey picture: the order of the axes, one channel or three, the scale of the levels.

use serde::Deserialize;

/// The order of a graph's axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layout {
    #[default]
    Nchw,
    Nhwc,
}

impl Layout {
    pub(crate) fn shape(self, channels: usize, [height, width]: [usize; 2]) -> [usize; 4] {
        match self {
            Self::Nchw => [1, channels, height, width],
            Self::Nhwc => [1, height, width, channels],
        }
    }
}

/// One number for all channels, or one for each.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum PerChannel {
    Same(f32),
    Each(Vec<f32>),
}

impl PerChannel {
    fn of(self, channels: usize) -> Option<Vec<f32>> {
        match self {
            Self::Same(value) => Some(vec![value; channels]),
            Self::Each(values) => (values.len() == channels).then_some(values),
        }
    }
}

/// `[input]` as it is written; without it the graph takes the plane of `[preprocessing]` as it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    #[serde(default)]
    layout: Layout,
    channels: Option<usize>,
    scale: Option<f32>,
    mean: Option<PerChannel>,
    std: Option<PerChannel>,
}

/// Turns the prepared plane into what the graph takes.
#[derive(Debug, Clone)]
pub(crate) struct InputForm {
    pub(crate) layout: Layout,
    scale: f32,
    /// Subtracted after scaling and divided by, one pair a channel.
    normalise: Vec<(f32, f32)>,
}

impl Record {
    pub(super) fn checked(self) -> Result<InputForm, &'static str> {
        let channels = self.channels.unwrap_or(1);
        if channels != 1 && channels != 3 {
            return Err("[input] channels is 1 or 3");
        }
        let scale = self.scale.unwrap_or(1.0);
        let mean = self.mean.unwrap_or(PerChannel::Same(0.0)).of(channels);
        let std = self.std.unwrap_or(PerChannel::Same(1.0)).of(channels);
        let (Some(mean), Some(std)) = (mean, std) else {
            return Err("[input] mean and std are one number, or one for each channel");
        };
        if !scale.is_finite() || scale == 0.0 || !mean.iter().all(|mean| mean.is_finite()) {
            return Err("[input] scale and mean are numbers, scale not 0");
        }
        if !std.iter().all(|std| std.is_finite() && 0.0 < *std) {
            return Err("[input] std is a positive number");
        }
        Ok(InputForm {
            layout: self.layout,
            scale,
            normalise: mean.into_iter().zip(std).collect(),
        })
    }
}

impl InputForm {
    pub(crate) fn shape(&self, size: [usize; 2]) -> [usize; 4] {
        self.layout.shape(self.normalise.len(), size)
    }

    /// The plane in every channel.
    pub(crate) fn tensor(&self, plane: &[f32]) -> Vec<f32> {
        let value = |level: f32, (mean, std): (f32, f32)| (level * self.scale - mean) / std;
        match self.layout {
            Layout::Nchw => self
                .normalise
                .iter()
                .flat_map(|pair| plane.iter().map(move |level| value(*level, *pair)))
                .collect(),
            Layout::Nhwc => plane
                .iter()
                .flat_map(|level| self.normalise.iter().map(move |pair| value(*level, *pair)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Result<InputForm, &'static str> {
        toml::from_str::<Record>(text).unwrap().checked()
    }

    #[test]
    fn without_a_word_the_plane_is_the_input() {
        let form = form("").unwrap();
        assert_eq!(form.shape([2, 3]), [1, 1, 2, 3]);
        assert_eq!(form.tensor(&[0.25, 0.5]), [0.25, 0.5]);
    }

    #[test]
    fn channels_are_scaled_each_by_its_own_in_the_graphs_order() {
        let keys = "channels = 3\nscale = 2.0\nmean = [0.0, 1.0, 2.0]\nstd = 0.5\n";
        let nchw = form(keys).unwrap();
        assert_eq!(nchw.shape([1, 2]), [1, 3, 1, 2]);
        assert_eq!(nchw.tensor(&[0.0, 1.0]), [0.0, 4.0, -2.0, 2.0, -4.0, 0.0]);
        let nhwc = form(&format!("{keys}layout = \"nhwc\"")).unwrap();
        assert_eq!(nhwc.shape([1, 2]), [1, 1, 2, 3]);
        assert_eq!(nhwc.tensor(&[0.0, 1.0]), [0.0, -2.0, -4.0, 4.0, 2.0, 0.0]);
    }

    #[test]
    fn what_no_graph_takes_is_refused() {
        for bad in [
            "channels = 2",
            "scale = 0.0",
            "channels = 3\nmean = [0.0]",
            "std = 0.0",
            "std = [1.0, 1.0]",
            "mean = nan",
        ] {
            assert!(form(bad).is_err(), "{bad}");
        }
    }
}
