//! Grades pictures by the rules of `barefoot_imaging::quality`: each as soon as it is stored, for the technician; and
//! again for the assessment, where what is known of a picture already is not worked out twice.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use barefoot_domain::{QualityGrade, QualityVerdict};
use barefoot_imaging::header::{self, Header};
use barefoot_imaging::pixels::{self, Picture};
use barefoot_imaging::quality::{self, FrameLook, Kind, Slice};
use barefoot_imaging::video;
use time::{OffsetDateTime, UtcOffset};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::at_rest;
use crate::films::Films;
use crate::handoff::{Grading, Kept, StoredInstance};
use crate::open_pictures::{OpenPicture, OpenPictures, guarded};
use crate::picture_quality::{Graded, PictureQuality};
use crate::study_folder::StateDirectory;

/// How much less the scheduler gives to grading, as `nice` counts it.
const STEPS_BACK: i32 = 5;
/// Films not yet graded. When full, one is left out: its study's assessment grades it.
const UNGRADED_FILMS: usize = 256;
/// Frames of graded films that are kept for their studies' assessments, which come soon.
const RECENT_FILMS: usize = 8;

/// The stage; one for the daemon.
#[derive(Debug, Clone)]
pub(crate) struct Grader {
    known: PictureQuality,
    pictures: OpenPictures,
    recent_films: Arc<Mutex<VecDeque<Arc<OpenPicture>>>>,
    /// The clinic's own time: its days are counted.
    utc_offset: UtcOffset,
}

impl Grader {
    pub(crate) fn new(known: PictureQuality, films: Films, utc_offset: UtcOffset) -> Self {
        Self {
            known,
            pictures: OpenPictures::new(films),
            recent_films: Arc::default(),
            utc_offset,
        }
    }

    /// Grades what is stored until `shutdown`, one picture after the other, on a thread that steps back for others: a
    /// scanner that waits for its answer comes first. Films beside them, since one takes as long as hundreds of pictures.
    pub(crate) async fn watch(
        self,
        state: StateDirectory,
        stored: mpsc::Receiver<StoredInstance>,
        shutdown: CancellationToken,
    ) {
        let (films_in, films) = mpsc::channel(UNGRADED_FILMS);
        let films_end = async {
            shutdown.cancelled().await;
            // Whoever waits for one hears at once that there is nothing more to wait for.
            self.pictures.films().end();
        };
        tokio::join!(
            self.clone()
                .watch_one(state.clone(), stored, Some(films_in), shutdown.clone()),
            self.clone().watch_one(state, films, None, shutdown.clone()),
            films_end,
        );
    }

    async fn watch_one(
        self,
        state: StateDirectory,
        mut stored: mpsc::Receiver<StoredInstance>,
        films: Option<mpsc::Sender<StoredInstance>>,
        shutdown: CancellationToken,
    ) {
        let (ending, ended) = oneshot::channel::<()>();
        let grading = move || {
            let _ending = ending;
            if let Err(error) = rustix::process::nice(STEPS_BACK) {
                tracing::debug!(%error, "Grading goes on with everybody's priority.");
            }
            while let Some(instance) = stored.blocking_recv() {
                if shutdown.is_cancelled() {
                    return;
                }
                if instance.kept == Kept::Duplicate || !instance.is_judged_alone {
                    continue;
                }
                let graded = guarded(|| {
                    self.grade_stored(&state, &instance, films.as_ref());
                    Ok::<_, Infallible>(())
                });
                if graded.is_err() {
                    tracing::error!("Grading a picture panicked; its study's assessment grades it again.");
                }
            }
        };
        match thread::Builder::new().name("grading".to_owned()).spawn(grading) {
            // It ends when its end of the channel goes.
            Ok(_) => drop(ended.await),
            Err(error) => {
                tracing::error!(%error, "No thread to grade pictures on; they are graded with their studies.");
            }
        }
    }

    /// Films go to `films`, where there is such a way.
    fn grade_stored(
        &self,
        state: &StateDirectory,
        instance: &StoredInstance,
        films: Option<&mpsc::Sender<StoredInstance>>,
    ) {
        let path = state.instances(&instance.study).join(&instance.file);
        // What cannot be read is told when its study is assessed.
        let Ok(header) = header::read_header(&at_rest::stored(&path)) else {
            return;
        };
        let is_film = video::is_video(header.transfer_syntax());
        if let Some(films) = films.filter(|_| is_film) {
            let _ = films.try_send(instance.clone());
            return;
        }
        let verdict = self.grade(&path, &header);
        if is_film && self.pictures.films().is_ended() {
            return;
        }
        let graded = Graded {
            study: &instance.study,
            path: &path,
            scanner: header.source_ae_title().unwrap_or_default(),
            day: self.today(),
        };
        self.known.note(&graded, &verdict);
    }

    fn grade(&self, path: &Path, header: &Header) -> QualityVerdict {
        if video::is_video(header.transfer_syntax()) {
            let film = self.pictures.open(path);
            let verdict = film.verdict(path, header);
            let mut recent = self.recent_films.lock().unwrap_or_else(PoisonError::into_inner);
            recent.retain(|known| !Arc::ptr_eq(known, &film));
            recent.push_back(film);
            while RECENT_FILMS < recent.len() {
                recent.pop_front();
            }
            return verdict;
        }
        if Kind::of(header) == Kind::Ultrasound {
            return guarded(|| frames(path, header)).unwrap_or_else(|_| quality::undecodable());
        }
        self.pictures.open(path).verdict(path, header)
    }

    fn today(&self) -> String {
        let date = OffsetDateTime::now_utc().to_offset(self.utc_offset).date();
        format!(
            "{:04}-{:02}-{:02}",
            date.year(),
            u8::from(date.month()),
            date.day()
        )
    }
}

impl Grading for Grader {
    fn open(&self, path: &Path) -> Arc<OpenPicture> {
        self.pictures.open(path)
    }

    fn picture(&self, path: &Path, header: &Header) -> QualityVerdict {
        self.known
            .of_picture(path)
            .unwrap_or_else(|| self.grade(path, header))
    }

    fn unread(&self, path: &Path, header: &Header) -> QualityVerdict {
        if quality::is_judged_alone(header) {
            self.picture(path, header)
        } else {
            good()
        }
    }

    fn series(&self, headers: &mut dyn Iterator<Item = &Header>) -> QualityVerdict {
        let slices: Vec<Slice> = headers
            .filter(|header| Kind::of(header) == Kind::Slices)
            .filter_map(Slice::of)
            .collect();
        quality::series(&slices)
    }
}

fn frames(path: &Path, header: &Header) -> Result<QualityVerdict, pixels::Error> {
    let looks: Result<Vec<FrameLook>, pixels::Error> = quality::frames_to_look_at(header.frames())
        .into_iter()
        .map(|number| {
            let picture = pixels::load_picture(&at_rest::stored(path), header, number, None)?;
            Ok(match picture {
                Picture::Gray(image) => FrameLook::of(&image),
                Picture::Colour(image) => FrameLook::of_colour(&image),
            })
        })
        .collect();
    Ok(quality::frames(&looks?))
}

fn good() -> QualityVerdict {
    QualityVerdict {
        grade: QualityGrade::A,
        problems: Vec::new(),
    }
}
