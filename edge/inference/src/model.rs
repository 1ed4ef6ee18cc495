use std::fmt;
use std::time::{Duration, Instant};

use barefoot_domain::{Call, EngineUse, FindingCode, FindingRegion, FindingResult, ModelVersion, Score};
use barefoot_imaging::header::Header;
use barefoot_imaging::pixels::GrayImage;
use barefoot_imaging::render::HeatMap;

use crate::bundle::{Bundle, Finding, InputForm, Preprocessing, Takes};
use crate::calibration::bounded_logit;
use crate::engine::{Engine, EngineError};
use crate::explain::{self, Anatomy, Field, Grid, Pose};
use crate::reader::Reader;
use crate::scope::Scope;
use crate::selection::{self, Considered, EngineChoice, Outcome, Selection};
use crate::{age, head, preprocess};

/// How long an opaque graph is asked where it looked, when the caller names no time.
const EXPLAIN_FOR: Duration = Duration::from_secs(2);
/// A map's cells from this part of its peak on are the finding's region.
const REGION_LEVEL: f32 = 0.5;

/// A bundle on the engine that was chosen for it. Shared between threads as it is.
pub struct Model {
    version: ModelVersion,
    takes: Takes,
    preprocessing: Preprocessing,
    scope: Option<Scope>,
    input: InputForm,
    findings: Vec<Finding>,
    reader: Reader,
    engine: Box<dyn Engine>,
    engine_use: EngineUse,
    backbone: String,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("version", &self.version)
            .field("engine", &self.engine_use)
            .finish_non_exhaustive()
    }
}

/// No engine can be trusted with the bundle.
#[derive(Debug, thiserror::Error)]
#[error("no engine runs this model as it was released: {}", reasons(.considered))]
pub struct OpenError {
    pub considered: Vec<Considered>,
}

/// Why a model does not take an object: it goes to a person instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    #[error("the model does not take this modality")]
    Modality,
    #[error("the model does not take this part of the body")]
    BodyPart,
    #[error("the model does not take this view")]
    View,
    #[error("the model was not tried on patients of this age")]
    Age,
    #[error("the object has no pixels")]
    NoPixels,
    #[error("the object has several frames")]
    SeveralFrames,
    #[error("the picture is smaller than the model needs")]
    TooSmall,
}

/// Why a model gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AssessError {
    #[error("the picture cannot be prepared for the model")]
    Prepare {
        #[source]
        source: barefoot_imaging::render::Error,
    },
    #[error("the picture holds something that is no number")]
    PictureNoNumber,
    #[error("the engine failed")]
    Engine {
        #[source]
        source: EngineError,
    },
    #[error("the model gave something that is no number")]
    NoNumber,
    #[error("the model has no head of ours to learn from")]
    NoHead,
}

/// What is known of a picture beside its pixels.
#[derive(Debug, Clone, Copy)]
pub struct Viewing {
    /// How the patient lies in it.
    pub pose: Pose,
    /// Until when an opaque model may be asked where it looked; what it says on the finding does not wait for that.
    pub until: Instant,
}

impl Default for Viewing {
    fn default() -> Self {
        Self {
            pose: Pose::Unknown,
            until: Instant::now() + EXPLAIN_FOR,
        }
    }
}

/// The model's answer for one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// In the bundle's order.
    pub findings: Vec<FindingResult>,
    /// Those of `findings` that are positive and that the bundle calls urgent.
    pub urgent: Vec<FindingCode>,
    /// Nothing outside the anatomy shown; of an opaque model nothing at all unless the finding is positive.
    pub heat_map: HeatMap,
    /// Where positive findings were seen.
    pub regions: Vec<FindingRegion>,
    /// What a graph that draws masks drew of positive findings; none of other graphs.
    pub masks: Vec<FindingMask>,
    /// The finding `heat_map` is of: the positive one with the highest score, else the one with the highest score.
    pub heat_map_of: FindingCode,
    /// The picture does not look like those the model was made for: no call on it is to be believed.
    pub outside: bool,
    pub engine: EngineUse,
}

/// What a graph marked as one finding, over the whole picture.
#[derive(Debug, Clone, PartialEq)]
pub struct FindingMask {
    pub finding: FindingCode,
    /// 1 where it is, 0 elsewhere.
    pub map: HeatMap,
}

/// One picture as the head sees it: what federated rounds learn from instead of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct PooledFeatures {
    /// One value a channel.
    pub values: Vec<f32>,
    /// Calibrated scores of this model's head, in the bundle's order.
    pub scores: Vec<Score>,
}

