//! The picture with what was seen drawn on it and said below it (Secondary Capture, PS3.3 section A.8.1): for archives and
//! screens that show nothing else.
//!
//! Words stand in a band below the picture, never on the anatomy. On it are only the heat map's outline and the regions'
//! boxes.

use super::lettering::Lettering;
use super::report_content::corners;
use super::wording::{self, NOTICE, NOTICE_ZH};
use super::{DERIVATION, Error, Evidence, Kind, Mask, Source};
use crate::data_set::{DataSet, Vr};
use crate::pixels::GrayImage;
use crate::render::{Filter, resize_gray};
use crate::report::modules::{bytes, put};
use crate::report::{Fonts, Object};
use crate::tags::{self, Tag};

const SOURCE_IMAGES: Tag = Tag(0x0008, 0x2112);
const PATIENT_ORIENTATION: Tag = Tag(0x0020, 0x0020);
const LOSSY_RATIO: Tag = Tag(0x0028, 0x2112);
const LOSSY_METHOD: Tag = Tag(0x0028, 0x2114);

/// The picture's longest side, pixels: large enough to see the anatomy, a few megabytes.
const SIDE: u32 = 1280;
/// A smaller picture is widened by black: words need room.
const NARROWEST: u32 = 640;

const BAND: [u8; 3] = [16, 16, 16];
const LETTERS: [u8; 3] = [255, 255, 255];
/// The heat map's strong colour.
const OUTLINE: [u8; 3] = [240, 228, 66];
const BOX: [u8; 3] = [86, 180, 233];

/// `None` where no model answered or no picture is known: there is nothing to draw.
///
/// # Errors
/// When the picture cannot be drawn, or a UID is none.
pub fn secondary_capture(evidence: &Evidence<'_>, fonts: &Fonts) -> Result<Option<Object>, Error> {
    let Some(source) = evidence.looked_at else {
        return Ok(None);
    };
    let Some(picture) = source
        .picture
        .as_ref()
        .filter(|_| !evidence.assessment.findings.is_empty())
    else {
        return Ok(None);
    };
    let canvas = drawn(evidence, source, picture, fonts)?;
    let description = evidence.series_description("AI result (picture)");
    let making = evidence.making(Kind::SecondaryCapture, "OT", &description);
    let mut set = making.data_set()?;
    set.put_code(tags::IMAGE_TYPE, "DERIVED\\SECONDARY");
    set.put_code(tags::CONVERSION_TYPE, "WSD");
    put(&mut set, DERIVATION, &derivation(evidence));
    set.put_items(SOURCE_IMAGES, vec![source.reference_as_source(false)?]);
    set.put_empty(PATIENT_ORIENTATION);
    source.lend_place_in_body(&mut set);
    burned_in(&mut set, evidence, source);
    if source
        .view()
        .string(tags::LOSSY_COMPRESSION)
        .is_some_and(|said| said.trim() == "01")
    {
        for tag in [tags::LOSSY_COMPRESSION, LOSSY_RATIO, LOSSY_METHOD] {
            source.lend(tag, &mut set);
        }
    }
    let side = |side: u32| u16::try_from(side).map_err(|_| Error::TooLarge);
    set.put_u16(tags::SAMPLES_PER_PIXEL, 3);
    set.put_code(tags::PHOTOMETRIC, "RGB");
    set.put_u16(tags::PLANAR_CONFIGURATION, 0);
    set.put_u16(tags::ROWS, side(canvas.height)?);
    set.put_u16(tags::COLUMNS, side(canvas.width)?);
    set.put_u16(tags::BITS_ALLOCATED, 8);
    set.put_u16(tags::BITS_STORED, 8);
    set.put_u16(tags::HIGH_BIT, 7);
    set.put_u16(tags::PIXEL_REPRESENTATION, 0);
    let mut pixels = canvas.pixels.into_flattened();
    if pixels.len() % 2 != 0 {
        pixels.push(0);
    }
    set.put(tags::PIXEL_DATA, bytes(Vr::OB, pixels));
    Ok(Some(making.finish(&set)?))
}

fn derivation(evidence: &Evidence<'_>) -> String {
    let model = evidence.assessment.model.as_ref();
    let model = model.map(ToString::to_string).unwrap_or_default();
    format!(
        "{NOTICE}. Outline of the heat map and boxes of {model}, drawn on the image as it is meant to be shown."
    )
}

