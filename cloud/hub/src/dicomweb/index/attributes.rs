use std::collections::BTreeMap;

use barefoot_imaging::data_set::{DataSet, View, Vr};
use barefoot_imaging::tags::{self, Tag};
use barefoot_wire::images::ObjectId;

use crate::archive::{IndexedInstance, IndexedSeries, IndexedStudy};

/// In the order of the study's columns.
const STUDY: [Tag; 9] = [
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::ACCESSION,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::STUDY_ID,
    tags::STUDY_DESCRIPTION,
];

const SERIES: [Tag; 9] = [
    tags::MODALITY,
    tags::SERIES_NUMBER,
    tags::SERIES_DESCRIPTION,
    tags::SERIES_DATE,
    tags::SERIES_TIME,
    tags::BODY_PART,
    tags::LATERALITY,
    tags::MANUFACTURER,
    tags::PROTOCOL_NAME,
];

/// The transfer syntax, which is none of the data set's, follows them.
const INSTANCE: [Tag; 8] = [
    tags::SOP_CLASS,
    tags::INSTANCE_NUMBER,
    tags::CONTENT_DATE,
    tags::CONTENT_TIME,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::BITS_ALLOCATED,
];

/// One image's attributes at each level.
#[derive(Debug)]
pub(super) struct Read {
    study_uid: String,
    series_uid: String,
    study: [String; 9],
    series: [String; 9],
    instance: IndexedInstance,
}

impl Read {
    pub(super) fn new(id: ObjectId, bytes: u64, transfer_syntax: &str, set: &DataSet) -> Self {
        let view = set.view();
        let text = |tag| text(view, tag);
        let mut values: [String; 9] =
            std::array::from_fn(|at| INSTANCE.get(at).map_or_else(String::new, |tag| text(*tag)));
        if let Some(last) = values.last_mut() {
            transfer_syntax.clone_into(last);
        }
        Self {
            study_uid: text(tags::STUDY_UID),
            series_uid: text(tags::SERIES_UID),
            study: STUDY.map(text),
            series: SERIES.map(text),
            instance: IndexedInstance {
                uid: text(tags::SOP_INSTANCE),
                object: id,
                bytes,
                values,
            },
        }
    }

    pub(super) fn study_uid(&self) -> &str {
        &self.study_uid
    }

    pub(super) fn uid(&self) -> &str {
        &self.instance.uid
    }
}

/// Of a study's attributes those of its first image count, where a later one fills what it left empty.
pub(super) fn study_of(mut images: Vec<Read>) -> IndexedStudy {
    images.sort_by(|a, b| a.instance.uid.cmp(&b.instance.uid));
    images.dedup_by(|a, b| a.instance.uid == b.instance.uid);
    let mut study: [String; 9] = Default::default();
    let mut series: BTreeMap<String, IndexedSeries> = BTreeMap::new();
    for image in images {
        fill(&mut study, image.study);
        let found = series
            .entry(image.series_uid.clone())
            .or_insert_with(|| IndexedSeries {
                uid: image.series_uid,
                values: Default::default(),
                instances: Vec::new(),
            });
        fill(&mut found.values, image.series);
        found.instances.push(image.instance);
    }
    IndexedStudy {
        values: study,
        series: series.into_values().collect(),
    }
}

fn fill(values: &mut [String; 9], more: [String; 9]) {
    for (value, more) in values.iter_mut().zip(more) {
        if value.is_empty() {
            *value = more;
        }
    }
}

fn text(view: View<'_>, tag: Tag) -> String {
    if Vr::of(tag) == Vr::US {
        return view.u16(tag).map(|number| number.to_string()).unwrap_or_default();
    }
    view.string(tag).unwrap_or_default()
}
