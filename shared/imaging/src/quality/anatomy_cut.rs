//! The picture's edge cuts through the lungs: apices, bases or a side are missing.
//!
//! A chest whose edge lies too far inside is more like the rest of a chest than like a whole one.

use barefoot_domain::QualityProblem;

use super::chest::Likeness;
use super::{Remark, noted};

/// How much more like. Of 197 whole chests kept apart 1 % have more.
const CUT: f32 = 0.18;

pub(super) fn remark(likeness: &Likeness) -> Option<Remark> {
    let more = likeness.best_of_parts() - likeness.upright();
    // A picture that is like no part of a chest is none of this rule's.
    let is_chest = 0.3 < likeness.best_of_parts();
    (is_chest && CUT < more).then_some(noted(QualityProblem::AnatomyCut))
}
