//! How usable a picture is for those who read it, one rule a file.
//!
//! A rule looks at a header, a picture or the places of a series' slices, and names at most a few problems with the grade
//! each is worth. Every limit was set where hardly any good picture meets it: a clinic that is warned about every picture
//! reads no warning. What the rules find on real and on spoilt pictures stands in `docs/PICTURE_QUALITY.md`.

mod anatomy_cut;
mod body_part;
mod burned_in_text;
mod chest;
mod collimation;
mod dose;
mod frames;
mod laterality;
mod levels;
mod look;
mod orientation;
mod resolution;
mod sharpness;
mod slices;
mod view;

use barefoot_domain::{QualityGrade, QualityProblem, QualityVerdict};

pub use frames::{FRAMES_LOOKED_AT, FrameLook, frames_to_look_at};
pub use slices::Slice;

use crate::header::Header;
use crate::pixels::GrayImage;
use crate::tags;
use look::Look;

/// Why a picture is not an A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Remark {
    problem: QualityProblem,
    grade: QualityGrade,
}

/// To be retaken or read by a person.
const fn bad(problem: QualityProblem) -> Remark {
    Remark {
        problem,
        grade: QualityGrade::C,
    }
}

/// Usable all the same.
const fn noted(problem: QualityProblem) -> Remark {
    Remark {
        problem,
        grade: QualityGrade::B,
    }
}

/// Which rules hold for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One projection of the body: CR and DX.
    Projection,
    /// A slice, or a stack of them: judged as a series, since a single one at the end of the body is rightly empty.
    Slices,
    /// A screen or a loop of screens.
    Ultrasound,
    /// There are no rules for it.
    Other,
}

impl Kind {
    #[must_use]
    pub fn of(header: &Header) -> Self {
        if !header.has_pixels() {
            return Self::Other;
        }
        match header.modality().as_deref() {
            Some("CR" | "DX" | "DR" | "RG") => Self::Projection,
            Some("CT") => Self::Slices,
            Some("US") => Self::Ultrasound,
            _ => Self::Other,
        }
    }

    /// Whether there are rules for a picture by itself: a slice is judged with its series, other objects by nobody.
    #[must_use]
    pub fn is_judged_alone(self) -> bool {
        matches!(self, Self::Projection | Self::Ultrasound)
    }
}

/// Grades one picture by what it shows and what its header says of it.
#[must_use]
pub fn picture(header: &Header, image: &GrayImage) -> QualityVerdict {
    match Kind::of(header) {
        Kind::Projection => verdict(projection(header, image)),
        Kind::Slices => verdict(burned_in_text::declared(header).into_iter().collect()),
        Kind::Ultrasound => frames(&[FrameLook::of(image)]),
        Kind::Other => verdict(Vec::new()),
    }
}

/// Grades a loop of screens by some of its frames, see [`frames_to_look_at`].
#[must_use]
pub fn frames(looks: &[FrameLook]) -> QualityVerdict {
    verdict(frames::remarks(looks))
}

/// Grades the slices of a study, of one series or several, by where they lie.
#[must_use]
pub fn series(slices: &[Slice]) -> QualityVerdict {
    verdict(slices::remarks(slices))
}

/// The verdict on what cannot be decoded.
#[must_use]
pub fn undecodable() -> QualityVerdict {
    verdict(vec![bad(QualityProblem::Undecodable)])
}

fn projection(header: &Header, image: &GrayImage) -> Vec<Remark> {
    let Some(look) = Look::of(image) else {
        return vec![bad(QualityProblem::Blank)];
    };
    if let Some(blank) = levels::blank(&look.statistics) {
        return vec![blank];
    }
    let mut remarks = levels::remarks(&look.statistics);
    remarks.extend(resolution::remark(image));
    remarks.extend(dose::remark(header));
    remarks.extend(burned_in_text::declared(header).or_else(|| burned_in_text::seen(image)));
    remarks.extend(view::remark(header));
    remarks.extend(laterality::remark(header));
    remarks.extend(body_part::remark(header));
    remarks.extend(collimation::remark(header, &look));
    if is_frontal_chest(header) {
        let likeness = chest::Likeness::of(&look);
        remarks.extend(orientation::remarks(&likeness));
        remarks.extend(anatomy_cut::remark(&likeness));
        remarks.extend(sharpness::remark(&look));
    }
    remarks
}

/// The appearance of other parts and views was not measured: their pictures are not judged by it.
fn is_frontal_chest(header: &Header) -> bool {
    body_part::is_chest(header) && !view::is_lateral(header)
}

fn verdict(remarks: Vec<Remark>) -> QualityVerdict {
    let grade = remarks.iter().map(|remark| remark.grade).max();
    let mut problems: Vec<QualityProblem> = remarks.iter().map(|remark| remark.problem).collect();
    problems.sort_unstable();
    problems.dedup();
    QualityVerdict {
        grade: grade.unwrap_or(QualityGrade::A),
        problems,
    }
}

/// What people wrote of the examination, in upper case: the console's own words for view, part and side.
fn words(header: &Header) -> String {
    let texts = [
        header.series_description(),
        header.study_description(),
        header.protocol_name(),
    ];
    let mut all = String::new();
    for text in texts.into_iter().flatten() {
        all.push_str(&text.value.to_uppercase());
        all.push(' ');
    }
    all
}

/// Whether one of these stands in the text by itself, not within a longer Latin word. Chinese has no spaces between words.
fn names_any(text: &str, wanted: &[&str]) -> bool {
    let latin = |character: char| character.is_ascii_alphabetic();
    wanted.iter().any(|word| {
        text.match_indices(word).any(|(at, _)| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let after = text.get(at + word.len()..).and_then(|after| after.chars().next());
            !word.is_ascii() || !(before.is_some_and(latin) || after.is_some_and(latin))
        })
    })
}

/// Shared by the rules that ask what a header says of its frames.
fn says(header: &Header, tag: tags::Tag, wanted: &str) -> bool {
    header.code(tag).as_deref() == Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_by_themselves() {
        assert!(names_any("CHEST PA/LAT", &["LAT"]));
        assert!(names_any("胸部正位", &["胸"]));
        assert!(!names_any("PLATE", &["LAT"]));
        assert!(!names_any("", &["LAT"]));
    }

    #[test]
    fn a_verdict_is_its_worst_remark_and_names_each_problem_once() {
        use QualityProblem::{Blurred, Rotated};
        let found = verdict(vec![noted(Blurred), bad(Rotated), noted(Blurred)]);
        assert_eq!(found.grade, QualityGrade::C);
        assert_eq!(found.problems, [Blurred, Rotated]);
        assert_eq!(verdict(Vec::new()).grade, QualityGrade::A);
    }
}
