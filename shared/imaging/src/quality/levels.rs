//! Grey levels: nothing exposed, too much or too little, hardly any contrast.
//!
//! Only shares of the whole picture count. Collimated borders and air are black and markers are white in every good picture:
//! of 392 chests of the NIH sample none has more than 0.3 % white, and the blackest has 36 % black.

use barefoot_domain::QualityProblem;

use super::{Remark, bad, noted};
use crate::statistics::PixelStatistics;

/// Fewer grey levels than this is a test pattern, a blank plate or a wrong file, not an exposure.
const BLANK_LEVELS: u32 = 8;
/// Between the darkest and the brightest hundredth.
const BLANK_SPAN: f32 = 0.05;
const LOW_CONTRAST_SPAN: f32 = 0.35;
const MAX_BLACK: f32 = 0.60;
const MAX_WHITE: f32 = 0.35;

/// Nothing else can be said of such a picture.
pub(super) fn blank(statistics: &PixelStatistics) -> Option<Remark> {
    let is_blank = statistics.distinct_levels < BLANK_LEVELS || span(statistics) < BLANK_SPAN;
    is_blank.then_some(bad(QualityProblem::Blank))
}

pub(super) fn remarks(statistics: &PixelStatistics) -> Vec<Remark> {
    let mut remarks = Vec::new();
    if MAX_WHITE < statistics.white_fraction {
        remarks.push(bad(QualityProblem::Overexposed));
    }
    if MAX_BLACK < statistics.black_fraction {
        remarks.push(bad(QualityProblem::Underexposed));
    }
    if span(statistics) < LOW_CONTRAST_SPAN {
        remarks.push(noted(QualityProblem::LowContrast));
    }
    remarks
}

fn span(statistics: &PixelStatistics) -> f32 {
    statistics.p99 - statistics.p01
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut PixelStatistics)) -> Vec<Remark> {
        let mut statistics = PixelStatistics {
            p01: 0.02,
            p50: 0.5,
            mean: 0.5,
            p99: 0.95,
            black_fraction: 0.1,
            white_fraction: 0.01,
            distinct_levels: 900,
        };
        change(&mut statistics);
        blank(&statistics).map_or_else(|| remarks(&statistics), |blank| vec![blank])
    }

    #[test]
    fn shares_and_spans_decide() {
        use QualityProblem::{Blank, LowContrast, Overexposed, Underexposed};
        assert_eq!(check(|_| {}), []);
        assert_eq!(check(|s| s.p99 = 0.3), [noted(LowContrast)]);
        assert_eq!(check(|s| s.white_fraction = 0.5), [bad(Overexposed)]);
        assert_eq!(check(|s| s.black_fraction = 0.7), [bad(Underexposed)]);
        assert_eq!(check(|s| s.distinct_levels = 2), [bad(Blank)]);
        assert_eq!(check(|s| s.p99 = 0.03), [bad(Blank)]);
    }
}
