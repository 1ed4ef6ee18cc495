//! Colours as their brightness: what is read as a grey picture is often wrapped in three equal colours.

use std::borrow::Cow;

use super::frame::Samples;
use super::layout::Layout;
use super::lut::Table;
use super::{Error, Photometric};
use crate::header::Header;
use crate::tags;

pub(super) fn brightness(layout: &Layout, samples: &Samples) -> Result<Vec<f32>, Error> {
    let bytes = eight_bits(layout, samples)?;
    Ok(by_photometric(layout, samples, &bytes))
}

/// Red, green and blue of each pixel.
pub(super) fn rgb(layout: &Layout, samples: &Samples) -> Result<Vec<u8>, Error> {
    let bytes = eight_bits(layout, samples)?;
    let count = layout.pixels();
    let turn = |[first, second, third]: [u8; 3]| match samples.photometric {
        Photometric::YbrFull | Photometric::Ybr422 => from_ybr(first, second, third),
        _ => [first, second, third],
    };
    let mut rgb = Vec::with_capacity(3 * count);
    if samples.photometric == Photometric::Ybr422 {
        let (quads, _) = bytes.as_chunks::<4>();
        for [first, second, blue, red] in quads {
            rgb.extend(turn([*first, *blue, *red]));
            rgb.extend(turn([*second, *blue, *red]));
        }
    } else if samples.planar {
        let (first, rest) = bytes.split_at(count.min(bytes.len()));
        let (second, third) = rest.split_at(count.min(rest.len()));
        for ((first, second), third) in first.iter().zip(second).zip(third) {
            rgb.extend(turn([*first, *second, *third]));
        }
    } else {
        let (triples, _) = bytes.as_chunks::<3>();
        triples.iter().for_each(|triple| rgb.extend(turn(*triple)));
    }
    rgb.truncate(3 * count);
    if rgb.len() < 3 * count {
        return Err(Error::SizeMismatch {
            wanted: 3 * count as u64,
            found: rgb.len() as u64,
        });
    }
    Ok(rgb)
}

/// The same of a picture whose samples choose from a palette.
pub(super) fn palette_rgb(header: &Header, layout: &Layout, samples: &Samples) -> Result<Vec<u8>, Error> {
    let colours = palette(header, samples.bits, |red, green, blue| [red, green, blue])?;
    let look_up = |input: u16| colours.get(usize::from(input)).copied().unwrap_or_default();
    Ok(indices(layout, samples).flat_map(look_up).collect())
}

fn eight_bits<'a>(layout: &Layout, samples: &'a Samples) -> Result<Cow<'a, [u8]>, Error> {
    match samples.bits {
        8 => Ok(Cow::Borrowed(&samples.bytes)),
        // The upper bits: a colour of more than eight is rarer than the memory for it is worth.
        16 => Ok(Cow::Owned(uppermost(&samples.bytes, layout, u16::from_le_bytes))),
        32 => Ok(Cow::Owned(uppermost(&samples.bytes, layout, u32::from_le_bytes))),
        _ => Err(Error::Unsupported {
            what: "colours of a single bit",
        }),
    }
}

fn uppermost<const WIDTH: usize, T: Into<u64>>(
    bytes: &[u8],
    layout: &Layout,
    value: impl Fn([u8; WIDTH]) -> T,
) -> Vec<u8> {
    let (samples, _) = bytes.as_chunks::<WIDTH>();
    let shift = layout.bits_stored.saturating_sub(8);
    let upper = |sample: &[u8; WIDTH]| (value(*sample).into() >> shift).min(255) as u8;
    samples.iter().map(upper).collect()
}

/// ITU-R BT.601 over the full range (PS3.3 section C.7.6.3.1.2), in 16-bit fixed point.
fn from_ybr(level: u8, blue: u8, red: u8) -> [u8; 3] {
    let (level, blue, red) = (
        i32::from(level) << 16,
        i32::from(blue) - 128,
        i32::from(red) - 128,
    );
    let byte = |sum: i32| ((sum + 0x8000) >> 16).clamp(0, 255) as u8;
    [
        byte(level + 91_881 * red),
        byte(level - 22_554 * blue - 46_802 * red),
        byte(level + 116_130 * blue),
    ]
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
    let levels = palette(header, samples.bits, |red, green, blue| {
        level(luma(red, green, blue))
    })?;
    let look_up = |input: u16| levels.get(usize::from(input)).copied().unwrap_or(0.0);
    Ok(indices(layout, samples).map(look_up).collect())
}

