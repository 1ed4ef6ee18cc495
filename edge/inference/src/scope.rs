//! Does a picture look like those the model was made for? Answered from a thumbnail of the whole picture, without the
//! graph: the same on every engine and precision.
//!
//! The thumbnail is held against the thumbnails the bundle was made with in two ways: by its distance from them (along
//! their principal components, and in what these leave over), which knows no other kind of picture, and by a small
//! network that was shown turned and inverted ones, photographs and patterns.

use barefoot_imaging::pixels::GrayImage;
use barefoot_imaging::render::{Error, Filter, resize_gray};
use safetensors::SafeTensors;
use serde::Deserialize;

use crate::bundle::floats;
use crate::preprocess::even_contrast;

/// `[scope]` of the manifest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) file: String,
    /// In hexadecimal.
    pub(crate) sha256: String,
    /// The thumbnail's, pixels.
    side: usize,
    components: usize,
    hidden: usize,
    contrast_floor: f32,
    /// Components count up to it, in standard deviations, for the network.
    largest_component: f32,
    /// Beyond any of these three a picture is outside. Mean square of the components, in standard deviations.
    largest_distance: f32,
    /// Mean square of what the components leave over, in standard deviations.
    largest_residual: f32,
    /// The network's logit: the higher, the more like the pictures inside.
    least_likeness: f32,
    /// Free: which pictures the limits were fitted on.
    #[serde(rename = "fitted_on")]
    _fitted_on: String,
}

impl Record {
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let numbers = [
            self.contrast_floor,
            self.largest_component,
            self.largest_distance,
            self.largest_residual,
        ];
        if !numbers.iter().all(|number| number.is_finite() && 0.0 < *number)
            || !self.least_likeness.is_finite()
        {
            return Err("[scope] limits are numbers, all but least_likeness positive");
        }
        if !(2..=64).contains(&self.side)
            || !(1..self.side * self.side).contains(&self.components)
            || !(1..=1024).contains(&self.hidden)
        {
            return Err(
                "[scope] side is within 2 and 64, components fewer than pixels, hidden within 1 and 1024",
            );
        }
        Ok(())
    }
}

/// What the pictures inside look like.
#[derive(Clone)]
pub(crate) struct Scope {
    side: u32,
    contrast_floor: f32,
    largest_component: f32,
    limits: Figures,
    mean: Vec<f32>,
    /// One row of pixels a component.
    basis: Vec<f32>,
    /// Of each component.
    variance: Vec<f32>,
    /// Variance of a pixel that the components leave over.
    residual: f32,
    /// One row of components a hidden value.
    hidden_weight: Vec<f32>,
    hidden_bias: Vec<f32>,
    likeness_weight: Vec<f32>,
    likeness_bias: f32,
}

/// How a thumbnail compares, or how it may.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Figures {
    distance: f32,
    residual: f32,
    likeness: f32,
}

