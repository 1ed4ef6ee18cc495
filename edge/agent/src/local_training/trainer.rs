//! Logistic regression of one finding on pooled features, from the round's global head: pure and deterministic.
//!
//! Full-batch Nesterov steps (Nesterov 1983) with the proximal term of FedProx (Li et al. 2020, arXiv 1812.06127) on the
//! mean loss `Σ s_i·CE_i / n + l2/2·|u|² + mu/2·|u - u0|²`. Each channel is standardised with the clinic's own mean and
//! deviation, which is a change of coordinates and no more: it folds back into weights and bias exactly, and it is what
//! lets a few dozen steps suffice. The longest safe step comes from the largest curvature of the loss. All sums are
//! float64; nothing is drawn at random.

use std::ops::ControlFlow;

/// A class counts at most this many times more than its share.
const MOST_CLASS_WEIGHT: f64 = 5.0;
/// Of the mean deviation, the least a channel's own is taken for: a channel that hardly moves must not be blown up.
const LEAST_DEVIATION: f64 = 0.1;
/// Iterations that find the largest curvature, and what is added to the estimate.
const POWER_ITERATIONS: usize = 30;
const CURVATURE_MARGIN: f64 = 1.05;
/// How often a step that made things worse is halved before giving up.
const MOST_HALVINGS: usize = 8;

/// One example of one finding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample<'a> {
    pub features: &'a [f32],
    pub present: bool,
}

/// One finding's row of the head.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub weight: Vec<f64>,
    pub bias: f64,
}

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings {
    /// Passes over all examples.
    pub steps: u32,
    /// Weight decay on the standardised weights, not the bias.
    pub l2: f64,
    /// Pull towards the start, on all coordinates.
    pub proximal_mu: f64,
    /// Weigh the classes alike, within limits.
    pub class_weights: bool,
}

/// Why no head came of it. Names no example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("an example has another number of features than the head")]
    Shape,
    #[error("training did not converge")]
    Diverged,
    #[error("training was stopped")]
    Stopped,
}

/// Asked before every pass: whether to go on. May block while the processor is wanted elsewhere.
pub(crate) type Checkpoint<'a> = &'a mut dyn FnMut() -> ControlFlow<()>;

/// The row after training from `start`. Without examples it is `start`.
///
/// # Errors
/// [`Error`].
pub(crate) fn train(
    samples: &[Sample<'_>],
    start: &Row,
    settings: Settings,
    go_on: Checkpoint<'_>,
) -> Result<Row, Error> {
    let channels = start.weight.len();
    if samples.iter().any(|sample| sample.features.len() != channels) {
        return Err(Error::Shape);
    }
    if samples.is_empty() {
        return Ok(start.clone());
    }
    let problem = Problem::new(samples, channels, settings);
    let u0 = problem.inward(start);
    let before = problem.loss(&u0, &u0);
    let mut curvature = problem.curvature(go_on)?;
    for _ in 0..=MOST_HALVINGS {
        let after = problem.descend(&u0, curvature, go_on)?;
        let trained = problem.outward(&after);
        let finite = trained.bias.is_finite() && trained.weight.iter().all(|value| value.is_finite());
        if finite && problem.loss(&after, &u0) <= before {
            return Ok(trained);
        }
        curvature *= 2.0;
    }
    Err(Error::Diverged)
}

/// A point in standardised coordinates: one value a channel, then the bias.
#[derive(Debug, Clone)]
struct Point {
    weight: Vec<f64>,
    bias: f64,
}

struct Problem<'a> {
    samples: &'a [Sample<'a>],
    /// Of each sample.
    importance: Vec<f64>,
    mean: Vec<f64>,
    deviation: Vec<f64>,
    settings: Settings,
}

