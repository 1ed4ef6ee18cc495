//! The picture of an object that may leave: taken out, made safe, put back in the smallest form that gives it back bit for
//! bit.

use super::attributes::{self, CLEAN_PIXELS};
use super::burned_in::{self, Area, Verdict};
use super::{Pixels, Policy, Withheld, frames};
use crate::data_set::{Content, DataSet, Element, Vr};
use crate::header::Header;
use crate::pixels::{self, Layout, Photometric};
use crate::recompress::{self, Samples};
use crate::stored::Stored;
use crate::tags;
use crate::transcode;

const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// Run lengths: native pixels packed badly, always made anew.
const RUN_LENGTH: &str = "1.2.840.10008.1.2.5";

/// The forms in which compressed streams go on.
const PASSED_ON: [&str; 13] = [
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.92",
    "1.2.840.10008.1.2.4.93",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203",
];

/// What an image is shown by. Without one of them nothing could be.
const NEEDED: [tags::Tag; 8] = [
    tags::ROWS,
    tags::COLUMNS,
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
];

/// A picture that may leave.
pub(super) struct Prepared {
    pub(super) pixels: Pixels,
    picture: Picture,
}

enum Picture {
    Native {
        bytes: Vec<u8>,
        layout: Layout,
        /// Where it was compressed before: what Photometric Interpretation says now.
        decoded: Option<&'static str>,
    },
    /// One stream a frame.
    Compressed {
        frames: Vec<Vec<u8>>,
        transfer_syntax: &'static str,
    },
}

pub(super) struct Encoded {
    pub(super) transfer_syntax: &'static str,
    pub(super) pixels: Pixels,
}

/// Takes the pixel data out of `set` and makes them safe.
pub(super) fn prepare(
    set: &mut DataSet,
    stored: &(impl Stored + ?Sized),
    header: &Header,
    policy: &Policy,
) -> Result<Prepared, Withheld> {
    let verdict = burned_in::judge(set, policy)?;
    if !header.encoding().explicit && set.view().u16(tags::PIXEL_REPRESENTATION) == Some(1) {
        transcode::mark_signed(set);
    }
    let layout = Layout::of(header).map_err(|_| Withheld::Layout)?;
    if NEEDED
        .iter()
        .any(|tag| set.view().value(*tag).is_none_or(<[u8]>::is_empty))
    {
        return Err(Withheld::Layout);
    }
    let Some(mut element) = set.remove(tags::PIXEL_DATA) else {
        return Err(Withheld::Layout);
    };
    if header.encoding().big_endian {
        transcode::order_samples(&mut element, layout.bits_allocated);
    }
    let (areas, pixels) = match verdict {
        Verdict::Leave(pixels) => (None, pixels),
        Verdict::KeepOnly(areas, pixels) => (Some(areas), pixels),
    };
    let syntax = header.transfer_syntax();
    let mut picture = match element.content {
        Content::Items(_) => return Err(Withheld::Layout),
        Content::Value(bytes) => Picture::Native {
            bytes,
            layout,
            decoded: None,
        },
        Content::Fragments(_) if areas.is_some() || syntax == RUN_LENGTH => decoded(stored, header, layout)?,
        Content::Fragments(fragments) => match compressed(syntax, &fragments, &layout)? {
            Some(picture) => picture,
            None => decoded(stored, header, layout)?,
        },
    };
    if let Picture::Native { bytes, layout, .. } = &mut picture {
        tidy(bytes, layout)?;
        if let Some(areas) = areas {
            blank_outside(bytes, layout, &areas)?;
        }
    }
    Ok(Prepared { pixels, picture })
}

/// Says in the cleaned data set that its picture was cleaned too.
pub(super) fn claim(clean: &mut DataSet, pixels: Pixels) {
    if !matches!(pixels, Pixels::RegionsKept | Pixels::BannersMasked) {
        return;
    }
    clean.put_code(tags::BURNED_IN, "NO");
    let mut items = match clean.remove(tags::DEIDENTIFICATION_CODES) {
        Some(Element {
            content: Content::Items(items),
            ..
        }) => items,
        _ => Vec::new(),
    };
    items.push(attributes::coded(CLEAN_PIXELS));
    clean.put_items(tags::DEIDENTIFICATION_CODES, items);
}

