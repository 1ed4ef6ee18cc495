//! From a settled study to an assessment: which pictures the model takes, what it says, how soon a person must look.
//!
//! Whatever fails here (a picture that cannot be decoded, a model that errs or panics) ends in an assessment that sends
//! the study to review. It never ends in no assessment.

mod attempts;

mod sum;

mod decision;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use barefoot_domain::{Assessment, QualityVerdict, Reason, Urgency};
use barefoot_imaging::header::{self, Header};
use barefoot_imaging::pixels::{self, GrayImage};
use barefoot_imaging::render;
use barefoot_imaging::statistics::{PixelStatistics, statistics};
use serde::Deserialize;

use crate::handoff::{AssessedStudy, SettledStudy};
use crate::heat_layer::{self, HeatLayer};
use crate::model::{ActiveModel, ModelHandle, ShadowStudy};
use crate::stage_times::{Stage, StageTimes};
use decision::decide;
use sum::{Looked, Place, Sum};

/// The longest side of a picture on a page, pixels.
const PICTURE_SIDE: u32 = 1024;

/// Begun but never ended this often, a study has taken the whole daemon along (memory, an abort in a codec): it is then
/// sent to review without being read.
const MAX_ATTEMPTS: u32 = 3;

/// When a person must look.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A call whose confidence (calibrated probability, 0 to 1) is below this goes to review. Default 0.80.
    #[serde(default = "default_review_below")]
    pub review_below: f32,
}

fn default_review_below() -> f32 {
    0.80
}

impl Default for Config {
    fn default() -> Self {
        Self {
            review_below: default_review_below(),
        }
    }
}

impl Config {
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.review_below) {
            return Err("[decision] review_below must lie between 0 and 1".to_owned());
        }
        Ok(())
    }
}

/// Grades a picture from its statistics, width and height.
pub(crate) type Grade = fn(&PixelStatistics, u32, u32) -> QualityVerdict;

/// The stage; one for the daemon.
#[derive(Debug)]
pub(crate) struct Assessor {
    models: ModelHandle,
    review_below: f32,
    grade: Grade,
    times: StageTimes,
}

impl Assessor {
    #[must_use]
    pub(crate) fn new(config: &Config, models: ModelHandle, grade: Grade, times: StageTimes) -> Self {
        Self {
            models,
            review_below: config.review_below,
            grade,
            times,
        }
    }

    /// For the stages before and after.
    pub(crate) fn times(&self) -> &StageTimes {
        &self.times
    }

    /// Until it is known which model answers.
    pub(crate) async fn ready(&self) {
        self.models.opened().await;
    }

    /// Blocking and busy: for a thread of its own. Pictures go to `pictures`.
    #[must_use]
    pub(crate) fn assess(&self, settled: &SettledStudy, pictures: &Path) -> AssessedStudy {
        let attempt = attempts::begin(pictures);
        // Once a study: a model that comes in between answers from the next one on.
        let _assessing = self.models.assessing();
        let model = self.models.active();
        let model = model.as_deref();
        let mut sum = Sum::new(self.models.shadow().is_some());
        if settled.identity_conflict {
            sum.gaps.push(Reason::IdentityConflict);
        }
        if MAX_ATTEMPTS < attempt {
            tracing::error!(study = %settled.study, attempt, "Assessing this study ended the daemon before; it goes to review unread.");
            sum.gap(Reason::ModelFailed);
        } else {
            self.read_all(model, settled, &mut sum);
        }
        let assessed = self.conclude(model, sum, pictures);
        attempts::end(pictures);
        assessed
    }

    fn read_all(&self, model: Option<&ActiveModel>, settled: &SettledStudy, sum: &mut Sum) {
        let mut objects: Vec<(&PathBuf, Header)> = Vec::new();
        for path in &settled.instances {
            match header::read_header(path) {
                Ok(header) => objects.push((path, header)),
                Err(error) => {
                    // It was readable when it was stored: the disk is failing, or somebody changed the file.
                    tracing::error!(study = %settled.study, %error, "A stored image cannot be read any more.");
                    sum.undecodable();
                }
            }
        }
        objects.retain(|(_, header)| header.has_pixels());
        let taken = |header: &Header| model.filter(|active| active.model.takes(header).is_ok());
        if model.is_none() {
            sum.gap(Reason::NoModel);
        } else if objects.is_empty() || objects.iter().any(|(_, header)| taken(header).is_none()) {
            sum.gap(Reason::OutsideIntendedUse);
        }
        if !objects.iter().any(|(_, header)| taken(header).is_some()) {
            // Nothing for a model: still a picture for the clinic, from the middle of the study.
            let middle = objects.len() / 2;
            objects = objects.into_iter().skip(middle).take(1).collect();
        }
        for (path, header) in &objects {
            let decoded = self
                .times
                .timed(Stage::Decode, || guarded(|| pixels::load_gray(path, header)));
            match decoded {
                Ok(image) => match taken(header) {
                    Some(model) => self.read(model, Arc::new(image), place(path, header), settled, sum),
                    None => sum.show(-1.0, Arc::new(image), None),
                },
                Err(reason) => {
                    tracing::warn!(study = %settled.study, reason, "A picture could not be decoded; the study goes to review.");
                    sum.undecodable();
                }
            }
        }
    }

