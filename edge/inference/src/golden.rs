//! Does this engine give the answers the bundle was released with?

use std::io::Cursor;

use barefoot_imaging::pixels::GrayImage;
use image::{DynamicImage, ImageReader, Limits};

use crate::bundle::{Bundle, GoldenCase};
use crate::engine::{Engine, EngineError, Precision};
use crate::preprocess;
use crate::reader::Reader;

/// Why an engine is not trusted with this bundle.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GoldenError {
    #[error("golden picture {number} cannot be read")]
    Picture { number: usize },
    #[error("the bundle has no golden scores for {precision}")]
    NoScores { precision: Precision },
    #[error("golden picture {number} is not where the bundle says: inside or outside its scope")]
    Scope { number: usize },
    #[error("tract, which the other engines are held against, cannot run it: {reason}")]
    NoReferee { reason: String },
    #[error("golden case {number} failed")]
    Engine {
        number: usize,
        #[source]
        source: EngineError,
    },
    #[error("golden case {number} gave no number")]
    NoNumber { number: usize },
    #[error("golden case {number} differs by {difference:.4}, allowed are {tolerance:.4}")]
    Differs {
        number: usize,
        difference: f32,
        tolerance: f32,
    },
}

/// Pictures and the scores an engine must give for them: prepared once for all engines.
pub(crate) struct Questions {
    /// As the graph takes them.
    pub(crate) inputs: Vec<Vec<f32>>,
    /// Of a bundle without golden cases: what tract says.
    referee: Option<Vec<Vec<f32>>>,
}

/// How far an engine may be from the referee.
const REFEREE_TOLERANCE: f32 = 0.02;

impl Questions {
    /// Of the bundle's golden pictures; where it has none, of drawn ones, answered by `referee`.
    pub(crate) fn new(
        bundle: &Bundle,
        referee: impl FnOnce() -> Result<Box<dyn Engine>, String>,
    ) -> Result<Self, GoldenError> {
        let prepared = |picture: &GrayImage, number| {
            let plane = preprocess::graph_input(picture, &bundle.preprocessing)
                .map_err(|_| GoldenError::Picture { number })?;
            Ok(bundle.input.tensor(&plane))
        };
        if !bundle.golden.is_empty() {
            let inputs = bundle.golden.iter().zip(1..).map(|(case, number)| {
                let picture = grey(case).ok_or(GoldenError::Picture { number })?;
                scope_agrees(bundle, case, &picture, number)?;
                prepared(&picture, number)
            });
            return Ok(Self {
                inputs: inputs.collect::<Result<_, _>>()?,
                referee: None,
            });
        }
        let inputs = drawn(bundle.preprocessing.width, bundle.preprocessing.height);
        let inputs = inputs.iter().zip(1..);
        let inputs: Vec<_> = inputs
            .map(|(picture, number)| prepared(picture, number))
            .collect::<Result<_, _>>()?;
        let engine = referee().map_err(|reason| GoldenError::NoReferee { reason })?;
        let answers = inputs.iter().zip(1..);
        let answers = answers.map(|(input, number)| answer(engine.as_ref(), bundle, input, number));
        let referee = Some(answers.collect::<Result<_, _>>()?);
        Ok(Self { inputs, referee })
    }

    /// The largest difference, when none is too large.
    pub(crate) fn check(&self, engine: &dyn Engine, bundle: &Bundle) -> Result<f32, GoldenError> {
        let mut worst = 0.0_f32;
        for ((place, input), number) in self.inputs.iter().enumerate().zip(1..) {
            let precision = engine.precision();
            let released = bundle.golden.get(place);
            let (expected, tolerance) = match (&self.referee, released) {
                (Some(answers), _) => (answers.get(place).map(Vec::as_slice), REFEREE_TOLERANCE),
                (None, Some(case)) => (case.scores(precision), case.tolerance),
                (None, None) => (None, 0.0),
            };
            let expected = expected.ok_or(GoldenError::NoScores { precision })?;
            let found = answer(engine, bundle, input, number)?;
            let difference = found
                .iter()
                .zip(expected)
                .map(|(found, expected)| (found - expected).abs())
                .fold(0.0, f32::max);
            if tolerance < difference {
                return Err(GoldenError::Differs {
                    number,
                    difference,
                    tolerance,
                });
            }
            worst = worst.max(difference);
        }
        Ok(worst)
    }
}

fn scope_agrees(
    bundle: &Bundle,
    case: &GoldenCase,
    picture: &GrayImage,
    number: usize,
) -> Result<(), GoldenError> {
    let outside = match &bundle.scope {
        Some(scope) => scope
            .is_outside(picture)
            .map_err(|_| GoldenError::Picture { number })?,
        None => false,
    };
    match case.outside {
        Some(expected) if expected != outside => Err(GoldenError::Scope { number }),
        _ => Ok(()),
    }
}

fn answer(
    engine: &dyn Engine,
    bundle: &Bundle,
    input: &[f32],
    number: usize,
) -> Result<Vec<f32>, GoldenError> {
    let raw = engine
        .run(input)
        .map_err(|source| GoldenError::Engine { number, source })?;
    let scores = Reader::of(bundle).and_then(|reader| reader.scores(&raw, &bundle.findings));
    let scores = scores.ok_or(GoldenError::NoNumber { number })?;
    Ok(scores.iter().map(|score| score.value()).collect())
}

/// Nothing, a slope and spots: enough for an engine that computes something else to show it.
fn drawn(width: u32, height: u32) -> Vec<GrayImage> {
    let level: [fn(f32, f32) -> f32; 3] = [
        |_, _| 0.5,
        |x, y| (x + y) / 2.0,
        |x, y| 0.5 + 0.45 * (x * 23.0).sin() * (y * 17.0).cos(),
    ];
    let pictures = level.iter().map(|level| {
        let rows = 0..height;
        let pixels = rows.flat_map(|y| (0..width).map(move |x| (x, y)));
        GrayImage {
            width,
            height,
            data: pixels
                .map(|(x, y)| level(x as f32 / width as f32, y as f32 / height as f32))
                .collect(),
            frame_count: 1,
        }
    });
    pictures.collect()
}

/// Golden pictures are grey PNGs, so that no rule about colours stands between them and the graph.
fn grey(case: &GoldenCase) -> Option<GrayImage> {
    let mut reader = ImageReader::with_format(Cursor::new(&case.picture), image::ImageFormat::Png);
    let mut limits = Limits::default();
    limits.max_image_width = Some(4096);
    limits.max_image_height = Some(4096);
    limits.max_alloc = Some(64 * 1024 * 1024);
    reader.limits(limits);
    let (width, height, data) = match reader.decode().ok()? {
        DynamicImage::ImageLuma8(picture) => {
            let levels = picture.iter().map(|level| f32::from(*level) / 255.0);
            (picture.width(), picture.height(), levels.collect())
        }
        DynamicImage::ImageLuma16(picture) => {
            let levels = picture.iter().map(|level| f32::from(*level) / 65_535.0);
            (picture.width(), picture.height(), levels.collect())
        }
        _ => return None,
    };
    Some(GrayImage {
        width,
        height,
        data,
        frame_count: 1,
    })
}
