//! What memory holds of one study.

use std::collections::{BTreeMap, BTreeSet};

use barefoot_imaging::query::Record;
use barefoot_imaging::tags::{self, Tag};
use serde::{Deserialize, Serialize};

use super::line::{self, Attributes, Line};

/// A study and its series, with their counts among the attributes.
#[derive(Debug)]
pub(super) struct StudyIndex {
    pub(super) study: Record,
    pub(super) series: Vec<Record>,
    pub(super) instances: u32,
}

impl StudyIndex {
    /// The study's day and time, to sort by.
    pub(super) fn when(&self) -> (&str, &str) {
        let text = |tag| self.study.text(tag).unwrap_or_default();
        (text(tags::STUDY_DATE), text(tags::STUDY_TIME))
    }

    /// The sum of a study's lines; `None` where there is no instance.
    ///
    /// The first series says what the study is, later ones what it left out.
    pub(super) fn of(lines: &[Line]) -> Option<Self> {
        let mut study = Record::default();
        let mut series: BTreeMap<&str, (Record, u32)> = BTreeMap::new();
        let (mut instances, mut classes) = (0_u32, BTreeSet::new());
        for line in lines {
            match line {
                Line::Series {
                    uid,
                    study: of_study,
                    attributes,
                } => {
                    adopt(&mut study, &line::record(of_study));
                    let (record, _) = series.entry(uid).or_default();
                    adopt(record, &line::record(attributes));
                }
                Line::Instance(instance) => {
                    instances += 1;
                    series.entry(&instance.series).or_default().1 += 1;
                    let class = line::record(&instance.attributes);
                    classes.extend(class.text(tags::SOP_CLASS).map(ToOwned::to_owned));
                }
            }
        }
        series.retain(|_, (_, count)| 0 < *count);
        let modalities: BTreeSet<&str> = series
            .values()
            .filter_map(|(record, _)| record.text(tags::MODALITY))
            .collect();
        study.put(tags::MODALITIES_IN_STUDY, &joined(modalities));
        study.put(
            tags::SOP_CLASSES_IN_STUDY,
            &joined(classes.iter().map(String::as_str)),
        );
        study.put(tags::STUDY_SERIES, &series.len().to_string());
        study.put(tags::STUDY_INSTANCES, &instances.to_string());
        let series = series.into_values().map(|(mut record, count)| {
            record.put(tags::SERIES_INSTANCES, &count.to_string());
            record
        });
        (0 < instances).then(|| Self {
            study,
            series: series.collect(),
            instances,
        })
    }
}

fn adopt(record: &mut Record, other: &Record) {
    let missing: Vec<(Tag, &str)> = other
        .iter()
        .filter_map(|(tag, _)| Some((tag, other.text(tag)?)))
        .filter(|(tag, _)| record.get(*tag).is_none())
        .collect();
    for (tag, text) in missing {
        record.put(tag, text);
    }
}

fn joined<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let values: Vec<&str> = values.into_iter().collect();
    values.join("\\")
}

/// `instances.sum`: an index, and what it was made from.
#[derive(Serialize, Deserialize)]
pub(super) struct Summary {
    /// When the folder of instances changed last.
    pub(super) folder_changed_ns: i64,
    pub(super) log_bytes: u64,
    study: Attributes,
    series: Vec<Attributes>,
    instances: u32,
}

impl Summary {
    pub(super) fn new(study: &StudyIndex, folder_changed_ns: i64, log_bytes: u64) -> Self {
        Self {
            folder_changed_ns,
            log_bytes,
            study: line::attributes(&study.study),
            series: study.series.iter().map(line::attributes).collect(),
            instances: study.instances,
        }
    }

    pub(super) fn into_index(self) -> StudyIndex {
        StudyIndex {
            study: line::record(&self.study),
            series: self.series.iter().map(line::record).collect(),
            instances: self.instances,
        }
    }
}
