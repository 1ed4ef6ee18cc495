//! Grades pictures by the rules of `barefoot_imaging::quality`: each as soon as it is stored, for the technician; and
//! again for the assessment, where what is known of a picture already is not worked out twice.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use barefoot_domain::{QualityGrade, QualityVerdict};
use barefoot_imaging::header::{self, Header};
use barefoot_imaging::pixels::{self, Picture};
use barefoot_imaging::quality::{self, FrameLook, Kind, Slice};
use time::{OffsetDateTime, UtcOffset};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::at_rest;
use crate::handoff::{Grading, Kept, StoredInstance};
use crate::open_pictures::{OpenPicture, OpenPictures, guarded};
use crate::picture_quality::{Graded, PictureQuality};
use crate::study_folder::StateDirectory;

/// How much less the scheduler gives to grading, as `nice` counts it.
const STEPS_BACK: i32 = 5;

/// The stage; one for the daemon.
#[derive(Debug, Clone)]
pub(crate) struct Grader {
    known: PictureQuality,
    pictures: OpenPictures,
    /// The clinic's own time: its days are counted.
    utc_offset: UtcOffset,
}

impl Grader {
    pub(crate) fn new(known: PictureQuality, utc_offset: UtcOffset) -> Self {
        Self {
            known,
            pictures: OpenPictures::default(),
            utc_offset,
        }
    }

    /// Grades what is stored until `shutdown`, one picture after the other, on a thread that steps back for others: a
    /// scanner that waits for its answer comes first.
    pub(crate) async fn watch(
        self,
        state: StateDirectory,
        mut stored: mpsc::Receiver<StoredInstance>,
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
                    self.grade_stored(&state, &instance);
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

    fn grade_stored(&self, state: &StateDirectory, instance: &StoredInstance) {
        let path = state.instances(&instance.study).join(&instance.file);
        // What cannot be read is told when its study is assessed.
        let Ok(header) = header::read_header(&at_rest::stored(&path)) else {
            return;
        };
        let graded = Graded {
            study: &instance.study,
            path: &path,
            scanner: header.source_ae_title().unwrap_or_default(),
            day: self.today(),
        };
        self.known.note(&graded, &self.grade(&path, &header));
    }

    fn grade(&self, path: &Path, header: &Header) -> QualityVerdict {
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
        if Kind::of(header).is_judged_alone() {
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
