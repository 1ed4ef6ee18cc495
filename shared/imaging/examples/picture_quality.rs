//! What the quality rules find in folders of frontal chests (JPEG, PNG or DICOM), as they are and spoilt on purpose:
//! `cargo run --release -p barefoot-imaging --example picture_quality -- FOLDER…`.
//!
//! Writes the tables of `docs/PICTURE_QUALITY.md`.
#![allow(
    clippy::unwrap_used,
    reason = "a measurement's broken assumption must stop it"
)]

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use barefoot_domain::{QualityGrade, QualityProblem, QualityVerdict};
use barefoot_imaging::header::{self, Header};
use barefoot_imaging::pixels::{GrayImage, load_gray};
use barefoot_imaging::quality;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

type Spoil = fn(&GrayImage) -> GrayImage;

const SPOILT: [(&str, Spoil, QualityProblem); 12] = [
    (
        "blurred, σ 0.3 %",
        |image| blurred(image, 0.003),
        QualityProblem::Blurred,
    ),
    (
        "blurred, σ 0.5 %",
        |image| blurred(image, 0.005),
        QualityProblem::Blurred,
    ),
    ("moved, 2 %", |image| moved(image, 0.02), QualityProblem::Blurred),
    (
        "inverted",
        |image| mapped(image, |level| 1.0 - level),
        QualityProblem::Inverted,
    ),
    ("turned a quarter", quarter_turn, QualityProblem::Rotated),
    (
        "upside down",
        |image| quarter_turn(&quarter_turn(image)),
        QualityProblem::Rotated,
    ),
    (
        "upper 30 % cut",
        |image| cut(image, 0.3, 0.0, 0.0),
        QualityProblem::AnatomyCut,
    ),
    (
        "lower 40 % cut",
        |image| cut(image, 0.0, 0.4, 0.0),
        QualityProblem::AnatomyCut,
    ),
    (
        "left 25 % cut",
        |image| cut(image, 0.0, 0.0, 0.25),
        QualityProblem::AnatomyCut,
    ),
    (
        "overexposed",
        |image| mapped(image, |level| (level * 2.2).min(1.0)),
        QualityProblem::Overexposed,
    ),
    (
        "underexposed",
        |image| mapped(image, |level| (level * 2.0 - 1.1).max(0.0)),
        QualityProblem::Underexposed,
    ),
    (
        "a line of text",
        |image| with_text(image),
        QualityProblem::BurnedInText,
    ),
];

fn main() {
    for folder in std::env::args().skip(1) {
        let images = images(Path::new(&folder));
        let header = chest_header();
        println!("\n{folder}: {} pictures\n", images.len());
        as_they_are(&images, &header);
        println!("\n| spoilt | named for it | grade A | B | C |\n|---|---|---|---|---|");
        for (name, spoil, wanted) in SPOILT {
            let found: Vec<QualityVerdict> = images
                .iter()
                .map(|image| quality::picture(&header, &spoil(image)))
                .collect();
            let named = found.iter().filter(|verdict| verdict.problems.contains(&wanted));
            println!(
                "| {name} | {} | {} |",
                share(named.count(), found.len()),
                grades(&found)
            );
        }
    }
}

fn as_they_are(images: &[GrayImage], header: &Header) {
    let begun = Instant::now();
    let found: Vec<QualityVerdict> = images
        .iter()
        .map(|image| quality::picture(header, image))
        .collect();
    let each = begun.elapsed() / u32::try_from(images.len().max(1)).unwrap();
    let mut problems: BTreeMap<QualityProblem, usize> = BTreeMap::new();
    for problem in found.iter().flat_map(|verdict| &verdict.problems) {
        *problems.entry(*problem).or_default() += 1;
    }
    println!(
        "| as they are | grade A | B | C |\n|---|---|---|---|\n| all | {} |",
        grades(&found)
    );
    for (problem, count) in problems {
        println!("| {problem:?} | {} | | |", share(count, found.len()));
    }
    println!("\n{} ms a picture", millis(each));
}

fn grades(found: &[QualityVerdict]) -> String {
    let of = |grade| {
        share(
            found.iter().filter(|verdict| verdict.grade == grade).count(),
            found.len(),
        )
    };
    [QualityGrade::A, QualityGrade::B, QualityGrade::C]
        .map(of)
        .join(" | ")
}

fn share(count: usize, of: usize) -> String {
    format!("{:.1} %", 100.0 * count as f64 / of.max(1) as f64)
}

fn millis(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1000.0)
}

fn images(folder: &Path) -> Vec<GrayImage> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths.iter().filter_map(|path| opened(path)).collect()
}

fn opened(path: &Path) -> Option<GrayImage> {
    if let Ok(header) = header::read_header(path) {
        return load_gray(path, &header).ok();
    }
    let grey = image::open(path).ok()?.into_luma16();
    Some(GrayImage {
        width: grey.width(),
        height: grey.height(),
        data: grey
            .into_raw()
            .into_iter()
            .map(|level| f32::from(level) / 65535.0)
            .collect(),
        frame_count: 1,
    })
}

