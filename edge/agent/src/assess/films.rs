//! Films of a version: decoded before its turn, so that no other study waits for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use barefoot_imaging::header::{self, Header};
use barefoot_imaging::video;

use super::{Assessor, GRADED_BESIDE};
use crate::at_rest;
use crate::handoff::SettledStudy;
use crate::open_pictures::OpenPicture;

/// Decoding the films of one version begins no new one after this.
const ONE_STUDY: Duration = Duration::from_secs(15 * 60);

/// Films that were decoded, or will not be, while somebody holds this.
#[derive(Debug, Default)]
pub(crate) struct HeldFilms {
    _films: Vec<Arc<OpenPicture>>,
}

impl Assessor {
    /// Decodes a version's films, as many as are looked at. Blocking, for minutes.
    pub(crate) fn decode_films(&self, settled: &SettledStudy) -> HeldFilms {
        let films = films(settled);
        let middle = films.len() / 2;
        let begun = Instant::now();
        let decode = |(number, (path, header)): (usize, &(&PathBuf, Header))| {
            let film = self.grading.open(path);
            let is_looked_at = number < GRADED_BESIDE || number == middle;
            if is_looked_at && begun.elapsed() < ONE_STUDY {
                film.verdict(path, header);
            } else {
                film.leave_film_out();
            }
            film
        };
        HeldFilms {
            _films: films.iter().enumerate().map(decode).collect(),
        }
    }

    /// Makes that none of a version's films is decoded.
    pub(crate) fn leave_films_out(&self, settled: &SettledStudy) -> HeldFilms {
        let leave_out = |(path, _): &(&PathBuf, Header)| {
            let film = self.grading.open(path);
            film.leave_film_out();
            film
        };
        HeldFilms {
            _films: films(settled).iter().map(leave_out).collect(),
        }
    }
}

fn films(settled: &SettledStudy) -> Vec<(&PathBuf, Header)> {
    let film = |path: &Path| {
        let header = header::read_header(&at_rest::stored(path)).ok()?;
        is_film(&header).then_some(header)
    };
    let films = settled.instances.iter();
    films.filter_map(|path| Some((path, film(path)?))).collect()
}

pub(super) fn is_film(header: &Header) -> bool {
    header.has_pixels() && video::is_video(header.transfer_syntax())
}