/// The languages finding names come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Chinese,
    English,
}

impl Model {
    /// Chooses the engine and precision for this box. Takes as long as loading every candidate and a few runs of each.
    ///
    /// # Errors
    /// When no candidate gives the bundle's golden answers.
    pub fn open(bundle: &Bundle, choice: &EngineChoice) -> Result<(Self, Selection), OpenError> {
        let (engine, selection) =
            selection::select(bundle, choice).map_err(|considered| OpenError { considered })?;
        let reader = Reader::of(bundle).ok_or_else(|| OpenError {
            considered: selection.considered.clone(),
        })?;
        let model = Self {
            version: bundle.version.clone(),
            takes: bundle.takes.clone(),
            preprocessing: bundle.preprocessing.clone(),
            scope: bundle.scope.clone(),
            input: bundle.input.clone(),
            findings: bundle.findings.clone(),
            reader,
            engine,
            engine_use: selection.chosen.clone(),
            backbone: selection.backbone.clone(),
        };
        Ok((model, selection))
    }

    #[must_use]
    pub fn version(&self) -> &ModelVersion {
        &self.version
    }

    #[must_use]
    pub fn engine(&self) -> &EngineUse {
        &self.engine_use
    }

    /// # Errors
    /// The first reason why this object is outside what the model was made for.
    pub fn takes(&self, header: &Header) -> Result<(), NotTaken> {
        let modality = header.modality().unwrap_or_default();
        if !self.takes.modalities.contains(&modality) {
            return Err(NotTaken::Modality);
        }
        // Most scanners leave the body part out; where one names another part, it is believed.
        let part = header.body_part();
        if part.is_some_and(|part| !self.takes.body_parts.contains(&part)) {
            return Err(NotTaken::BodyPart);
        }
        let views = &self.takes.views;
        let view = header.view_position();
        if !views.is_empty() && view.is_some_and(|view| !views.contains(&view)) {
            return Err(NotTaken::View);
        }
        if let (Some([youngest, oldest]), Some(years)) = (self.takes.ages, age::years(header))
            && !(youngest..=oldest).contains(&years)
        {
            return Err(NotTaken::Age);
        }
        if !header.has_pixels() {
            return Err(NotTaken::NoPixels);
        }
        if header.frames() != 1 {
            return Err(NotTaken::SeveralFrames);
        }
        let rows = header.rows().unwrap_or(0);
        let columns = header.columns().unwrap_or(0);
        if rows < self.takes.min_rows || columns < self.takes.min_columns {
            return Err(NotTaken::TooSmall);
        }
        Ok(())
    }

    /// SHA-256 of the artefact that answers, in lower-case hex. Features of equal artefacts mean the same.
    #[must_use]
    pub fn backbone(&self) -> &str {
        &self.backbone
    }

    /// What the model looks for, in the order of the head's rows.
    pub fn findings(&self) -> impl ExactSizeIterator<Item = &FindingCode> {
        self.findings.iter().map(|finding| &finding.code)
    }

