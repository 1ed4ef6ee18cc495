//! Pictures that a face can be made of: slices of a head give its surface, and photographs show it.
//!
//! The profile's option on recognizable features asks to change such pictures. They are left out instead: a slice whose face
//! was cut off wrongly cannot be told from one where it was done well.

use crate::data_set::DataSet;
use crate::tags;

/// Modalities whose slices together give a surface.
const SLICES: [&str; 4] = ["CT", "MR", "PT", "NM"];

/// Photographs of what is outside.
const PHOTOGRAPHS: [&str; 3] = ["XC", "DMS", "DOC"];

/// Parts of a body, as (0018,0015) names them, that end below the face.
const BELOW_THE_FACE: [&str; 42] = [
    "ABDOMEN",
    "ABDOMENPELVIS",
    "ANKLE",
    "AORTA",
    "ARM",
    "BLADDER",
    "BREAST",
    "CALCANEUS",
    "CALF",
    "CHEST",
    "CHESTABDOMEN",
    "CHESTABDPELVIS",
    "CLAVICLE",
    "COCCYX",
    "ELBOW",
    "EXTREMITY",
    "FEMUR",
    "FINGER",
    "FOOT",
    "FOREARM",
    "HAND",
    "HEART",
    "HIP",
    "HUMERUS",
    "KIDNEY",
    "KNEE",
    "LEG",
    "LIVER",
    "LSPINE",
    "LSSPINE",
    "LUNG",
    "PANCREAS",
    "PELVIS",
    "PROSTATE",
    "SACRUM",
    "SHOULDER",
    "STERNUM",
    "THIGH",
    "TLSPINE",
    "TSPINE",
    "UTERUS",
    "WRIST",
];

/// Where nothing says which part of the body slices show, they may show a head.
pub(super) fn may_show_one(set: &DataSet) -> bool {
    let code = |tag| {
        let said = set.view().string(tag).unwrap_or_default();
        said.trim().to_ascii_uppercase()
    };
    let modality = code(tags::MODALITY);
    if PHOTOGRAPHS.contains(&modality.as_str()) {
        return true;
    }
    SLICES.contains(&modality.as_str()) && !BELOW_THE_FACE.contains(&code(tags::BODY_PART).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_a_head_or_of_nobody_knows_what_may_show_a_face() {
        let may = |modality, part| {
            let mut set = DataSet::default();
            set.put_code(tags::MODALITY, modality);
            set.put_code(tags::BODY_PART, part);
            may_show_one(&set)
        };
        assert!(may("CT", "HEAD") && may("MR", "BRAIN") && may("CT", "") && may("CT", "NECK"));
        assert!(may("XC", "HAND"));
        assert!(!may("CT", "CHEST") && !may("MR", "KNEE") && !may("DX", "SKULL") && !may("US", ""));
    }
}
