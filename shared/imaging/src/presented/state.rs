//! A presentation state, read.

use super::shutter::Shutter;
use crate::data_set::{Limits, View, Vr, read_before_pixels};
use crate::header::{Error, Header};
use crate::pixels::{SoftModality, SoftShape, SoftTable, SoftVoi, Softcopy, Window};
use crate::stored::Stored;
use crate::tags::{self, Tag};

const GRAYSCALE: &str = "1.2.840.10008.5.1.4.1.1.11.1";
/// Of all presentation states.
const STATES: &str = "1.2.840.10008.5.1.4.1.1.11.";

const FRAMES: Tag = Tag(0x0008, 0x1160);
const SOFTCOPY_VOI: Tag = Tag(0x0028, 0x3110);
const FLIP: Tag = Tag(0x0070, 0x0041);
const ROTATION: Tag = Tag(0x0070, 0x0042);
const CREATION_DATE: Tag = Tag(0x0070, 0x0082);
const CREATION_TIME: Tag = Tag(0x0070, 0x0083);
const PRESENTATION_LUT: Tag = Tag(0x2050, 0x0010);

/// How an image, or several, shall be shown. Its texts are not kept.
#[derive(Debug)]
pub struct State {
    images: Vec<Reference>,
    modality: SoftModality,
    voi: Vec<(Vec<Reference>, SoftVoi)>,
    shape: SoftShape,
    pub(super) shutter: Shutter,
    pub(super) quarters: u8,
    pub(super) flipped: bool,
    made_at: String,
}

#[derive(Debug)]
struct Reference {
    instance: String,
    /// From 1; all of them where it names none.
    frames: Vec<u32>,
}

/// Whether objects of this class say how others are shown.
#[must_use]
pub fn is_state(sop_class: &str) -> bool {
    sop_class.starts_with(STATES)
}

/// Whether that is done here, too.
#[must_use]
pub fn is_applied(sop_class: &str) -> bool {
    sop_class == GRAYSCALE
}

impl State {
    /// # Errors
    /// When the file cannot be read, or is larger than a state may be.
    pub fn read(stored: &(impl Stored + ?Sized), header: &Header) -> Result<Self, Error> {
        let set = read_before_pixels(stored, header, &Limits::default())?;
        let state = set.view();
        let series = state.items(tags::REFERENCED_SERIES);
        let date = state.string(CREATION_DATE).unwrap_or_default();
        let time = state.string(CREATION_TIME).unwrap_or_default();
        Ok(Self {
            images: series.flat_map(|series| references(series).into_iter()).collect(),
            modality: modality(state),
            voi: state
                .items(SOFTCOPY_VOI)
                .map(|item| (references(item), voi(item)))
                .collect(),
            shape: shape(state),
            shutter: Shutter::of(state),
            quarters: match state.u16(ROTATION) {
                Some(90) => 1,
                Some(180) => 2,
                Some(270) => 3,
                _ => 0,
            },
            flipped: state.string(FLIP).is_some_and(|flip| flip.trim() == "Y"),
            made_at: format!("{date:8.8}{time}"),
        })
    }

    /// Whether it is about this frame, counted from nought, of this image.
    #[must_use]
    pub fn is_of(&self, instance: &str, number: u32) -> bool {
        names(&self.images, instance, number)
    }

    /// Of two states of an image the one that was made later counts: they sort by this.
    #[must_use]
    pub fn made_at(&self) -> &str {
        &self.made_at
    }

    pub(super) fn softcopy(&self, instance: &str, number: u32) -> Softcopy<'_> {
        let own =
            |(images, _): &&(Vec<Reference>, SoftVoi)| images.is_empty() || names(images, instance, number);
        Softcopy {
            modality: &self.modality,
            voi: self.voi.iter().find(own).map(|(_, voi)| voi),
            shape: &self.shape,
        }
    }
}

fn names(references: &[Reference], instance: &str, number: u32) -> bool {
    references.iter().any(|reference| {
        let all = reference.frames.is_empty();
        reference.instance == instance && (all || reference.frames.contains(&(number + 1)))
    })
}

fn references(holder: View<'_>) -> Vec<Reference> {
    let reference = |image: View<'_>| {
        let frames = image.strings(FRAMES);
        Some(Reference {
            instance: image
                .string(tags::REFERENCED_SOP_INSTANCE)?
                .trim_matches(['\0', ' '])
                .to_owned(),
            frames: frames.iter().filter_map(|frame| frame.parse().ok()).collect(),
        })
    };
    holder
        .items(tags::REFERENCED_IMAGES)
        .filter_map(reference)
        .collect()
}

fn modality(state: View<'_>) -> SoftModality {
    if let Some(table) = state.items(tags::MODALITY_LUT_SEQUENCE).next() {
        return SoftModality::Table(table_of(table));
    }
    SoftModality::Rescale {
        slope: number(state, tags::RESCALE_SLOPE)
            .filter(|slope| *slope != 0.0)
            .unwrap_or(1.0),
        intercept: number(state, tags::RESCALE_INTERCEPT).unwrap_or(0.0),
    }
}

fn voi(item: View<'_>) -> SoftVoi {
    if let Some(table) = item.items(tags::VOI_LUT_SEQUENCE).next() {
        return SoftVoi::Table(table_of(table));
    }
    let centre = number(item, tags::WINDOW_CENTER);
    let width = number(item, tags::WINDOW_WIDTH).filter(|width| 0.0 < *width);
    let (Some(centre), Some(width)) = (centre, width) else {
        return SoftVoi::None;
    };
    let function = item.string(tags::VOI_FUNCTION).unwrap_or_default();
    SoftVoi::Window(match function.trim() {
        "LINEAR_EXACT" => Window::LinearExact { centre, width },
        "SIGMOID" => Window::Sigmoid { centre, width },
        _ => Window::Linear { centre, width },
    })
}

fn shape(state: View<'_>) -> SoftShape {
    if let Some(table) = state.items(PRESENTATION_LUT).next() {
        return SoftShape::Table(table_of(table));
    }
    let shape = state.string(tags::PRESENTATION_SHAPE).unwrap_or_default();
    match shape.trim() {
        "INVERSE" => SoftShape::Inverse,
        _ => SoftShape::Identity,
    }
}

fn table_of(item: View<'_>) -> SoftTable {
    let words = |tag: Tag| {
        let (pairs, _) = item.value(tag).unwrap_or_default().as_chunks::<2>();
        pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect()
    };
    let descriptor = item.data_set().get(tags::LUT_DESCRIPTOR);
    SoftTable {
        descriptor: words(tags::LUT_DESCRIPTOR),
        entries: words(tags::LUT_DATA),
        signed: descriptor.is_some_and(|element| element.vr == Vr::SS),
    }
}

fn number(view: View<'_>, tag: Tag) -> Option<f64> {
    let values = view.strings(tag);
    let number: f64 = values.first()?.parse().ok()?;
    number.is_finite().then_some(number)
}
