//! A study's images leave the box, its result stays. Crash-safe: the folder goes out of the way in one rename, that is
//! made durable, then written down, then the files go. A start that finds the folder out of the way finishes it. An image
//! that came just before the rename, and that no version covers, takes all of them back.

use std::fs;
use std::io;
use std::path::Path;

use super::{CaseBook, Error, folder};
use crate::at_rest;
use crate::case_log::{self, Entry};
use crate::study_folder::{StudyKey, rename_to_free, sync_directory};

impl CaseBook {
    /// Removes every image of the study. Only `retention` decides which. `false` when there was none, or when one had come
    /// that no version covers: then all stay.
    ///
    /// # Errors
    /// When the disk fails; the next start finishes what was begun.
    pub(crate) fn remove_images(&self, study: &StudyKey, at_ms: i64) -> Result<bool, Error> {
        let (images, removed) = (self.state.instances(study), self.state.removed_instances(study));
        let in_folder = |source| Error::Folder { source };
        if let Some((vault, _)) = at_rest::of(&images) {
            vault.retire_images(study).map_err(in_folder)?;
        }
        match fs::rename(&images, &removed) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(in_folder)?,
        }
        self.finish_removal(study, at_ms)
    }

    /// From the rename on. Does nothing where none was begun.
    pub(super) fn finish_removal(&self, study: &StudyKey, at_ms: i64) -> Result<bool, Error> {
        let removed = self.state.removed_instances(study);
        let in_folder = |source| Error::Folder { source };
        let images = match fs::read_dir(&removed) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.erase_keys(study).map_err(in_folder)?;
                return Ok(false);
            }
            other => other.map_err(in_folder)?.count(),
        };
        let uncovered = self.uncovered(study, &removed).map_err(in_folder)?;
        if !uncovered.is_empty() {
            tracing::warn!(%study, "An image came while its study's images were being removed; all of them stay.");
            self.put_back(study, &removed, &uncovered).map_err(in_folder)?;
            return Ok(false);
        }
        sync_directory(&self.state.study(study)).map_err(in_folder)?;
        self.log(study, &[Entry::ImagesRemoved { at_ms, images }])?;
        fs::remove_dir_all(&removed).map_err(in_folder)?;
        self.erase_keys(study).map_err(in_folder)?;
        self.index.update(study, |view| {
            view.instances = 0;
            view.images_removed_at_ms = Some(at_ms);
        });
        Ok(true)
    }

    /// Makes noise of what the disk still has of images that are gone.
    fn erase_keys(&self, study: &StudyKey) -> io::Result<()> {
        match at_rest::of(self.state.root()) {
            None => Ok(()),
            Some((vault, _)) => vault.erase_retired(study, &self.state.instances(study)),
        }
    }

    /// The images in a folder that the study's newest version does not have.
    fn uncovered(&self, study: &StudyKey, removed: &Path) -> io::Result<Vec<String>> {
        let entries = case_log::replay(&self.state.case_log(study))?.entries;
        let covered = entries.into_iter().rev().find_map(|entry| match entry {
            Entry::Settled { instances, .. } => Some(instances),
            _ => None,
        });
        let covered = covered.unwrap_or_default();
        let mut found = folder::list(removed)?.instances;
        found.retain(|name| !covered.contains(name));
        Ok(found)
    }

    /// What no version covers goes last: as long as it is here, the next start puts back what is left.
    fn put_back(&self, study: &StudyKey, removed: &Path, last: &[String]) -> io::Result<()> {
        let images = self.state.instances(study);
        fs::create_dir_all(&images)?;
        let mut names = Vec::new();
        for entry in fs::read_dir(removed)? {
            names.push(entry?.file_name());
        }
        names.sort_by_key(|name| last.iter().any(|late| **late == **name));
        for name in names {
            if !rename_to_free(&removed.join(&name), &images.join(&name))? {
                // Come again in the meantime: both are kept, as with any image that comes twice and differs.
                let mut apart = Path::new(&name).with_extension("").into_os_string();
                apart.push(".conflict-returned.dcm");
                rename_to_free(&removed.join(&name), &images.join(apart))?;
            }
        }
        sync_directory(&images)?;
        fs::remove_dir(removed)?;
        sync_directory(&self.state.study(study))
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
    fn images_that_are_removed_lose_their_key() {
        let (this, study) = Box::with_a_settled_study();
        let vault = at_rest::unlock(this.folder.path(), &at_rest::Config::default()).unwrap();
        let of_images = || {
            let state = StateDirectory::open(this.folder.path()).unwrap();
            let keys = fs::read_dir(state.study(&study).join("keys")).unwrap();
            let mut names = keys.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.find(|name| !name.ends_with(".key"))
        };
        drop(vault.images_key(&study).unwrap());
        let key = of_images();
        assert!(key.is_some());
        let (book, _) = this.open();
        book.recover().unwrap();
        assert!(book.remove_images(&study, 5).unwrap());
        assert_eq!(of_images(), None);
        // A start that was cut off between the images and their key finishes it.
        drop(vault.images_key(&study).unwrap());
        vault.retire_images(&study).unwrap();
        book.recover().unwrap();
        assert_eq!(of_images(), None);
        drop(vault.images_key(&study).unwrap());
        assert!(of_images().is_some_and(|name| Some(name) != key));
    }

    #[test]
    fn an_image_that_comes_during_the_removal_keeps_all_of_them() {
        for is_cut_off in [false, true] {
            let (this, study) = Box::with_a_settled_study();
            let state = StateDirectory::open(this.folder.path()).unwrap();
            TestInstance::new("1.2.3", "1.2.3.5").lay_into(&state);
            let (book, _) = this.open();
            if is_cut_off {
                fs::rename(state.instances(&study), state.removed_instances(&study)).unwrap();
            } else {
                assert!(!book.remove_images(&study, 5).unwrap());
            }
            let (book, index) = this.open();
            book.recover().unwrap();
            assert!(!state.removed_instances(&study).exists());
            assert_eq!(index.get(&study).unwrap().images_removed_at_ms, None);
            let settled = book.settle(&study, 7).unwrap().unwrap();
            assert_eq!((settled.version, settled.instances.len()), (2, 2));
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
