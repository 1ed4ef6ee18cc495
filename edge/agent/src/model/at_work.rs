//! Notices when a model on probation takes the whole daemon along (memory, an abort in an engine), which nothing inside
//! the daemon can catch.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The mark that a model on probation is at work. It is not synced: it must outlive the process, and a power cut, which
/// is not the model's fault, mostly takes it along.
#[derive(Debug)]
pub(crate) struct Probation {
    mark: PathBuf,
    name: String,
    over: AtomicBool,
}

/// The model is at work until this is dropped.
#[derive(Debug)]
pub(crate) struct AtWork<'a>(Option<&'a Path>);

impl Probation {
    /// `name` tells a later start which model it was.
    pub(crate) fn new(mark: PathBuf, name: String) -> Self {
        Self {
            mark,
            name,
            over: AtomicBool::new(false),
        }
    }

    /// From now on it is trusted and leaves no marks.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// A mark that cannot be written only costs the protection.
    pub(crate) fn begin(&self) -> AtWork<'_> {
        if self.over.load(Ordering::Relaxed) {
            return AtWork(None);
        }
        if let Err(error) = fs::write(&self.mark, &self.name) {
            tracing::warn!(%error, "Work of a model on probation could not be marked.");
        }
        AtWork(Some(&self.mark))
    }

    /// Who was at work when the last run died; the mark is taken away.
    pub(crate) fn died_at_work(mark: &Path) -> Option<String> {
        let name = fs::read_to_string(mark).ok()?;
        let _ = fs::remove_file(mark);
        Some(name)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        if let Some(mark) = self.0 {
            let _ = fs::remove_file(mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stays_only_when_the_work_did_not_end() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("at_work");
        let probation = Probation::new(mark.clone(), "cxr 2".to_owned());
        drop(probation.begin());
        assert_eq!(Probation::died_at_work(&mark), None);
        std::mem::forget(probation.begin());
        assert_eq!(Probation::died_at_work(&mark).as_deref(), Some("cxr 2"));
        assert_eq!(Probation::died_at_work(&mark), None);
        probation.end();
        std::mem::forget(probation.begin());
        assert_eq!(Probation::died_at_work(&mark), None);
    }
}