/// What each sample value stands for.
fn palette<T>(header: &Header, bits: u16, colour: impl Fn(u8, u8, u8) -> T) -> Result<Vec<T>, Error> {
    let red = Table::palette(header, tags::RED_DESCRIPTOR, tags::RED_DATA, "red palette")?;
    let green = Table::palette(header, tags::GREEN_DESCRIPTOR, tags::GREEN_DATA, "green palette")?;
    let blue = Table::palette(header, tags::BLUE_DESCRIPTOR, tags::BLUE_DATA, "blue palette")?;
    let byte = |table: &Table, input: u16| {
        let scaled = u32::from(table.at(i32::from(input))) * 255 / u32::from(table.top.max(1));
        scaled.min(255) as u8
    };
    Ok((0..=u16::MAX)
        .take(1 << bits)
        .map(|input| colour(byte(&red, input), byte(&green, input), byte(&blue, input)))
        .collect())
}

fn indices<'a>(layout: &Layout, samples: &'a Samples) -> impl Iterator<Item = u16> + 'a {
    let wide = samples.bits == 16;
    let step = if wide { 2 } else { 1 };
    let value = move |sample: &[u8]| match sample {
        [low, high] => u16::from_le_bytes([*low, *high]),
        [low] => u16::from(*low),
        _ => 0,
    };
    samples.bytes.chunks(step).take(layout.pixels()).map(value)
}

/// ITU-R BT.601 in 16-bit fixed point, rounded as Pillow rounds: the training pictures went through it.
/// Its brightness.
pub(super) fn of_pixel([red, green, blue]: [u8; 3]) -> f32 {
    level(luma(red, green, blue))
}

fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let sum = u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471 + 0x8000;
    (sum >> 16) as u8
}

fn level(byte: u8) -> f32 {
    f32::from(byte) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(photometric: Photometric, planar: bool) -> Layout {
        Layout {
            rows: 1,
            columns: 2,
            frames: 1,
            samples: 3,
            bits_allocated: 8,
            bits_stored: 8,
            high_bit: 7,
            signed: false,
            float: false,
            planar,
            photometric,
        }
    }

    fn colours(photometric: Photometric, planar: bool, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let samples = Samples {
            bytes: bytes.to_vec(),
            bits: 8,
            planar,
            photometric,
            first_bit: 0,
        };
        rgb(&layout(photometric, planar), &samples)
    }

    #[test]
    fn colours_come_out_pixel_by_pixel_whatever_they_lay_as() {
        let expected = [255, 0, 0, 0, 0, 255];
        assert_eq!(colours(Photometric::Rgb, false, &expected).unwrap(), expected);
        assert_eq!(
            colours(Photometric::Rgb, true, &[255, 0, 0, 0, 0, 255]).unwrap(),
            [255, 0, 0, 0, 0, 255]
        );
        assert_eq!(
            colours(Photometric::Rgb, true, &[1, 2, 3, 4, 5, 6]).unwrap(),
            [1, 3, 5, 2, 4, 6]
        );
        // Pure red and a grey, as JFIF turns them.
        let red = colours(Photometric::YbrFull, false, &[76, 85, 255, 90, 128, 128]).unwrap();
        assert_eq!(red, [254, 0, 0, 90, 90, 90]);
        let shared = colours(Photometric::Ybr422, false, &[10, 200, 128, 128]).unwrap();
        assert_eq!(shared, [10, 10, 10, 200, 200, 200]);
        let short = colours(Photometric::Rgb, false, &[1, 2, 3]);
        assert!(matches!(short, Err(Error::SizeMismatch { wanted: 6, found: 3 })));
    }
}
