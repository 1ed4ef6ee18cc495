//! A study's images leave the box, its result stays. Crash-safe: the folder goes out of the way in one rename, that is
//! made durable, then written down, then the files go. A start that finds the folder out of the way finishes it.

use std::fs;
use std::io;

use super::{CaseBook, Error};
use crate::case_log::Entry;
use crate::study_folder::{StudyKey, sync_directory};

impl CaseBook {
    /// Removes every image of the study. Only `retention` decides which.
    ///
    /// # Errors
    /// When the disk fails; the next start finishes what was begun.
    pub(crate) fn remove_images(&self, study: &StudyKey, at_ms: i64) -> Result<(), Error> {
        let (images, removed) = (self.state.instances(study), self.state.removed_instances(study));
        let in_folder = |source| Error::Folder { source };
        match fs::rename(&images, &removed) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(in_folder)?,
        }
        self.finish_removal(study, at_ms)
    }

    /// From the rename on. Does nothing where none was begun.
    pub(super) fn finish_removal(&self, study: &StudyKey, at_ms: i64) -> Result<(), Error> {
        let removed = self.state.removed_instances(study);
        let in_folder = |source| Error::Folder { source };
        let images = match fs::read_dir(&removed) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(in_folder)?.count(),
        };
        sync_directory(&self.state.study(study)).map_err(in_folder)?;
        self.log(study, &[Entry::ImagesRemoved { at_ms, images }])?;
        fs::remove_dir_all(&removed).map_err(in_folder)?;
        self.index.update(study, |view| {
            view.instances = 0;
            view.images_removed_at_ms = Some(at_ms);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use barefoot_domain::ClinicId;
    use barefoot_trust::PseudonymKey;
    use tempfile::TempDir;

    use super::*;
    use crate::case_index::CaseIndex;
    use crate::character_sets::CharacterSets;
    use crate::study_folder::StateDirectory;
    use crate::test_instances::TestInstance;

    struct Box {
        folder: TempDir,
    }

    impl Box {
        fn open(&self) -> (CaseBook, CaseIndex) {
            let state = StateDirectory::open(self.folder.path()).unwrap();
            let key = PseudonymKey::load_or_create(&self.folder.path().join("pseudonym.key")).unwrap();
            let index = CaseIndex::default();
            let clinic = ClinicId::new("clinic-7").unwrap();
            (
                CaseBook::new(state, clinic, key, index.clone(), CharacterSets::default()),
                index,
            )
        }

        fn with_a_settled_study() -> (Self, StudyKey) {
            let this = Self {
                folder: tempfile::tempdir().unwrap(),
            };
            let image = TestInstance::new("1.2.3", "1.2.3.4");
            image.lay_into(&StateDirectory::open(this.folder.path()).unwrap());
            let (book, _) = this.open();
            assert!(book.settle(&image.study(), 1).unwrap().is_some());
            (this, image.study())
        }
    }

    #[test]
    fn removed_images_stay_removed_and_the_case_stays() {
        let (this, study) = Box::with_a_settled_study();
        let (book, index) = this.open();
        book.recover().unwrap();
        book.remove_images(&study, 5).unwrap();
        book.remove_images(&study, 6).unwrap();
        for (book, index) in [(book, index), this.open()] {
            let recovery = book.recover().unwrap();
            assert!(recovery.unsettled.is_empty());
            let view = index.get(&study).unwrap();
            assert_eq!((view.instances, view.images_removed_at_ms), (0, Some(5)));
            assert!(book.settle(&study, 7).unwrap().is_none(), "nothing is new");
        }
    }

    #[test]
    fn a_removal_that_was_cut_off_is_finished_by_the_next_start() {
        let (this, study) = Box::with_a_settled_study();
        let state = StateDirectory::open(this.folder.path()).unwrap();
        fs::rename(state.instances(&study), state.removed_instances(&study)).unwrap();
        let (book, index) = this.open();
        assert!(book.recover().unwrap().unsettled.is_empty());
        assert!(!state.removed_instances(&study).exists());
        assert!(index.get(&study).unwrap().images_removed_at_ms.is_some());
    }

    #[test]
    fn the_same_image_come_again_is_a_new_version() {
        let (this, study) = Box::with_a_settled_study();
        let (book, _) = this.open();
        book.remove_images(&study, 5).unwrap();
        TestInstance::new("1.2.3", "1.2.3.4").lay_into(&StateDirectory::open(this.folder.path()).unwrap());
        let (book, index) = this.open();
        assert_eq!(book.recover().unwrap().unsettled.len(), 1);
        assert_eq!(index.get(&study).unwrap().instances, 1);
        assert_eq!(book.settle(&study, 7).unwrap().unwrap().version, 2);
    }
}
