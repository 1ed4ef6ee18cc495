//! From a settled study to an assessment: which pictures the model takes, what it says, how soon a person must look.
//!
//! Whatever fails here (a picture that cannot be decoded, a model that errs or panics) ends in an assessment that sends
//! the study to review. It never ends in no assessment.

mod decision;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use barefoot_domain::{Assessment, FindingResult, QualityGrade, QualityProblem, QualityVerdict};
use barefoot_imaging::header::{self, Header};
use barefoot_imaging::pixels::{self, GrayImage};
use barefoot_imaging::render::{self, HeatMap};
use barefoot_imaging::statistics::{PixelStatistics, statistics};
use barefoot_inference::{Model, Prediction};
use serde::Deserialize;

use crate::handoff::{AssessedStudy, SettledStudy};
use decision::{Answer, decide};

/// The longest side of a picture on a page, pixels.
const PICTURE_SIDE: u32 = 1024;

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
    /// None when no bundle works: every study then goes to review.
    model: Option<Model>,
    review_below: f32,
    grade: Grade,
}

/// One picture with all that was learned from it.
struct Read {
    image: GrayImage,
    quality: QualityVerdict,
    /// `None` when the model failed on it.
    prediction: Option<Prediction>,
}

impl Assessor {
    #[must_use]
    pub(crate) fn new(config: &Config, model: Option<Model>, grade: Grade) -> Self {
        Self {
            model,
            review_below: config.review_below,
            grade,
        }
    }

    /// Blocking and busy: for a thread of its own. Pictures go to `pictures`.
    #[must_use]
    pub(crate) fn assess(&self, settled: &SettledStudy, pictures: &Path) -> AssessedStudy {
        let objects: Vec<(PathBuf, Header)> = settled
            .instances
            .iter()
            .filter_map(|path| match header::read_header(path) {
                Ok(header) => Some((path.clone(), header)),
                Err(error) => {
                    // It was readable when it was stored: the disk is failing, or somebody changed the file.
                    tracing::error!(study = %settled.study, %error, "A stored image cannot be read any more.");
                    None
                }
            })
            .collect();
        let taken: Vec<&(PathBuf, Header)> = match &self.model {
            Some(model) => objects
                .iter()
                .filter(|(_, header)| model.takes(header).is_ok())
                .collect(),
            None => Vec::new(),
        };
        match &self.model {
            Some(model) if !taken.is_empty() => self.answer(model, &taken, settled, pictures),
            Some(_) => self.unanswered(Answer::OutsideIntendedUse, &objects, settled, pictures),
            None => self.unanswered(Answer::NoModel, &objects, settled, pictures),
        }
    }

    fn answer(
        &self,
        model: &Model,
        taken: &[&(PathBuf, Header)],
        settled: &SettledStudy,
        pictures: &Path,
    ) -> AssessedStudy {
        let mut undecodable = false;
        let mut reads = Vec::new();
        for (path, header) in taken {
            match guarded(|| pixels::load_gray(path, header)) {
                Ok(image) => reads.push(self.read(model, image, settled)),
                Err(reason) => {
                    tracing::warn!(study = %settled.study, reason, "A picture could not be decoded; the study goes to review.");
                    undecodable = true;
                }
            }
        }
        let quality = worst(reads.iter().map(|read| &read.quality), undecodable);
        let key = key_read(&reads);
        let findings: Vec<(FindingResult, bool)> = merged(&reads);
        let answer = if findings.is_empty() || reads.iter().any(|read| read.prediction.is_none()) {
            Answer::Failed
        } else {
            Answer::Findings(findings.clone())
        };
        let (urgency, reasons) = decide(self.review_below, &quality, settled.identity_conflict, &answer);
        let engine = key
            .and_then(|read| read.prediction.as_ref())
            .map(|prediction| prediction.engine.clone());
        let assessment = Assessment {
            model: Some(model.version().clone()),
            engine,
            findings: findings.into_iter().map(|(finding, _)| finding).collect(),
            quality,
            urgency,
            reasons,
        };
        let made = key.map_or_else(Vec::new, |read| {
            let map = read.prediction.as_ref().map(|prediction| &prediction.heat_map);
            save_pictures(&read.image, map, pictures)
        });
        AssessedStudy {
            assessment,
            pictures: made,
        }
    }

