//! What the pictures of a study add up to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use barefoot_domain::{
    Call, FindingCode, FindingRegion, FindingResult, QualityGrade, QualityProblem, QualityVerdict, Reason,
};
use barefoot_imaging::pixels::GrayImage;
use barefoot_imaging::render::HeatMap;
use barefoot_inference::{FindingMask, Prediction};

use super::panel::{Answer, Vote};
use crate::model::{Seat, StudyCount, shadow};

/// Where a model looked for a finding, and on what.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) map: HeatMap,
    pub(super) finding: FindingCode,
    pub(super) place: Place,
    /// Where positive findings were seen on it.
    pub(super) regions: Vec<FindingRegion>,
    pub(super) masks: Vec<FindingMask>,
}

impl Looked {
    /// Those of findings that stayed positive when all models had spoken.
    pub(super) fn regions_of(&self, findings: &[FindingResult]) -> Vec<FindingRegion> {
        let positive = |region: &&FindingRegion| {
            let mut calls = findings.iter().filter(|finding| finding.call == Call::Positive);
            calls.any(|finding| finding.code == region.finding)
        };
        self.regions.iter().filter(positive).cloned().collect()
    }
}

/// The frame of an image that was read.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Its name below `instances/`.
    pub(super) file: String,
    /// From 1.
    pub(super) frame: u32,
}

/// Of the pictures only the one to show is kept: a study may have hundreds.
pub(super) struct Sum {
    pub(super) quality: QualityVerdict,
    /// Of each model, in the order of seats; each finding where it stands out most: a finding on one view
    /// is a finding of the study.
    pub(super) answers: Vec<Answer>,
    pub(super) gaps: Vec<Reason>,
    /// The picture to show, the highest score of any finding on it, and where the model looked.
    pub(super) shown: Option<(f32, Arc<GrayImage>, Option<Looked>)>,
    /// Where that picture's image lies.
    pub(super) shown_path: Option<PathBuf>,
    /// The same as a presentation state wants it.
    pub(super) presented: Option<GrayImage>,
    /// Of the model that answers first.
    times_ms: Vec<f32>,
    /// Pictures the model answered for, as many as the model beside is shown; `None` where there is none.
    beside: Option<Vec<(Arc<GrayImage>, Vec<FindingResult>)>>,
}

impl Sum {
    pub(super) fn new(seats: &[Seat], beside: bool) -> Self {
        let quality = QualityVerdict {
            grade: QualityGrade::A,
            problems: Vec::new(),
        };
        Self {
            quality,
            answers: seats.iter().map(Answer::none_of).collect(),
            gaps: Vec::new(),
            shown: None,
            shown_path: None,
            presented: None,
            times_ms: Vec::new(),
            beside: beside.then(Vec::new),
        }
    }

    pub(super) fn gap(&mut self, reason: Reason) {
        if !self.gaps.contains(&reason) {
            self.gaps.push(reason);
        }
    }

    /// The study is as good as its worst picture.
    pub(super) fn graded(&mut self, verdict: &QualityVerdict) {
        self.quality.grade = self.quality.grade.max(verdict.grade);
        self.quality.problems.extend(&verdict.problems);
    }

    pub(super) fn undecodable(&mut self) {
        self.graded(&QualityVerdict {
            grade: QualityGrade::C,
            problems: vec![QualityProblem::Undecodable],
        });
    }

    /// Whether the model in this seat was too slow for a picture before: for this study it is not asked again.
    pub(super) fn was_too_slow(&self, seat: usize) -> bool {
        let answer = self.answers.get(seat);
        answer.is_some_and(|answer| answer.failed == Some(Reason::ModelTooSlow))
    }

    pub(super) fn predicted(
        &mut self,
        (number, seat): (usize, &Seat),
        image: &Arc<GrayImage>,
        prediction: &Prediction,
        took: Duration,
    ) {
        if seat.role.is_none() {
            self.times_ms.push(took.as_secs_f32() * 1000.0);
            if let Some(beside) = self
                .beside
                .as_mut()
                .filter(|beside| beside.len() < shadow::PICTURES)
            {
                beside.push((Arc::clone(image), prediction.findings.clone()));
            }
        }
        if prediction.outside {
            self.gap(Reason::PictureOutside);
        }
        let Some(answer) = self.answers.get_mut(number) else {
            return;
        };
        answer.engine = Some(prediction.engine.clone());
        for finding in &prediction.findings {
            let vote = Vote {
                finding: finding.clone(),
                urgent: prediction.urgent.contains(&finding.code),
                operating_point: seat.active.model.operating_point(&finding.code).unwrap_or(0.5),
            };
            let known = answer
                .votes
                .iter_mut()
                .find(|known| known.finding.code == finding.code);
            match known {
                Some(known) if known.finding.score < finding.score => *known = vote,
                Some(_) => {}
                None => answer.votes.push(vote),
            }
        }
    }

    /// Shows the picture if no other one shows more, with where the model looked.
    pub(super) fn looked(
        &mut self,
        image: Arc<GrayImage>,
        (path, place): (&Path, Place),
        prediction: Prediction,
    ) {
        let scores = prediction.findings.iter().map(|finding| finding.score.value());
        let highest = scores.fold(0.0, f32::max);
        let looked = Looked {
            map: prediction.heat_map,
            finding: prediction.heat_map_of,
            regions: prediction.regions,
            masks: prediction.masks,
            place,
        };
        self.show(highest, image, Some(looked), path);
    }

    pub(super) fn show(&mut self, score: f32, image: Arc<GrayImage>, looked: Option<Looked>, path: &Path) {
        if self.shown.as_ref().is_none_or(|(best, ..)| *best < score) {
            self.shown = Some((score, image, looked));
            self.shown_path = Some(path.to_owned());
        }
    }

    /// The model gave no answer for a picture it took.
    pub(super) fn failed(&mut self, seat: usize, reason: Reason) {
        if let Some(answer) = self.answers.get_mut(seat) {
            answer.failed = Some(reason);
        }
    }

    /// What the study showed of the model that answers first; `None` when it was asked about no picture.
    pub(super) fn count(&self, reviewed: bool) -> Option<StudyCount> {
        let own = self.answers.iter().find(|answer| answer.role.is_none())?;
        if !own.was_asked() {
            return None;
        }
        let findings = || own.votes.iter().map(|vote| &vote.finding);
        Some(StudyCount {
            failed: own.failed.is_some(),
            reviewed,
            positive: findings().any(|finding| finding.call == Call::Positive),
            disagreed: false,
            scores: findings().map(|finding| finding.score.value()).collect(),
            times_ms: self.times_ms.clone(),
        })
    }

    /// Pictures for the model beside, where there is one.
    pub(super) fn for_the_model_beside(&mut self) -> Vec<(Arc<GrayImage>, Vec<FindingResult>)> {
        self.beside.take().unwrap_or_default()
    }
}
