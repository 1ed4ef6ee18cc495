//! Where findings were seen, drawn over the image itself by whoever shows it (Grayscale Softcopy Presentation State,
//! PS3.3 section A.33.1). The image stays as it is meant to be shown.

use barefoot_domain::FindingRegion;

use super::report_content::corners;
use super::wording::{self, NOTICE};
use super::{Error, Evidence, Kind, Source};
use crate::data_set::{Coding, Content, DataSet, Element, Vr};
use crate::report::Object;
use crate::report::modules::{bytes, checked, put};
use crate::report::moment;
use crate::tags::{self, Tag};

const GRAPHIC_ANNOTATIONS: Tag = Tag(0x0070, 0x0001);
const GRAPHIC_LAYER: Tag = Tag(0x0070, 0x0002);
const ANCHOR_UNITS: Tag = Tag(0x0070, 0x0004);
const GRAPHIC_UNITS: Tag = Tag(0x0070, 0x0005);
const TEXT_VALUE: Tag = Tag(0x0070, 0x0006);
const TEXT_OBJECTS: Tag = Tag(0x0070, 0x0008);
const GRAPHIC_OBJECTS: Tag = Tag(0x0070, 0x0009);
const ANCHOR: Tag = Tag(0x0070, 0x0014);
const ANCHOR_VISIBLE: Tag = Tag(0x0070, 0x0015);
const DIMENSIONS: Tag = Tag(0x0070, 0x0020);
const POINTS: Tag = Tag(0x0070, 0x0021);
const GRAPHIC_DATA: Tag = Tag(0x0070, 0x0022);
const GRAPHIC_TYPE: Tag = Tag(0x0070, 0x0023);
const FILLED: Tag = Tag(0x0070, 0x0024);
const TOP_LEFT: Tag = Tag(0x0070, 0x0052);
const BOTTOM_RIGHT: Tag = Tag(0x0070, 0x0053);
const DISPLAYED_AREAS: Tag = Tag(0x0070, 0x005A);
const LAYERS: Tag = Tag(0x0070, 0x0060);
const LAYER_ORDER: Tag = Tag(0x0070, 0x0062);
const LAYER_DESCRIPTION: Tag = Tag(0x0070, 0x0068);
const LABEL: Tag = Tag(0x0070, 0x0080);
const CONTENT_DESCRIPTION: Tag = Tag(0x0070, 0x0081);
const CREATION_DATE: Tag = Tag(0x0070, 0x0082);
const CREATION_TIME: Tag = Tag(0x0070, 0x0083);
const CREATOR: Tag = Tag(0x0070, 0x0084);
const SIZE_MODE: Tag = Tag(0x0070, 0x0100);
const PRESENTATION_SPACING: Tag = Tag(0x0070, 0x0101);
const PRESENTATION_ASPECT: Tag = Tag(0x0070, 0x0102);
const LAYER_COLOUR: Tag = Tag(0x0070, 0x0401);
const RESCALE_TYPE: Tag = Tag(0x0028, 0x1054);
const SOFTCOPY_VOI: Tag = Tag(0x0028, 0x3110);

const LAYER: &str = "AI";
/// The heat map's yellow as PS3.3 section C.10.7.1.1 writes CIELab.
const YELLOW: [u16; 3] = [58_685, 30_718, 52_159];

/// `None` where no region is known, or the image is in colour: this class is for grey ones.
///
/// # Errors
/// When the study's UID or the image's is none, or something is too long for an element.
pub fn presentation_state(evidence: &Evidence<'_>) -> Result<Option<Object>, Error> {
    let regions = &evidence.assessment.regions;
    let Some(source) = evidence.looked_at.filter(|source| source.is_grey()) else {
        return Ok(None);
    };
    if regions.is_empty() || source.columns == 0 || source.rows == 0 {
        return Ok(None);
    }
    let description = evidence.series_description("AI result (marks)");
    let making = evidence.making(Kind::PresentationState, "PR", &description);
    let mut set = making.data_set()?;
    // A presentation state has its creation's time instead.
    for tag in [tags::CONTENT_DATE, tags::CONTENT_TIME] {
        set.remove(tag);
    }
    source.lend_place_in_body(&mut set);
    set.put_code(LABEL, "AI_RESULT");
    put(&mut set, CONTENT_DESCRIPTION, NOTICE);
    set.put_code(CREATION_DATE, &moment::da(evidence.at()));
    set.put_code(CREATION_TIME, &moment::tm(evidence.at()));
    put(&mut set, CREATOR, "Barefoot^");

    let image = source.reference()?;
    let mut series = DataSet::default();
    series.put_code(tags::SERIES_UID, checked(&source.image.series, "image's series")?);
    series.put_items(tags::REFERENCED_IMAGES, vec![image.clone()]);
    set.put_items(tags::REFERENCED_SERIES, vec![series]);
    shown_as_it_is(&mut set, source);

    let mut layer = DataSet::default();
    layer.put_code(GRAPHIC_LAYER, LAYER);
    layer.put_code(LAYER_ORDER, "1");
    layer.put(LAYER_COLOUR, shorts(&YELLOW));
    put(&mut layer, LAYER_DESCRIPTION, NOTICE);
    set.put_items(LAYERS, vec![layer]);

    let mut annotation = DataSet::default();
    annotation.put_items(tags::REFERENCED_IMAGES, vec![image]);
    annotation.put_code(GRAPHIC_LAYER, LAYER);
    let texts = regions.iter().map(|region| label(evidence, region, source));
    annotation.put_items(TEXT_OBJECTS, texts.collect());
    let outlines = regions.iter().map(|region| outline(region, source));
    annotation.put_items(GRAPHIC_OBJECTS, outlines.collect());
    set.put_items(GRAPHIC_ANNOTATIONS, vec![annotation]);
    Ok(Some(making.finish(&set)?))
}

