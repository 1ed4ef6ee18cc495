//! From a settled study to an assessment: which pictures the model takes, what it says, how soon a person must look.
//!
//! Whatever fails here (a picture that cannot be decoded, a model that errs or panics) ends in an assessment that sends
//! the study to review. It never ends in no assessment.

mod attempts;
mod decision;
mod films;
mod panel;
mod pictures;
mod presented;
mod sum;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use barefoot_domain::{Assessment, FindingResult, Reason, Urgency};
use barefoot_imaging::header::{self, Header};
use barefoot_imaging::pixels::GrayImage;
use barefoot_imaging::presented::is_applied;
use barefoot_inference::{NotTaken, Pose, Prediction, Viewing};
use serde::Deserialize;

use crate::at_rest;
use crate::handoff::{AssessedStudy, Grading, SettledStudy};
use crate::model::{ActiveModel, ModelHandle, Role, Seat, ShadowStudy, Silence};
use crate::stage_times::{Stage, StageTimes};
use decision::decide;
pub(crate) use films::HeldFilms;
use films::is_film;
use panel::together;
pub(crate) use panel::{Config as PanelConfig, Policy};
use sum::{Place, Sum};

/// Begun but never ended this often, a study has taken the whole daemon along (memory, an abort in a codec): it is then
/// sent to review without being read.
const MAX_ATTEMPTS: u32 = 3;

/// A model that has answered may be asked for so long where it looked.
const EXPLAIN_FOR: Duration = Duration::from_secs(2);

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

/// Pictures without a model that are graded with their study; more are a series.
const GRADED_BESIDE: usize = 32;

/// The stage; one for the daemon.
#[derive(Debug)]
pub(crate) struct Assessor {
    models: ModelHandle,
    review_below: f32,
    grading: Arc<dyn Grading>,
    times: StageTimes,
    deadline: Duration,
    policy: Policy,
    /// Whether what it assesses says something of the models.
    counts: bool,
}

impl Assessor {
    #[must_use]
    pub(crate) fn new(
        config: &Config,
        models: ModelHandle,
        grading: Arc<dyn Grading>,
        times: StageTimes,
    ) -> Self {
        Self {
            models,
            review_below: config.review_below,
            grading,
            times,
            deadline: crate::config::default_deadline(),
            policy: Policy::default(),
            counts: true,
        }
    }

    /// For pictures that are nobody's: no model is judged by them, and none beside it sees them.
    #[must_use]
    pub(crate) fn counting_nothing(self) -> Self {
        Self {
            counts: false,
            ..self
        }
    }

