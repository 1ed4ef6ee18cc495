use barefoot_imaging::tags::{self, Tag};

use crate::archive::ImageLevel::{self, Instance, Series, Study};

/// What can be asked for and is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute {
    pub(super) keyword: &'static str,
    pub(super) tag: Tag,
    pub(super) vr: &'static str,
    pub(super) level: ImageLevel,
    pub(super) column: &'static str,
    /// Answered without being asked for (PS3.18 tables 10.6.3-3 to 10.6.3-5).
    pub(super) always: bool,
}

const fn row(
    keyword: &'static str,
    tag: Tag,
    vr: &'static str,
    level: ImageLevel,
    column: &'static str,
    always: bool,
) -> Attribute {
    Attribute {
        keyword,
        tag,
        vr,
        level,
        column,
        always,
    }
}

pub(super) const ATTRIBUTES: &[Attribute] = &[
    row(
        "StudyInstanceUID",
        tags::STUDY_UID,
        "UI",
        Study,
        "st.study_uid",
        true,
    ),
    row("StudyDate", tags::STUDY_DATE, "DA", Study, "st.study_date", true),
    row("StudyTime", tags::STUDY_TIME, "TM", Study, "st.study_time", true),
    row(
        "AccessionNumber",
        tags::ACCESSION,
        "SH",
        Study,
        "st.accession_number",
        true,
    ),
    row(
        "ModalitiesInStudy",
        tags::MODALITIES_IN_STUDY,
        "CS",
        Study,
        "st.modalities",
        true,
    ),
    row(
        "PatientName",
        tags::PATIENT_NAME,
        "PN",
        Study,
        "st.patient_name",
        true,
    ),
    row("PatientID", tags::PATIENT_ID, "LO", Study, "st.patient_id", true),
    row(
        "PatientBirthDate",
        tags::PATIENT_BIRTH_DATE,
        "DA",
        Study,
        "st.patient_birth_date",
        true,
    ),
    row(
        "PatientSex",
        tags::PATIENT_SEX,
        "CS",
        Study,
        "st.patient_sex",
        true,
    ),
    row("StudyID", tags::STUDY_ID, "SH", Study, "st.study_id", true),
    row(
        "StudyDescription",
        tags::STUDY_DESCRIPTION,
        "LO",
        Study,
        "st.study_description",
        false,
    ),
    row(
        "NumberOfStudyRelatedSeries",
        tags::STUDY_SERIES,
        "IS",
        Study,
        "st.series",
        true,
    ),
    row(
        "NumberOfStudyRelatedInstances",
        tags::STUDY_INSTANCES,
        "IS",
        Study,
        "st.instances",
        true,
    ),
    row(
        "SeriesInstanceUID",
        tags::SERIES_UID,
        "UI",
        Series,
        "se.series_uid",
        true,
    ),
    row("Modality", tags::MODALITY, "CS", Series, "se.modality", true),
    row(
        "SeriesNumber",
        tags::SERIES_NUMBER,
        "IS",
        Series,
        "se.series_number",
        true,
    ),
    row(
        "SeriesDescription",
        tags::SERIES_DESCRIPTION,
        "LO",
        Series,
        "se.series_description",
        true,
    ),
    row(
        "SeriesDate",
        tags::SERIES_DATE,
        "DA",
        Series,
        "se.series_date",
        false,
    ),
    row(
        "SeriesTime",
        tags::SERIES_TIME,
        "TM",
        Series,
        "se.series_time",
        false,
    ),
    row(
        "BodyPartExamined",
        tags::BODY_PART,
        "CS",
        Series,
        "se.body_part",
        false,
    ),
    row(
        "Laterality",
        tags::LATERALITY,
        "CS",
        Series,
        "se.laterality",
        false,
    ),
    row(
        "Manufacturer",
        tags::MANUFACTURER,
        "LO",
        Series,
        "se.manufacturer",
        false,
    ),
    row(
        "ProtocolName",
        tags::PROTOCOL_NAME,
        "LO",
        Series,
        "se.protocol_name",
        false,
    ),
    row(
        "NumberOfSeriesRelatedInstances",
        tags::SERIES_INSTANCES,
        "IS",
        Series,
        "se.instances",
        true,
    ),
    row(
        "SOPClassUID",
        tags::SOP_CLASS,
        "UI",
        Instance,
        "i.sop_class_uid",
        true,
    ),
    row(
        "SOPInstanceUID",
        tags::SOP_INSTANCE,
        "UI",
        Instance,
        "i.sop_instance_uid",
        true,
    ),
    row(
        "InstanceNumber",
        tags::INSTANCE_NUMBER,
        "IS",
        Instance,
        "i.instance_number",
        true,
    ),
    row(
        "ContentDate",
        tags::CONTENT_DATE,
        "DA",
        Instance,
        "i.content_date",
        false,
    ),
    row(
        "ContentTime",
        tags::CONTENT_TIME,
        "TM",
        Instance,
        "i.content_time",
        false,
    ),
    row(
        "NumberOfFrames",
        tags::NUMBER_OF_FRAMES,
        "IS",
        Instance,
        "i.number_of_frames",
        true,
    ),
    row("Rows", tags::ROWS, "US", Instance, "i.image_rows", true),
    row("Columns", tags::COLUMNS, "US", Instance, "i.image_columns", true),
    row(
        "BitsAllocated",
        tags::BITS_ALLOCATED,
        "US",
        Instance,
        "i.bits_allocated",
        true,
    ),
    row(
        "AvailableTransferSyntaxUID",
        Tag(0x0008, 0x3002),
        "UI",
        Instance,
        "i.transfer_syntax",
        false,
    ),
];

/// By keyword or by eight hexadecimal digits.
pub(super) fn named(name: &str) -> Option<&'static Attribute> {
    ATTRIBUTES
        .iter()
        .find(|attribute| attribute.keyword == name || name.len() == 8 && tag_of(name) == Some(attribute.tag))
}

pub(in crate::dicomweb) fn tag_of(digits: &str) -> Option<Tag> {
    let (group, element) = digits.split_at_checked(4)?;
    let number = |text| u16::from_str_radix(text, 16).ok();
    (element.len() == 4).then_some(Tag(number(group)?, number(element)?))
}
