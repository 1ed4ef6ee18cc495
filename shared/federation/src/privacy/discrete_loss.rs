//! A privacy loss distribution on an even grid, and its many-fold composition by FFT.
//!
//! Every step keeps the distribution on the pessimistic side, so that the epsilon read off is an upper bound:
//! - mass between two grid points is given to both such that its weight under either data set is kept, the "connect
//!   the dots" of Doroshenko et al. 2022 (arXiv 2207.04380): the smallest distribution on the grid that dominates;
//! - mass below the grid moves up to its first point, mass above it counts as an infinite loss;
//! - the FFT's window holds all but a negligible tail; what wraps around below it comes out as a higher loss, what
//!   would wrap above it is bounded by Chernoff and added to delta, and so is a bound on the FFT's rounding.

use realfft::RealFftPlanner;

use super::log_sum::LogSum;

/// Mass of one release between two neighbouring grid points.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    /// Under the data set whose loss is counted.
    pub(crate) mass: f64,
    /// Under the neighbouring data set.
    pub(crate) neighbour: f64,
}

/// The loss of one release. Grid point `j` stands for a loss of `(first + j) * interval` nats.
#[derive(Debug)]
pub(crate) struct DiscreteLoss {
    interval: f64,
    first: i64,
    masses: Vec<f64>,
    infinite: f64,
}

impl DiscreteLoss {
    /// `last - first` buckets between the grid points; `below` and `above` are the masses outside the grid.
    pub(crate) fn connect_dots(
        interval: f64,
        first: i64,
        last: i64,
        below: f64,
        above: f64,
        bucket: impl Fn(f64, f64) -> Bucket,
    ) -> Self {
        let shrink = (-interval).exp();
        let width = -(-interval).exp_m1();
        let mut masses = Vec::with_capacity(usize::try_from(last - first).unwrap_or(0) + 1);
        let mut carried = below;
        for point in first..last {
            let low = interval * point as f64;
            let Bucket { mass, neighbour } = bucket(low, low + interval);
            // The mean of e^(low - loss) over the bucket, between `shrink` at its top and 1 at its foot.
            let ratio = neighbour / mass * low.exp();
            // Where nothing can be said, everything goes to the top.
            let to_foot = if ratio.is_nan() {
                0.0
            } else {
                mass * ((ratio.clamp(shrink, 1.0) - shrink) / width)
            };
            masses.push(carried + to_foot);
            carried = mass - to_foot;
        }
        masses.push(carried);
        Self {
            interval,
            first,
            masses,
            infinite: above,
        }
    }

    /// The window that holds a sum of `releases` losses up to `tail` of mass on either side, as grid indices counted
    /// from `releases * first`.
    pub(crate) fn window(&self, releases: u32, tail: f64) -> Window {
        let releases = f64::from(releases);
        let top = (self.masses.len() - 1) as f64 * releases;
        let (mean, deviation) = self.moments();
        // Chernoff: P(S >= s) <= M(rate)^releases e^(-rate s), near its best at this rate; S counted in grid steps.
        let log_tail = -tail.ln();
        let best = (2.0 * log_tail / releases).sqrt() / deviation.max(1e-9);
        let (mut low, mut high) = (0.0_f64, top);
        for k in -6..=4 {
            let rate = best * (0.5 * f64::from(k)).exp2();
            let up = (releases * self.log_moment(rate, mean) + log_tail) / rate;
            let down = (releases * self.log_moment(-rate, mean) + log_tail) / rate;
            high = high.min(releases * mean + up);
            low = low.max(releases * mean - down);
        }
        let low = low.floor().clamp(0.0, top);
        Window {
            low: low as u64,
            high: high.ceil().clamp(low, top) as u64,
        }
    }

