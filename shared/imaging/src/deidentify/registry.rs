//! UIDs that the standard gave out: they name a class or an atlas, nobody's examination. What only begins as they do is a
//! UID like any other.

use dicom_core::dictionary::UidDictionary as _;
use dicom_dictionary_std::StandardSopClassDictionary;

/// What the standard's begin with, and not only they.
const ROOT: &str = "1.2.840.10008.";

/// PS3.6 annex A, behind [`ROOT`], of what an image may refer to beside SOP classes: frames of reference (tables A-2),
/// colour palettes (table A-1).
const WELL_KNOWN: [&str; 37] = [
    "1.4.1.1", "1.4.1.2", "1.4.1.3", "1.4.1.4", "1.4.1.5", "1.4.1.6", "1.4.1.7", "1.4.1.8", "1.4.1.9",
    "1.4.1.10", "1.4.1.11", "1.4.1.12", "1.4.1.13", "1.4.1.14", "1.4.1.15", "1.4.1.16", "1.4.1.17",
    "1.4.1.18", "1.4.2.1", "1.4.2.2", "1.4.3.1", "1.4.3.2", "1.4.3.3", "1.4.4.1", "1.4.5.1", "1.4.6.1",
    "1.4.6.2", "1.4.6.3", "1.5.1", "1.5.2", "1.5.3", "1.5.4", "1.5.5", "1.5.6", "1.5.7", "1.5.8", "15.1.1",
];

pub(super) fn is_listed(uid: &str) -> bool {
    uid.strip_prefix(ROOT)
        .is_some_and(|rest| WELL_KNOWN.contains(&rest) || StandardSopClassDictionary.by_uid(uid).is_some())
}

/// Whether it may stand in an object that left: the standard's own, or one that was given instead of another.
pub(super) fn may_leave(uid: &str) -> bool {
    uid.is_empty() || uid.starts_with("2.25.") || is_listed(uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deidentify::burned_in;

    #[test]
    fn every_class_that_is_sent_is_listed() {
        for class in burned_in::IMAGES {
            assert!(is_listed(class), "{class}");
        }
        assert!(is_listed("1.2.840.10008.1.5.1") && is_listed("1.2.840.10008.1.4.1.1"));
        for uid in [
            "1.2.840.10008.19700315.4711",
            "1.2.840.10008.5.1.4.1.1.2.4711",
            "1.2.840.10008.",
            "1.2.3",
        ] {
            assert!(!is_listed(uid), "{uid}");
        }
        assert!(may_leave("2.25.4711") && may_leave("") && !may_leave("1.2.840.10008.19700315.4711"));
    }
}
