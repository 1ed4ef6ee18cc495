//! What the clinic sees of every case, in memory: written by `case_book`, read by `clinic_page`.
//!
//! It is an index, not a store: made from the study folders at every start.

#[cfg(test)]
pub(crate) mod samples;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use barefoot_domain::{Assessment, CaseId};
use tokio::sync::watch;

use crate::case_log::PatientText;
use crate::labels::Labels;
use crate::reading::Reading;
use crate::study_folder::StudyKey;

/// How far a case has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CaseState {
    /// Images are arriving or were just completed.
    Receiving,
    /// The images are complete and the model is at work.
    Assessing,
    Assessed,
}

/// How far the newest result has come on its way to the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Delivery {
    None,
    Queued { envelope_id: String },
    Receipted { envelope_id: String },
    Refused { envelope_id: String, reason: String },
}

/// One study as the clinic sees it.
#[derive(Debug, Clone)]
pub(crate) struct CaseView {
    pub study: StudyKey,
    /// The DICOM Study Instance UID; stays inside the clinic.
    pub study_uid: String,
    pub case: CaseId,
    /// The newest version settled; 0 before the first.
    pub version: u32,
    pub modality: String,
    pub instances: usize,
    pub patient: PatientText,
    pub state: CaseState,
    pub received_at_ms: i64,
    pub assessed_at_ms: Option<i64>,
    pub assessment: Option<Assessment>,
    pub has_preview: bool,
    pub has_heat_map: bool,
    /// The picture as a presentation state that came with the study wants it.
    pub has_presented: bool,
    pub delivery: Delivery,
    /// Images under one UID with different content: a person must look.
    pub conflicts: usize,
    /// What people said about it.
    pub labels: Labels,
    /// What clinic and hub said to each other of it.
    pub reading: Reading,
    /// When the box was done with its images; images that came later are there again.
    pub images_removed_at_ms: Option<i64>,
}

/// Cheap to clone; all clones see the same cases.
#[derive(Debug, Clone)]
pub(crate) struct CaseIndex {
    cases: Arc<RwLock<HashMap<StudyKey, Arc<CaseView>>>>,
    revision: watch::Sender<u64>,
}

impl Default for CaseIndex {
    fn default() -> Self {
        Self {
            cases: Arc::default(),
            revision: watch::Sender::new(0),
        }
    }
}

impl CaseIndex {
    pub(crate) fn put(&self, view: CaseView) {
        self.write(|cases| {
            cases.insert(view.study.clone(), Arc::new(view));
        });
    }

    /// Puts a case in the place of what is known of it, with nothing said in between.
    pub(crate) fn renew(&self, study: &StudyKey, make: impl FnOnce(Option<&CaseView>) -> CaseView) {
        self.write(|cases| {
            let view = make(cases.get(study).map(Arc::as_ref));
            cases.insert(study.clone(), Arc::new(view));
        });
    }

    /// Changes a case in place; `false` when it is not known.
    pub(crate) fn update(&self, study: &StudyKey, change: impl FnOnce(&mut CaseView)) -> bool {
        self.write(|cases| match cases.get_mut(study) {
            Some(view) => {
                change(Arc::make_mut(view));
                true
            }
            None => false,
        })
    }

    fn write<T>(&self, change: impl FnOnce(&mut HashMap<StudyKey, Arc<CaseView>>) -> T) -> T {
        let outcome = change(&mut self.cases.write().unwrap_or_else(PoisonError::into_inner));
        self.revision.send_modify(|revision| *revision += 1);
        outcome
    }

    #[must_use]
    pub(crate) fn get(&self, study: &StudyKey) -> Option<Arc<CaseView>> {
        self.cases
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(study)
            .cloned()
    }

    /// The study a pseudonym stands for.
    #[must_use]
    pub(crate) fn study_of(&self, case: &CaseId) -> Option<StudyKey> {
        let cases = self.cases.read().unwrap_or_else(PoisonError::into_inner);
        let found = cases.values().find(|view| view.case == *case)?;
        Some(found.study.clone())
    }

    /// Every case, in no order.
    #[must_use]
    pub(crate) fn all(&self) -> Vec<Arc<CaseView>> {
        let cases = self.cases.read().unwrap_or_else(PoisonError::into_inner);
        cases.values().cloned().collect()
    }

    /// The newest `limit` cases by arrival, newest first.
    #[must_use]
    pub(crate) fn newest(&self, limit: usize) -> Vec<Arc<CaseView>> {
        let mut all = self.all();
        all.sort_by(|a, b| (b.received_at_ms, &b.study).cmp(&(a.received_at_ms, &a.study)));
        all.truncate(limit);
        all
    }

    /// Changes whenever a case does.
    #[must_use]
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }
}
