//! Stored samples to grey levels (PS3.3 sections C.11.1 and C.11.2, PS3.4 annex N.2).

mod wide;

use super::frame::Samples;
use super::layout::Layout;
use super::lut::Table;
use super::softcopy::{SoftModality, SoftShape, SoftTable, SoftVoi, Softcopy};
use super::{Error, Photometric};
use crate::header::Header;
use crate::tags;

/// Every stored value has one grey level, so the whole chain is worked out once a value, not once a pixel.
pub(super) fn grey(
    header: &Header,
    layout: &Layout,
    samples: &Samples,
    window: Option<Window>,
) -> Result<Vec<f32>, Error> {
    let mut chain = Chain::of(header, layout)?;
    if let Some(window) = window {
        chain.voi = window.voi();
    }
    if 16 < samples.bits {
        return Ok(wide::grey(layout, samples, &chain));
    }
    let stored = Stored::of(layout, samples.bits);
    let range = match chain.needs_range(&stored) {
        true => Some(present_range(header, &stored, samples, layout)),
        false => None,
    };
    let table = chain.table(&stored, range);
    Ok(map(samples, layout, &table))
}

/// The same by a presentation state's words. Without a window all that can occur is shown.
pub(super) fn softcopy(
    layout: &Layout,
    samples: &Samples,
    softcopy: &Softcopy<'_>,
) -> Result<Vec<f32>, Error> {
    if 16 < samples.bits {
        return Err(Error::Unsupported {
            what: "a presentation state for samples of this many bits",
        });
    }
    let read = |table: &SoftTable, name| {
        let signed = table.signed || (layout.signed && name != "Presentation LUT");
        Table::new(&table.descriptor, table.entries.clone(), signed).ok_or(Error::BadTable { name })
    };
    let chain = Chain {
        modality: match softcopy.modality {
            SoftModality::Rescale { slope, intercept } => Modality::Rescale {
                slope: *slope,
                intercept: *intercept,
            },
            SoftModality::Table(table) => Modality::Table(read(table, "Modality LUT")?),
        },
        voi: match softcopy.voi {
            Some(SoftVoi::Window(window)) => window.voi(),
            Some(SoftVoi::Table(table)) => Voi::Table(read(table, "VOI LUT")?),
            Some(SoftVoi::None) | None => Voi::Absent,
        },
        // A MONOCHROME1 image comes with a state that says so.
        inverted: matches!(softcopy.shape, SoftShape::Inverse),
    };
    let stored = Stored::of(layout, samples.bits);
    let mut table = chain.table(&stored, Some(stored.full_range()));
    if let SoftShape::Table(shape) = softcopy.shape {
        let shape = read(shape, "Presentation LUT")?;
        for level in &mut table {
            *level = shape.at_level(*level);
        }
    }
    Ok(map(samples, layout, &table))
}

/// What a reader wants to see instead of what the object says (PS3.3 section C.11.2.1.2). In values after rescaling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Window {
    Linear { centre: f64, width: f64 },
    LinearExact { centre: f64, width: f64 },
    Sigmoid { centre: f64, width: f64 },
}

impl Window {
    fn voi(self) -> Voi {
        match self {
            Self::Linear { centre, width } => Voi::Linear { centre, width },
            Self::LinearExact { centre, width } => Voi::LinearExact { centre, width },
            Self::Sigmoid { centre, width } => Voi::Sigmoid { centre, width },
        }
    }
}

/// Where the value lies in a sample.
struct Stored {
    shift: u16,
    bits: u16,
    signed: bool,
    /// Of the samples as they come: 1, 8 or 16.
    sample_bits: u16,
}

impl Stored {
    fn of(layout: &Layout, sample_bits: u16) -> Self {
        let bits = layout.bits_stored.min(sample_bits);
        Self {
            shift: (layout.high_bit + 1)
                .saturating_sub(layout.bits_stored)
                .min(sample_bits - bits),
            bits,
            signed: layout.signed,
            sample_bits,
        }
    }

    fn value(&self, sample: u16) -> i32 {
        let mask = ((1_u32 << self.bits) - 1) as u16;
        let value = i32::from((sample >> self.shift) & mask);
        if self.signed && value >> (self.bits - 1) == 1 {
            value - (1 << self.bits)
        } else {
            value
        }
    }

