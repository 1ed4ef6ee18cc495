//! Pictures being worked on now: decoded once and judged once, though the technician's page and the assessment both want
//! them, mostly at the same moment.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use barefoot_domain::QualityVerdict;
use barefoot_imaging::header::Header;
use barefoot_imaging::pixels::{self, GrayImage};
use barefoot_imaging::quality;

use crate::at_rest;

/// One picture while somebody holds it. Who asks for what another is just making waits for it.
#[derive(Debug, Default)]
pub(crate) struct OpenPicture {
    image: OnceLock<Result<Arc<GrayImage>, String>>,
    verdict: OnceLock<QualityVerdict>,
}

/// Cheap to clone; all clones hold the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenPictures(Arc<Mutex<HashMap<PathBuf, Weak<OpenPicture>>>>);

impl OpenPictures {
    pub(crate) fn open(&self, path: &Path) -> Arc<OpenPicture> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, picture| 0 < picture.strong_count());
        if let Some(picture) = open.get(path).and_then(Weak::upgrade) {
            return picture;
        }
        let picture = Arc::default();
        open.insert(path.to_owned(), Arc::downgrade(&picture));
        picture
    }
}

impl OpenPicture {
    /// Of several frames the middle one.
    ///
    /// # Errors
    /// When it cannot be decoded, in words.
    pub(crate) fn image(&self, path: &Path, header: &Header) -> Result<Arc<GrayImage>, String> {
        let decoded = self
            .image
            .get_or_init(|| guarded(|| pixels::load_gray(&at_rest::stored(path), header)).map(Arc::new));
        decoded.clone()
    }

    /// What the rules for a single picture say of it.
    pub(crate) fn verdict(&self, path: &Path, header: &Header) -> QualityVerdict {
        let judged = self.verdict.get_or_init(|| {
            let judged = self
                .image(path, header)
                .and_then(|image| guarded(|| Ok::<_, pixels::Error>(quality::picture(header, &image))));
            judged.unwrap_or_else(|_| quality::undecodable())
        });
        judged.clone()
    }
}

/// A codec that panics on somebody's picture must not take the daemon along.
pub(crate) fn guarded<T, E: std::fmt::Display>(work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it panicked".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_the_same_for_all_while_one_holds_it() {
        let pictures = OpenPictures::default();
        let first = pictures.open(Path::new("a"));
        assert!(Arc::ptr_eq(&first, &pictures.clone().open(Path::new("a"))));
        assert!(!Arc::ptr_eq(&first, &pictures.open(Path::new("b"))));
        let held = Arc::downgrade(&first);
        drop(first);
        assert!(held.upgrade().is_none());
        pictures.open(Path::new("c"));
        assert_eq!(
            pictures.0.lock().unwrap().len(),
            1,
            "nothing is kept of what nobody holds"
        );
    }

    #[test]
    fn a_codec_that_panics_only_costs_the_picture() {
        let failed = guarded::<(), pixels::Error>(|| panic!("a fault in a codec"));
        assert_eq!(failed, Err("it panicked".to_owned()));
    }
}
