//! Fewer pixels than reading needs.

use barefoot_domain::QualityProblem;

use super::{Remark, noted};
use crate::pixels::GrayImage;

/// The short side a reader needs to judge a chest image: 0.7 mm a pixel still shows a nodule of a few millimetres.
const MIN_SHORT_SIDE: u32 = 512;

pub(super) fn remark(image: &GrayImage) -> Option<Remark> {
    let short = image.width.min(image.height);
    (short < MIN_SHORT_SIDE).then_some(noted(QualityProblem::LowResolution))
}
