//! One scan's samples (T.87 annex A): each is predicted from its neighbours, and what the prediction lacks is a Golomb code
//! whose parameter the context learns.

use super::Preset;
use super::bits::Bits;

/// Orders of run lengths (T.87 section A.7.1, J).
const RUN_ORDERS: [u8; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15,
];
/// After how many samples a context halves what it knows; sums of more could overflow.
const RESETS: std::ops::RangeInclusive<i32> = 3..=4096;
/// Contexts of three gradients, then two of interrupted runs.
const REGULAR: usize = 365;

/// What the samples of a scan are coded with.
#[derive(Clone, Copy)]
pub(super) struct Coding {
    top: i32,
    near: i32,
    thresholds: [i32; 3],
    reset: i32,
    range: i32,
    /// Bits of an escaped value, and the longest code.
    escape_bits: u32,
    limit: u32,
}

impl Coding {
    pub(super) fn new(precision: u8, near: u8, preset: Preset) -> Option<Self> {
        let most = (1_i32 << precision) - 1;
        let top = match i32::from(preset.top) {
            0 => most,
            top => top,
        };
        let near = i32::from(near);
        if most < top || top / 2 < near {
            return None;
        }
        let range = if near == 0 {
            top + 1
        } else {
            (top + 2 * near) / (2 * near + 1) + 1
        };
        let bits = |levels: i32| 32 - (levels - 1).max(0).leading_zeros();
        let depth = bits(top + 1).max(2);
        let defaults = thresholds(top, near);
        let [t1, t2, t3] = preset.thresholds.map(i32::from);
        let or = |said: i32, default: i32| if said == 0 { default } else { said };
        let reset = or(i32::from(preset.reset), 64);
        if !RESETS.contains(&reset) {
            return None;
        }
        let [d1, d2, d3] = defaults;
        Some(Self {
            top,
            near,
            thresholds: [or(t1, d1), or(t2, d2), or(t3, d3)],
            reset,
            range,
            escape_bits: bits(range),
            limit: 2 * (depth + depth.max(8)),
        })
    }

    /// T.87 section A.3.3.
    fn region(&self, gradient: i32) -> i32 {
        let [t1, t2, t3] = self.thresholds;
        let size = gradient.abs();
        let region = if size <= self.near {
            0
        } else if size < t1 {
            1
        } else if size < t2 {
            2
        } else if size < t3 {
            3
        } else {
            4
        };
        region * gradient.signum()
    }

    /// What the prediction and the error come to, within the range.
    fn sample(&self, predicted: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let mut value = predicted + error * step;
        if value < -self.near {
            value += self.range * step;
        } else if self.top + self.near < value {
            value -= self.range * step;
        }
        value.clamp(0, self.top)
    }
}

/// T.87 section C.2.4.1.1.
fn thresholds(top: i32, near: i32) -> [i32; 3] {
    let within = |value: i32, least: i32| {
        if value < least || top < value {
            least
        } else {
            value
        }
    };
    let [b1, b2, b3] = if 128 <= top {
        let factor = (top.min(4095) + 128) / 256;
        [factor + 2, factor * 4 + 3, factor * 17 + 4]
    } else {
        let factor = 256 / (top + 1);
        [(3 / factor).max(2), (7 / factor).max(3), (21 / factor).max(4)]
    };
    let t1 = within(b1 + 3 * near, near + 1);
    let t2 = within(b2 + 5 * near, t1);
    [t1, t2, within(b3 + 7 * near, t2)]
}

#[derive(Clone, Copy)]
struct Context {
    /// Sum of the errors' sizes, of the errors, how many, and the correction they led to.
    sizes: i32,
    bias: i32,
    count: i32,
    correction: i32,
    /// Of an interrupted run: how many were negative.
    negative: i32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Interleaving {
    None,
    Line,
    Sample,
}

pub(super) struct Scan {
    coding: Coding,
    components: usize,
    interleaving: Interleaving,
    contexts: Vec<Context>,
}

/// One component's current and previous line, a sample more at each end.
struct Lines {
    before: Vec<i32>,
    now: Vec<i32>,
    run_index: usize,
}

impl Lines {
    fn new(width: usize) -> Self {
        Self {
            before: vec![0; width + 2],
            now: vec![0; width + 2],
            run_index: 0,
        }
    }

    /// T.87 section A.2.1: what lies beyond the edges.
    fn next(&mut self, width: usize) -> Option<()> {
        std::mem::swap(&mut self.before, &mut self.now);
        let last = *self.before.get(width)?;
        *self.before.get_mut(width + 1)? = last;
        let first = *self.before.get(1)?;
        *self.now.get_mut(0)? = first;
        Some(())
    }