/// Puts the picture back, losslessly compressed where that gives it back bit for bit and is smaller.
pub(super) fn put(clean: &mut DataSet, done: Prepared) -> Encoded {
    let (content, vr, transfer_syntax) = match done.picture {
        Picture::Compressed {
            frames,
            transfer_syntax,
        } => (encapsulated(frames), Vr::OB, transfer_syntax),
        Picture::Native {
            bytes,
            layout,
            decoded,
        } => {
            if let Some(photometric) = decoded {
                clean.put_code(tags::PHOTOMETRIC, photometric);
            }
            if decoded.is_some() && 1 < layout.samples {
                clean.put_u16(tags::PLANAR_CONFIGURATION, 0);
            }
            match recompress::lossless(&Samples::of(&bytes, &layout)) {
                Some(smaller) => {
                    if let Some(photometric) = smaller.photometric {
                        clean.put_code(tags::PHOTOMETRIC, photometric);
                    }
                    if 1 < layout.samples {
                        clean.put_u16(tags::PLANAR_CONFIGURATION, 0);
                    }
                    (encapsulated(smaller.frames), Vr::OB, smaller.transfer_syntax)
                }
                None => {
                    let vr = if 16 <= layout.bits_allocated {
                        Vr::OW
                    } else {
                        Vr::OB
                    };
                    (Content::Value(bytes), vr, EXPLICIT)
                }
            }
        }
    };
    clean.put(tags::PIXEL_DATA, Element { vr, content });
    Encoded {
        transfer_syntax,
        pixels: done.pixels,
    }
}

/// PS3.5 annex A.4: an offset table, which may be empty, then one fragment a frame.
fn encapsulated(frames: Vec<Vec<u8>>) -> Content {
    let mut fragments = vec![Vec::new()];
    fragments.extend(frames);
    Content::Fragments(fragments)
}

fn decoded(stored: &(impl Stored + ?Sized), header: &Header, layout: Layout) -> Result<Picture, Withheld> {
    let native = pixels::decompress(stored, header, transcode::TRANSCODE_LIMIT)
        .map_err(|source| Withheld::Decompress { source })?;
    let layout = Layout {
        planar: false,
        photometric: native.meaning,
        bits_allocated: native.bits_allocated,
        ..layout
    };
    Ok(Picture::Native {
        bytes: native.bytes,
        layout,
        decoded: Some(native.photometric),
    })
}

/// `None` where a stream keeps more bits of a sample than the picture has: overlays were kept there once, and they can only
/// be cleared in native pixels.
fn compressed(syntax: &str, fragments: &[Vec<u8>], layout: &Layout) -> Result<Option<Picture>, Withheld> {
    let frames = layout.frames;
    let unsearchable = || Withheld::Unsearchable {
        uid: syntax.to_owned(),
    };
    let transfer_syntax = PASSED_ON
        .into_iter()
        .find(|known| *known == syntax)
        .ok_or_else(unsearchable)?;
    let (table, streams) = fragments.split_first().ok_or(Withheld::Layout)?;
    let offsets: Vec<u32> = table
        .as_chunks::<4>()
        .0
        .iter()
        .map(|offset| u32::from_le_bytes(*offset))
        .collect();
    // Where each would lie in a file: behind its item's tag and length.
    let mut at = 8;
    let mut places = Vec::new();
    for stream in streams {
        let length = u32::try_from(stream.len()).map_err(|_| Withheld::Layout)?;
        places.push((at, length));
        at += u64::from(length) + 8;
    }
    let decompress = |source| Withheld::Decompress { source };
    let offsets =
        pixels::offsets_in_memory(syntax, frames, &offsets, &places, streams).map_err(decompress)?;
    let mut clean = Vec::new();
    for number in 0..frames {
        let wanted = pixels::fragments_of_frame(number, frames, &offsets, &places).map_err(decompress)?;
        let first = wanted.first().map_or(0, |(offset, _)| *offset);
        let begin = places.partition_point(|(offset, _)| *offset < first);
        let joined: Vec<u8> = streams
            .iter()
            .skip(begin)
            .take(wanted.len())
            .flatten()
            .copied()
            .collect();
        let stream = frames::without_text(syntax, &joined).ok_or_else(unsearchable)?;
        let precision = frames::precision(syntax, &stream).ok_or_else(unsearchable)?;
        if layout.bits_stored < precision {
            return Ok(None);
        }
        clean.push(stream);
    }
    Ok(Some(Picture::Compressed {
        frames: clean,
        transfer_syntax,
    }))
}

