//! Whose a study is, in the words of its images.

use crate::header::Header;
use crate::report::{Identity, Image, Study, Subject, Who};
use crate::tags::{self, Tag};

/// The patient and the study as the first image says, and every image. `None` without one.
#[must_use]
pub fn subject_of(headers: &[Header]) -> Option<Subject> {
    let first = headers.first()?;
    let patient = first.patient();
    let said = |tag: Tag| first.decoded(tag).unwrap_or_default();
    Some(Subject {
        who: Who::Patient(Identity {
            name: patient.name.map(|text| text.value).unwrap_or_default(),
            id: patient.id.map(|text| text.value).unwrap_or_default(),
            id_issuer: said(tags::PATIENT_ID_ISSUER),
            birth_date: patient.birth_date.unwrap_or_default(),
            sex: patient.sex.unwrap_or_default(),
            age: patient.age.unwrap_or_default(),
        }),
        study: Study {
            uid: first.study_uid().as_str().to_owned(),
            id: said(tags::STUDY_ID),
            date: first.study_date().unwrap_or_default(),
            time: first.study_time().unwrap_or_default(),
            accession: first
                .accession_number()
                .map(|text| text.value)
                .unwrap_or_default(),
            description: first
                .study_description()
                .map(|text| text.value)
                .unwrap_or_default(),
            referring: said(tags::REFERRING_PHYSICIAN),
        },
        images: headers.iter().map(image_of).collect(),
    })
}

pub(super) fn image_of(header: &Header) -> Image {
    Image {
        named: header.sop_instance_uid().to_owned(),
        sop_instance: header.sop_instance_uid().to_owned(),
        sop_class: header.sop_class_uid().to_owned(),
        series: header.series_uid().unwrap_or_default().to_owned(),
        frames: header.frames(),
    }
}
