//! Which pixels a finding covers (Segmentation, PS3.3 section A.51): a bit a pixel of the image that was looked at, one
//! frame a segment. For images that lie nowhere in space (CR, DX) as for slices.

use barefoot_domain::FindingCode;

use super::algorithm::identification;
use super::wording::NOTICE;
use super::{Error, Evidence, Kind, Mask, Source, names};
use crate::data_set::{DataSet, Vr};
use crate::report::codes::{Code, Scheme, code, finding_code, finding_name};
use crate::report::modules::{bytes, checked, code_item, long_line, put, reference};
use crate::report::{Language, Object};
use crate::tags::{self, Tag};

const REFERENCED_INSTANCES: Tag = Tag(0x0008, 0x114A);
const SOURCE_IMAGES: Tag = Tag(0x0008, 0x2112);
const DERIVATION_IMAGES: Tag = Tag(0x0008, 0x9124);
const DERIVATION_CODES: Tag = Tag(0x0008, 0x9215);
const PATIENT_ORIENTATION: Tag = Tag(0x0020, 0x0020);
const FRAME_OF_REFERENCE: Tag = Tag(0x0020, 0x0052);
const POSITION_INDICATOR: Tag = Tag(0x0020, 0x1040);
const POSITION: Tag = Tag(0x0020, 0x0032);
const ORIENTATION: Tag = Tag(0x0020, 0x0037);
const FRAME_CONTENT: Tag = Tag(0x0020, 0x9111);
const POSITIONS: Tag = Tag(0x0020, 0x9113);
const ORIENTATIONS: Tag = Tag(0x0020, 0x9116);
const INDEX_VALUES: Tag = Tag(0x0020, 0x9157);
const ORGANIZATION_UID: Tag = Tag(0x0020, 0x9164);
const INDEX_POINTER: Tag = Tag(0x0020, 0x9165);
const GROUP_POINTER: Tag = Tag(0x0020, 0x9167);
const ORGANIZATIONS: Tag = Tag(0x0020, 0x9221);
const INDICES: Tag = Tag(0x0020, 0x9222);
const DIMENSION_LABEL: Tag = Tag(0x0020, 0x9421);
const SLICE_THICKNESS: Tag = Tag(0x0018, 0x0050);
const SPACING_BETWEEN: Tag = Tag(0x0018, 0x0088);
const DEVICE_SERIAL: Tag = Tag(0x0018, 0x1000);
const MEASURES: Tag = Tag(0x0028, 0x9110);
const SEGMENTATION_TYPE: Tag = Tag(0x0062, 0x0001);
const SEGMENTS: Tag = Tag(0x0062, 0x0002);
const CATEGORY: Tag = Tag(0x0062, 0x0003);
const NUMBER: Tag = Tag(0x0062, 0x0004);
const LABEL: Tag = Tag(0x0062, 0x0005);
const ALGORITHM_TYPE: Tag = Tag(0x0062, 0x0008);
const ALGORITHM_NAME: Tag = Tag(0x0062, 0x0009);
const IDENTIFICATION: Tag = Tag(0x0062, 0x000A);
const REFERENCED_NUMBER: Tag = Tag(0x0062, 0x000B);
const PROPERTY: Tag = Tag(0x0062, 0x000F);
const OVERLAP: Tag = Tag(0x0062, 0x0013);
const TRACKING_ID: Tag = Tag(0x0062, 0x0020);
const TRACKING_UID: Tag = Tag(0x0062, 0x0021);
const ALGORITHM: Tag = Tag(0x0062, 0x0007);
const CONTENT_LABEL: Tag = Tag(0x0070, 0x0080);
const CONTENT_DESCRIPTION: Tag = Tag(0x0070, 0x0081);
const CREATOR: Tag = Tag(0x0070, 0x0084);

/// What covers which pixels.
#[derive(Debug, Clone)]
pub struct Segment {
    pub finding: FindingCode,
    /// As large as the image.
    pub mask: Mask,
}

