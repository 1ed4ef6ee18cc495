//! How far the detector's exposure was from what was meant: the deviation index of IEC 62494-1, DI = 10·log10(EI / EIt).
//!
//! +3 is twice the exposure that was meant, -3 half of it. AAPM's report of task group 116 acts at ±3; task group 232 found
//! standard deviations of 1.3 to 3.6 in good practice, so a remark at ±3 would come with every sixth picture of some rooms.
//! Too much exposure harms no picture: it is a remark for the technician and never a reason to expose again.

use barefoot_domain::QualityProblem;

use super::{Remark, bad, noted};
use crate::header::Header;
use crate::tags;

/// Four times what was meant.
const HIGH: f64 = 6.0;
/// Less than a third of what was meant: mottle hides what is faint.
const LOW: f64 = -5.0;
/// A tenth: hardly a picture any more.
const FAR_TOO_LOW: f64 = -10.0;
/// Beyond this the number is no deviation index: some consoles leave a default, or write the exposure index here.
const BELIEVABLE: f64 = 30.0;

pub(super) fn remark(header: &Header) -> Option<Remark> {
    judge(header.decimal(tags::DEVIATION_INDEX, tags::SHARED_GROUPS)?)
}

fn judge(deviation: f64) -> Option<Remark> {
    if BELIEVABLE < deviation.abs() {
        return None;
    }
    if deviation <= FAR_TOO_LOW {
        Some(bad(QualityProblem::DoseLow))
    } else if deviation <= LOW {
        Some(noted(QualityProblem::DoseLow))
    } else if HIGH <= deviation {
        Some(noted(QualityProblem::DoseHigh))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_deviates_far_is_remarked() {
        use QualityProblem::{DoseHigh, DoseLow};
        for (deviation, remark) in [
            (0.0, None),
            (3.5, None),
            (-4.0, None),
            (6.0, Some(noted(DoseHigh))),
            (20.0, Some(noted(DoseHigh))),
            (-5.0, Some(noted(DoseLow))),
            (-11.0, Some(bad(DoseLow))),
            (250.0, None),
        ] {
            assert_eq!(judge(deviation), remark, "{deviation}");
        }
    }
}
