//! The privacy loss distribution of the Poisson-sampled Gaussian mechanism (Koskela, Jälkö & Honkela 2020, arXiv
//! 1906.03049; Zhu, Dong & Wang 2022, arXiv 2106.08567), discretised to an upper bound.
//!
//! With the contributor the sum follows the mixture (1-q) N(0, z²) + q N(1, z²), without it N(0, z²). Removing and
//! adding a contributor have different loss distributions; the larger epsilon counts.

use super::discrete_loss::{Bucket, ComposedLoss, DiscreteLoss};
use super::normal::{mass_between, upper_tail};
use super::rdp::log_ratio;

/// Grid points to one standard deviation of one release's loss. The grid's own error falls with its square.
const POINTS_PER_DEVIATION: f64 = 100.0;

/// Largest grid, of one release and of the composition: 32 MiB of work space.
const MOST_POINTS: f64 = 2_097_152.0;

/// Finest grid, in nats: below, the split of a bucket between its ends drowns in rounding.
const FINEST: f64 = 1e-8;

/// The part of delta given away to tails that are cut off.
const CUT: f64 = 1e-6;

#[derive(Debug, Clone, Copy)]
enum Neighbour {
    Removed,
    Added,
}

/// An upper bound of epsilon at `delta`; infinite where the arithmetic is too coarse for so small a delta.
pub(crate) fn epsilon(z: f64, q: f64, releases: u32, delta: f64) -> f64 {
    let cut = delta * CUT;
    [Neighbour::Removed, Neighbour::Added]
        .map(|neighbour| {
            let loss = Loss::new(neighbour, z, q, cut / f64::from(releases));
            loss.composed(releases, cut)
                .map_or(f64::INFINITY, |sum| sum.epsilon(delta))
        })
        .into_iter()
        // Unlike f64::max this does not lose a NaN, which is no promise.
        .fold(0.0, |larger, next| if next <= larger { larger } else { next })
}

/// The loss of one release, as a function of where the noised sum falls on the line from 0 to 1.
#[derive(Debug)]
struct Loss {
    neighbour: Neighbour,
    z: f64,
    q: f64,
    /// Beyond these places the noised sum falls with a probability below the cut.
    lowest: f64,
    highest: f64,
}

impl Loss {
    fn new(neighbour: Neighbour, z: f64, q: f64, cut: f64) -> Self {
        // upper_tail(x) <= ½ e^(-x²/2)
        let reach = z * (-2.0 * (2.0 * cut).ln()).max(0.0).sqrt();
        let highest = match neighbour {
            Neighbour::Removed => 1.0 + reach,
            Neighbour::Added => reach,
        };
        Self {
            neighbour,
            z,
            q,
            lowest: -reach,
            highest,
        }
    }

    /// None when the noise is so small that the loss leaves the range of a double.
    fn composed(&self, releases: u32, cut: f64) -> Option<ComposedLoss> {
        let (least, most) = match self.neighbour {
            Neighbour::Removed => (self.at(self.lowest), self.at(self.highest)),
            Neighbour::Added => (self.at(self.highest), self.at(self.lowest)),
        };
        let widest = (most - least) / MOST_POINTS;
        if !widest.is_finite() {
            return None;
        }
        // A deviation that is no number leaves the other two.
        let mut interval = (self.deviation() / POINTS_PER_DEVIATION).max(widest).max(FINEST);
        loop {
            let loss = self.on_grid(interval, least, most);
            let window = loss.window(releases, cut);
            let crowding = window.points() as f64 / MOST_POINTS;
            if crowding <= 1.0 {
                return Some(loss.compose(releases, window, cut));
            }
            interval *= 1.1 * crowding;
        }
    }

    /// The loss when the noised sum is `x`.
    fn at(&self, x: f64) -> f64 {
        let ratio = log_ratio(x, self.z * self.z, self.q);
        match self.neighbour {
            Neighbour::Removed => ratio,
            Neighbour::Added => -ratio,
        }
    }

    /// Where the log ratio is `ratio`: the inverse of [`log_ratio`].
    fn place_of(&self, ratio: f64) -> f64 {
        let exponent = if 1.0 <= self.q {
            ratio
        } else if ratio < -1.0 {
            // The ratio never falls below ln(1-q).
            ((ratio.exp() - (1.0 - self.q)) / self.q).max(0.0).ln()
        } else if ratio < 30.0 {
            (ratio.exp_m1() / self.q).max(-1.0).ln_1p()
        } else {
            ratio + (-(1.0 - self.q) * (-ratio).exp()).ln_1p() - self.q.ln()
        };
        self.z * self.z * exponent + 0.5
    }

    /// The standard deviation of the loss, roughly: it only chooses the grid.
    fn deviation(&self) -> f64 {
        const STEPS: u32 = 4000;
        let step = (self.highest - self.lowest) / f64::from(STEPS);
        let (mut mass, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for k in 0..=STEPS {
            let x = self.lowest + f64::from(k) * step;
            let bell = |mean: f64| (-0.5 * ((x - mean) / self.z).powi(2)).exp();
            let weight = match self.neighbour {
                Neighbour::Removed => (1.0 - self.q) * bell(0.0) + self.q * bell(1.0),
                Neighbour::Added => bell(0.0),
            };
            let loss = self.at(x);
            mass += weight;
            sum += weight * loss;
            squares += weight * loss * loss;
        }
        let mean = sum / mass;
        (squares / mass - mean * mean).max(0.0).sqrt()
    }

    fn on_grid(&self, interval: f64, least: f64, most: f64) -> DiscreteLoss {
        let first = (least / interval).floor() as i64;
        let last = ((most / interval).ceil() as i64).max(first + 1);
        let (foot, top) = (first as f64 * interval, last as f64 * interval);
        let (below, above) = match self.neighbour {
            Neighbour::Removed => (
                self.bucket(f64::NEG_INFINITY, self.place_of(foot)).mass,
                self.mixture(|mean| upper_tail((self.place_of(top) - mean) / self.z)),
            ),
            Neighbour::Added => (
                self.bucket(self.place_of(-foot), f64::INFINITY).mass,
                upper_tail(-self.place_of(-top) / self.z),
            ),
        };
        DiscreteLoss::connect_dots(interval, first, last, below, above, |low, high| {
            match self.neighbour {
                Neighbour::Removed => self.bucket(self.place_of(low), self.place_of(high)),
                Neighbour::Added => self.bucket(self.place_of(-high), self.place_of(-low)),
            }
        })
    }

    /// Where the noised sum falls between two places.
    fn bucket(&self, from: f64, to: f64) -> Bucket {
        let without = mass_between(from / self.z, to / self.z);
        let with = self.mixture(|mean| mass_between((from - mean) / self.z, (to - mean) / self.z));
        match self.neighbour {
            Neighbour::Removed => Bucket {
                mass: with,
                neighbour: without,
            },
            Neighbour::Added => Bucket {
                mass: without,
                neighbour: with,
            },
        }
    }

    fn mixture(&self, of: impl Fn(f64) -> f64) -> f64 {
        (1.0 - self.q) * of(0.0) + self.q * of(1.0)
    }
}