/// `None` where no segment covers anything, no image is known or no model answered.
///
/// # Errors
/// When a mask is not as large as its image, a UID is none, or something is too long for an element.
pub fn segmentation(evidence: &Evidence<'_>, segments: &[Segment]) -> Result<Option<Object>, Error> {
    let segments: Vec<&Segment> = segments
        .iter()
        .filter(|segment| !segment.mask.is_empty())
        .collect();
    let (Some(source), Some(model)) = (evidence.looked_at, &evidence.assessment.model) else {
        return Ok(None);
    };
    if segments.is_empty() {
        return Ok(None);
    }
    let size = (source.columns, source.rows);
    let fits = |segment: &&Segment| {
        let (width, height) = (segment.mask.width, segment.mask.height);
        let pixels = u64::from(width) * u64::from(height);
        (width, height) == size && pixels == segment.mask.covered.len() as u64
    };
    if !segments.iter().all(fits) {
        return Err(Error::MaskSize);
    }
    let description = evidence.series_description("AI result (segments)");
    let making = evidence.making(Kind::Segmentation, "SEG", &description);
    let mut set = making.data_set()?;
    // Enhanced equipment wants one; the program is no box of a series.
    set.put_code(DEVICE_SERIAL, "0");
    picture(&mut set, source, segments.len())?;
    set.put_code(CONTENT_LABEL, "AI_RESULT");
    put(&mut set, CONTENT_DESCRIPTION, NOTICE);
    put(&mut set, CREATOR, "Barefoot^");
    set.put_code(SEGMENTATION_TYPE, "BINARY");
    set.put_code(OVERLAP, "UNDEFINED");
    let item = |(index, segment): (usize, &&Segment)| {
        let mut item = DataSet::default();
        item.put_u16(NUMBER, number(index));
        let name = finding_name(&segment.finding, evidence.names, Language::En);
        put(&mut item, LABEL, &long_line(&name));
        item.put_items(CATEGORY, vec![code_item(&abnormal())]);
        item.put_items(PROPERTY, vec![code_item(&finding_code(&segment.finding, &name))]);
        item.put_code(ALGORITHM_TYPE, "AUTOMATIC");
        put(&mut item, ALGORITHM_NAME, &long_line(&model.id));
        let engine = evidence.assessment.engine.as_ref();
        item.put_items(ALGORITHM, vec![identification(model, engine)]);
        let finding = segment.finding.as_str();
        put(
            &mut item,
            TRACKING_ID,
            &long_line(&format!("{finding} ({})", model.id)),
        );
        let study = &evidence.subject.study.uid;
        item.put_code(TRACKING_UID, &names::tracking_uid(study, &model.id, finding));
        item
    };
    set.put_items(SEGMENTS, segments.iter().enumerate().map(item).collect());
    dimensions(&mut set, evidence);
    set.put_items(tags::SHARED_GROUPS, vec![shared(source)]);
    let frames: Result<Vec<DataSet>, Error> = (0..segments.len()).map(|index| frame(source, index)).collect();
    set.put_items(tags::PER_FRAME_GROUPS, frames?);

    let object = (
        checked(&source.image.series, "image's series")?,
        checked(&source.image.sop_class, "image's class")?,
        checked(&source.image.sop_instance, "image")?,
    );
    let mut series = DataSet::default();
    series.put_code(tags::SERIES_UID, object.0);
    series.put_items(REFERENCED_INSTANCES, vec![reference(object.1, object.2)]);
    set.put_items(tags::REFERENCED_SERIES, vec![series]);
    let bits = segments.iter().map(|segment| segment.mask.covered.as_slice());
    let all = Mask {
        width: source.columns,
        height: source.rows,
        covered: bits.collect::<Vec<_>>().concat(),
    };
    let mut pixels = all.bits();
    if !pixels.len().is_multiple_of(2) {
        pixels.push(0);
    }
    set.put(tags::PIXEL_DATA, bytes(Vr::OB, pixels));
    Ok(Some(making.finish(&set)?))
}

fn abnormal() -> Code {
    code(Scheme::Snomed, "49755003", "Morphologically Abnormal Structure")
}

fn number(index: usize) -> u16 {
    u16::try_from(index + 1).unwrap_or(u16::MAX)
}

