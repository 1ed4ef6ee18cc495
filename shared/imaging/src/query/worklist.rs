use super::Error;
use super::answer::requested;
use super::key::{self, Key, Support, all_match};
use super::record::Record;
use crate::data_set::{Coding, DataSet};
use crate::tags::{self, Tag};

/// An attribute of the worklist (PS3.4 table K.6-1).
#[derive(Debug, Clone, Copy)]
pub struct WorklistAttribute {
    /// The sequence it stands in.
    pub parent: Option<Tag>,
    pub tag: Tag,
    /// Of type 1C, 2C or 3 in answers: left out where there is nothing.
    pub conditional: bool,
}

const fn always(tag: Tag) -> WorklistAttribute {
    WorklistAttribute {
        parent: None,
        tag,
        conditional: false,
    }
}

const fn conditional(tag: Tag) -> WorklistAttribute {
    WorklistAttribute {
        conditional: true,
        ..always(tag)
    }
}

const fn within(parent: Tag, inner: WorklistAttribute) -> WorklistAttribute {
    WorklistAttribute {
        parent: Some(parent),
        ..inner
    }
}

const STEP: Tag = tags::SCHEDULED_STEPS;

const ATTRIBUTES: &[WorklistAttribute] = &[
    always(STEP),
    within(STEP, always(tags::STATION_AE)),
    within(STEP, always(tags::STEP_START_DATE)),
    within(STEP, always(tags::STEP_START_TIME)),
    within(STEP, always(tags::MODALITY)),
    within(STEP, always(tags::STEP_PERFORMER)),
    within(STEP, conditional(tags::STEP_DESCRIPTION)),
    within(STEP, always(tags::STEP_STATION_NAME)),
    within(STEP, always(tags::STEP_LOCATION)),
    within(STEP, conditional(tags::STEP_PROTOCOL_CODES)),
    within(tags::STEP_PROTOCOL_CODES, always(tags::CODE_VALUE)),
    within(tags::STEP_PROTOCOL_CODES, always(tags::CODING_SCHEME)),
    within(tags::STEP_PROTOCOL_CODES, conditional(tags::CODE_MEANING)),
    within(STEP, conditional(tags::PREMEDICATION)),
    within(STEP, always(tags::STEP_ID)),
    within(STEP, conditional(tags::REQUESTED_CONTRAST)),
    within(STEP, conditional(tags::STEP_STATUS)),
    within(STEP, conditional(tags::STEP_COMMENTS)),
    always(tags::REQUESTED_PROCEDURE_ID),
    conditional(tags::REQUESTED_PROCEDURE_DESCRIPTION),
    conditional(tags::REQUESTED_PROCEDURE_CODES),
    within(tags::REQUESTED_PROCEDURE_CODES, always(tags::CODE_VALUE)),
    within(tags::REQUESTED_PROCEDURE_CODES, always(tags::CODING_SCHEME)),
    within(tags::REQUESTED_PROCEDURE_CODES, conditional(tags::CODE_MEANING)),
    always(tags::STUDY_UID),
    always(tags::REFERENCED_STUDIES),
    within(tags::REFERENCED_STUDIES, always(tags::REFERENCED_SOP_CLASS)),
    within(tags::REFERENCED_STUDIES, always(tags::REFERENCED_SOP_INSTANCE)),
    always(tags::REQUESTED_PROCEDURE_PRIORITY),
    always(tags::TRANSPORT),
    conditional(tags::REQUESTED_PROCEDURE_REASON),
    conditional(tags::REQUEST_COMMENTS),
    always(tags::ACCESSION),
    always(tags::REQUESTING_PHYSICIAN),
    conditional(tags::REQUESTING_SERVICE),
    always(tags::REFERRING_PHYSICIAN),
    conditional(tags::PLACER_ORDER),
    conditional(tags::FILLER_ORDER),
    conditional(tags::ISSUE_DATE),
    conditional(tags::ISSUE_TIME),
    always(tags::ADMISSION_ID),
    always(tags::CURRENT_LOCATION),
    always(tags::REFERENCED_PATIENTS),
    within(tags::REFERENCED_PATIENTS, always(tags::REFERENCED_SOP_CLASS)),
    within(tags::REFERENCED_PATIENTS, always(tags::REFERENCED_SOP_INSTANCE)),
    always(tags::PATIENT_NAME),
    always(tags::PATIENT_ID),
    conditional(tags::PATIENT_ID_ISSUER),
    conditional(tags::OTHER_PATIENT_IDS),
    always(tags::PATIENT_BIRTH_DATE),
    always(tags::PATIENT_SEX),
    conditional(tags::PATIENT_SIZE),
    always(tags::PATIENT_WEIGHT),
    always(tags::CONFIDENTIALITY_DESCRIPTION),
    always(tags::PATIENT_STATE),
    always(tags::PREGNANCY),
    always(tags::MEDICAL_ALERTS),
    always(tags::ALLERGIES),
    always(tags::SPECIAL_NEEDS),
    conditional(tags::PATIENT_COMMENTS),
];

/// What can be asked of the worklist and is answered, for the conformance statement too.
#[must_use]
pub fn worklist_attributes() -> &'static [WorklistAttribute] {
    ATTRIBUTES
}

/// A C-FIND request of the Modality Worklist model (PS3.4 annex K).
pub struct WorklistFind {
    keys: Vec<Key>,
    left_out: bool,
    coding: Coding,
}

impl std::fmt::Debug for WorklistFind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorklistFind").finish_non_exhaustive()
    }
}

impl WorklistFind {
    /// # Errors
    /// When a value cannot be searched for.
    pub fn read(request: &DataSet) -> Result<Self, Error> {
        let supports = |parent: Option<Tag>, tag: Tag| {
            let row = ATTRIBUTES
                .iter()
                .find(|row| row.parent == parent && row.tag == tag)?;
            Some(if row.conditional {
                Support::Conditional
            } else {
                Support::Always
            })
        };
        let keys = key::read(request.view(), None, &supports)?;
        Ok(Self {
            keys: keys.keys,
            left_out: keys.left_out,
            coding: Coding::for_answer(request),
        })
    }

    /// As [`super::Find::pending_status`] (PS3.4 table K.4-1).
    #[must_use]
    pub fn pending_status(&self) -> u16 {
        if self.left_out { 0xFF01 } else { 0xFF00 }
    }

    #[must_use]
    pub fn matches(&self, order: &Record) -> bool {
        all_match(&self.keys, order)
    }

    #[must_use]
    pub fn answer(&self, order: &Record) -> DataSet {
        let mut answer = requested(&self.keys, &|tag| order.get(tag), self.coding);
        answer.declare(self.coding);
        answer
    }
}