    /// Left, above, above left, above right of the sample at `x`.
    fn around(&self, x: usize) -> Option<[i32; 4]> {
        let [above_left, above, above_right] = *self.before.get(x..x + 3)?.first_chunk::<3>()?;
        Some([*self.now.get(x)?, above, above_left, above_right])
    }

    fn set(&mut self, x: usize, value: i32) -> Option<()> {
        *self.now.get_mut(x + 1)? = value;
        Some(())
    }
}

impl Scan {
    pub(super) fn new(coding: Coding, components: usize, interleaving: u8) -> Option<Self> {
        let interleaving = match (interleaving, components) {
            (0..=2, 1) => Interleaving::None,
            (1, _) => Interleaving::Line,
            (2, _) => Interleaving::Sample,
            _ => return None,
        };
        let fresh = Context {
            sizes: ((coding.range + 32) / 64).max(2),
            bias: 0,
            count: 1,
            correction: 0,
            negative: 0,
        };
        Some(Self {
            coding,
            components,
            interleaving,
            contexts: vec![fresh; REGULAR + 2],
        })
    }

    /// One plane a component; `None` where the stream is damaged.
    pub(super) fn decode(
        mut self,
        bits: &mut Bits<'_>,
        width: usize,
        height: usize,
    ) -> Option<Vec<Vec<u16>>> {
        let mut lines: Vec<Lines> = (0..self.components).map(|_| Lines::new(width)).collect();
        let mut planes = vec![Vec::with_capacity(width * height); self.components];
        for _ in 0..height {
            for component in &mut lines {
                component.next(width)?;
            }
            if self.interleaving == Interleaving::Sample {
                self.line(bits, &mut lines, width)?;
            } else {
                for component in &mut lines {
                    self.line(bits, std::slice::from_mut(component), width)?;
                }
            }
            for (plane, component) in planes.iter_mut().zip(&lines) {
                let samples = component.now.get(1..=width)?;
                plane.extend(samples.iter().map(|sample| *sample as u16));
            }
        }
        Some(planes)
    }

    /// The components of `lines` sample by sample.
    fn line(&mut self, bits: &mut Bits<'_>, lines: &mut [Lines], width: usize) -> Option<()> {
        let mut x = 0;
        while x < width {
            let mut is_run = true;
            for component in lines.iter() {
                let [left, above, above_left, above_right] = component.around(x)?;
                let gradients = [above_right - above, above - above_left, above_left - left];
                is_run &= gradients
                    .iter()
                    .all(|gradient| gradient.abs() <= self.coding.near);
            }
            if is_run {
                x = self.run(bits, lines, x, width)?;
                continue;
            }
            for component in lines.iter_mut() {
                let value = self.regular(bits, component.around(x)?)?;
                component.set(x, value)?;
            }
            x += 1;
        }
        Some(())
    }

    /// T.87 sections A.3 to A.6.
    fn regular(&mut self, bits: &mut Bits<'_>, around: [i32; 4]) -> Option<i32> {
        let coding = self.coding;
        let [left, above, above_left, above_right] = around;
        let regions = [above_right - above, above - above_left, above_left - left];
        let [q1, q2, q3] = regions.map(|gradient| coding.region(gradient));
        let index = 81 * q1 + 9 * q2 + q3;
        let sign = if index < 0 { -1 } else { 1 };
        let context = self.contexts.get_mut(index.unsigned_abs() as usize)?;
        let (least, most) = (left.min(above), left.max(above));
        let median = if most <= above_left {
            least
        } else if above_left <= least {
            most
        } else {
            left + above - above_left
        };
        let predicted = (median + sign * context.correction).clamp(0, coding.top);
        let order = order(context.count, context.sizes)?;
        let mapped = golomb(bits, order, coding.limit, &coding)?;
        let folded = if mapped & 1 == 0 {
            mapped >> 1
        } else {
            -((mapped + 1) >> 1)
        };
        // T.87 section A.5.2: without loss and with order nought a negative bias turns the code over.
        let turned = coding.near == 0 && order == 0 && 2 * context.bias <= -context.count;
        let error = if turned { -folded - 1 } else { folded };
        context.learn(error, &coding);
        Some(coding.sample(predicted, sign * error))
    }