impl Scope {
    pub(crate) fn parse(record: &Record, bytes: &[u8]) -> Result<Self, &'static str> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|_| "not a safetensors file")?;
        let read = |name: &str, shape: &[usize]| {
            floats(&tensors, name, shape).ok_or("a tensor is missing or not float32 of the manifest's sizes")
        };
        let one = |name: &str| read(name, &[1]).map(|values| values.first().copied().unwrap_or_default());
        let (pixels, components) = (record.side * record.side, record.components);
        let variance = read("variance", &[components])?;
        let residual = one("residual")?;
        if !variance.iter().chain([&residual]).all(|value| 0.0 < *value) {
            return Err("a variance is positive");
        }
        Ok(Self {
            side: record.side as u32,
            contrast_floor: record.contrast_floor,
            largest_component: record.largest_component,
            limits: Figures {
                distance: record.largest_distance,
                residual: record.largest_residual,
                likeness: record.least_likeness,
            },
            mean: read("mean", &[pixels])?,
            basis: read("basis", &[components, pixels])?,
            variance,
            residual,
            hidden_weight: read("hidden.weight", &[record.hidden, components])?,
            hidden_bias: read("hidden.bias", &[record.hidden])?,
            likeness_weight: read("likeness.weight", &[record.hidden])?,
            likeness_bias: one("likeness.bias")?,
        })
    }

    pub(crate) fn is_outside(&self, image: &GrayImage) -> Result<bool, Error> {
        let mut thumbnail = resize_gray(image, self.side, self.side, Filter::Triangle)?.data;
        even_contrast(&mut thumbnail, self.contrast_floor);
        let figures = self.figures(&thumbnail);
        // A figure that is no number is inside nothing.
        let inside = figures.distance <= self.limits.distance
            && figures.residual <= self.limits.residual
            && self.limits.likeness <= figures.likeness;
        Ok(!inside)
    }

    fn figures(&self, thumbnail: &[f32]) -> Figures {
        let off: Vec<f32> = thumbnail
            .iter()
            .zip(&self.mean)
            .map(|(level, mean)| level - mean)
            .collect();
        let components: Vec<f32> = self
            .basis
            .chunks_exact(self.mean.len())
            .map(|row| dot(row, &off))
            .collect();
        let whitened: Vec<f32> = components
            .iter()
            .zip(&self.variance)
            .map(|(component, variance)| component / variance.sqrt())
            .collect();
        let left_over = (dot(&off, &off) - dot(&components, &components)).max(0.0);
        let left_dimensions = (self.mean.len() - components.len()) as f32;
        Figures {
            distance: dot(&whitened, &whitened) / whitened.len() as f32,
            residual: left_over / (left_dimensions * self.residual),
            likeness: self.likeness(&whitened),
        }
    }

    fn likeness(&self, whitened: &[f32]) -> f32 {
        let most = self.largest_component;
        let kept: Vec<f32> = whitened.iter().map(|value| value.clamp(-most, most)).collect();
        let rows = self.hidden_weight.chunks_exact(kept.len()).zip(&self.hidden_bias);
        let hidden: Vec<f32> = rows
            .map(|(row, bias)| (dot(row, &kept) + bias).max(0.0))
            .collect();
        dot(&self.likeness_weight, &hidden) + self.likeness_bias
    }
}

fn dot(first: &[f32], second: &[f32]) -> f32 {
    first.iter().zip(second).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inside are pictures darker to the left; the one component is just that, and the network wants it positive.
    fn scope() -> Scope {
        Scope {
            side: 2,
            contrast_floor: 0.05,
            largest_component: 8.0,
            limits: Figures {
                distance: 4.0,
                residual: 2.0,
                likeness: 0.0,
            },
            mean: vec![-0.5, 0.5, -0.5, 0.5],
            basis: vec![-0.5, 0.5, -0.5, 0.5],
            variance: vec![1.0],
            residual: 0.25,
            hidden_weight: vec![1.0],
            hidden_bias: vec![0.5],
            likeness_weight: vec![1.0],
            likeness_bias: -1.0,
        }
    }

    fn outside(data: [f32; 4]) -> bool {
        let image = GrayImage {
            width: 2,
            height: 2,
            data: data.to_vec(),
            frame_count: 1,
        };
        scope().is_outside(&image).unwrap()
    }

    #[test]
    fn only_what_is_like_the_pictures_inside_is_inside() {
        assert!(!outside([0.2, 0.8, 0.2, 0.8]));
        // Fainter, and not quite even: still the same kind.
        assert!(!outside([0.40, 0.60, 0.42, 0.62]));
        // Inverted, turned, flat.
        assert!(outside([0.8, 0.2, 0.8, 0.2]));
        assert!(outside([0.2, 0.2, 0.8, 0.8]));
        assert!(outside([0.5; 4]));
    }

    #[test]
    fn what_is_no_number_is_outside() {
        assert!(outside([f32::NAN, 0.8, 0.2, 0.8]));
    }

    #[test]
    fn each_figure_is_what_its_name_says() {
        let figures = scope().figures(&[-1.5, 1.5, -1.5, 1.5]);
        let expected = Figures {
            distance: 4.0,
            residual: 0.0,
            likeness: 1.5,
        };
        assert_eq!(figures, expected);
        assert_eq!(
            scope().figures(&[-0.5, 0.5, -0.5, 2.0]).residual,
            (2.25 - 0.5625) / 0.75
        );
    }
}