    fn full_range(&self) -> (i32, i32) {
        if self.signed {
            (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1)
        } else {
            (0, (1 << self.bits) - 1)
        }
    }
}

enum Modality {
    Rescale { slope: f64, intercept: f64 },
    Table(Table),
}

enum Voi {
    Linear { centre: f64, width: f64 },
    LinearExact { centre: f64, width: f64 },
    Sigmoid { centre: f64, width: f64 },
    Table(Table),
    Absent,
}

struct Chain {
    modality: Modality,
    voi: Voi,
    inverted: bool,
}

impl Chain {
    fn of(header: &Header, layout: &Layout) -> Result<Self, Error> {
        let modality =
            match Table::nested(header, tags::MODALITY_LUT_SEQUENCE, layout.signed, "Modality LUT")? {
                Some(table) => Modality::Table(table),
                None => {
                    let sequence = tags::PIXEL_TRANSFORMATION_SEQUENCE;
                    Modality::Rescale {
                        slope: header
                            .decimal(tags::RESCALE_SLOPE, sequence)
                            .filter(|slope| *slope != 0.0)
                            .unwrap_or(1.0),
                        intercept: header.decimal(tags::RESCALE_INTERCEPT, sequence).unwrap_or(0.0),
                    }
                }
            };
        let shape = header.code(tags::PRESENTATION_SHAPE);
        Ok(Self {
            voi: voi(header, layout)?,
            modality,
            // A DX object says the same twice: MONOCHROME1 comes with the shape INVERSE.
            inverted: layout.photometric == Photometric::Monochrome1 || shape.as_deref() == Some("INVERSE"),
        })
    }

    fn modality_value(&self, stored: i32) -> f64 {
        self.modality_number(f64::from(stored))
    }

    fn modality_number(&self, stored: f64) -> f64 {
        match &self.modality {
            Modality::Rescale { slope, intercept } => stored * slope + intercept,
            Modality::Table(table) => f64::from(table.at(stored as i32)),
        }
    }

    fn is_identity(&self) -> bool {
        matches!(self.modality, Modality::Rescale { slope, intercept } if slope == 1.0 && intercept == 0.0)
    }

    /// Pictures of up to eight bits are already made for the screen, others are stretched to what occurs in them.
    fn needs_range(&self, stored: &Stored) -> bool {
        matches!(self.voi, Voi::Absent) && !(self.is_identity() && stored.bits <= 8 && !stored.signed)
    }

    /// The grey level of every sample value; `range` is the least and greatest stored value that occurs.
    fn table(&self, stored: &Stored, range: Option<(i32, i32)>) -> Vec<f32> {
        let full = stored.full_range();
        let (low, high) = match range {
            Some((low, high)) => self.modality_range(low, high),
            None => (self.modality_value(full.0), self.modality_value(full.1)),
        };
        let exact = range.is_none() && self.is_identity() && self.voi.is_full(full);
        (0..1_u32 << stored.sample_bits)
            .map(|sample| {
                let value = self.modality_value(stored.value(sample as u16));
                let level = if exact {
                    (value - low) / (high - low)
                } else {
                    self.voi.level(value, low, high)
                };
                let level = level.clamp(0.0, 1.0) as f32;
                if self.inverted { 1.0 - level } else { level }
            })
            .collect()
    }

    /// A table need not rise, so its every output within the range counts.
    fn modality_range(&self, low: i32, high: i32) -> (f64, f64) {
        match &self.modality {
            Modality::Rescale { .. } => {
                let (a, b) = (self.modality_value(low), self.modality_value(high));
                (a.min(b), a.max(b))
            }
            Modality::Table(_) => (low..=high)
                .map(|stored| self.modality_value(stored))
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                    (low.min(value), high.max(value))
                }),
        }
    }
}

