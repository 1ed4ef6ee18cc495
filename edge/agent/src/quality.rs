//! How usable a picture is: a few rules on its grey levels, each with a retake advice on the clinic page.

use barefoot_domain::{QualityGrade, QualityProblem, QualityVerdict};
use barefoot_imaging::statistics::PixelStatistics;

/// Fewer grey levels than this is a test pattern, a blank plate or a wrong file, not an exposure.
const BLANK_LEVELS: u32 = 8;
/// Between the darkest and the brightest hundredth.
const BLANK_SPAN: f32 = 0.05;
const LOW_CONTRAST_SPAN: f32 = 0.35;
/// Collimated borders and air are black, markers are white: only a large share is a fault.
const MAX_BLACK: f32 = 0.60;
const MAX_WHITE: f32 = 0.35;
/// The short side a reader needs to judge a chest image.
const MIN_SHORT_SIDE: u32 = 512;

/// Grades one picture of `width` × `height`.
#[must_use]
pub(crate) fn grade(statistics: &PixelStatistics, width: u32, height: u32) -> QualityVerdict {
    let span = statistics.p99 - statistics.p01;
    if statistics.distinct_levels < BLANK_LEVELS || span < BLANK_SPAN {
        return verdict(QualityGrade::C, vec![QualityProblem::Blank]);
    }
    let mut problems = Vec::new();
    let mut grade = QualityGrade::A;
    let mut found = |problem, worth: QualityGrade| {
        problems.push(problem);
        grade = grade.max(worth);
    };
    if MAX_WHITE < statistics.white_fraction {
        found(QualityProblem::Overexposed, QualityGrade::C);
    }
    if MAX_BLACK < statistics.black_fraction {
        found(QualityProblem::Underexposed, QualityGrade::C);
    }
    if span < LOW_CONTRAST_SPAN {
        found(QualityProblem::LowContrast, QualityGrade::B);
    }
    if width.min(height) < MIN_SHORT_SIDE {
        found(QualityProblem::LowResolution, QualityGrade::B);
    }
    verdict(grade, problems)
}

fn verdict(grade: QualityGrade, problems: Vec<QualityProblem>) -> QualityVerdict {
    QualityVerdict { grade, problems }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut PixelStatistics), side: u32) -> (QualityGrade, Vec<QualityProblem>) {
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
        let verdict = grade(&statistics, side, side);
        (verdict.grade, verdict.problems)
    }

    #[test]
    fn grades_follow_the_rules() {
        use QualityGrade::{A, B, C};
        use QualityProblem::{Blank, LowContrast, LowResolution, Overexposed, Underexposed};
        assert_eq!(check(|_| {}, 2000), (A, vec![]));
        assert_eq!(check(|_| {}, 224), (B, vec![LowResolution]));
        assert_eq!(check(|s| s.p99 = 0.3, 2000), (B, vec![LowContrast]));
        assert_eq!(check(|s| s.white_fraction = 0.5, 2000), (C, vec![Overexposed]));
        assert_eq!(check(|s| s.black_fraction = 0.7, 2000), (C, vec![Underexposed]));
        assert_eq!(check(|s| s.distinct_levels = 2, 2000), (C, vec![Blank]));
        assert_eq!(check(|s| s.p99 = 0.03, 2000), (C, vec![Blank]));
    }
}
