use std::fmt;

use barefoot_domain::{Call, EngineUse, FindingCode, FindingResult, ModelVersion, Score};
use barefoot_imaging::header::Header;
use barefoot_imaging::pixels::GrayImage;
use barefoot_imaging::render::HeatMap;

use crate::bundle::{Bundle, Finding, HeadWeights, Preprocessing, Takes};
use crate::engine::{Engine, EngineError, FeatureMap};
use crate::selection::{self, Considered, EngineChoice, Outcome, Selection};
use crate::scope::Scope;
use crate::{head, preprocess};

/// A bundle on the engine that was chosen for it. Shared between threads as it is.
pub struct Model {
    version: ModelVersion,
    takes: Takes,
    preprocessing: Preprocessing,
    scope: Option<Scope>,
    findings: Vec<Finding>,
    head: HeadWeights,
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
}

/// The model's answer for one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// In the bundle's order.
    pub findings: Vec<FindingResult>,
    /// Those of `findings` that are positive and that the bundle calls urgent.
    pub urgent: Vec<FindingCode>,
    pub heat_map: HeatMap,
    /// The finding `heat_map` is of: the positive one with the highest score, else the one with the highest score.
    pub heat_map_of: FindingCode,
    /// The picture does not look like those the model was made for: no call on it is to be believed.
    pub outside: bool,
    pub engine: EngineUse,
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
        let model = Self {
            version: bundle.version.clone(),
            takes: bundle.takes.clone(),
            preprocessing: bundle.preprocessing.clone(),
            scope: bundle.scope.clone(),
            findings: bundle.findings.clone(),
            head: bundle.head.clone(),
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

    /// Values of one picture's pooled features.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.head.channels
    }

    /// The head's weights, finding by finding, and its biases.
    #[must_use]
    pub fn head(&self) -> (&[f32], &[f32]) {
        (&self.head.weight, &self.head.bias)
    }

    /// # Errors
    /// When the picture, the engine or its answer is unusable.
    pub fn pooled_features(&self, image: &GrayImage) -> Result<PooledFeatures, AssessError> {
        let features = self.features(image)?;
        let scores = head::scores(&features, &self.head, &self.findings).ok_or(AssessError::NoNumber)?;
        let values = head::pooled(&features);
        if !values.iter().all(|value| value.is_finite()) {
            return Err(AssessError::NoNumber);
        }
        Ok(PooledFeatures { values, scores })
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

    fn features(&self, image: &GrayImage) -> Result<FeatureMap, AssessError> {
        let input = preprocess::graph_input(image, &self.preprocessing)
            .map_err(|source| AssessError::Prepare { source })?;
        // A graph may turn it into a number again, and then nobody would know.
        if !input.iter().all(|value| value.is_finite()) {
            return Err(AssessError::PictureNoNumber);
        }
        self.engine
            .run(&input)
            .map_err(|source| AssessError::Engine { source })
    }

    /// # Errors
    /// When the picture, the engine or its answer is unusable.
    pub fn assess(&self, image: &GrayImage) -> Result<Prediction, AssessError> {
        let outside = self.is_outside(image)?;
        let features = self.features(image)?;
        let scores = head::scores(&features, &self.head, &self.findings).ok_or(AssessError::NoNumber)?;
        let findings: Vec<FindingResult> = self
            .findings
            .iter()
            .zip(scores)
            .map(|(finding, score)| {
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
            })
            .collect();
        let urgent = self
            .findings
            .iter()
            .zip(&findings)
            .filter(|(finding, result)| finding.urgent && result.call == Call::Positive)
            .map(|(finding, _)| finding.code.clone());
        let strongest = findings.iter().enumerate().max_by(|(_, a), (_, b)| {
            let key = |result: &FindingResult| (result.call == Call::Positive, result.score.value());
            let ((a_positive, a_score), (b_positive, b_score)) = (key(a), key(b));
            a_positive.cmp(&b_positive).then(a_score.total_cmp(&b_score))
        });
        // A manifest without findings is refused, so there is a strongest.
        let (index, strongest) = strongest.ok_or(AssessError::NoNumber)?;
        let map = head::activation_map(&features, &self.head, index);
        Ok(Prediction {
            urgent: urgent.collect(),
            heat_map: match self.preprocessing.crop {
                Some(crop) => preprocess::on_whole_picture(&map, crop),
                None => map,
            },
            outside,
            heat_map_of: strongest.code.clone(),
            engine: self.engine_use.clone(),
            findings,
        })
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

fn reasons(considered: &[Considered]) -> String {
    let refused = considered
        .iter()
        .filter_map(|candidate| match &candidate.outcome {
            Outcome::Passed { .. } => None,
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