/// Cuts off what stands behind the picture, and clears the bits of each sample that are none of its own: overlays were
/// kept there once.
fn tidy(bytes: &mut Vec<u8>, layout: &Layout) -> Result<(), Withheld> {
    let wanted = (layout.frame_bits() * u64::from(layout.frames)).div_ceil(8);
    let wanted = usize::try_from(wanted).map_err(|_| Withheld::Layout)?;
    if bytes.len() < wanted {
        return Err(Withheld::Layout);
    }
    bytes.truncate(wanted);
    let above = layout.bits_allocated - 1 - layout.high_bit.min(layout.bits_allocated - 1);
    let below = layout.bits_allocated - above - layout.bits_stored.min(layout.bits_allocated - above);
    match layout.bits_allocated {
        32 => {
            let (words, _) = bytes.as_chunks_mut::<4>();
            for word in words {
                let value = u32::from_le_bytes(*word) << above;
                let value = if layout.signed && below == 0 {
                    (value.cast_signed() >> above).cast_unsigned()
                } else {
                    value >> above >> below << below
                };
                *word = value.to_le_bytes();
            }
        }
        16 => {
            let (words, _) = bytes.as_chunks_mut::<2>();
            for word in words {
                let value = u16::from_le_bytes(*word) << above;
                let value = if layout.signed && below == 0 {
                    (value.cast_signed() >> above).cast_unsigned()
                } else {
                    value >> above >> below << below
                };
                *word = value.to_le_bytes();
            }
        }
        8 => {
            for byte in bytes {
                let value = *byte << above;
                *byte = if layout.signed && below == 0 {
                    (value.cast_signed() >> above).cast_unsigned()
                } else {
                    value >> above >> below << below
                };
            }
        }
        _ => {}
    }
    Ok(())
}

/// Everything outside the areas becomes one black.
fn blank_outside(bytes: &mut [u8], layout: &Layout, areas: &[Area]) -> Result<(), Withheld> {
    let width = usize::from(layout.columns);
    let height = usize::from(layout.rows);
    let sample = match layout.bits_allocated {
        8 => 1,
        16 => 2,
        _ => return Err(Withheld::Layout),
    };
    if layout.photometric == Photometric::Ybr422 {
        return Err(Withheld::Layout);
    }
    let samples = usize::from(layout.samples);
    let black: Vec<u8> = match layout.photometric {
        Photometric::YbrFull => [0u16, 128, 128]
            .iter()
            .flat_map(|level| le(*level, sample))
            .collect(),
        Photometric::Monochrome1 if !layout.signed => {
            le(u16::MAX >> (16 - layout.bits_stored.clamp(1, 16)), sample)
        }
        _ => vec![0; samples * sample],
    };
    // Colour by colour, a frame is several pictures of one sample.
    let (pictures, pixel) = if layout.planar {
        (samples, sample)
    } else {
        (1, samples * sample)
    };
    let stays = |row: usize, column: usize| {
        areas
            .iter()
            .any(|area| (area.top..area.bottom).contains(&row) && (area.left..area.right).contains(&column))
    };
    for frame in bytes.chunks_mut((width * height * samples * sample).max(1)) {
        for (number, picture) in frame.chunks_mut((width * height * pixel).max(1)).enumerate() {
            let start = if pictures == 1 { 0 } else { number * sample };
            let colour = black.get(start..start + pixel).ok_or(Withheld::Layout)?;
            for (row, line) in picture.chunks_mut((width * pixel).max(1)).enumerate() {
                for (column, place) in line.chunks_mut(pixel.max(1)).enumerate() {
                    if !stays(row, column) {
                        place.copy_from_slice(colour.get(..place.len()).unwrap_or_default());
                    }
                }
            }
        }
    }
    Ok(())
}

fn le(level: u16, bytes: usize) -> Vec<u8> {
    level.to_le_bytes().into_iter().take(bytes).collect()
}
