//! Colours as their brightness: what is read as a grey picture is often wrapped in three equal colours.

use super::frame::Samples;
use super::layout::Layout;
use super::lut::Table;
use super::{Error, Photometric};
use crate::header::Header;
use crate::tags;

pub(super) fn brightness(layout: &Layout, samples: &Samples) -> Result<Vec<f32>, Error> {
    match samples.bits {
        8 => Ok(by_photometric(layout, samples, &samples.bytes)),
        16 => {
            // The upper half: a colour of more than eight bits is rarer than the memory for it is worth.
            let (pairs, _) = samples.bytes.as_chunks::<2>();
            let shift = layout.bits_stored.saturating_sub(8);
            let bytes: Vec<u8> = pairs
                .iter()
                .map(|pair| (u16::from_le_bytes(*pair) >> shift).min(255) as u8)
                .collect();
            Ok(by_photometric(layout, samples, &bytes))
        }
        _ => Err(Error::Unsupported {
            what: "colours of a single bit",
        }),
    }
}

fn by_photometric(layout: &Layout, samples: &Samples, bytes: &[u8]) -> Vec<f32> {
    let count = layout.pixels();
    match (samples.photometric, samples.planar) {
        (Photometric::Ybr422, _) => {
            let (quads, _) = bytes.as_chunks::<4>();
            let pixels = quads.iter().flat_map(|[first, second, _, _]| [*first, *second]);
            pixels.take(count).map(level).collect()
        }
        (Photometric::YbrFull, true) => bytes.iter().take(count).copied().map(level).collect(),
        (Photometric::YbrFull, false) => {
            let (triples, _) = bytes.as_chunks::<3>();
            triples
                .iter()
                .take(count)
                .map(|[first, _, _]| level(*first))
                .collect()
        }
        (_, true) => {
            let (red, rest) = bytes.split_at(count.min(bytes.len()));
            let (green, blue) = rest.split_at(count.min(rest.len()));
            let colours = red.iter().zip(green).zip(blue);
            colours
                .map(|((red, green), blue)| level(luma(*red, *green, *blue)))
                .collect()
        }
        (_, false) => {
            let (triples, _) = bytes.as_chunks::<3>();
            let colours = triples.iter().take(count);
            colours
                .map(|[red, green, blue]| level(luma(*red, *green, *blue)))
                .collect()
        }
    }
}

pub(super) fn palette_brightness(
    header: &Header,
    layout: &Layout,
    samples: &Samples,
) -> Result<Vec<f32>, Error> {
    let red = Table::palette(header, tags::RED_DESCRIPTOR, tags::RED_DATA, "red palette")?;
    let green = Table::palette(header, tags::GREEN_DESCRIPTOR, tags::GREEN_DATA, "green palette")?;
    let blue = Table::palette(header, tags::BLUE_DESCRIPTOR, tags::BLUE_DATA, "blue palette")?;
    let byte = |table: &Table, input: u16| {
        let scaled = u32::from(table.at(i32::from(input))) * 255 / u32::from(table.top.max(1));
        scaled.min(255) as u8
    };
    let levels: Vec<f32> = (0..=u16::MAX)
        .take(1 << samples.bits)
        .map(|input| level(luma(byte(&red, input), byte(&green, input), byte(&blue, input))))
        .collect();
    let look_up = |input: u16| levels.get(usize::from(input)).copied().unwrap_or(0.0);
    let count = layout.pixels();
    if samples.bits == 16 {
        let (pairs, _) = samples.bytes.as_chunks::<2>();
        return Ok(pairs
            .iter()
            .take(count)
            .map(|pair| look_up(u16::from_le_bytes(*pair)))
            .collect());
    }
    Ok(samples
        .bytes
        .iter()
        .take(count)
        .map(|byte| look_up(u16::from(*byte)))
        .collect())
}

/// ITU-R BT.601 in 16-bit fixed point, rounded as Pillow rounds: the training pictures went through it.
fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let sum = u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471 + 0x8000;
    (sum >> 16) as u8
}

fn level(byte: u8) -> f32 {
    f32::from(byte) / 255.0
}
