//! Pictures being worked on now: decoded once and judged once, though the technician's page and the assessment both want
//! them, mostly at the same moment. Of a film, some frames.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use barefoot_domain::QualityVerdict;
use barefoot_imaging::header::Header;
use barefoot_imaging::pixels::{self, GrayImage};
use barefoot_imaging::{quality, video};

use crate::at_rest;
use crate::films::{Film, Films};

/// One picture while somebody holds it. Who asks for what another is just making waits for it.
#[derive(Debug, Default)]
pub(crate) struct OpenPicture {
    films: Films,
    image: OnceLock<Result<Arc<GrayImage>, String>>,
    verdict: OnceLock<QualityVerdict>,
    film: OnceLock<Film>,
}

/// Cheap to clone; all clones hold the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenPictures {
    films: Films,
    open: Arc<Mutex<HashMap<PathBuf, Weak<OpenPicture>>>>,
}

impl OpenPictures {
    pub(crate) fn new(films: Films) -> Self {
        Self {
            films,
            open: Arc::default(),
        }
    }

    pub(crate) fn films(&self) -> &Films {
        &self.films
    }

    pub(crate) fn open(&self, path: &Path) -> Arc<OpenPicture> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, picture| 0 < picture.strong_count());
        if let Some(picture) = open.get(path).and_then(Weak::upgrade) {
            return picture;
        }
        let picture = Arc::new(OpenPicture {
            films: self.films.clone(),
            ..OpenPicture::default()
        });
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
        if video::is_video(header.transfer_syntax()) {
            return self.film(path, header).image.clone();
        }
        let decoded = self
            .image
            .get_or_init(|| guarded(|| pixels::load_gray(&at_rest::stored(path), header)).map(Arc::new));
        decoded.clone()
    }

    /// What the rules for a single picture say of it.
    pub(crate) fn verdict(&self, path: &Path, header: &Header) -> QualityVerdict {
        if video::is_video(header.transfer_syntax()) {
            return self.film(path, header).verdict.clone();
        }
        let judged = self.verdict.get_or_init(|| {
            let judged = self
                .image(path, header)
                .and_then(|image| guarded(|| Ok::<_, pixels::Error>(quality::picture(header, &image))));
            judged.unwrap_or_else(|_| quality::undecodable())
        });
        judged.clone()
    }

    fn film(&self, path: &Path, header: &Header) -> &Film {
        self.film.get_or_init(|| self.films.look(path, header))
    }

    /// It will not be decoded any more, unless it was.
    pub(crate) fn leave_film_out(&self) {
        let _ = self.film.set(Film::left_out());
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
            pictures.open.lock().unwrap().len(),
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