    /// Values of one picture's pooled features; none where the graph holds everything itself.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.reader.head().map_or(0, |head| head.channels)
    }

    /// The head's weights, finding by finding, and its biases; empty where the graph holds everything itself.
    #[must_use]
    pub fn head(&self) -> (&[f32], &[f32]) {
        let head = self.reader.head();
        head.map_or((&[], &[]), |head| (&head.weight, &head.bias))
    }

    /// The score of one row of the head for a picture's pooled features; `None` where they do not fit the head.
    #[must_use]
    pub fn score_of_pooled(&self, row: usize, pooled: &[f32]) -> Option<Score> {
        let scores = head::scores_of_pooled(pooled, self.reader.head()?, &self.findings)?;
        scores.get(row).copied()
    }

    /// # Errors
    /// When the picture, the engine or its answer is unusable, or the graph holds everything itself.
    pub fn pooled_features(&self, image: &GrayImage) -> Result<PooledFeatures, AssessError> {
        let raw = self.run(&self.plane(image)?)?;
        let scores = self
            .reader
            .scores(&raw, &self.findings)
            .ok_or(AssessError::NoNumber)?;
        let (features, _) = self.reader.features(&raw).ok_or(AssessError::NoHead)?;
        Ok(PooledFeatures {
            values: head::pooled(&features),
            scores,
        })
    }

    /// Whether the picture looks unlike those the model was made for. A bundle without `[scope]` takes all.
    ///
    /// # Errors
    /// When the picture is unusable.
    pub fn is_outside(&self, image: &GrayImage) -> Result<bool, AssessError> {
        let Some(scope) = &self.scope else {
            return Ok(false);
        };
        scope
            .is_outside(image)
            .map_err(|source| AssessError::Prepare { source })
    }

    /// The picture as one plane of the graph's size.
    fn plane(&self, image: &GrayImage) -> Result<Vec<f32>, AssessError> {
        let plane = preprocess::graph_input(image, &self.preprocessing)
            .map_err(|source| AssessError::Prepare { source })?;
        // A graph may turn it into a number again, and then nobody would know.
        if !plane.iter().all(|value| value.is_finite()) {
            return Err(AssessError::PictureNoNumber);
        }
        Ok(plane)
    }

    fn run(&self, plane: &[f32]) -> Result<Vec<f32>, AssessError> {
        self.engine
            .run(&self.input.tensor(plane))
            .map_err(|source| AssessError::Engine { source })
    }

    /// # Errors
    /// When the picture, the engine or its answer is unusable.
    pub fn assess(&self, image: &GrayImage) -> Result<Prediction, AssessError> {
        self.assess_viewed(image, Viewing::default())
    }

    /// # Errors
    /// When the picture, the engine or its answer is unusable.
    pub fn assess_viewed(&self, image: &GrayImage, viewing: Viewing) -> Result<Prediction, AssessError> {
        let outside = self.is_outside(image)?;
        let plane = self.plane(image)?;
        let raw = self.run(&plane)?;
        let scores = self
            .reader
            .scores(&raw, &self.findings)
            .ok_or(AssessError::NoNumber)?;
        let findings: Vec<FindingResult> = self
            .findings
            .iter()
            .zip(scores)
            .map(|(finding, score)| called(finding, score))
            .collect();
        let urgent = self
            .findings
            .iter()
            .zip(&findings)
            .filter(|(finding, result)| finding.urgent && result.call == Call::Positive)
            .map(|(finding, _)| finding.code.clone());
        let strongest = strongest(&findings).ok_or(AssessError::NoNumber)?;
        // The strongest first: it leads where an opaque graph is searched.
        let mut explained = vec![strongest];
        explained.extend((0..findings.len()).filter(|index| {
            *index != strongest && findings.get(*index).is_some_and(|one| one.call == Call::Positive)
        }));
        let anatomy = Anatomy::of(image);
        let grids = self.grids(&raw, &plane, &findings, &explained, &anatomy, viewing.until);
        let field = self.field();
        let mut maps = grids
            .iter()
            .map(|grid| explain::placed(grid, field, &anatomy, (image.width, image.height)));
        let heat_map = maps.next().ok_or(AssessError::NoNumber)?;
        let (mut regions, mut masks) = (Vec::new(), Vec::new());
        for (index, map) in explained
            .iter()
            .zip(std::iter::once(heat_map.clone()).chain(maps))
        {
            let Some(result) = findings
                .get(*index)
                .filter(|result| result.call == Call::Positive)
            else {
                continue;
            };
            let level = self.region_level(*index, &map);
            regions.extend(explain::regions(
                &result.code,
                &map,
                level,
                &anatomy,
                viewing.pose,
            ));
            if let Reader::Mask { .. } = &self.reader {
                masks.push(FindingMask {
                    finding: result.code.clone(),
                    map: cut(map, level),
                });
            }
        }
        Ok(Prediction {
            urgent: urgent.collect(),
            heat_map,
            regions,
            masks,
            outside,
            heat_map_of: findings
                .get(strongest)
                .map(|result| result.code.clone())
                .ok_or(AssessError::NoNumber)?,
            engine: self.engine_use.clone(),
            findings,
        })
    }

    /// The part of the picture the graph sees.
    fn field(&self) -> Field {
        self.preprocessing.crop.map_or(Field::WHOLE, |crop| Field {
            left: crop.left as f32,
            top: crop.top as f32,
            width: (crop.right - crop.left) as f32,
            height: (crop.bottom - crop.top) as f32,
        })
    }

    /// Where the evidence lies on the graph's own grid, for each finding to be explained.
    fn grids(
        &self,
        raw: &[f32],
        plane: &[f32],
        findings: &[FindingResult],
        explained: &[usize],
        anatomy: &Anatomy,
        until: Instant,
    ) -> Vec<Grid> {
        let finding = |index: &usize| self.findings.get(*index);
        match &self.reader {
            Reader::Features { head, .. } => {
                let features = self.reader.features(raw);
                let features = features.as_ref().map(|(features, _)| features);
                explained
                    .iter()
                    .filter_map(|index| Some(head::activation_map(features?, head, *index)))
                    .collect()
            }
            Reader::Mask { output, .. } => {
                let masks = explained.iter().filter_map(finding);
                masks
                    .map(|finding| Grid {
                        height: output.grid[0],
                        width: output.grid[1],
                        values: self.reader.mask(raw, finding).unwrap_or_default(),
                    })
                    .collect()
            }
            Reader::Scores { .. } => {
                let wanted: Vec<usize> = explained
                    .iter()
                    .copied()
                    .filter(|index| findings.get(*index).is_some_and(|one| one.call == Call::Positive))
                    .collect();
                if wanted.is_empty() {
                    return vec![Grid::empty(); explained.len()];
                }
                let shown = explain::Plane {
                    values: plane,
                    width: self.preprocessing.width as usize,
                    height: self.preprocessing.height as usize,
                    field: self.field(),
                    anatomy,
                };
                explain::occlusion_maps(&shown, wanted.len(), until, |plane| {
                    let raw = self.run(plane).ok()?;
                    let scores = self.reader.scores(&raw, &self.findings)?;
                    let logits = wanted
                        .iter()
                        .filter_map(|index| scores.get(*index))
                        .map(|score| bounded_logit(score.value()));
                    Some(logits.collect())
                })
            }
        }
    }

    /// A mask has its own level; a map of evidence is cut at a part of its peak.
    fn region_level(&self, finding: usize, map: &HeatMap) -> f32 {
        if let (Reader::Mask { .. }, Some(finding)) = (&self.reader, self.findings.get(finding)) {
            return finding.threshold;
        }
        map.values.iter().copied().fold(0.0_f32, f32::max) * REGION_LEVEL
    }

    /// How long the engine takes, so many times, for a drawn picture: for benchmarks.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn engine_times(&self, runs: usize) -> Result<Vec<Duration>, AssessError> {
        let pixels = self.preprocessing.width * self.preprocessing.height;
        let plane: Vec<f32> = (0..pixels).map(|pixel| (pixel as f32 * 0.01).sin()).collect();
        let tensor = self.input.tensor(&plane);
        let run = || {
            let begun = Instant::now();
            let answered = self.engine.run(&tensor);
            answered.map_err(|source| AssessError::Engine { source })?;
            Ok(begun.elapsed())
        };
        (0..runs).map(|_| run()).collect()
    }

    /// The finding's name for people; `None` for a code that is not the bundle's.
    #[must_use]
    pub fn finding_name(&self, code: &FindingCode, language: Language) -> Option<&str> {
        let finding = self.findings.iter().find(|finding| finding.code == *code)?;
        Some(match language {
            Language::Chinese => &finding.name_zh,
            Language::English => &finding.name_en,
        })
    }

    /// Calibrated score from which the call is positive; `None` for a code that is not the bundle's.
    #[must_use]
    pub fn operating_point(&self, code: &FindingCode) -> Option<f32> {
        let finding = self.findings.iter().find(|finding| finding.code == *code)?;
        Some(finding.operating_point)
    }
}

