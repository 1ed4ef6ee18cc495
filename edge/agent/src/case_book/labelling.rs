//! What people say about a study, written down before it counts.

use std::sync::PoisonError;

use barefoot_domain::{CaseId, FindingCode};

use super::{CaseBook, Error};
use crate::case_log::Entry;
use crate::labels::{ConsentFor, Giver, Label, Word};
use crate::study_folder::StudyKey;

/// What became of somebody's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Labelled {
    /// Written down; it survives a power cut.
    New,
    /// It was written down before.
    Known,
    /// It can never be written down, with the reason for the log and for whoever said it.
    Impossible(&'static str),
}

impl CaseBook {
    /// The study a pseudonym stands for; `None` when it is not on this box.
    #[must_use]
    pub(crate) fn study_of(&self, case: &CaseId) -> Option<StudyKey> {
        self.index.study_of(case)
    }

    /// What the hub calls a study.
    #[cfg(test)]
    pub(crate) fn case_number(&self, study: &StudyKey) -> Option<CaseId> {
        Some(self.index.get(study)?.case.clone())
    }

    /// Writes down somebody's word on a finding. An attempt that failed may have reached the disk all the same: try again
    /// with the same label, it is counted once.
    ///
    /// # Errors
    /// When the log cannot be written; try again later.
    pub(crate) fn record_label(
        &self,
        study: &StudyKey,
        label: &Label,
        now_ms: i64,
    ) -> Result<Labelled, Error> {
        let _one_at_a_time = self.labelling.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(view) = self.index.get(study) else {
            return Ok(Labelled::Impossible("there is no such study"));
        };
        if label.version == 0 || view.version < label.version {
            return Ok(Labelled::Impossible("there is no such version of the study"));
        }
        if view.labels.knows(&label.correction_id) {
            return Ok(Labelled::Known);
        }
        if view.labels.is_full() {
            return Ok(Labelled::Impossible(
                "the study has more labels than can be meant",
            ));
        }
        let entry = Entry::Label {
            at_ms: now_ms,
            correction_id: label.correction_id.clone(),
            source: label.source,
            labelled_version: label.version,
            finding: label.finding.as_str().to_owned(),
            present: label.present,
            by: String::new(),
        };
        self.log(study, std::slice::from_ref(&entry))?;
        self.put_word(study, &entry);
        tracing::info!(%study, source = ?label.source, "A finding was labelled.");
        Ok(Labelled::New)
    }

