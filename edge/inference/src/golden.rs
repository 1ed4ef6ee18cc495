//! Does this engine give the answers the bundle was released with?

use std::io::Cursor;

use barefoot_imaging::pixels::GrayImage;
use image::{DynamicImage, ImageReader, Limits};

use crate::bundle::{Bundle, GoldenCase};
use crate::engine::{Engine, EngineError, Precision};
use crate::{head, preprocess};

/// Why an engine is not trusted with this bundle.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GoldenError {
    #[error("golden picture {number} cannot be read")]
    Picture { number: usize },
    #[error("the bundle has no golden scores for {precision}")]
    NoScores { precision: Precision },
    #[error("golden picture {number} is not where the bundle says: inside or outside its scope")]
    Scope { number: usize },
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

/// The golden pictures as the graph's inputs: prepared once for all engines.
pub(crate) fn inputs(bundle: &Bundle) -> Result<Vec<Vec<f32>>, GoldenError> {
    let numbered = bundle.golden.iter().zip(1..);
    numbered
        .map(|(case, number)| {
            let picture = grey(case).ok_or(GoldenError::Picture { number })?;
            scope_agrees(bundle, case, &picture, number)?;
            preprocess::graph_input(&picture, &bundle.preprocessing)
                .map_err(|_| GoldenError::Picture { number })
        })
        .collect()
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

/// The largest difference, when none is too large.
pub(crate) fn check(engine: &dyn Engine, bundle: &Bundle, inputs: &[Vec<f32>]) -> Result<f32, GoldenError> {
    let mut worst = 0.0_f32;
    for ((case, input), number) in bundle.golden.iter().zip(inputs).zip(1..) {
        let precision = engine.precision();
        let expected = case
            .scores(precision)
            .ok_or(GoldenError::NoScores { precision })?;
        let features = engine
            .run(input)
            .map_err(|source| GoldenError::Engine { number, source })?;
        let found = head::scores(&features, &bundle.head, &bundle.findings)
            .ok_or(GoldenError::NoNumber { number })?;
        let differences = found.iter().zip(expected);
        let difference = differences
            .map(|(found, expected)| (found.value() - expected).abs())
            .fold(0.0, f32::max);
        if case.tolerance < difference {
            return Err(GoldenError::Differs {
                number,
                difference,
                tolerance: case.tolerance,
            });
        }
        worst = worst.max(difference);
    }
    Ok(worst)
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