fn called(finding: &Finding, score: Score) -> FindingResult {
    let (call, confidence) = if finding.operating_point <= score.value() {
        (Call::Positive, score)
    } else {
        (Call::Negative, score.complement())
    };
    FindingResult {
        code: finding.code.clone(),
        score,
        call,
        confidence,
    }
}

fn cut(mut map: HeatMap, level: f32) -> HeatMap {
    for value in &mut map.values {
        *value = if level <= *value { 1.0 } else { 0.0 };
    }
    map
}

/// The positive one with the highest score, else the one with the highest score.
fn strongest(findings: &[FindingResult]) -> Option<usize> {
    let strongest = findings.iter().enumerate().max_by(|(_, one), (_, other)| {
        let positive = |result: &FindingResult| result.call == Call::Positive;
        let scores = one.score.value().total_cmp(&other.score.value());
        positive(one).cmp(&positive(other)).then(scores)
    });
    strongest.map(|(index, _)| index)
}

fn reasons(considered: &[Considered]) -> String {
    let refused = considered
        .iter()
        .filter_map(|candidate| match &candidate.outcome {
            Outcome::Passed { .. } | Outcome::Slower { .. } => None,
            Outcome::Refused { reason } => {
                Some(format!("{} {}: {reason}", candidate.engine, candidate.precision))
            }
        });
    let reasons: Vec<String> = refused.collect();
    if reasons.is_empty() {
        return "the bundle has no artefact of the wanted precision".to_owned();
    }
    reasons.join("; ")
}
