//! The side of a paired part. A hand without its side is a hand that may be operated on the wrong side.

use barefoot_domain::QualityProblem;

use super::{Remark, body_part, names_any, noted, words};
use crate::header::Header;
use crate::tags;

/// Defined terms of PS3.16 annex L that come in pairs.
const PAIRED: [&str; 26] = [
    "ANKLE",
    "ARM",
    "BREAST",
    "CALCANEUS",
    "CLAVICLE",
    "ELBOW",
    "EXTREMITY",
    "FEMUR",
    "FIBULA",
    "FINGER",
    "FOOT",
    "FOREARM",
    "HAND",
    "HIP",
    "HUMERUS",
    "KNEE",
    "LEG",
    "PATELLA",
    "RADIUS",
    "SCAPULA",
    "SHOULDER",
    "THUMB",
    "TIBIA",
    "TOE",
    "ULNA",
    "WRIST",
];
const SIDES: [&str; 10] = [
    "L",
    "R",
    "LEFT",
    "RIGHT",
    "BOTH",
    "BILATERAL",
    "左",
    "右",
    "双",
    "两侧",
];

pub(super) fn remark(header: &Header) -> Option<Remark> {
    let part = header.body_part()?;
    let named = [tags::IMAGE_LATERALITY, tags::LATERALITY]
        .into_iter()
        .filter_map(|tag| header.code(tag))
        .any(|side| matches!(side.as_str(), "L" | "R" | "B"));
    let missing = PAIRED.contains(&part.as_str()) && !named && !names_any(&words(header), &SIDES);
    // A code for the region may name the side too.
    (missing && !body_part::is_coded(header)).then_some(noted(QualityProblem::LateralityMissing))
}
