//! A frontal chest that lies on its side, stands on its head, is the negative of itself, or is no chest.

use barefoot_domain::QualityProblem;

use super::chest::Likeness;
use super::{Remark, bad, noted};

/// Turned, it is that much more like a chest than as it lies. Of 197 chests kept apart one has more, of 600 children's none.
const TURNED: f32 = 0.20;
/// As unlike a chest as its negative is like one. The least alike of 197 chests still has +0.10.
const NEGATIVE: f32 = -0.20;
/// However turned and whether negative: chests have 0.30 and more, hands and feet 0.2.
const NO_CHEST: f32 = 0.24;

pub(super) fn remarks(likeness: &Likeness) -> Option<Remark> {
    let upright = likeness.upright();
    let turned = likeness.best_turned();
    let negative = -upright;
    if likeness.best_of_all() < NO_CHEST {
        return Some(noted(QualityProblem::BodyPartWrong));
    }
    if upright <= NEGATIVE && turned < negative {
        return Some(bad(QualityProblem::Inverted));
    }
    (upright + TURNED <= turned && NO_CHEST <= turned).then_some(bad(QualityProblem::Rotated))
}
