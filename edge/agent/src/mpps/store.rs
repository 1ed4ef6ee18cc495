//! Steps on disk; memory holds only which there are.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use barefoot_imaging::data_set::DataSet;

use super::step::{self, Performed, Refused};
use crate::durable;
use crate::study_folder::{instance_stem, sync_directory};

/// Steps at one time; older ones are forgotten first.
const MOST: usize = 20_000;
/// A step is of use until its study has settled; a scanner may come back to it the next day.
const KEEP_MS: i64 = 14 * 24 * 60 * 60 * 1000;

/// Why a step is not written down.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the step cannot be written down")]
    Disk { source: io::Error },
}

/// Cheap to clone; all clones see the same steps.
#[derive(Debug, Clone)]
pub(crate) struct Steps {
    directory: Arc<PathBuf>,
    /// When each changed last, by the stem of its file.
    known: Arc<Mutex<HashMap<String, i64>>>,
}

impl Steps {
    /// # Errors
    /// When the directory cannot be made or listed.
    pub(crate) fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        if let Some(parent) = directory.parent() {
            sync_directory(parent)?;
        }
        let mut known = HashMap::new();
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            if path.extension().is_some_and(|extension| extension == "step")
                && let Some(step) = read(&path)?
            {
                known.insert(stem.to_owned(), step.changed_at_ms);
            }
        }
        Ok(Self {
            directory: Arc::new(directory),
            known: Arc::new(Mutex::new(known)),
        })
    }

    /// N-CREATE; after `Ok` it survives a power cut.
    pub(super) fn begin(&self, uid: &str, said: &DataSet, now_ms: i64) -> Result<Performed, Error> {
        let stem = instance_stem(uid);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(&stem) {
            return Err(Refused::Duplicate.into());
        }
        let step = step::begun(uid, said, now_ms)?;
        self.forget_old(&mut known, now_ms);
        self.write(&stem, &step)?;
        known.insert(stem, now_ms);
        Ok(step)
    }

    /// N-SET.
    pub(super) fn change(&self, uid: &str, said: &DataSet, now_ms: i64) -> Result<Performed, Error> {
        let stem = instance_stem(uid);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(&stem) {
            return Err(Refused::Unknown.into());
        }
        let step = read(&self.file(&stem)).map_err(|source| Error::Disk { source })?;
        let step = step.ok_or(Refused::Unknown)?;
        let step = step::changed(&step, said, now_ms)?;
        self.write(&stem, &step)?;
        known.insert(stem, now_ms);
        Ok(step)
    }

    /// The old ones, and where there are too many the oldest.
    fn forget_old(&self, known: &mut HashMap<String, i64>, now_ms: i64) {
        let mut by_age: Vec<(i64, String)> = known.iter().map(|(stem, at)| (*at, stem.clone())).collect();
        by_age.sort();
        let too_many = (known.len() + 1).saturating_sub(MOST);
        for (place, (at, stem)) in by_age.into_iter().enumerate() {
            if too_many <= place && now_ms - KEEP_MS <= at {
                return;
            }
            // One that stays on the disk is found again at the next start.
            if let Err(error) = fs::remove_file(self.file(&stem)) {
                tracing::warn!(%error, "An old performed step cannot be removed.");
            }
            known.remove(&stem);
        }
    }

    fn file(&self, stem: &str) -> PathBuf {
        self.directory.join(format!("{stem}.step"))
    }

    fn write(&self, stem: &str, step: &Performed) -> Result<(), Error> {
        let written = serde_json::to_vec(step)
            .map_err(io::Error::other)
            .and_then(|bytes| durable::replace(&self.file(stem), &bytes));
        written.map_err(|source| Error::Disk { source })
    }
}

/// `None` for one that is damaged.
fn read(path: &std::path::Path) -> io::Result<Option<Performed>> {
    Ok(durable::read(path)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mpps::StepState;
    use barefoot_imaging::tags::{self, Tag};

    const UID: &str = "1.2.826.0.1.3680043.9.77";

    fn said(status: &str, images: &[&str]) -> DataSet {
        let one = |tag: Tag, value: &str| {
            let mut set = DataSet::default();
            set.put_code(tag, value);
            set
        };
        let mut set = DataSet::default();
        if !status.is_empty() {
            set.put_code(tags::PERFORMED_STATUS, status);
        }
        set.put_items(tags::STEP_ATTRIBUTES, vec![one(tags::STUDY_UID, "1.2.3")]);
        if !images.is_empty() {
            let images = images
                .iter()
                .map(|uid| one(tags::REFERENCED_SOP_INSTANCE, uid))
                .collect();
            let mut series = DataSet::default();
            series.put_items(tags::REFERENCED_IMAGES, images);
            set.put_items(tags::PERFORMED_SERIES, vec![series]);
        }
        set
    }

    fn refusal(outcome: Result<Performed, Error>) -> Refused {
        match outcome {
            Err(Error::Refused(refused)) => refused,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_step_goes_its_way_across_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Steps::open(directory.path().join("mpps")).unwrap();
        let step = open().begin(UID, &said("IN PROGRESS", &[]), 1).unwrap();
        assert_eq!(step.studies, ["1.2.3"]);
        assert_eq!(
            refusal(open().begin(UID, &said("IN PROGRESS", &[]), 2)),
            Refused::Duplicate
        );
        let step = open().change(UID, &said("", &["1.5", "1.6"]), 2).unwrap();
        assert_eq!((step.state, step.images.len()), (StepState::InProgress, 2));
        let step = open().change(UID, &said("COMPLETED", &[]), 3).unwrap();
        assert_eq!(
            (step.state, step.images),
            (StepState::Completed, vec!["1.5".to_owned(), "1.6".to_owned()])
        );
        let refused = refusal(open().change(UID, &said("DISCONTINUED", &[]), 4));
        assert_eq!((refused.status(), refused.error_id()), (0x0110, Some(0xA710)));
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_standards_status() {
        let directory = tempfile::tempdir().unwrap();
        let steps = Steps::open(directory.path().join("mpps")).unwrap();
        for (outcome, status) in [
            (steps.begin(UID, &said("COMPLETED", &[]), 1), 0x0106),
            (steps.begin(UID, &said("DONE", &[]), 1), 0x0106),
            (steps.begin(UID, &said("", &[]), 1), 0x0106),
            (steps.change(UID, &said("COMPLETED", &[]), 1), 0x0112),
        ] {
            assert_eq!(refusal(outcome).status(), status);
        }
        steps.begin(UID, &said("IN PROGRESS", &[]), 1).unwrap();
        assert_eq!(
            refusal(steps.change(UID, &said("PAUSED", &[]), 1)).status(),
            0x0106
        );
    }

    #[test]
    fn old_steps_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let steps = Steps::open(directory.path().join("mpps")).unwrap();
        steps.begin(UID, &said("IN PROGRESS", &[]), 1).unwrap();
        steps
            .begin("1.2", &said("IN PROGRESS", &[]), KEEP_MS + 2)
            .unwrap();
        assert_eq!(
            refusal(steps.change(UID, &said("COMPLETED", &[]), KEEP_MS + 3)),
            Refused::Unknown
        );
        assert_eq!(fs::read_dir(directory.path().join("mpps")).unwrap().count(), 1);
    }
}
