//! The view of a chest: PA, AP or lateral decides what the heart's size means and which model may answer.
//!
//! A DX object must name it by a code (PS3.3 section C.8.11.5); what says nothing there and nothing in words is incomplete.
//! A CR object need not name it, and many readers of plates never do: that is no news to anybody.

use barefoot_domain::QualityProblem;

use super::{Remark, body_part, names_any, noted, words};
use crate::header::Header;
use crate::tags;

const VIEWS: [&str; 12] = [
    "PA", "AP", "LAT", "LATERAL", "LL", "RL", "OBLIQUE", "正位", "侧位", "斜位", "后前", "前后",
];
const LATERAL_VIEWS: [&str; 6] = ["LAT", "LATERAL", "LL", "RL", "LLO", "RLO"];
const LATERAL_WORDS: [&str; 4] = ["LAT", "LATERAL", "侧位", "斜位"];

pub(super) fn remark(header: &Header) -> Option<Remark> {
    let must_be_named = header.modality().as_deref() == Some("DX") && body_part::is_chest(header);
    let named = header.view_position().is_some()
        || header.has_nested(tags::VIEW_CODES, tags::CODE_VALUE)
        || names_any(&words(header), &VIEWS);
    (must_be_named && !named).then_some(noted(QualityProblem::ViewMissing))
}

/// What is not said to be lateral passes as frontal: most chests are.
pub(super) fn is_lateral(header: &Header) -> bool {
    match header.view_position() {
        Some(view) => LATERAL_VIEWS.contains(&view.as_str()),
        None => names_any(&words(header), &LATERAL_WORDS),
    }
}
