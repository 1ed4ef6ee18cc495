use crate::tags::{self, Tag};

/// An information model (PS3.4 section C.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    PatientRoot,
    StudyRoot,
}

/// Query/Retrieve Level (0008,0052), from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Patient,
    Study,
    Series,
    Image,
}

impl Level {
    pub const ALL: [Self; 4] = [Self::Patient, Self::Study, Self::Series, Self::Image];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Patient => "PATIENT",
            Self::Study => "STUDY",
            Self::Series => "SERIES",
            Self::Image => "IMAGE",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    /// What tells one entity of the level from the next.
    #[must_use]
    pub fn unique_key(self) -> Tag {
        match self {
            Self::Patient => tags::PATIENT_ID,
            Self::Study => tags::STUDY_UID,
            Self::Series => tags::SERIES_UID,
            Self::Image => tags::SOP_INSTANCE,
        }
    }
}

impl Model {
    /// PS3.4 tables C.6.1-1 to C.6.2-1; in Study Root the patient's attributes belong to the study.
    #[must_use]
    pub fn top(self) -> Level {
        match self {
            Self::PatientRoot => Level::Patient,
            Self::StudyRoot => Level::Study,
        }
    }
}

/// PS3.4 section C.2.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Unique,
    Required,
    Optional,
}

/// A key that can be asked for.
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    pub level: Level,
    pub tag: Tag,
    pub role: Role,
}

const fn row(level: Level, tag: Tag, role: Role) -> Attribute {
    Attribute { level, tag, role }
}

const ATTRIBUTES: &[Attribute] = {
    use Level::{Image, Patient, Series, Study};
    use Role::{Optional, Required, Unique};
    &[
        row(Patient, tags::PATIENT_NAME, Required),
        row(Patient, tags::PATIENT_ID, Unique),
        row(Patient, tags::PATIENT_ID_ISSUER, Optional),
        row(Patient, tags::PATIENT_BIRTH_DATE, Optional),
        row(Patient, tags::PATIENT_BIRTH_TIME, Optional),
        row(Patient, tags::PATIENT_SEX, Optional),
        row(Patient, tags::OTHER_PATIENT_IDS, Optional),
        row(Patient, tags::PATIENT_STUDIES, Optional),
        row(Patient, tags::PATIENT_SERIES, Optional),
        row(Patient, tags::PATIENT_INSTANCES, Optional),
        row(Study, tags::STUDY_DATE, Required),
        row(Study, tags::STUDY_TIME, Required),
        row(Study, tags::ACCESSION, Required),
        row(Study, tags::STUDY_ID, Required),
        row(Study, tags::STUDY_UID, Unique),
        row(Study, tags::MODALITIES_IN_STUDY, Optional),
        row(Study, tags::SOP_CLASSES_IN_STUDY, Optional),
        row(Study, tags::REFERRING_PHYSICIAN, Optional),
        row(Study, tags::STUDY_DESCRIPTION, Optional),
        row(Study, tags::PATIENT_AGE, Optional),
        row(Study, tags::STUDY_SERIES, Optional),
        row(Study, tags::STUDY_INSTANCES, Optional),
        row(Series, tags::MODALITY, Required),
        row(Series, tags::SERIES_NUMBER, Required),
        row(Series, tags::SERIES_UID, Unique),
        row(Series, tags::SERIES_DESCRIPTION, Optional),
        row(Series, tags::SERIES_DATE, Optional),
        row(Series, tags::SERIES_TIME, Optional),
        row(Series, tags::BODY_PART, Optional),
        row(Series, tags::LATERALITY, Optional),
        row(Series, tags::PROTOCOL_NAME, Optional),
        row(Series, tags::MANUFACTURER, Optional),
        row(Series, tags::MODEL_NAME, Optional),
        row(Series, tags::INSTITUTION, Optional),
        row(Series, tags::STATION, Optional),
        row(Series, tags::PERFORMED_START_DATE, Optional),
        row(Series, tags::PERFORMED_START_TIME, Optional),
        row(Series, tags::SERIES_INSTANCES, Optional),
        row(Image, tags::INSTANCE_NUMBER, Required),
        row(Image, tags::SOP_INSTANCE, Unique),
        row(Image, tags::SOP_CLASS, Optional),
        row(Image, tags::CONTENT_DATE, Optional),
        row(Image, tags::CONTENT_TIME, Optional),
        row(Image, tags::ACQUISITION_DATE, Optional),
        row(Image, tags::ACQUISITION_TIME, Optional),
        row(Image, tags::ACQUISITION_NUMBER, Optional),
        row(Image, tags::NUMBER_OF_FRAMES, Optional),
        row(Image, tags::ROWS, Optional),
        row(Image, tags::COLUMNS, Optional),
        row(Image, tags::BITS_ALLOCATED, Optional),
    ]
};

/// Every key that can be asked for (PS3.4 tables C.6-1 to C.6-5), for the conformance statement too.
#[must_use]
pub fn attributes() -> &'static [Attribute] {
    ATTRIBUTES
}
