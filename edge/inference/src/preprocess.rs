use barefoot_imaging::pixels::GrayImage;
use barefoot_imaging::render::{Filter, resize_gray};

use crate::bundle::Preprocessing;

/// The picture stretched to the graph's input and normalised.
pub(crate) fn graph_input(
    image: &GrayImage,
    preprocessing: &Preprocessing,
) -> Result<Vec<f32>, barefoot_imaging::render::Error> {
    let resized = resize_gray(image, preprocessing.width, preprocessing.height, Filter::Triangle)?;
    let normalised = resized
        .data
        .iter()
        .map(|level| (level - preprocessing.mean) / preprocessing.std);
    Ok(normalised.collect())
}