    /// T.87 section A.7; where it goes on.
    fn run(&mut self, bits: &mut Bits<'_>, lines: &mut [Lines], start: usize, width: usize) -> Option<usize> {
        let mut x = start;
        let mut run_index = lines.first()?.run_index;
        loop {
            let run_order = *RUN_ORDERS.get(run_index)?;
            if !bits.bit()? {
                let length = bits.take(u32::from(run_order))? as usize;
                let end = x + length;
                if width <= end {
                    return None;
                }
                repeat(lines, x, end)?;
                self.interruption(bits, lines, end, run_order)?;
                set_run_index(lines, run_index.saturating_sub(1));
                return Some(end + 1);
            }
            let whole = 1_usize << run_order;
            let end = width.min(x + whole);
            repeat(lines, x, end)?;
            if end - x == whole && run_index + 1 < RUN_ORDERS.len() {
                run_index += 1;
            }
            x = end;
            if x == width {
                set_run_index(lines, run_index);
                return Some(x);
            }
        }
    }

    /// The sample that ends a run.
    fn interruption(
        &mut self,
        bits: &mut Bits<'_>,
        lines: &mut [Lines],
        x: usize,
        run_order: u8,
    ) -> Option<()> {
        let coding = self.coding;
        let alone = lines.len() == 1;
        for component in lines {
            let [left, above, ..] = component.around(x)?;
            // Samples that come together share the context of differing neighbours.
            let alike = alone && (left - above).abs() <= coding.near;
            let context = self.contexts.get_mut(REGULAR + usize::from(alike))?;
            let error = context.interrupted(bits, &coding, alike, run_order)?;
            let value = if alike {
                coding.sample(left, error)
            } else if above < left {
                coding.sample(above, -error)
            } else {
                coding.sample(above, error)
            };
            component.set(x, value)?;
        }
        Some(())
    }
}

impl Context {
    /// T.87 section A.6.
    fn learn(&mut self, error: i32, coding: &Coding) {
        self.bias += error * (2 * coding.near + 1);
        self.sizes += error.abs();
        if self.count == coding.reset {
            self.sizes >>= 1;
            self.bias >>= 1;
            self.count >>= 1;
        }
        self.count += 1;
        if self.bias <= -self.count {
            self.bias = (self.bias + self.count).max(1 - self.count);
            self.correction = (self.correction - 1).max(-128);
        } else if 0 < self.bias {
            self.bias = (self.bias - self.count).min(0);
            self.correction = (self.correction + 1).min(127);
        }
    }

    /// T.87 section A.7.2.
    fn interrupted(
        &mut self,
        bits: &mut Bits<'_>,
        coding: &Coding,
        alike: bool,
        run_order: u8,
    ) -> Option<i32> {
        let kind = i32::from(alike);
        let sizes = if alike {
            self.sizes + (self.count >> 1)
        } else {
            self.sizes
        };
        let order = order(self.count, sizes)?;
        let limit = coding.limit.checked_sub(u32::from(run_order) + 1)?;
        let mapped = golomb(bits, order, limit, coding)?;
        let doubled = mapped + kind;
        let size = (doubled + 1) >> 1;
        let odd = doubled & 1 == 1;
        let mostly_negative = order != 0 || self.count <= 2 * self.negative;
        let error = if mostly_negative == odd { -size } else { size };
        if error < 0 {
            self.negative += 1;
        }
        self.sizes += (mapped + 1 - kind) >> 1;
        if self.count == coding.reset {
            self.sizes >>= 1;
            self.count >>= 1;
            self.negative >>= 1;
        }
        self.count += 1;
        Some(error)
    }
}

fn repeat(lines: &mut [Lines], from: usize, to: usize) -> Option<()> {
    for component in lines {
        // The sample at `x` stands one place further: the run repeats the one before it.
        let value = *component.now.get(from)?;
        component.now.get_mut(from + 1..=to)?.fill(value);
    }
    Some(())
}

fn set_run_index(lines: &mut [Lines], run_index: usize) {
    for component in lines {
        component.run_index = run_index;
    }
}

/// The Golomb parameter: how often the count must double to reach the sizes.
fn order(count: i32, sizes: i32) -> Option<u32> {
    (0..=28).find(|order| i64::from(sizes) <= i64::from(count) << order)
}

/// T.87 section A.5.3. An error larger than the range is damage.
fn golomb(bits: &mut Bits<'_>, order: u32, limit: u32, coding: &Coding) -> Option<i32> {
    let longest = limit.checked_sub(coding.escape_bits + 1)?;
    let noughts = bits.noughts(longest)?;
    let value = if noughts < longest {
        (u64::from(noughts) << order) | u64::from(bits.take(order)?)
    } else {
        u64::from(bits.take(coding.escape_bits)?) + 1
    };
    i32::try_from(value)
        .ok()
        .filter(|value| *value <= 2 * coding.range + 1)
}