    /// How long a model may take for a picture, and how several make one call.
    #[must_use]
    pub(crate) fn asking(self, deadline: Duration, panel: PanelConfig) -> Self {
        Self {
            deadline,
            policy: panel.policy,
            ..self
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

    /// Blocking and busy: for a thread of its own. Pictures go to `pictures`. Films that nobody holds are decoded now.
    #[must_use]
    pub(crate) fn assess(&self, settled: &SettledStudy, pictures: &Path) -> AssessedStudy {
        let objects = objects_of(settled);
        self.assess_objects(settled, objects, pictures)
    }

    /// As [`Assessor::assess`]; `None` where the version has films, which take long.
    #[must_use]
    pub(crate) fn assess_unless_film(
        &self,
        settled: &SettledStudy,
        pictures: &Path,
    ) -> Option<AssessedStudy> {
        let objects = objects_of(settled);
        let has_film = objects
            .iter()
            .any(|(_, header)| header.as_ref().is_ok_and(is_film));
        (!has_film).then(|| self.assess_objects(settled, objects, pictures))
    }

    fn assess_objects(&self, settled: &SettledStudy, objects: Objects<'_>, pictures: &Path) -> AssessedStudy {
        let attempt = attempts::begin(pictures);
        // Once a study: a model that comes in between answers from the next one on.
        let _assessing = self.models.assessing();
        let seats = self.models.seats();
        let mut sum = Sum::new(&seats, self.counts && self.models.shadow().is_some());
        if settled.identity_conflict {
            sum.gaps.push(Reason::IdentityConflict);
        }
        if MAX_ATTEMPTS < attempt {
            tracing::error!(study = %settled.study, attempt, "Assessing this study ended the daemon before; it goes to review unread.");
            sum.gap(Reason::ModelFailed);
        } else {
            self.read_all(&seats, settled, objects, &mut sum);
        }
        let assessed = self.conclude(&seats, sum, pictures);
        attempts::end(pictures);
        assessed
    }

    fn read_all(&self, seats: &[Seat], settled: &SettledStudy, found: Objects<'_>, sum: &mut Sum) {
        let mut objects: Vec<(&PathBuf, Header)> = Vec::new();
        for (path, header) in found {
            match header {
                Ok(header) => objects.push((path, header)),
                Err(error) => {
                    // It was readable when it was stored: the disk is failing, or somebody changed the file.
                    tracing::error!(study = %settled.study, %error, "A stored image cannot be read any more.");
                    sum.undecodable();
                }
            }
        }
        let (states, mut objects): (Vec<_>, Vec<_>) = objects
            .into_iter()
            .partition(|(_, header)| is_applied(header.sop_class_uid()));
        objects.retain(|(_, header)| header.has_pixels());
        let outside: Vec<Reason> = objects
            .iter()
            .filter_map(|(_, header)| outside(seats, header))
            .collect();
        if seats.is_empty() {
            sum.gap(Reason::NoModel);
        } else if objects.is_empty() {
            sum.gap(Reason::OutsideIntendedUse);
        }
        let taken = |header: &Header| seats.iter().any(|seat| seat.active.model.takes(header).is_ok());
        sum.graded(&self.grading.series(&mut objects.iter().map(|(_, header)| header)));
        for (path, header) in objects
            .iter()
            .filter(|(_, header)| !taken(header))
            .take(GRADED_BESIDE)
        {
            sum.graded(&self.grading.unread(path, header));
        }
        if seats.is_empty() || outside.len() == objects.len() {
            // Nothing for a model: still a picture for the clinic, from the middle of the study.
            let middle = objects.len() / 2;
            objects = objects.into_iter().skip(middle).take(1).collect();
        }
        for reason in outside {
            sum.gap(reason);
        }
        for (path, header) in &objects {
            if is_film(header) && !taken(header) && sum.shown.is_some() {
                // It was graded above, and another picture is shown.
                continue;
            }
            let opened = self.grading.open(path);
            let decoded = self.times.timed(Stage::Decode, || opened.image(path, header));
            match decoded {
                Ok(image) if taken(header) => {
                    self.read(seats, image, (path, header), settled, sum);
                }
                Ok(image) => sum.show(-1.0, image, None, path),
                Err(reason) => {
                    tracing::warn!(study = %settled.study, reason, "A picture could not be decoded; the study goes to review.");
                    match is_film(header) {
                        true => sum.graded(&self.grading.picture(path, header)),
                        false => sum.undecodable(),
                    }
                }
            }
        }
        let shown = sum.shown_path.as_ref();
        let shown = shown.and_then(|shown| objects.iter().find(|(path, _)| *path == shown));
        if let Some((path, header)) = shown {
            let states = states.iter().map(|(path, header)| (path.as_path(), header));
            sum.presented = presented::presented(states, (path.as_path(), header));
        }
    }

    fn read(
        &self,
        seats: &[Seat],
        image: Arc<GrayImage>,
        (path, header): (&Path, &Header),
        settled: &SettledStudy,
        sum: &mut Sum,
    ) {
        let pose = Pose::of(header);
        let mut shown: Option<Prediction> = None;
        let mut panel_spoke = false;
        for (number, seat) in seats.iter().enumerate() {
            let needed = seat.role != Some(Role::Fallback) || !panel_spoke;
            if !needed || seat.active.model.takes(header).is_err() || sum.was_too_slow(number) {
                continue;
            }
            let begun = Instant::now();
            let said = self
                .times
                .timed(Stage::Model, || self.ask(&seat.active, &image, pose));
            match said {
                Ok(mut prediction) => {
                    seat.active.confidence.apply(&mut prediction.findings);
                    sum.predicted((number, seat), &image, &prediction, begun.elapsed());
                    panel_spoke |= seat.on_panel();
                    shown.get_or_insert(prediction);
                }
                Err(silence) => {
                    let reason = match silence {
                        Silence::TooSlow => {
                            tracing::error!(study = %settled.study, model = %seat.active.model.version(), "A model did not answer in time; the study goes to review.");
                            Reason::ModelTooSlow
                        }
                        Silence::Failed(reason) => {
                            tracing::error!(study = %settled.study, model = %seat.active.model.version(), reason, "A model failed on a picture; the study goes to review.");
                            Reason::ModelFailed
                        }
                    };
                    sum.failed(number, reason);
                }
            }
        }
        // After the models: as a rule it was judged meanwhile, for the technician.
        let graded = self
            .times
            .timed(Stage::Grade, || self.grading.picture(path, header));
        sum.graded(&graded);
        match shown {
            Some(prediction) => sum.looked(image, (path, place(path, header)), prediction),
            None => sum.show(-1.0, image, None, path),
        }
    }

    /// A model that does not end costs its answer, not this study's time and not the next one's.
    fn ask(
        &self,
        active: &Arc<ActiveModel>,
        image: &Arc<GrayImage>,
        pose: Pose,
    ) -> Result<Prediction, Silence> {
        let (model, image) = (Arc::clone(active), Arc::clone(image));
        let until = Instant::now() + EXPLAIN_FOR.min(self.deadline / 2);
        active.runner.within(self.deadline, move || {
            let _at_work = model.at_work();
            let said = model.model.assess_viewed(&image, Viewing { pose, until });
            said.map_err(|error| crate::error_chain::chain(&error))
        })
    }

    fn conclude(&self, seats: &[Seat], mut sum: Sum, pictures: &Path) -> AssessedStudy {
        sum.quality.problems.sort_unstable();
        sum.quality.problems.dedup();
        let said = together(self.policy, &sum.answers);
        for reason in said.gaps {
            sum.gap(reason);
        }
        let (urgency, reasons) = decide(
            self.review_below,
            &sum.quality,
            &said.findings,
            std::mem::take(&mut sum.gaps),
        );
        let first = seats.iter().find(|seat| seat.role.is_none());
        if let Some(first) = first.filter(|_| self.counts) {
            self.count(&first.active, &mut sum, urgency);
        }
        let findings: Vec<FindingResult> = said.findings.into_iter().map(|(finding, _)| finding).collect();
        let looked = sum.shown.as_ref().and_then(|(_, _, looked)| looked.as_ref());
        let regions = looked.map_or_else(Vec::new, |looked| looked.regions_of(&findings));
        let (model, engine) = said.lead.unzip();
        let assessment = Assessment {
            model,
            engine: engine.flatten(),
            findings,
            quality: sum.quality,
            urgency,
            reasons,
            regions,
            others: said.others,
        };
        let made = sum.shown.map_or_else(Vec::new, |(_, image, looked)| {
            self.times.timed(Stage::Pictures, || {
                let presented = sum.presented.as_ref();
                pictures::save(&image, looked.as_ref(), presented, pictures)
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

type Objects<'a> = Vec<(&'a PathBuf, Result<Header, header::Error>)>;

fn objects_of(settled: &SettledStudy) -> Objects<'_> {
    let paths = settled.instances.iter();
    paths
        .map(|path| (path, header::read_header(&at_rest::stored(path))))
        .collect()
}

/// Why no model takes an object; `None` where one does.
fn outside(seats: &[Seat], header: &Header) -> Option<Reason> {
    let mut reason = None;
    for seat in seats {
        match seat.active.model.takes(header) {
            Ok(()) => return None,
            // Otherwise it would have been taken: nearer than a model for something else.
            Err(NotTaken::Age) => reason = Some(Reason::SubgroupNotCovered),
            Err(_) => {
                reason.get_or_insert(Reason::OutsideIntendedUse);
            }
        }
    }
    // Without any model that is the reason.
    reason
}

/// Of several frames the middle one is read.
fn place(path: &Path, header: &Header) -> Place {
    let file = path.file_name().and_then(|name| name.to_str());
    Place {
        file: file.unwrap_or_default().to_owned(),
        frame: header.frames() / 2 + 1,
    }
}