    /// Mean and standard deviation of the finite losses' grid index.
    fn moments(&self) -> (f64, f64) {
        let (mut mass, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for (index, p) in self.masses.iter().enumerate() {
            let at = index as f64;
            mass += p;
            sum += p * at;
            squares += p * at * at;
        }
        let mean = sum / mass;
        (mean, (squares / mass - mean * mean).max(0.0).sqrt())
    }

    /// ln E[e^(rate (index - mean))] over the finite losses.
    fn log_moment(&self, rate: f64, mean: f64) -> f64 {
        let mut sum = LogSum::default();
        for (index, p) in self.masses.iter().enumerate() {
            if 0.0 < *p {
                sum.add(p.ln() + rate * (index as f64 - mean));
            }
        }
        sum.ln()
    }

    /// The sum of `releases` independent losses within `window`, which was cut with the same `tail`.
    pub(crate) fn compose(&self, releases: u32, window: Window, tail: f64) -> ComposedLoss {
        let size = window.points().next_power_of_two().max(2);
        let mut planner = RealFftPlanner::<f64>::new();
        let (forward, inverse) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
        let (mut real, mut spectrum) = (forward.make_input_vec(), forward.make_output_vec());
        for block in self.masses.chunks(size) {
            for (sum, mass) in real.iter_mut().zip(block) {
                *sum += mass;
            }
        }
        let outcome = forward.process(&mut real, &mut spectrum).and_then(|()| {
            for value in &mut spectrum {
                *value = value.powu(releases);
            }
            // A real signal has real first and last coefficients; the transform insists.
            if let Some(value) = spectrum.first_mut() {
                value.im = 0.0;
            }
            if let Some(value) = spectrum.last_mut() {
                value.im = 0.0;
            }
            inverse.process(&mut spectrum, &mut real)
        });
        // The transform's parseval bound: rounding of `log2 size` butterflies there and back, and of the power, each
        // relative to a spectrum whose mean square is at most 1.
        let size = size as f64;
        let rounding = f64::EPSILON / 2.0 * size.sqrt() * (8.0 * size.log2() + 2.0 * f64::from(releases));
        // The buffers have the planner's own lengths, so there is no failure; one would promise nothing.
        let lost = if outcome.is_ok() { 0.0 } else { 1.0 };
        for value in &mut real {
            *value = (*value / size).max(0.0);
        }
        let shift = usize::try_from(window.low).unwrap_or(0) % real.len();
        real.rotate_left(shift);
        ComposedLoss {
            interval: self.interval,
            first: self.first as f64 * f64::from(releases) + window.low as f64,
            masses: real,
            surplus: f64::from(releases) * self.infinite + tail + rounding + lost,
        }
    }
}

/// Grid indices, both included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    low: u64,
    high: u64,
}

impl Window {
    pub(crate) fn points(self) -> usize {
        usize::try_from(self.high - self.low + 1).unwrap_or(usize::MAX)
    }
}

/// The loss of a series of releases.
#[derive(Debug)]
pub(crate) struct ComposedLoss {
    interval: f64,
    first: f64,
    masses: Vec<f64>,
    /// Counted towards delta at every epsilon.
    surplus: f64,
}

impl ComposedLoss {
    /// The smallest epsilon at which delta(epsilon) = E[max(0, 1 - e^(epsilon - loss))] + surplus is at most `delta`;
    /// infinite when the surplus alone is more.
    pub(crate) fn epsilon(&self, delta: f64) -> f64 {
        if delta < self.surplus {
            return f64::INFINITY;
        }
        let shrink = (-self.interval).exp();
        // Over all losses above `at`: their mass, and their mass weighted with e^(at - loss).
        let (mut mass, mut weighted) = (0.0, 0.0);
        let mut at = self.first + self.masses.len() as f64 - 1.0;
        for p in self.masses.iter().rev() {
            mass += p;
            weighted = (weighted + p) * shrink;
            at -= 1.0;
            if delta < mass - weighted + self.surplus || at * self.interval < 0.0 {
                break;
            }
        }
        let excess = mass + self.surplus - delta;
        if excess <= 0.0 || weighted <= 0.0 {
            return 0.0;
        }
        (at * self.interval + (excess / weighted).ln()).max(0.0)
    }
}
