//! What the pictures of a study add up to.

use std::sync::Arc;
use std::time::Duration;

use barefoot_domain::{
    Call, EngineUse, FindingCode, FindingResult, QualityGrade, QualityProblem, QualityVerdict, Reason,
};
use barefoot_imaging::pixels::GrayImage;
use barefoot_imaging::render::HeatMap;
use barefoot_inference::Prediction;

use crate::model::{StudyCount, shadow};

/// Where a model looked for a finding, and on what.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) map: HeatMap,
    pub(super) finding: FindingCode,
    pub(super) place: Place,
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
    /// Each finding where it stands out most (a finding on one view is a finding of the study), and whether its bundle
    /// calls it urgent there.
    pub(super) findings: Vec<(FindingResult, bool)>,
    pub(super) gaps: Vec<Reason>,
    pub(super) engine: Option<EngineUse>,
    /// The picture to show, the highest score of any finding on it, and where the model looked.
    pub(super) shown: Option<(f32, Arc<GrayImage>, Option<Looked>)>,
    failed: bool,
    times_ms: Vec<f32>,
    /// Pictures the model answered for, as many as the model beside is shown; `None` where there is none.
    beside: Option<Vec<(Arc<GrayImage>, Vec<FindingResult>)>>,
}

impl Sum {
    pub(super) fn new(beside: bool) -> Self {
        let quality = QualityVerdict {
            grade: QualityGrade::A,
            problems: Vec::new(),
        };
        Self {
            quality,
            findings: Vec::new(),
            gaps: Vec::new(),
            engine: None,
            shown: None,
            failed: false,
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

    pub(super) fn predicted(
        &mut self,
        image: Arc<GrayImage>,
        place: Place,
        prediction: Prediction,
        took: Duration,
    ) {
        self.times_ms.push(took.as_secs_f32() * 1000.0);
        if let Some(beside) = self
            .beside
            .as_mut()
            .filter(|beside| beside.len() < shadow::PICTURES)
        {
            beside.push((Arc::clone(&image), prediction.findings.clone()));
        }
        let mut highest = 0.0f32;
        for finding in &prediction.findings {
            highest = highest.max(finding.score.value());
            let one = (finding.clone(), prediction.urgent.contains(&finding.code));
            match self
                .findings
                .iter_mut()
                .find(|(known, _)| known.code == finding.code)
            {
                Some(known) if known.0.score < finding.score => *known = one,
                Some(_) => {}
                None => self.findings.push(one),
            }
        }
        if prediction.outside {
            self.gap(Reason::PictureOutside);
        }
        self.engine = Some(prediction.engine);
        let looked = Looked {
            map: prediction.heat_map,
            finding: prediction.heat_map_of,
            place,
        };
        self.show(highest, image, Some(looked));
    }

    pub(super) fn show(&mut self, score: f32, image: Arc<GrayImage>, looked: Option<Looked>) {
        if self.shown.as_ref().is_none_or(|(best, ..)| *best < score) {
            self.shown = Some((score, image, looked));
        }
    }

    /// The model gave no answer for a picture it took.
    pub(super) fn failed(&mut self) {
        self.failed = true;
    }

    /// What the study showed of the model; `None` when the model was asked about no picture.
    pub(super) fn count(&self, reviewed: bool) -> Option<StudyCount> {
        if self.times_ms.is_empty() && !self.failed {
            return None;
        }
        let scores = self.findings.iter().map(|(finding, _)| finding.score.value());
        Some(StudyCount {
            failed: self.failed,
            reviewed,
            positive: self
                .findings
                .iter()
                .any(|(finding, _)| finding.call == Call::Positive),
            disagreed: false,
            scores: scores.collect(),
            times_ms: self.times_ms.clone(),
        })
    }

    /// Pictures for the model beside, where there is one.
    pub(super) fn for_the_model_beside(&mut self) -> Vec<(Arc<GrayImage>, Vec<FindingResult>)> {
        self.beside.take().unwrap_or_default()
    }
}