/// The whole image with its own rescaling and its own window: what a presentation state leaves out would be an identity
/// (PS3.4 section N.2), which is not how the image is meant.
fn shown_as_it_is(set: &mut DataSet, source: &Source) {
    let view = source.view();
    if view.items(tags::MODALITY_LUT_SEQUENCE).next().is_some() {
        if let Some(element) = source.get(tags::MODALITY_LUT_SEQUENCE) {
            set.put(tags::MODALITY_LUT_SEQUENCE, element.clone());
        }
    } else if view.string(tags::RESCALE_SLOPE).is_some() {
        source.lend(tags::RESCALE_INTERCEPT, set);
        source.lend(tags::RESCALE_SLOPE, set);
        let unit = view.string(RESCALE_TYPE).unwrap_or_else(|| "US".to_owned());
        put(set, RESCALE_TYPE, &unit);
    }
    let mut voi = DataSet::default();
    if view.items(tags::VOI_LUT_SEQUENCE).next().is_some() {
        if let Some(element) = source.get(tags::VOI_LUT_SEQUENCE) {
            voi.put(tags::VOI_LUT_SEQUENCE, element.clone());
        }
    } else if view.string(tags::WINDOW_WIDTH).is_some() && view.string(tags::WINDOW_CENTER).is_some() {
        for tag in [tags::WINDOW_CENTER, tags::WINDOW_WIDTH] {
            let first = view.strings(tag).into_iter().next().unwrap_or_default();
            voi.put_code(tag, &first);
        }
        source.lend(tags::VOI_FUNCTION, &mut voi);
    }
    if !voi.is_empty() {
        set.put_items(SOFTCOPY_VOI, vec![voi]);
    }
    let shape = if source.is_inverted() {
        "INVERSE"
    } else {
        "IDENTITY"
    };
    set.put_code(tags::PRESENTATION_SHAPE, shape);

    let mut area = DataSet::default();
    area.put(TOP_LEFT, longs(&[1, 1]));
    area.put(BOTTOM_RIGHT, longs(&[source.columns, source.rows]));
    area.put_code(SIZE_MODE, "SCALE TO FIT");
    match source.spacing() {
        Some(spacing) => area.put_code(PRESENTATION_SPACING, &spacing),
        None => {
            let aspect = view
                .string(tags::PIXEL_ASPECT)
                .unwrap_or_else(|| "1\\1".to_owned());
            area.put_code(PRESENTATION_ASPECT, &aspect);
        }
    }
    set.put_items(DISPLAYED_AREAS, vec![area]);
}

/// Beside the region's upper left corner.
fn label(evidence: &Evidence<'_>, region: &FindingRegion, source: &Source) -> DataSet {
    let results = &evidence.assessment.findings;
    let said = match results.iter().find(|result| result.code == region.finding) {
        Some(result) => wording::score(evidence, result),
        None => wording::finding(evidence, &region.finding),
    };
    let [(left, top), ..] = corners(region, source);
    let mut item = DataSet::default();
    item.put_code(ANCHOR_UNITS, "PIXEL");
    item.put_text(TEXT_VALUE, &format!("{said}\r\n{NOTICE}"), Coding::Utf8);
    item.put(ANCHOR, floats(&[left, top]));
    item.put_code(ANCHOR_VISIBLE, "N");
    item
}

fn outline(region: &FindingRegion, source: &Source) -> DataSet {
    let corners = corners(region, source);
    let mut item = DataSet::default();
    item.put_code(GRAPHIC_UNITS, "PIXEL");
    item.put_u16(DIMENSIONS, 2);
    item.put_u16(POINTS, corners.len() as u16);
    let points: Vec<f32> = corners.iter().flat_map(|(column, row)| [*column, *row]).collect();
    item.put(GRAPHIC_DATA, floats(&points));
    item.put_code(GRAPHIC_TYPE, "POLYLINE");
    item.put_code(FILLED, "N");
    item
}

fn floats(values: &[f32]) -> Element {
    bytes(
        Vr::FL,
        values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    )
}

fn shorts(values: &[u16]) -> Element {
    bytes(
        Vr::US,
        values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    )
}

/// Sides of images, which are never negative.
fn longs(values: &[u32]) -> Element {
    Element {
        vr: Vr::SL,
        content: Content::Value(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
    }
}
