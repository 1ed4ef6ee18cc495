//! Answers to C-FIND, and the files that C-MOVE and C-GET send.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::vec;

use barefoot_domain::StudyUid;
use barefoot_imaging::data_set::DataSet;
use barefoot_imaging::query::{Find, Level, Record, Retrieve};
use barefoot_imaging::tags::{self, Tag};

use super::line::{self, Instance};
use super::study_index::StudyIndex;
use super::{Archive, upkeep};
use crate::study_folder::StudyKey;

/// Files that one retrieve may send: what its counts can say.
const MOST_FILES: usize = 65_535;

/// A file to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredFile {
    pub study: StudyKey,
    pub path: PathBuf,
    /// Bytes of the file.
    pub length: u64,
    pub sop_class_uid: String,
    pub sop_instance_uid: String,
    pub transfer_syntax: String,
}

/// More was asked for than one operation sends.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("more than {MOST_FILES} images are asked for at once: ask for less")]
pub(crate) struct TooMany;

impl Archive {
    /// Answers one after the other; reads the disk, so not on a thread that must not wait.
    pub(crate) fn find(&self, find: Find, retrieve_ae: &str) -> Answers {
        self.look_at_changed();
        let studies = self.candidates(|| find.uids(tags::STUDY_UID));
        let mut answers = Answers {
            archive: self.clone(),
            find,
            retrieve_ae: retrieve_ae.to_owned(),
            studies: Vec::new().into_iter(),
            ready: VecDeque::new(),
        };
        if answers.find.level() == Level::Patient {
            answers.ready = answers.patients(&studies);
        } else {
            answers.studies = studies.into_iter();
        }
        answers
    }

    /// The files a retrieve asks for.
    ///
    /// # Errors
    /// When there are too many.
    pub(crate) fn files(&self, retrieve: &Retrieve) -> Result<Vec<StoredFile>, TooMany> {
        self.look_at_changed();
        let mut files = Vec::new();
        for (key, study) in self.candidates(|| retrieve.values(Level::Study)) {
            let patient = study.study.text(tags::PATIENT_ID).unwrap_or_default();
            let uid = study.study.text(tags::STUDY_UID).unwrap_or_default();
            if !retrieve.takes(Level::Patient, patient) || !retrieve.takes(Level::Study, uid) {
                continue;
            }
            for instance in self.instances(&key) {
                let attributes = line::record(&instance.attributes);
                let sop_instance_uid = attributes.text(tags::SOP_INSTANCE).unwrap_or_default();
                if !retrieve.takes(Level::Series, &instance.series)
                    || !retrieve.takes(Level::Image, sop_instance_uid)
                {
                    continue;
                }
                if MOST_FILES <= files.len() {
                    return Err(TooMany);
                }
                files.push(StoredFile {
                    study: key.clone(),
                    path: self.inner.state.instances(&key).join(&instance.file),
                    length: instance.length,
                    sop_class_uid: attributes.text(tags::SOP_CLASS).unwrap_or_default().to_owned(),
                    sop_instance_uid: sop_instance_uid.to_owned(),
                    transfer_syntax: instance.transfer_syntax,
                });
            }
        }
        Ok(files)
    }

    /// The studies of these UIDs, or all, newest first.
    fn candidates<'a>(
        &self,
        uids: impl FnOnce() -> Option<&'a std::collections::BTreeSet<String>>,
    ) -> Vec<(StudyKey, Arc<StudyIndex>)> {
        let Some(uids) = uids() else {
            return self.all();
        };
        let keys = uids.iter().filter_map(|uid| StudyUid::new(uid.as_str()).ok());
        keys.map(|uid| StudyKey::of(&uid))
            .filter_map(|key| Some((key.clone(), self.get(&key)?)))
            .collect()
    }

    fn instances(&self, study: &StudyKey) -> Vec<Instance> {
        upkeep::instances(&self.inner.state, study).unwrap_or_else(|error| {
            tracing::warn!(%study, %error, "A study's instances cannot be listed.");
            Vec::new()
        })
    }
}

/// The data sets of C-FIND's pending answers.
#[derive(Debug)]
pub(crate) struct Answers {
    archive: Archive,
    find: Find,
    retrieve_ae: String,
    studies: vec::IntoIter<(StudyKey, Arc<StudyIndex>)>,
    /// Of the study last looked at.
    ready: VecDeque<DataSet>,
}

impl Answers {
    fn of_study(&self, key: &StudyKey, study: &StudyIndex) -> VecDeque<DataSet> {
        let answer = |chain: &[&Record]| {
            let matches = self.find.matches(chain);
            matches.then(|| self.find.answer(chain, &self.retrieve_ae))
        };
        if !self.find.may_match(Level::Study, &study.study) {
            return VecDeque::new();
        }
        match self.find.level() {
            Level::Patient | Level::Study => answer(&[&study.study]).into_iter().collect(),
            Level::Series => study
                .series
                .iter()
                .filter_map(|series| answer(&[series, &study.study]))
                .collect(),
            Level::Image => self.images(key, study, &answer),
        }
    }

    fn images(
        &self,
        key: &StudyKey,
        study: &StudyIndex,
        answer: &dyn Fn(&[&Record]) -> Option<DataSet>,
    ) -> VecDeque<DataSet> {
        let mut instances = upkeep::by_series(self.archive.instances(key));
        let wanted = |uid: &str| match self.find.uids(tags::SERIES_UID) {
            Some(uids) => uids.contains(uid),
            None => true,
        };
        let mut found = VecDeque::new();
        for series in &study.series {
            let uid = series.text(tags::SERIES_UID).unwrap_or_default();
            for instance in instances.remove(uid).filter(|_| wanted(uid)).unwrap_or_default() {
                let image = line::record(&instance.attributes);
                found.extend(answer(&[&image, series, &study.study]));
            }
        }
        found
    }

    /// Patients are what studies have in common: one id, or one name where there is none.
    fn patients(&self, studies: &[(StudyKey, Arc<StudyIndex>)]) -> VecDeque<DataSet> {
        let mut patients: BTreeMap<[&str; 3], (Record, [u64; 3])> = BTreeMap::new();
        for (_, study) in studies {
            let text = |tag| study.study.text(tag).unwrap_or_default();
            let id = text(tags::PATIENT_ID);
            let name = if id.is_empty() {
                text(tags::PATIENT_NAME)
            } else {
                ""
            };
            let patient = patients.entry([id, text(tags::PATIENT_ID_ISSUER), name]);
            let (_, counts) = patient.or_insert_with(|| (study.study.clone(), [0; 3]));
            let [studies, series, instances] = counts;
            *studies += 1;
            *series += study.series.len() as u64;
            *instances += u64::from(study.instances);
        }
        let answers = patients
            .into_values()
            .filter_map(|(mut patient, [studies, series, instances])| {
                let counts: [(Tag, u64); 3] = [
                    (tags::PATIENT_STUDIES, studies),
                    (tags::PATIENT_SERIES, series),
                    (tags::PATIENT_INSTANCES, instances),
                ];
                for (tag, count) in counts {
                    patient.put(tag, &count.to_string());
                }
                let matches = self.find.matches(&[&patient]);
                matches.then(|| self.find.answer(&[&patient], &self.retrieve_ae))
            });
        answers.collect()
    }
}

impl Iterator for Answers {
    type Item = DataSet;

    fn next(&mut self) -> Option<DataSet> {
        loop {
            if let Some(answer) = self.ready.pop_front() {
                return Some(answer);
            }
            let (key, study) = self.studies.next()?;
            self.ready = self.of_study(&key, &study);
        }
    }
}