fn picture(set: &mut DataSet, source: &Source, frames: usize) -> Result<(), Error> {
    set.put_code(tags::IMAGE_TYPE, "DERIVED\\PRIMARY");
    set.put_u16(tags::SAMPLES_PER_PIXEL, 1);
    set.put_code(tags::PHOTOMETRIC, "MONOCHROME2");
    set.put_code(tags::NUMBER_OF_FRAMES, &frames.to_string());
    let side = |side: u32| u16::try_from(side).map_err(|_| Error::TooLarge);
    set.put_u16(tags::ROWS, side(source.rows)?);
    set.put_u16(tags::COLUMNS, side(source.columns)?);
    set.put_u16(tags::BITS_ALLOCATED, 1);
    set.put_u16(tags::BITS_STORED, 1);
    set.put_u16(tags::HIGH_BIT, 0);
    set.put_u16(tags::PIXEL_REPRESENTATION, 0);
    set.put_code(tags::LOSSY_COMPRESSION, "00");
    if has_place(source) {
        source.lend(FRAME_OF_REFERENCE, set);
        set.put_empty(POSITION_INDICATOR);
    } else {
        set.put_empty(PATIENT_ORIENTATION);
    }
    Ok(())
}

/// Whether the image says where in space it lies.
fn has_place(source: &Source) -> bool {
    let view = source.view();
    [FRAME_OF_REFERENCE, POSITION, ORIENTATION]
        .into_iter()
        .all(|tag| view.string(tag).is_some())
}

/// One dimension: the segments.
fn dimensions(set: &mut DataSet, evidence: &Evidence<'_>) {
    let uid = names::dimension_uid(&evidence.subject.study.uid, evidence.version);
    let mut organization = DataSet::default();
    organization.put_code(ORGANIZATION_UID, &uid);
    set.put_items(ORGANIZATIONS, vec![organization]);
    let mut index = DataSet::default();
    index.put_code(ORGANIZATION_UID, &uid);
    index.put(INDEX_POINTER, attribute(REFERENCED_NUMBER));
    index.put(GROUP_POINTER, attribute(IDENTIFICATION));
    index.put_code(DIMENSION_LABEL, "Segment");
    set.put_items(INDICES, vec![index]);
}

fn attribute(tag: Tag) -> crate::data_set::Element {
    let value = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
    bytes(Vr::of(INDEX_POINTER), value)
}

/// What holds of every frame: how large its pixels are and how it lies. Pixel measures are whole or not there: some readers
/// refuse them without a thickness, and a radiograph has none.
fn shared(source: &Source) -> DataSet {
    let mut group = DataSet::default();
    let view = source.view();
    if let (Some(spacing), Some(_)) = (source.spacing(), view.string(SLICE_THICKNESS)) {
        let mut measures = DataSet::default();
        measures.put_code(tags::PIXEL_SPACING, &spacing);
        source.lend(SLICE_THICKNESS, &mut measures);
        source.lend(SPACING_BETWEEN, &mut measures);
        group.put_items(MEASURES, vec![measures]);
    }
    if has_place(source) {
        let mut orientation = DataSet::default();
        source.lend(ORIENTATION, &mut orientation);
        group.put_items(ORIENTATIONS, vec![orientation]);
    }
    group
}

/// A segment's frame: which it is, of which image, and where that lies.
fn frame(source: &Source, index: usize) -> Result<DataSet, Error> {
    let mut content = DataSet::default();
    let value = u32::from(number(index)).to_le_bytes().to_vec();
    content.put(INDEX_VALUES, bytes(Vr::UL, value));
    let mut segment = DataSet::default();
    segment.put_u16(REFERENCED_NUMBER, number(index));
    let mut group = DataSet::default();
    group.put_items(FRAME_CONTENT, vec![content]);
    group.put_items(IDENTIFICATION, vec![segment]);
    group.put_items(DERIVATION_IMAGES, vec![derivation(source)?]);
    if has_place(source) {
        let mut position = DataSet::default();
        source.lend(POSITION, &mut position);
        group.put_items(POSITIONS, vec![position]);
    }
    Ok(group)
}

fn derivation(source: &Source) -> Result<DataSet, Error> {
    let mut derivation = DataSet::default();
    derivation.put_items(SOURCE_IMAGES, vec![source.reference_as_source(true)?]);
    let derived = code(Scheme::Dicom, "113076", "Segmentation");
    derivation.put_items(DERIVATION_CODES, vec![code_item(&derived)]);
    Ok(derivation)
}