impl Voi {
    fn level(&self, value: f64, low: f64, high: f64) -> f64 {
        match self {
            // A width of one is a step: 0/0 at the centre, which is its dark side.
            Self::Linear { centre, width } => {
                let distance = value - (centre - 0.5);
                if *width <= 1.0 {
                    return if distance <= 0.0 { 0.0 } else { 1.0 };
                }
                distance / (width - 1.0) + 0.5
            }
            Self::LinearExact { centre, width } => (value - centre) / width + 0.5,
            Self::Sigmoid { centre, width } => 1.0 / (1.0 + (-4.0 * (value - centre) / width).exp()),
            Self::Table(table) => f64::from(table.at(value.round() as i32)) / f64::from(table.top),
            Self::Absent if low < high => (value - low) / (high - low),
            // One single level: nothing to see, and black says so.
            Self::Absent => 0.0,
        }
    }

    /// No window, or one that means "all of it" to within a level at each end: scanners write 128/256, 127/255, 127.5/255.
    fn is_full(&self, full: (i32, i32)) -> bool {
        match self {
            Self::Absent => true,
            Self::Linear { centre, width } | Self::LinearExact { centre, width } => {
                let low = centre - width / 2.0;
                let high = centre + width / 2.0;
                (low - f64::from(full.0)).abs() <= 1.0 && (high - f64::from(full.1)).abs() <= 1.0
            }
            Self::Sigmoid { .. } | Self::Table(_) => false,
        }
    }
}

fn voi(header: &Header, layout: &Layout) -> Result<Voi, Error> {
    let sequence = tags::FRAME_VOI_SEQUENCE;
    let centre = header.decimal(tags::WINDOW_CENTER, sequence);
    let width = header
        .decimal(tags::WINDOW_WIDTH, sequence)
        .filter(|width| 0.0 < *width);
    if let (Some(centre), Some(width)) = (centre, width) {
        let function = header.code_or_nested(tags::VOI_FUNCTION, sequence);
        return Ok(match function.as_deref() {
            Some("LINEAR_EXACT") => Voi::LinearExact { centre, width },
            Some("SIGMOID") => Voi::Sigmoid { centre, width },
            _ => Voi::Linear { centre, width },
        });
    }
    let table = Table::nested(header, tags::VOI_LUT_SEQUENCE, layout.signed, "VOI LUT")?;
    Ok(table.map_or(Voi::Absent, Voi::Table))
}

/// The least and greatest stored value, padding around the picture left out.
fn present_range(header: &Header, stored: &Stored, samples: &Samples, layout: &Layout) -> (i32, i32) {
    let mut seen = vec![false; 1 << stored.sample_bits];
    each_sample(samples, layout.pixels(), |sample| {
        if let Some(seen) = seen.get_mut(usize::from(sample)) {
            *seen = true;
        }
    });
    let padding = header
        .number(tags::PIXEL_PADDING)
        .map(|padding| stored.value(padding << stored.shift));
    let values = seen
        .iter()
        .zip(0..=u16::MAX)
        .filter(|(seen, _)| **seen)
        .map(|(_, sample)| stored.value(sample))
        .filter(|value| Some(*value) != padding);
    let range = values.fold(None, |range: Option<(i32, i32)>, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    });
    range.unwrap_or((0, 0))
}

fn map(samples: &Samples, layout: &Layout, table: &[f32]) -> Vec<f32> {
    let level = |sample: u16| table.get(usize::from(sample)).copied().unwrap_or(0.0);
    let mut data = Vec::with_capacity(layout.pixels());
    each_sample(samples, layout.pixels(), |sample| data.push(level(sample)));
    data
}

/// Calls `visit` for the first `count` samples.
fn each_sample(samples: &Samples, count: usize, mut visit: impl FnMut(u16)) {
    match samples.bits {
        16 => {
            let (pairs, _) = samples.bytes.as_chunks::<2>();
            pairs
                .iter()
                .take(count)
                .for_each(|pair| visit(u16::from_le_bytes(*pair)));
        }
        1 => {
            let bits = samples
                .bytes
                .iter()
                .flat_map(|byte| (0..8).map(move |bit| u16::from(byte >> bit & 1)));
            bits.skip(usize::from(samples.first_bit))
                .take(count)
                .for_each(visit);
        }
        _ => samples
            .bytes
            .iter()
            .take(count)
            .for_each(|byte| visit(u16::from(*byte))),
    }
}
