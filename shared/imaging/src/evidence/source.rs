//! The image a model looked at: its name, its size, how it is meant to be shown and where it lies.

use std::fmt;

use super::Error;
use super::subject::image_of;
use crate::data_set::{self, DataSet, Element, Limits, View};
use crate::header::Header;
use crate::pixels::GrayImage;
use crate::render::HeatMap;
use crate::report::Image;
use crate::report::codes::{Scheme, code};
use crate::report::modules::{checked, code_item, reference};
use crate::stored::Stored;
use crate::tags::{self, Tag};

const REFERENCED_FRAME: Tag = Tag(0x0008, 0x1160);
const LOCATIONS_PRESERVED: Tag = Tag(0x0028, 0x135A);
const PURPOSE: Tag = Tag(0x0040, 0xA170);

/// One frame of an image.
#[derive(Clone)]
pub struct Source {
    pub image: Image,
    /// From 1.
    pub frame: u32,
    pub columns: u32,
    pub rows: u32,
    /// As it is meant to be seen.
    pub picture: Option<GrayImage>,
    pub heat: Option<HeatMap>,
    /// Its attributes, pixels left out.
    said: DataSet,
}

/// An image of a patient: says its size.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("columns", &self.columns)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl Source {
    /// Reads what the image at `stored` says of itself; its header was read from there. `frame` counts from 1.
    ///
    /// # Errors
    /// When the file cannot be read, or says too much.
    pub fn read(stored: &(impl Stored + ?Sized), header: &Header, frame: u32) -> Result<Self, Error> {
        let said = data_set::read_before_pixels(stored, header, &Limits::default())
            .map_err(|source| Error::Image { source })?;
        Ok(Self {
            image: image_of(header),
            frame,
            columns: header.columns().unwrap_or_default().into(),
            rows: header.rows().unwrap_or_default().into(),
            picture: None,
            heat: None,
            said,
        })
    }

    pub(super) fn view(&self) -> View<'_> {
        self.said.view()
    }

    pub(super) fn get(&self, tag: Tag) -> Option<&Element> {
        self.said.get(tag)
    }

    /// Takes an attribute over where the image has it with a value.
    pub(super) fn lend(&self, tag: Tag, to: &mut DataSet) {
        if let Some(element) = self
            .get(tag)
            .filter(|_| self.view().value(tag).is_some_and(|v| !v.is_empty()))
        {
            to.put(tag, element.clone());
        }
    }

    /// The part of the body, and which side of a paired one: empty where the image does not say.
    pub(super) fn lend_place_in_body(&self, to: &mut DataSet) {
        to.put_empty(tags::LATERALITY);
        self.lend(tags::BODY_PART, to);
        self.lend(tags::LATERALITY, to);
    }

    /// One item that names the frame.
    pub(super) fn reference(&self) -> Result<DataSet, Error> {
        let class = checked(&self.image.sop_class, "image's class")?;
        let mut item = reference(class, checked(&self.image.sop_instance, "image")?);
        if let Some(frame) = self.frame_of_several() {
            item.put_code(REFERENCED_FRAME, &frame.to_string());
        }
        Ok(item)
    }

    /// The same as that of which something was made: pixel upon pixel, or not.
    pub(super) fn reference_as_source(&self, aligned: bool) -> Result<DataSet, Error> {
        let mut item = self.reference()?;
        let purpose = code(
            Scheme::Dicom,
            "121322",
            "Source image for image processing operation",
        );
        item.put_items(PURPOSE, vec![code_item(&purpose)]);
        item.put_code(LOCATIONS_PRESERVED, if aligned { "YES" } else { "NO" });
        Ok(item)
    }

    pub(super) fn is_grey(&self) -> bool {
        let photometric = self.view().string(tags::PHOTOMETRIC);
        photometric.is_some_and(|said| said.trim().starts_with("MONOCHROME"))
    }

    pub(super) fn is_inverted(&self) -> bool {
        let photometric = self.view().string(tags::PHOTOMETRIC);
        photometric.is_some_and(|said| said.trim() == "MONOCHROME1")
    }

    /// The frame, where the image has several.
    pub(super) fn frame_of_several(&self) -> Option<u32> {
        (1 < self.image.frames).then_some(self.frame)
    }

    /// The first of these attributes that holds a row's and a column's distance in millimetres.
    pub(super) fn spacing(&self) -> Option<String> {
        [tags::PIXEL_SPACING, tags::IMAGER_PIXEL_SPACING]
            .into_iter()
            .filter_map(|tag| self.view().string(tag))
            .find(|spacing| is_spacing(spacing))
    }
}

fn is_spacing(text: &str) -> bool {
    let parts: Vec<f64> = text
        .split('\\')
        .filter_map(|part| part.trim().parse().ok())
        .filter(|part: &f64| part.is_finite() && 0.0 < *part)
        .collect();
    parts.len() == 2 && text.split('\\').count() == 2
}