impl<'a> Problem<'a> {
    fn new(samples: &'a [Sample<'a>], channels: usize, settings: Settings) -> Self {
        let count = samples.len() as f64;
        let mut mean = vec![0.0; channels];
        for sample in samples {
            add_scaled(&mut mean, sample.features, 1.0 / count);
        }
        let mut variance = vec![0.0; channels];
        for sample in samples {
            for ((sum, value), mean) in variance.iter_mut().zip(sample.features).zip(&mean) {
                let off = f64::from(*value) - mean;
                *sum += off * off / count;
            }
        }
        let floor = LEAST_DEVIATION * (variance.iter().sum::<f64>() / channels.max(1) as f64).sqrt();
        let deviation = variance.iter().map(|variance| {
            let deviation = variance.sqrt().max(floor);
            if 0.0 < deviation { deviation } else { 1.0 }
        });
        Self {
            importance: importance(samples, settings.class_weights),
            deviation: deviation.collect(),
            mean,
            samples,
            settings,
        }
    }

    fn inward(&self, row: &Row) -> Point {
        let shift: f64 = row
            .weight
            .iter()
            .zip(&self.mean)
            .map(|(weight, mean)| weight * mean)
            .sum();
        let weight = row.weight.iter().zip(&self.deviation);
        Point {
            weight: weight.map(|(weight, deviation)| weight * deviation).collect(),
            bias: row.bias + shift,
        }
    }

    fn outward(&self, point: &Point) -> Row {
        let weight: Vec<f64> = point
            .weight
            .iter()
            .zip(&self.deviation)
            .map(|(weight, deviation)| weight / deviation)
            .collect();
        let shift: f64 = weight
            .iter()
            .zip(&self.mean)
            .map(|(weight, mean)| weight * mean)
            .sum();
        Row {
            bias: point.bias - shift,
            weight,
        }
    }

    /// `Zᵀ r / n` with Z the standardised examples and a column of ones, where `r` gives each sample's residual from its
    /// logit. Examples are standardised on the way: no copy of them is made.
    fn project(&self, at: &Point, residual: impl Fn(f64, &Sample<'_>, f64) -> f64) -> Point {
        let row = self.outward(at);
        let count = self.samples.len() as f64;
        let mut sums = vec![0.0; self.mean.len()];
        let mut total = 0.0;
        for (sample, importance) in self.samples.iter().zip(&self.importance) {
            let residual = residual(logit(&row, sample.features), sample, *importance) / count;
            add_scaled(&mut sums, sample.features, residual);
            total += residual;
        }
        let moments = self.mean.iter().zip(&self.deviation);
        let weight = sums
            .iter()
            .zip(moments)
            .map(|(sum, (mean, deviation))| (sum - mean * total) / deviation);
        Point {
            weight: weight.collect(),
            bias: total,
        }
    }

    fn gradient(&self, at: &Point, u0: &Point) -> Point {
        let Settings { l2, proximal_mu, .. } = self.settings;
        let mut gradient = self.project(at, |logit, sample, importance| {
            importance * (sigmoid(logit) - f64::from(u8::from(sample.present)))
        });
        for ((gradient, here), start) in gradient.weight.iter_mut().zip(&at.weight).zip(&u0.weight) {
            *gradient += l2 * here + proximal_mu * (here - start);
        }
        gradient.bias += proximal_mu * (at.bias - u0.bias);
        gradient
    }

    /// An upper bound of the loss's second derivative, by power iteration; the logistic loss bends at most by a quarter.
    fn curvature(&self, go_on: Checkpoint<'_>) -> Result<f64, Error> {
        let mut direction = Point {
            weight: (1..=self.mean.len()).map(|place| 1.0 / place as f64).collect(),
            bias: 1.0 / (self.mean.len() + 1) as f64,
        };
        let mut largest = 0.0;
        for _ in 0..POWER_ITERATIONS {
            proceed(go_on)?;
            direction = self.project(&direction, |logit, _, importance| importance * logit);
            largest = direction.squares().sqrt();
            if !(largest.is_finite() && 0.0 < largest) {
                return Err(Error::Diverged);
            }
            direction.scale(1.0 / largest);
        }
        Ok(CURVATURE_MARGIN * largest / 4.0 + self.settings.l2 + self.settings.proximal_mu)
    }

    fn descend(&self, u0: &Point, curvature: f64, go_on: Checkpoint<'_>) -> Result<Point, Error> {
        let (mut before, mut here) = (u0.clone(), u0.clone());
        for step in 0..self.settings.steps {
            proceed(go_on)?;
            let momentum = f64::from(step) / (f64::from(step) + 3.0);
            let ahead = here.beyond(&before, momentum);
            let gradient = self.gradient(&ahead, u0);
            before = std::mem::replace(&mut here, ahead);
            here.subtract(&gradient, 1.0 / curvature);
        }
        Ok(here)
    }

    fn loss(&self, at: &Point, u0: &Point) -> f64 {
        let row = self.outward(at);
        let samples = self.samples.iter().zip(&self.importance);
        let data: f64 = samples
            .map(|(sample, importance)| {
                let logit = logit(&row, sample.features);
                let against = if sample.present { -logit } else { logit };
                importance * softplus(against)
            })
            .sum();
        let size: f64 = at.weight.iter().map(|value| value * value).sum();
        let mut off = at.clone();
        off.subtract(u0, 1.0);
        let Settings { l2, proximal_mu, .. } = self.settings;
        data / self.samples.len() as f64 + l2 / 2.0 * size + proximal_mu / 2.0 * off.squares()
    }
}

impl Point {
    fn squares(&self) -> f64 {
        self.weight.iter().map(|value| value * value).sum::<f64>() + self.bias * self.bias
    }

    fn scale(&mut self, factor: f64) {
        self.weight.iter_mut().for_each(|value| *value *= factor);
        self.bias *= factor;
    }

    fn subtract(&mut self, other: &Self, factor: f64) {
        for (here, other) in self.weight.iter_mut().zip(&other.weight) {
            *here -= factor * other;
        }
        self.bias -= factor * other.bias;
    }

    /// `self + factor · (self - before)`.
    fn beyond(&self, before: &Self, factor: f64) -> Self {
        let ahead = |here: f64, before: f64| here + factor * (here - before);
        let weight = self.weight.iter().zip(&before.weight);
        Self {
            weight: weight.map(|(here, before)| ahead(*here, *before)).collect(),
            bias: ahead(self.bias, before.bias),
        }
    }
}

/// The logit of one example.
pub(crate) fn logit(row: &Row, features: &[f32]) -> f64 {
    let products = row.weight.iter().zip(features);
    products
        .map(|(weight, value)| weight * f64::from(*value))
        .sum::<f64>()
        + row.bias
}

/// Each class as heavy as the other, but none heavier than [`MOST_CLASS_WEIGHT`].
fn importance(samples: &[Sample<'_>], class_weights: bool) -> Vec<f64> {
    if !class_weights {
        return vec![1.0; samples.len()];
    }
    let count = samples.len() as f64;
    let present = samples.iter().filter(|sample| sample.present).count() as f64;
    let of = |class: f64| (count / (2.0 * class.max(1.0))).min(MOST_CLASS_WEIGHT);
    let (present, absent) = (of(present), of(count - present));
    let of = |sample: &Sample<'_>| if sample.present { present } else { absent };
    samples.iter().map(of).collect()
}

fn add_scaled(sums: &mut [f64], features: &[f32], factor: f64) {
    for (sum, value) in sums.iter_mut().zip(features) {
        *sum += factor * f64::from(*value);
    }
}

fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// `ln(1 + e^x)` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn proceed(go_on: Checkpoint<'_>) -> Result<(), Error> {
    match go_on() {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Stopped),
    }
}

#[cfg(test)]
mod tests;