    fn read(&self, model: &Model, image: GrayImage, settled: &SettledStudy) -> Read {
        let quality = (self.grade)(&statistics(&image), image.width, image.height);
        let prediction = match guarded(|| model.assess(&image)) {
            Ok(prediction) => Some(prediction),
            Err(reason) => {
                tracing::error!(study = %settled.study, reason, "The model failed on a picture; the study goes to review.");
                None
            }
        };
        Read {
            image,
            quality,
            prediction,
        }
    }

    /// No model answers: still a picture for the clinic, and an expert looks.
    fn unanswered(
        &self,
        answer: Answer,
        objects: &[(PathBuf, Header)],
        settled: &SettledStudy,
        pictures: &Path,
    ) -> AssessedStudy {
        let with_pixels: Vec<_> = objects.iter().filter(|(_, header)| header.has_pixels()).collect();
        let middle = with_pixels.get(with_pixels.len() / 2);
        let image = middle.and_then(
            |(path, header)| match guarded(|| pixels::load_gray(path, header)) {
                Ok(image) => Some(image),
                Err(reason) => {
                    tracing::info!(study = %settled.study, reason, "No picture could be made of the study.");
                    None
                }
            },
        );
        // The exposure rules are for the pictures a model takes; here it only counts whether there is one to look at.
        let undecodable = middle.is_some() && image.is_none();
        let quality = worst(std::iter::empty(), undecodable);
        let (urgency, reasons) = decide(self.review_below, &quality, settled.identity_conflict, &answer);
        let assessment = Assessment {
            model: None,
            engine: None,
            findings: Vec::new(),
            quality,
            urgency,
            reasons,
        };
        let made = image.map_or_else(Vec::new, |image| save_pictures(&image, None, pictures));
        AssessedStudy {
            assessment,
            pictures: made,
        }
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

/// The study is as good as its worst picture.
fn worst<'a>(verdicts: impl Iterator<Item = &'a QualityVerdict>, undecodable: bool) -> QualityVerdict {
    let mut sum = QualityVerdict {
        grade: QualityGrade::A,
        problems: Vec::new(),
    };
    for verdict in verdicts {
        sum.grade = sum.grade.max(verdict.grade);
        sum.problems.extend(&verdict.problems);
    }
    if undecodable {
        sum.grade = QualityGrade::C;
        sum.problems.push(QualityProblem::Undecodable);
    }
    sum.problems.sort_unstable();
    sum.problems.dedup();
    sum
}

/// The picture to show: the one with the highest score of any finding.
fn key_read(reads: &[Read]) -> Option<&Read> {
    let highest = |read: &Read| {
        read.prediction
            .iter()
            .flat_map(|prediction| &prediction.findings)
            .map(|finding| finding.score.value())
            .fold(-1.0, f32::max)
    };
    reads.iter().max_by(|a, b| highest(a).total_cmp(&highest(b)))
}

/// Each finding where it stands out most: a finding on one view is a finding of the study.
fn merged(reads: &[Read]) -> Vec<(FindingResult, bool)> {
    let mut merged: Vec<(FindingResult, bool)> = Vec::new();
    for prediction in reads.iter().filter_map(|read| read.prediction.as_ref()) {
        for finding in &prediction.findings {
            let one = (finding.clone(), prediction.urgent.contains(&finding.code));
            match merged.iter_mut().find(|(known, _)| known.code == finding.code) {
                Some(known) if known.0.score < finding.score => *known = one,
                Some(_) => {}
                None => merged.push(one),
            }
        }
    }
    merged
}

/// Pictures are a convenience that can be made again: a failure costs the picture, not the assessment.
fn save_pictures(image: &GrayImage, map: Option<&HeatMap>, directory: &Path) -> Vec<String> {
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
    save("preview", render::preview_jpeg(image, PICTURE_SIDE));
    if let Some(map) = map {
        save("heat_map", render::overlay_heat_map(image, map, PICTURE_SIDE));
    }
    made
}