    /// The exposure rules are for the pictures a model takes.
    fn read(
        &self,
        active: &ActiveModel,
        image: Arc<GrayImage>,
        place: Place,
        settled: &SettledStudy,
        sum: &mut Sum,
    ) {
        let graded = self.times.timed(Stage::Grade, || {
            (self.grade)(&statistics(&image), image.width, image.height)
        });
        sum.graded(&graded);
        let at_work = active.at_work();
        let begun = Instant::now();
        let said = self
            .times
            .timed(Stage::Model, || guarded(|| active.model.assess(&image)));
        drop(at_work);
        match said {
            Ok(prediction) => sum.predicted(image, place, prediction, begun.elapsed()),
            Err(reason) => {
                sum.failed();
                tracing::error!(study = %settled.study, reason, "The model failed on a picture; the study goes to review.");
                sum.gap(Reason::ModelFailed);
                sum.show(-1.0, image, None);
            }
        }
    }

    fn conclude(&self, model: Option<&ActiveModel>, mut sum: Sum, pictures: &Path) -> AssessedStudy {
        sum.quality.problems.sort_unstable();
        sum.quality.problems.dedup();
        let (urgency, reasons) = decide(
            self.review_below,
            &sum.quality,
            &sum.findings,
            std::mem::take(&mut sum.gaps),
        );
        let answered = !sum.findings.is_empty();
        if let Some(active) = model {
            self.count(active, &mut sum, urgency);
        }
        let assessment = Assessment {
            model: model
                .filter(|_| answered)
                .map(|active| active.model.version().clone()),
            engine: sum.engine,
            findings: sum.findings.into_iter().map(|(finding, _)| finding).collect(),
            quality: sum.quality,
            urgency,
            reasons,
            regions: Vec::new(),
            others: Vec::new(),
        };
        let made = sum.shown.map_or_else(Vec::new, |(_, image, looked)| {
            self.times.timed(Stage::Pictures, || {
                save_pictures(&image, looked.as_ref(), pictures)
            })
        });
        AssessedStudy {
            assessment,
            pictures: made,
        }
    }

    /// For those who watch how the models do, and for the model beside.
    fn count(&self, active: &ActiveModel, sum: &mut Sum, urgency: Urgency) {
        let Some(count) = sum.count(urgency != Urgency::Routine) else {
            return;
        };
        active.count(&count);
        self.models.announce();
        let pictures = sum.for_the_model_beside();
        if !pictures.is_empty() {
            self.models.offer(ShadowStudy { pictures });
        }
    }
}

/// Of several frames the middle one is read.
fn place(path: &Path, header: &Header) -> Place {
    let file = path.file_name().and_then(|name| name.to_str());
    Place {
        file: file.unwrap_or_default().to_owned(),
        frame: header.frames() / 2 + 1,
    }
}

/// A codec or an engine that panics on somebody's picture must not take the daemon along.
fn guarded<T, E: std::fmt::Display>(work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it panicked".to_owned()),
    }
}

/// Pictures are a convenience that can be made again: a failure costs the picture, not the assessment.
fn save_pictures(image: &GrayImage, looked: Option<&Looked>, directory: &Path) -> Vec<String> {
    let mut made = Vec::new();
    let mut save = |name: &str, picture: Result<Vec<u8>, render::Error>| {
        let outcome = picture.map_err(std::io::Error::other).and_then(|bytes| {
            fs::create_dir_all(directory)?;
            fs::write(directory.join(format!("{name}.jpg")), bytes)
        });
        match outcome {
            Ok(()) => made.push(name.to_owned()),
            Err(error) => tracing::warn!(%error, picture = name, "A picture could not be made."),
        }
    };
    // Made small once for both.
    match render::fitted(image, PICTURE_SIDE) {
        Ok(small) => {
            save("preview", render::preview_jpeg(&small, PICTURE_SIDE));
            if let Some(looked) = looked {
                save(
                    "heat_map",
                    render::overlay_heat_map(&small, &looked.map, PICTURE_SIDE),
                );
            }
        }
        Err(error) => tracing::warn!(%error, "Pictures could not be made."),
    }
    if let Err(error) = save_layer(image, looked, directory) {
        tracing::warn!(%error, "The heat map for experts could not be kept.");
    }
    made
}

/// The map by itself: experts lay it over the image at the hub.
fn save_layer(image: &GrayImage, looked: Option<&Looked>, directory: &Path) -> std::io::Result<()> {
    let Some(looked) = looked else {
        return heat_layer::remove(directory);
    };
    let size = (image.width, image.height);
    let png = render::heat_layer(size, &looked.map, heat_layer::SIDE).map_err(std::io::Error::other)?;
    let layer = HeatLayer {
        file: looked.place.file.clone(),
        frame: looked.place.frame,
        finding: looked.finding.as_str().to_owned(),
        png,
    };
    layer.save(directory)
}
