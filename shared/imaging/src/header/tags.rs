use std::fmt;

/// A DICOM tag: group and element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u16, pub u16);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:04X},{:04X})", self.0, self.1)
    }
}

macro_rules! tags {
    ($($name:ident = $group:literal, $element:literal;)*) => {
        $(pub(crate) const $name: Tag = Tag($group, $element);)*
    };
}

tags! {
    META_TRANSFER_SYNTAX = 0x0002, 0x0010;
    META_SOP_CLASS = 0x0002, 0x0002;
    META_SOP_INSTANCE = 0x0002, 0x0003;
    CHARACTER_SET = 0x0008, 0x0005;
    SOP_CLASS = 0x0008, 0x0016;
    SOP_INSTANCE = 0x0008, 0x0018;
    STUDY_DATE = 0x0008, 0x0020;
    STUDY_TIME = 0x0008, 0x0030;
    ACCESSION = 0x0008, 0x0050;
    MODALITY = 0x0008, 0x0060;
    MANUFACTURER = 0x0008, 0x0070;
    INSTITUTION = 0x0008, 0x0080;
    STATION = 0x0008, 0x1010;
    STUDY_DESCRIPTION = 0x0008, 0x1030;
    SERIES_DESCRIPTION = 0x0008, 0x103E;
    MODEL_NAME = 0x0008, 0x1090;
    PATIENT_NAME = 0x0010, 0x0010;
    PATIENT_ID = 0x0010, 0x0020;
    PATIENT_BIRTH_DATE = 0x0010, 0x0030;
    PATIENT_SEX = 0x0010, 0x0040;
    PATIENT_AGE = 0x0010, 0x1010;
    BODY_PART = 0x0018, 0x0015;
    VIEW_POSITION = 0x0018, 0x5101;
    STUDY_UID = 0x0020, 0x000D;
    SERIES_UID = 0x0020, 0x000E;
    SAMPLES_PER_PIXEL = 0x0028, 0x0002;
    PHOTOMETRIC = 0x0028, 0x0004;
    PLANAR_CONFIGURATION = 0x0028, 0x0006;
    NUMBER_OF_FRAMES = 0x0028, 0x0008;
    ROWS = 0x0028, 0x0010;
    COLUMNS = 0x0028, 0x0011;
    BITS_ALLOCATED = 0x0028, 0x0100;
    BITS_STORED = 0x0028, 0x0101;
    HIGH_BIT = 0x0028, 0x0102;
    PIXEL_REPRESENTATION = 0x0028, 0x0103;
    PIXEL_PADDING = 0x0028, 0x0120;
    WINDOW_CENTER = 0x0028, 0x1050;
    WINDOW_WIDTH = 0x0028, 0x1051;
    RESCALE_INTERCEPT = 0x0028, 0x1052;
    RESCALE_SLOPE = 0x0028, 0x1053;
    VOI_FUNCTION = 0x0028, 0x1056;
    RED_DESCRIPTOR = 0x0028, 0x1101;
    GREEN_DESCRIPTOR = 0x0028, 0x1102;
    BLUE_DESCRIPTOR = 0x0028, 0x1103;
    RED_DATA = 0x0028, 0x1201;
    GREEN_DATA = 0x0028, 0x1202;
    BLUE_DATA = 0x0028, 0x1203;
    MODALITY_LUT_SEQUENCE = 0x0028, 0x3000;
    LUT_DESCRIPTOR = 0x0028, 0x3002;
    LUT_DATA = 0x0028, 0x3006;
    VOI_LUT_SEQUENCE = 0x0028, 0x3010;
    FRAME_VOI_SEQUENCE = 0x0028, 0x9132;
    PIXEL_TRANSFORMATION_SEQUENCE = 0x0028, 0x9145;
    PRESENTATION_SHAPE = 0x2050, 0x0020;
    SHARED_GROUPS = 0x5200, 0x9229;
    PER_FRAME_GROUPS = 0x5200, 0x9230;
    FLOAT_PIXELS = 0x7FE0, 0x0008;
    DOUBLE_PIXELS = 0x7FE0, 0x0009;
    PIXEL_DATA = 0x7FE0, 0x0010;
    ITEM = 0xFFFE, 0xE000;
    ITEM_END = 0xFFFE, 0xE00D;
    SEQUENCE_END = 0xFFFE, 0xE0DD;
}

/// Text and numbers: far more than any of these holds in practice.
const VALUE_LIMIT: u32 = 64 * 1024;
/// A table of 65,536 entries of 16 bits, with room for padding.
const TABLE_LIMIT: u32 = 256 * 1024;

/// How many bytes of this top-level element are kept; `None` where it is passed over.
pub(super) fn kept_at_top(tag: Tag) -> Option<u32> {
    match tag {
        RED_DATA | GREEN_DATA | BLUE_DATA => Some(TABLE_LIMIT),
        META_TRANSFER_SYNTAX | META_SOP_CLASS | META_SOP_INSTANCE | CHARACTER_SET | SOP_CLASS
        | SOP_INSTANCE | STUDY_DATE | STUDY_TIME | ACCESSION | MODALITY | MANUFACTURER | INSTITUTION
        | STATION | STUDY_DESCRIPTION | SERIES_DESCRIPTION | MODEL_NAME | PATIENT_NAME | PATIENT_ID
        | PATIENT_BIRTH_DATE | PATIENT_SEX | PATIENT_AGE | BODY_PART | VIEW_POSITION | STUDY_UID
        | SERIES_UID | SAMPLES_PER_PIXEL | PHOTOMETRIC | PLANAR_CONFIGURATION | NUMBER_OF_FRAMES | ROWS
        | COLUMNS | BITS_ALLOCATED | BITS_STORED | HIGH_BIT | PIXEL_REPRESENTATION | PIXEL_PADDING
        | WINDOW_CENTER | WINDOW_WIDTH | RESCALE_INTERCEPT | RESCALE_SLOPE | VOI_FUNCTION
        | RED_DESCRIPTOR | GREEN_DESCRIPTOR | BLUE_DESCRIPTOR | PRESENTATION_SHAPE => Some(VALUE_LIMIT),
        _ => None,
    }
}

/// The same inside the sequence `parent`.
pub(super) fn kept_within(parent: Tag, tag: Tag) -> Option<u32> {
    match (parent, tag) {
        (MODALITY_LUT_SEQUENCE | VOI_LUT_SEQUENCE, LUT_DATA) => Some(TABLE_LIMIT),
        (MODALITY_LUT_SEQUENCE | VOI_LUT_SEQUENCE, LUT_DESCRIPTOR)
        | (FRAME_VOI_SEQUENCE, WINDOW_CENTER | WINDOW_WIDTH | VOI_FUNCTION)
        | (PIXEL_TRANSFORMATION_SEQUENCE, RESCALE_INTERCEPT | RESCALE_SLOPE) => Some(VALUE_LIMIT),
        _ => None,
    }
}

/// Sequences that hold something of [`kept_within`], at any depth. The others are passed over where their length is known.
pub(super) fn is_entered(tag: Tag) -> bool {
    matches!(
        tag,
        MODALITY_LUT_SEQUENCE
            | VOI_LUT_SEQUENCE
            | FRAME_VOI_SEQUENCE
            | PIXEL_TRANSFORMATION_SEQUENCE
            | SHARED_GROUPS
            | PER_FRAME_GROUPS
    )
}
