//! The part of the body: whether it is named at all, and whether what is written beside it names another one.

use barefoot_domain::QualityProblem;

use super::{Remark, names_any, noted, words};
use crate::header::Header;
use crate::tags;

/// How a part is called in DICOM's terms and on consoles, English and Chinese.
struct Part {
    terms: &'static [&'static str],
    words: &'static [&'static str],
}

const CHEST: Part = Part {
    terms: &["CHEST", "THORAX", "LUNG", "RIB", "RIBS", "STERNUM"],
    words: &[
        "CHEST", "THORAX", "LUNG", "LUNGS", "RIB", "RIBS", "STERNUM", "胸", "肺", "肋",
    ],
};

/// What is photographed in a township clinic, coarse enough that neighbours do not contradict each other.
const PARTS: [Part; 6] = [
    CHEST,
    Part {
        terms: &["SKULL", "HEAD", "SINUS", "MANDIBLE", "ORBIT"],
        words: &[
            "SKULL", "HEAD", "SINUS", "SINUSES", "MANDIBLE", "头", "颅", "鼻窦",
        ],
    },
    Part {
        terms: &["HAND", "WRIST", "FINGER", "FOREARM", "ELBOW", "HUMERUS", "THUMB"],
        words: &[
            "HAND", "WRIST", "FINGER", "FOREARM", "ELBOW", "HUMERUS", "手", "腕", "肘", "前臂", "肱骨",
        ],
    },
    Part {
        terms: &[
            "FOOT",
            "ANKLE",
            "TOE",
            "CALCANEUS",
            "KNEE",
            "TIBIA",
            "FIBULA",
            "PATELLA",
            "FEMUR",
        ],
        words: &[
            "FOOT", "FEET", "ANKLE", "TOE", "KNEE", "TIBIA", "FIBULA", "FEMUR", "足", "踝", "膝", "胫",
            "股骨",
        ],
    },
    Part {
        terms: &["PELVIS", "HIP"],
        words: &["PELVIS", "HIP", "骨盆", "髋"],
    },
    Part {
        terms: &["ABDOMEN"],
        words: &["ABDOMEN", "KUB", "腹"],
    },
];

pub(super) fn is_chest(header: &Header) -> bool {
    matches!(header.body_part().as_deref(), Some("CHEST" | "THORAX" | "LUNG"))
}

pub(super) fn is_coded(header: &Header) -> bool {
    header.has_nested(tags::ANATOMIC_REGIONS, tags::CODE_VALUE)
}

pub(super) fn remark(header: &Header) -> Option<Remark> {
    let said = words(header);
    match header.body_part() {
        Some(part) => contradicted(&part, &said).then_some(noted(QualityProblem::BodyPartWrong)),
        None if is_coded(header) || PARTS.iter().any(|part| names_any(&said, part.words)) => None,
        // A description in words unknown here may name it.
        None if !said.trim().is_empty() => None,
        None => Some(noted(QualityProblem::BodyPartMissing)),
    }
}

/// The words name parts, and the one in the header is not among them.
fn contradicted(part: &str, said: &str) -> bool {
    let Some(own) = PARTS.iter().find(|known| known.terms.contains(&part)) else {
        return false;
    };
    let another = PARTS.iter().any(|known| names_any(said, known.words));
    another && !names_any(said, own.words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_part_alone_contradicts() {
        for (part, said, contradicts) in [
            ("CHEST", "CHEST PA", false),
            ("CHEST", "ROUTINE", false),
            ("CHEST", "左膝正侧位", true),
            ("CHEST", "KNEE AP/LAT", true),
            ("CHEST", "CHEST AND ABDOMEN", false),
            ("CHEST", "SHANDONG COUNTY CHECK", false),
            ("HAND", "胸部正位", true),
            ("HAND", "WRIST LEFT", false),
            ("SPINE", "CHEST PA", false),
        ] {
            assert_eq!(contradicted(part, said), contradicts, "{part} {said}");
        }
    }
}
