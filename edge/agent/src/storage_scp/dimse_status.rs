//! The one place where a refusal becomes the status a scanner shows (PS3.4 annex B.2.3).

use crate::dimse::status::SUCCESS;
use crate::handoff::NotKept;

const OUT_OF_RESOURCES: u16 = 0xA700;
pub(super) const DATA_SET_MISMATCH: u16 = 0xA900;
const CANNOT_UNDERSTAND: u16 = 0xC000;

/// The status and the Error Comment (0000,0902) that goes with it.
pub(super) fn of<T>(outcome: &Result<T, NotKept>) -> (u16, Option<&'static str>) {
    match outcome {
        // A conflict is kept too: the scanner did nothing wrong that sending again would cure.
        Ok(_) => (SUCCESS, None),
        Err(NotKept::OutOfSpace) => (
            OUT_OF_RESOURCES,
            Some("Disk full: call the maintainer, then send again"),
        ),
        Err(NotKept::Mismatch { .. }) => (
            DATA_SET_MISMATCH,
            Some("UIDs of request and data set differ, not kept"),
        ),
        Err(NotKept::Quarantined) => (CANNOT_UNDERSTAND, Some("Data set damaged, kept in quarantine")),
        Err(NotKept::Disk { .. }) => (OUT_OF_RESOURCES, Some("Could not be written to disk, send again")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_fit_their_value_representation() {
        let disk = NotKept::Disk {
            source: std::io::Error::other("x"),
        };
        let refusals = [
            NotKept::OutOfSpace,
            NotKept::Mismatch { what: "" },
            NotKept::Quarantined,
            disk,
        ];
        for refusal in refusals {
            let (status, comment) = of::<()>(&Err(refusal));
            assert_ne!(status, SUCCESS);
            assert!(comment.unwrap().len() <= 64, "LO holds 64 characters");
        }
    }
}
