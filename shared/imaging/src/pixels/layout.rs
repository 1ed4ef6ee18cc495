use super::Error;
use crate::header::{Header, PixelLocation};
use crate::tags;

/// The largest frame: four times a mammogram. A grey picture of this size takes 256 MiB.
pub const PIXEL_LIMIT: u64 = 64 * 1024 * 1024;

/// Bits of a pixel that frames of that size may have: three colours of sixteen.
const WIDEST: u64 = 48;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Photometric {
    Monochrome1,
    Monochrome2,
    Palette,
    Rgb,
    /// Brightness in the first sample.
    YbrFull,
    /// Two pixels in four samples: both brightnesses, then the shared colour.
    Ybr422,
}

/// How one frame's samples lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) rows: u16,
    pub(crate) columns: u16,
    pub(crate) frames: u32,
    pub(crate) samples: u16,
    /// 1, 8, 16 or 32; of floating point 32 or 64.
    pub(crate) bits_allocated: u16,
    pub(crate) bits_stored: u16,
    pub(crate) high_bit: u16,
    pub(crate) signed: bool,
    /// Floating point numbers.
    pub(crate) float: bool,
    /// Colour by colour instead of pixel by pixel.
    pub(crate) planar: bool,
    pub(crate) photometric: Photometric,
}

impl Layout {
    pub(crate) fn of(header: &Header) -> Result<Self, Error> {
        if !header.has_pixels() {
            return Err(Error::NoPixels);
        }
        let rows = present(header.rows(), "Rows")?;
        let columns = present(header.columns(), "Columns")?;
        let pixels = u64::from(rows) * u64::from(columns);
        if PIXEL_LIMIT < pixels {
            return Err(Error::TooLarge {
                pixels,
                limit: PIXEL_LIMIT,
            });
        }
        let frames = header.frames();
        if frames == 0 {
            return Err(Error::MissingAttribute {
                name: "Number of Frames",
            });
        }
        let bits_allocated = present(header.bits_allocated(), "Bits Allocated")?;
        let float = matches!(header.pixels(), Some(PixelLocation::Native { float: true, .. }));
        if !matches!(
            (bits_allocated, float),
            (1 | 8 | 16 | 32, false) | (32 | 64, true)
        ) {
            return Err(Error::Unsupported {
                what: "this number of bits allocated",
            });
        }
        let bits_stored = header
            .bits_stored()
            .filter(|stored| (1..=bits_allocated).contains(stored))
            .unwrap_or(bits_allocated);
        let high_bit = header
            .number(tags::HIGH_BIT)
            .filter(|high| (bits_stored - 1..bits_allocated).contains(high))
            .unwrap_or(bits_stored - 1);
        let samples = header.number(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
        let photometric = photometric(header.code(tags::PHOTOMETRIC).as_deref(), samples)?;
        let is_wide = 16 < bits_allocated;
        if (is_wide && matches!(photometric, Photometric::Palette | Photometric::Ybr422))
            || (float && samples != 1)
        {
            return Err(Error::Unsupported {
                what: "this number of bits allocated in colours",
            });
        }
        // Wider samples make a frame of fewer pixels, so that its bytes are bounded too.
        let limit = PIXEL_LIMIT.min(PIXEL_LIMIT * WIDEST / (u64::from(samples) * u64::from(bits_allocated)));
        if limit < pixels {
            return Err(Error::TooLarge { pixels, limit });
        }
        Ok(Self {
            rows,
            columns,
            frames,
            samples,
            bits_allocated,
            bits_stored,
            high_bit,
            signed: header.number(tags::PIXEL_REPRESENTATION) == Some(1),
            float,
            planar: 1 < samples && header.number(tags::PLANAR_CONFIGURATION) == Some(1),
            photometric,
        })
    }

    pub(crate) fn pixels(&self) -> usize {
        usize::from(self.rows) * usize::from(self.columns)
    }

    /// Of one frame once it is decoded.
    pub(crate) fn decoded_bits(&self) -> usize {
        self.pixels() * usize::from(self.samples) * usize::from(self.bits_allocated)
    }

    /// Of one frame, as it is stored. Below 2^32 by [`PIXEL_LIMIT`].
    pub(crate) fn frame_bits(&self) -> u64 {
        let samples = match self.photometric {
            Photometric::Ybr422 => 2,
            _ => u64::from(self.samples),
        };
        self.pixels() as u64 * samples * u64::from(self.bits_allocated)
    }
}

fn present(value: Option<u16>, name: &'static str) -> Result<u16, Error> {
    value
        .filter(|value| *value != 0)
        .ok_or(Error::MissingAttribute { name })
}

fn photometric(code: Option<&str>, samples: u16) -> Result<Photometric, Error> {
    match (code, samples) {
        (Some("MONOCHROME1"), 1) => Ok(Photometric::Monochrome1),
        (Some("MONOCHROME2") | None, 1) => Ok(Photometric::Monochrome2),
        (Some("PALETTE COLOR"), 1) => Ok(Photometric::Palette),
        // What the wavelet codecs call their own transform comes out of them as RGB.
        (Some("RGB" | "YBR_RCT" | "YBR_ICT"), 3) => Ok(Photometric::Rgb),
        (Some("YBR_FULL"), 3) => Ok(Photometric::YbrFull),
        (Some("YBR_FULL_422" | "YBR_PARTIAL_422"), 3) => Ok(Photometric::Ybr422),
        _ => Err(Error::Unsupported {
            what: "this photometric interpretation",
        }),
    }
}
