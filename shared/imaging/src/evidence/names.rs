//! Names for the objects an assessment becomes. The same version of the same study always gets the same ones, so an object
//! that is made again is the same object.

use crate::report::uids::made;

/// What an assessment becomes in DICOM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    StructuredReport,
    SecondaryCapture,
    PresentationState,
    Segmentation,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::StructuredReport => "sr",
            Self::SecondaryCapture => "sc",
            Self::PresentationState => "pr",
            Self::Segmentation => "seg",
        }
    }

    pub(super) fn sop_class(self) -> &'static str {
        match self {
            Self::StructuredReport => crate::report::sr::COMPREHENSIVE,
            Self::SecondaryCapture => "1.2.840.10008.5.1.4.1.1.7",
            Self::PresentationState => "1.2.840.10008.5.1.4.1.1.11.1",
            Self::Segmentation => "1.2.840.10008.5.1.4.1.1.66.4",
        }
    }

    /// Behind the images', and told apart by people too.
    pub(super) fn series_number(self) -> &'static str {
        match self {
            Self::StructuredReport => "9101",
            Self::SecondaryCapture => "9102",
            Self::PresentationState => "9103",
            Self::Segmentation => "9104",
        }
    }
}

/// Of the object that a version of a study becomes.
#[must_use]
pub fn sop_instance_uid(kind: Kind, study_uid: &str, version: u32) -> String {
    made(&["result object", kind.word(), study_uid, &version.to_string()])
}

/// One series a version and kind: its objects are of different modalities.
pub(super) fn series_uid(kind: Kind, study_uid: &str, version: u32) -> String {
    made(&["result series", kind.word(), study_uid, &version.to_string()])
}

/// Follows a finding through the versions of a study.
pub(super) fn tracking_uid(study_uid: &str, model: &str, finding: &str) -> String {
    made(&["tracking", study_uid, model, finding])
}

/// Of what is added to an image in one dimension only.
pub(super) fn dimension_uid(study_uid: &str, version: u32) -> String {
    made(&["result dimensions", study_uid, &version.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_and_apart() {
        let of = |kind, version| sop_instance_uid(kind, "1.2.3", version);
        assert_eq!(of(Kind::Segmentation, 1), of(Kind::Segmentation, 1));
        assert_ne!(of(Kind::Segmentation, 1), of(Kind::Segmentation, 2));
        assert_ne!(of(Kind::Segmentation, 1), of(Kind::SecondaryCapture, 1));
        assert_ne!(
            of(Kind::Segmentation, 1),
            series_uid(Kind::Segmentation, "1.2.3", 1)
        );
        assert_ne!(
            of(Kind::Segmentation, 1),
            sop_instance_uid(Kind::Segmentation, "1.2.4", 1)
        );
    }
}
