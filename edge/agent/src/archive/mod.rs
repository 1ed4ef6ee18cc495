//! The clinic's small archive: what can be asked of the studies on the disk, and where their files lie.
//!
//! The folders are the truth. Beside a study's images lies `instances.log`, one line a series and an instance with what can
//! be asked of it, and `instances.sum`, what the lines come to. Both are made again from the images where they are missing,
//! damaged or behind, and so need no sync when an image comes. Memory holds studies and series; instances are read from
//! the log when somebody asks for them.

mod line;
mod search;
mod study_index;
mod upkeep;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::study_folder::{StateDirectory, StudyKey};
use study_index::StudyIndex;

pub(crate) use search::StoredFile;
pub(crate) use upkeep::run;

/// Cheap to clone; all clones see the same studies.
#[derive(Clone)]
pub(crate) struct Archive {
    inner: Arc<Inner>,
}

struct Inner {
    state: StateDirectory,
    studies: RwLock<HashMap<StudyKey, Arc<StudyIndex>>>,
    /// Studies that changed since they were last looked at.
    changed: Mutex<HashSet<StudyKey>>,
    /// Studies whose summary was missing or behind at start, and which cannot be found until they are read again.
    behind: Mutex<HashSet<StudyKey>>,
    /// Held while a study's files are written: one at a time.
    writing: Mutex<()>,
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").finish_non_exhaustive()
    }
}

impl Archive {
    /// Reads every study's summary. What has none, or an old one, is read again by [`run`].
    ///
    /// # Errors
    /// When the studies' folder cannot be listed.
    pub(crate) fn open(state: StateDirectory) -> io::Result<Self> {
        let (mut studies, mut behind) = (HashMap::new(), HashSet::new());
        for entry in std::fs::read_dir(state.studies())? {
            let name = entry?.file_name();
            let Some(key) = name.to_str().and_then(StudyKey::parse) else {
                continue;
            };
            match upkeep::summary(&state, &key) {
                Some(study) => {
                    studies.insert(key, Arc::new(study));
                }
                None => {
                    behind.insert(key);
                }
            }
        }
        Ok(Self {
            inner: Arc::new(Inner {
                state,
                studies: RwLock::new(studies),
                changed: Mutex::default(),
                behind: Mutex::new(behind),
                writing: Mutex::default(),
            }),
        })
    }

    /// Something was kept in the study's folder, or taken out of it. The next question sees it.
    pub(crate) fn note(&self, study: &StudyKey) {
        lock(&self.inner.changed).insert(study.clone());
    }

    fn get(&self, study: &StudyKey) -> Option<Arc<StudyIndex>> {
        let studies = self.inner.studies.read().unwrap_or_else(PoisonError::into_inner);
        studies.get(study).cloned()
    }

    fn all(&self) -> Vec<(StudyKey, Arc<StudyIndex>)> {
        let studies = self.inner.studies.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = studies
            .iter()
            .map(|(key, study)| (key.clone(), Arc::clone(study)))
            .collect();
        drop(studies);
        // Newest first.
        all.sort_by(|(_, one), (_, other)| other.when().cmp(&one.when()));
        all
    }

    fn put(&self, key: &StudyKey, study: Option<StudyIndex>) {
        let mut studies = self.inner.studies.write().unwrap_or_else(PoisonError::into_inner);
        match study {
            Some(study) => studies.insert(key.clone(), Arc::new(study)),
            None => studies.remove(key),
        };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