    /// Writes down what a patient, or a guardian, says to learning or research; after `true` it survives a power cut. `false`
    /// when there is no such study.
    ///
    /// # Errors
    /// When the log cannot be written; try again later.
    pub(crate) fn record_consent(
        &self,
        study: &StudyKey,
        for_what: ConsentFor,
        (allowed, giver): (bool, Giver),
        by: &str,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let _one_at_a_time = self.labelling.lock().unwrap_or_else(PoisonError::into_inner);
        if self.index.get(study).is_none() {
            return Ok(false);
        }
        // Also the same again: a word on another study of the patient may have come between.
        let entry = Entry::Consent {
            at_ms: now_ms,
            for_what,
            allowed,
            giver,
            by: by.to_owned(),
        };
        self.log(study, std::slice::from_ref(&entry))?;
        self.put_word(study, &entry);
        tracing::info!(%study, ?for_what, allowed, ?giver, "A word on what may be done with a study was written down.");
        Ok(true)
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
            Entry::Learning { allowed, at_ms, .. } => {
                let word = Word {
                    allowed: *allowed,
                    giver: Giver::Patient,
                    at_ms: *at_ms,
                };
                self.index
                    .update(study, |view| view.labels.set_word(ConsentFor::Learning, word));
            }
            Entry::Consent {
                at_ms,
                for_what,
                allowed,
                giver,
                ..
            } => {
                let word = Word {
                    allowed: *allowed,
                    giver: *giver,
                    at_ms: *at_ms,
                };
                self.index
                    .update(study, |view| view.labels.set_word(*for_what, word));
            }
            Entry::FromHub { .. }
            | Entry::ToHub { .. }
            | Entry::MessagesSeen { .. }
            | Entry::Receipted { .. }
            | Entry::OwedAgain { .. }
            | Entry::Refused { .. } => self.put_talk(study, entry),
            Entry::Settled { .. } | Entry::Assessed { .. } | Entry::ImagesRemoved { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::character_sets::CharacterSets;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use barefoot_domain::{ClinicId, StudyUid};
    use barefoot_trust::PseudonymKey;

    use super::*;
    use crate::case_index::CaseIndex;
    use crate::case_log::{self, PatientText};
    use crate::handoff::SettledStudy;
    use crate::labels::LabelSource;
    use crate::study_folder::StateDirectory;

    fn book(root: &Path) -> (CaseBook, CaseIndex) {
        let index = CaseIndex::default();
        let pseudonyms = PseudonymKey::load_or_create(&root.join("pseudonym.key")).unwrap();
        let state = StateDirectory::open(root).unwrap();
        let clinic = ClinicId::new("clinic-7").unwrap();
        let book = CaseBook::new(state, clinic, pseudonyms, index.clone(), CharacterSets::default());
        book.recover().unwrap();
        (book, index)
    }

    fn one_study(root: &Path) -> StudyKey {
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
        let says = |book: &CaseBook, id, present| book.record_label(&key, &label(id, present), 5).unwrap();
        assert_eq!(says(&first, "a", true), Labelled::New);
        assert_eq!(says(&first, "a", true), Labelled::Known);
        assert_eq!(says(&first, "b", false), Labelled::New);
        let says = |for_what, word| first.record_consent(&key, for_what, word, "", 8).unwrap();
        assert!(says(ConsentFor::Learning, (false, Giver::Patient)));
        assert!(says(ConsentFor::Research, (true, Giver::Guardian)));
        let before = index.get(&key).unwrap();
        drop(first);

        let (second, index) = book(root.path());
        let after = index.get(&key).unwrap();
        assert_eq!(after.labels, before.labels);
        let word = |for_what| after.labels.word(for_what).map(|word| (word.allowed, word.giver));
        assert_eq!(word(ConsentFor::Learning), Some((false, Giver::Patient)));
        assert_eq!(word(ConsentFor::Research), Some((true, Giver::Guardian)));
        assert!(!after.labels.of(&label("b", false).finding).unwrap().present);
        assert_eq!(
            second.record_label(&key, &label("a", true), 5).unwrap(),
            Labelled::Known
        );
        assert_eq!(second.study_of(&before.case), Some(key.clone()));
    }

    #[test]
    fn a_no_said_before_the_first_version_or_after_a_damaged_line_survives_a_restart() {
        let root = tempfile::tempdir().unwrap();
        let key = one_study(root.path());
        let log = StateDirectory::open(root.path()).unwrap().case_log(&key);
        let settled = std::fs::read(&log).unwrap();
        let no = Entry::Learning {
            at_ms: 1,
            allowed: false,
            by: String::new(),
        };
        std::fs::remove_file(&log).unwrap();
        case_log::append(&log, &[no]).unwrap();
        let said = std::fs::read(&log).unwrap();
        let damaged = [b"00000000 ", settled.as_slice()].concat();
        for before in [&b""[..], &damaged] {
            std::fs::write(&log, [before, &said, &settled].concat()).unwrap();
            let (_, index) = book(root.path());
            let word = index.get(&key).unwrap().labels.word(ConsentFor::Learning);
            assert_eq!(word.map(|word| word.allowed), Some(false));
        }
    }

    #[test]
    fn a_word_said_while_a_study_settles_is_not_lost() {
        let root = tempfile::tempdir().unwrap();
        let key = one_study(root.path());
        let (book, index) = book(root.path());
        let settled = SettledStudy {
            study: key.clone(),
            version: 2,
            study_uid: StudyUid::new("1.2.3").unwrap(),
            received_at_ms: 1,
            identity_conflict: false,
            instances: Vec::new(),
        };
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    book.put_settled(&settled, "DX", PatientText::default(), 0);
                }
            });
            let mut kept = true;
            for number in 0..5000 {
                let allowed = number % 2 == 0;
                let word = Entry::Learning {
                    at_ms: 1,
                    allowed,
                    by: String::new(),
                };
                book.put_word(&key, &word);
                let word = index.get(&key).unwrap().labels.word(ConsentFor::Learning);
                kept &= word.map(|word| word.allowed) == Some(allowed);
            }
            done.store(true, Ordering::Relaxed);
            assert!(kept);
        });
    }

    #[test]
    fn a_label_for_what_is_not_here_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let key = one_study(root.path());
        let (book, _) = book(root.path());
        let other = StudyKey::of(&StudyUid::new("1.2.4").unwrap());
        let mut later = label("a", true);
        later.version = 2;
        for (study, label) in [(&other, label("a", true)), (&key, later)] {
            let answer = book.record_label(study, &label, 1).unwrap();
            assert!(matches!(answer, Labelled::Impossible(_)), "{answer:?}");
        }
        let yes = (true, Giver::Patient);
        assert!(
            !book
                .record_consent(&other, ConsentFor::Research, yes, "", 1)
                .unwrap()
        );
    }
}