/// A digital chest whose header leaves nothing to be said.
fn chest_header() -> Header {
    let mut object = InMemDicomObject::new_empty();
    for (tag, vr, value) in [
        (
            tags::SOP_CLASS_UID,
            VR::UI,
            uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
        ),
        (tags::SOP_INSTANCE_UID, VR::UI, "2.25.1"),
        (tags::STUDY_INSTANCE_UID, VR::UI, "2.25.2"),
        (tags::MODALITY, VR::CS, "DX"),
        (tags::BODY_PART_EXAMINED, VR::CS, "CHEST"),
        (tags::VIEW_POSITION, VR::CS, "PA"),
    ] {
        object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }
    // Never decoded here: the rules get the picture beside the header.
    object.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OB,
        PrimitiveValue::from(vec![0_u8, 0]),
    ));
    let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    let mut bytes = Vec::new();
    object.with_meta(meta).unwrap().write_all(&mut bytes).unwrap();
    let length = bytes.len() as u64;
    header::scan(Cursor::new(bytes), length).unwrap()
}

fn mapped(image: &GrayImage, level: impl Fn(f32) -> f32) -> GrayImage {
    GrayImage {
        data: image.data.iter().map(|one| level(*one)).collect(),
        ..*image
    }
}

fn at(image: &GrayImage, x: i64, y: i64) -> f32 {
    let inside = |place: i64, side: u32| place.clamp(0, i64::from(side) - 1) as usize;
    let index = inside(y, image.height) * image.width as usize + inside(x, image.width);
    image.data.get(index).copied().unwrap_or(0.0)
}

fn remade(width: u32, height: u32, level: impl Fn(i64, i64) -> f32) -> GrayImage {
    let places = (0..i64::from(height)).flat_map(|y| (0..i64::from(width)).map(move |x| (x, y)));
    GrayImage {
        width,
        height,
        data: places.map(|(x, y)| level(x, y)).collect(),
        frame_count: 1,
    }
}

/// A Gaussian of this share of the width, and the detector's noise over it.
fn blurred(image: &GrayImage, share: f32) -> GrayImage {
    let sigma = share * image.width as f32;
    let radius = (3.0 * sigma).ceil() as i64;
    let weights: Vec<(i64, f32)> = (-radius..=radius)
        .map(|step| (step, (-(step as f32).powi(2) / (2.0 * sigma * sigma)).exp()))
        .collect();
    let total: f32 = weights.iter().map(|(_, weight)| weight).sum();
    let mean = |sum: f32| sum / total;
    let across = remade(image.width, image.height, |x, y| {
        mean(
            weights
                .iter()
                .map(|(step, weight)| weight * at(image, x + step, y))
                .sum(),
        )
    });
    with_noise(&remade(image.width, image.height, |x, y| {
        mean(
            weights
                .iter()
                .map(|(step, weight)| weight * at(&across, x, y + step))
                .sum(),
        )
    }))
}

/// Breathing: everything travels down by this share of the height.
fn moved(image: &GrayImage, share: f32) -> GrayImage {
    let length = (share * image.height as f32).max(2.0) as i64;
    with_noise(&remade(image.width, image.height, |x, y| {
        (0..length)
            .map(|step| at(image, x, y + step - length / 2))
            .sum::<f32>()
            / length as f32
    }))
}

fn with_noise(image: &GrayImage) -> GrayImage {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    let data = image
        .data
        .iter()
        .map(|level| level + 0.012 * (uniform() + uniform() - 1.0));
    GrayImage {
        data: data.collect(),
        ..*image
    }
}

fn quarter_turn(image: &GrayImage) -> GrayImage {
    let last = i64::from(image.height) - 1;
    remade(image.height, image.width, |x, y| at(image, y, last - x))
}

fn cut(image: &GrayImage, upper: f32, lower: f32, left: f32) -> GrayImage {
    let part = |side: u32, share: f32| (side as f32 * share) as u32;
    let (top, start) = (part(image.height, upper), part(image.width, left));
    let height = image.height - top - part(image.height, lower);
    remade(image.width - start, height, |x, y| {
        at(image, x + i64::from(start), y + i64::from(top))
    })
}

/// Twenty letters like an H along the upper edge, 2 % of the height.
fn with_text(image: &GrayImage) -> GrayImage {
    let tall = i64::from(image.height / 50).max(7);
    let (wide, stroke, gap) = (tall * 2 / 3, (tall / 6).max(1), tall / 3);
    remade(image.width, image.height, |x, y| {
        let (u, v) = ((x - tall) % (wide + gap), y - tall);
        let in_line = (0..tall).contains(&v) && tall <= x && x < tall + 20 * (wide + gap) && u < wide;
        let on_stroke = u < stroke || wide - stroke <= u || (v - tall / 2).abs() * 2 < stroke;
        if in_line && on_stroke {
            1.0
        } else {
            at(image, x, y)
        }
    })
}