/// What is drawn here names nobody; what the image itself shows it says, or nobody knows.
fn burned_in(set: &mut DataSet, evidence: &Evidence<'_>, source: &Source) {
    let said = source.view().string(tags::BURNED_IN);
    let is_photographed = !matches!(evidence.modality, "CR" | "DX" | "CT" | "MR" | "MG" | "RG");
    match said.as_deref().map(str::trim) {
        Some("YES") => set.put_code(tags::BURNED_IN, "YES"),
        Some("NO") => set.put_code(tags::BURNED_IN, "NO"),
        _ if is_photographed => {}
        _ => set.put_code(tags::BURNED_IN, "NO"),
    }
}

struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<[u8; 3]>,
}

impl Canvas {
    fn new(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            pixels: vec![BAND; width as usize * height as usize],
        }
    }

    fn put(&mut self, column: u32, row: u32, colour: [u8; 3]) {
        if self.width <= column {
            return;
        }
        let index = row as usize * self.width as usize + column as usize;
        if let Some(pixel) = self.pixels.get_mut(index) {
            *pixel = colour;
        }
    }
}

fn drawn(
    evidence: &Evidence<'_>,
    source: &Source,
    picture: &GrayImage,
    fonts: &Fonts,
) -> Result<Canvas, Error> {
    let in_picture = |source| Error::Picture { source };
    let (width, height) = fitted(picture.width, picture.height);
    let small = resize_gray(picture, width, height, Filter::Triangle).map_err(in_picture)?;
    let across = width.max(NARROWEST);
    let band = band(evidence, fonts, across).ok_or(Error::TooLarge)?;
    let mut canvas = Canvas::new(across, height + band.height);
    let left = (across - width) / 2;
    let stroke = (width.max(height) / 400).max(1);

    for (index, level) in (0_u32..).zip(&small.data) {
        let level = (level.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        canvas.put(left + index % width, index / width, [level; 3]);
    }
    // Strokes end at the picture's edges, so that none reaches the band.
    let mut dot = |column: u32, row: u32, colour: [u8; 3]| {
        for below in row..(row + stroke).min(height) {
            for beside in column..(column + stroke).min(width) {
                canvas.put(left + beside, below, colour);
            }
        }
    };
    if let Some(heat) = &source.heat {
        let mask = Mask::of_heat(heat, width, height)?;
        for row in 0..height {
            for column in (0..width).filter(|column| mask.is_edge(*column, row)) {
                dot(column, row, OUTLINE);
            }
        }
    }
    for region in &evidence.assessment.regions {
        let corners = corners(region, source);
        let scaled = |(column, row): (f32, f32)| {
            let along = |at: f32, of: u32, to: u32| {
                let at = at * to as f32 / (of.max(1)) as f32;
                (at as u32).min(to.saturating_sub(stroke))
            };
            (
                along(column, source.columns, width),
                along(row, source.rows, height),
            )
        };
        let [first, _, opposite, ..] = corners.map(scaled);
        for column in first.0..=opposite.0 {
            dot(column, first.1, BOX);
            dot(column, opposite.1, BOX);
        }
        for row in first.1..=opposite.1 {
            dot(first.0, row, BOX);
            dot(opposite.0, row, BOX);
        }
    }
    for (index, ink) in (0_u32..).zip(&band.levels) {
        let mixed = |from: u8, to: u8| {
            let share = f32::from(*ink) / 255.0;
            (f32::from(from) + (f32::from(to) - f32::from(from)) * share + 0.5) as u8
        };
        let [red, green, blue] = [0, 1, 2].map(|at| {
            let of = |colour: [u8; 3]| colour.get(at).copied().unwrap_or_default();
            mixed(of(BAND), of(LETTERS))
        });
        canvas.put(index % across, height + index / across, [red, green, blue]);
    }
    Ok(canvas)
}

/// Made smaller where needed, never larger.
fn fitted(width: u32, height: u32) -> (u32, u32) {
    let longest = width.max(height).max(1);
    let side = |side: u32| {
        let scaled = u64::from(side) * u64::from(SIDE.min(longest)) / u64::from(longest);
        u32::try_from(scaled).unwrap_or(side).max(1)
    };
    (side(width), side(height))
}

fn band(evidence: &Evidence<'_>, fonts: &Fonts, width: u32) -> Option<super::lettering::Inked> {
    let size = (width as f32 / 40.0).clamp(15.0, 30.0);
    let margin = size.ceil() as u32;
    let room = width.saturating_sub(2 * margin) as f32;
    let mut letters = Lettering::new(fonts);
    letters.add(&format!("{NOTICE} · {NOTICE_ZH}"), size * 1.2, true, room);
    for line in wording::band(evidence) {
        letters.add(&line, size, false, room);
    }
    letters.ink(width, margin)
}
