//! What people say about a study, written down before it counts.

use std::sync::PoisonError;

use barefoot_domain::{CaseId, FindingCode};

use super::{CaseBook, Error};
use crate::case_log::Entry;
use crate::labels::Label;
use crate::study_folder::StudyKey;

impl CaseBook {
    /// The study a pseudonym stands for; `None` when it is not on this box.
    #[must_use]
    pub(crate) fn study_of(&self, case: &CaseId) -> Option<StudyKey> {
        self.index.study_of(case)
    }

    /// Writes down somebody's word on a finding; after `Ok` it survives a power cut. `false` when the same correction was
    /// written down before. An attempt that failed may have reached the disk all the same: try again with the same label,
    /// it is counted once.
    ///
    /// # Errors
    /// When the study or the version is not known, has labels without end, or the log cannot be written.
    pub(crate) fn record_label(&self, study: &StudyKey, label: Label, now_ms: i64) -> Result<bool, Error> {
        let _one_at_a_time = self.labelling.lock().unwrap_or_else(PoisonError::into_inner);
        let view = self.index.get(study).ok_or(Error::Unknown)?;
        if label.version == 0 || view.version < label.version {
            return Err(Error::Unknown);
        }
        if view.labels.knows(&label.correction_id) {
            return Ok(false);
        }
        if view.labels.is_full() {
            return Err(Error::TooManyLabels);
        }
        let entry = Entry::Label {
            at_ms: now_ms,
            correction_id: label.correction_id.clone(),
            source: label.source,
            labelled_version: label.version,
            finding: label.finding.as_str().to_owned(),
            present: label.present,
        };
        self.log(study, std::slice::from_ref(&entry))?;
        self.put_word(study, &entry);
        tracing::info!(%study, source = ?label.source, "A finding was labelled.");
        Ok(true)
    }

    /// Writes down whether the box may learn from the study; after `Ok` it survives a power cut.
    ///
    /// # Errors
    /// When the study is not known, or the log cannot be written.
    pub(crate) fn record_learning(&self, study: &StudyKey, allowed: bool, now_ms: i64) -> Result<(), Error> {
        let _one_at_a_time = self.labelling.lock().unwrap_or_else(PoisonError::into_inner);
        let view = self.index.get(study).ok_or(Error::Unknown)?;
        if view.labels.learning() == Some(allowed) {
            return Ok(());
        }
        let entry = Entry::Learning {
            at_ms: now_ms,
            allowed,
        };
        self.log(study, std::slice::from_ref(&entry))?;
        self.put_word(study, &entry);
        tracing::info!(%study, allowed, "A patient's word on learning was written down.");
        Ok(())
    }

    /// Shows what the log says. A finding that is no code is from a damaged or newer log and is left alone.
    pub(super) fn put_word(&self, study: &StudyKey, entry: &Entry) {
        match entry {
            Entry::Label {
                correction_id,
                source,
                labelled_version,
                finding,
                present,
                ..
            } => {
                let Ok(finding) = FindingCode::new(finding.clone()) else {
                    return;
                };
                let label = Label {
                    correction_id: correction_id.clone(),
                    source: *source,
                    version: *labelled_version,
                    finding,
                    present: *present,
                };
                self.index.update(study, |view| {
                    view.labels.say(label);
                });
            }
            Entry::Learning { allowed, .. } => {
                self.index
                    .update(study, |view| view.labels.set_learning(*allowed));
            }
            Entry::Settled { .. }
            | Entry::Assessed { .. }
            | Entry::Receipted { .. }
            | Entry::Refused { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use barefoot_domain::{ClinicId, StudyUid};
    use barefoot_trust::PseudonymKey;

    use super::*;
    use crate::case_index::CaseIndex;
    use crate::case_log::{self, PatientText};
    use crate::labels::LabelSource;
    use crate::study_folder::StateDirectory;

    fn book(root: &std::path::Path) -> (CaseBook, CaseIndex) {
        let index = CaseIndex::default();
        let pseudonyms = PseudonymKey::load_or_create(&root.join("pseudonym.key")).unwrap();
        let state = StateDirectory::open(root).unwrap();
        let book = CaseBook::new(
            state,
            ClinicId::new("clinic-7").unwrap(),
            pseudonyms,
            index.clone(),
        );
        (book, index)
    }

    fn one_study(root: &std::path::Path) -> StudyKey {
        let uid = StudyUid::new("1.2.3").unwrap();
        let key = StudyKey::of(&uid);
        let state = StateDirectory::open(root).unwrap();
        std::fs::create_dir_all(state.instances(&key)).unwrap();
        let settled = Entry::Settled {
            version: 1,
            at_ms: 1,
            received_at_ms: 1,
            study_uid: uid.as_str().to_owned(),
            instances: Vec::new(),
            modality: "DX".into(),
            patient: PatientText::default(),
            conflicts: 0,
            strangers: 0,
        };
        case_log::append(&state.case_log(&key), &[settled]).unwrap();
        key
    }

    fn label(id: &str, present: bool) -> Label {
        Label {
            correction_id: id.into(),
            source: LabelSource::Expert,
            version: 1,
            finding: FindingCode::new("pneumonia").unwrap(),
            present,
        }
    }

    #[test]
    fn labels_and_consent_survive_a_restart_and_count_once() {
        let root = tempfile::tempdir().unwrap();
        let key = one_study(root.path());
        let (first, index) = book(root.path());
        first.recover().unwrap();
        assert!(first.record_label(&key, label("a", true), 5).unwrap());
        assert!(!first.record_label(&key, label("a", true), 6).unwrap());
        assert!(first.record_label(&key, label("b", false), 7).unwrap());
        first.record_learning(&key, false, 8).unwrap();
        let before = index.get(&key).unwrap().labels.clone();
        let case = index.get(&key).unwrap().case.clone();
        drop(first);
        let (second, index) = book(root.path());
        second.recover().unwrap();
        let view = index.get(&key).unwrap();
        assert_eq!(view.labels, before);
        assert_eq!(view.labels.learning(), Some(false));
        assert!(!view.labels.of(&label("b", false).finding).unwrap().present);
        assert!(!second.record_label(&key, label("a", true), 9).unwrap());
        assert_eq!(second.study_of(&case), Some(key));
    }

    #[test]
    fn a_label_for_what_is_not_here_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let key = one_study(root.path());
        let (book, _) = book(root.path());
        book.recover().unwrap();
        let other = StudyKey::of(&StudyUid::new("1.2.4").unwrap());
        assert!(matches!(
            book.record_label(&other, label("a", true), 1),
            Err(Error::Unknown)
        ));
        let mut later = label("a", true);
        later.version = 2;
        assert!(matches!(book.record_label(&key, later, 1), Err(Error::Unknown)));
        assert!(matches!(
            book.record_learning(&other, true, 1),
            Err(Error::Unknown)
        ));
    }
}
