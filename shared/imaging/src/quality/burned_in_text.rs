//! Text burnt into a picture, where a name may stand and stay when the header is made anonymous.
//!
//! An object says so in Burned In Annotation (0028,0301), and a line of letters shows by itself: white strokes of one
//! height in a row. Markers are short: the longest in 392 chests, `PORTABLE` with its time, has eleven letters that are told
//! apart. Ultrasound screens always carry text; what of it leaves the clinic is decided in [`crate::deidentify`].

use barefoot_domain::QualityProblem;

use super::{Remark, noted, says};
use crate::header::Header;
use crate::pixels::GrayImage;
use crate::tags;

/// Of the whole grey scale.
const WHITE: f32 = 0.90;
/// Letters that follow each other.
const LINE: usize = 13;
/// A letter's height in pixels: smaller ones run together.
const LEAST_HEIGHT: usize = 6;
/// And as a part of the picture's height.
const SMALLEST: f32 = 0.008;
const LARGEST: f32 = 0.06;
/// Of a letter's rectangle the part its strokes fill.
const LEAST_FILL: f32 = 0.15;
const MOST_FILL: f32 = 0.92;
/// More strokes than a page of text has: a burnt-out picture.
const MOST_SHAPES: usize = 20_000;

pub(super) fn declared(header: &Header) -> Option<Remark> {
    says(header, tags::BURNED_IN, "YES").then_some(noted(QualityProblem::BurnedInText))
}

pub(super) fn seen(image: &GrayImage) -> Option<Remark> {
    (LINE <= longest_line(letters(image))).then_some(noted(QualityProblem::BurnedInText))
}

/// A shape's rectangle, ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Letter {
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
}

impl Letter {
    fn height(&self) -> usize {
        self.bottom - self.top + 1
    }

    fn width(&self) -> usize {
        self.right - self.left + 1
    }
}

/// White shapes of a letter's size and filling.
fn letters(image: &GrayImage) -> Vec<Letter> {
    let (width, height) = (image.width as usize, image.height as usize);
    let white = |index: usize| image.data.get(index).is_some_and(|level| WHITE <= *level);
    let tall = (SMALLEST * height as f32) as usize..=(LARGEST * height as f32) as usize;
    let mut seen = vec![false; image.data.len()];
    let mut found = Vec::new();
    let mut open = Vec::new();
    let mut shapes = 0_usize;
    for start in 0..image.data.len() {
        if !white(start) || seen.get(start).copied().unwrap_or(true) {
            continue;
        }
        shapes += 1;
        if MOST_SHAPES < shapes {
            return Vec::new();
        }
        let (x, y) = (start % width, start / width);
        let mut letter = Letter {
            left: x,
            right: x,
            top: y,
            bottom: y,
        };
        let mut area = 0_usize;
        open.push(start);
        while let Some(index) = open.pop() {
            match seen.get_mut(index) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            area += 1;
            let (x, y) = (index % width, index / width);
            letter.left = letter.left.min(x);
            letter.right = letter.right.max(x);
            letter.top = letter.top.min(y);
            letter.bottom = letter.bottom.max(y);
            for ny in y.saturating_sub(1)..(y + 2).min(height) {
                for nx in x.saturating_sub(1)..(x + 2).min(width) {
                    let near = ny * width + nx;
                    if white(near) && !seen.get(near).copied().unwrap_or(true) {
                        open.push(near);
                    }
                }
            }
        }
        let fill = area as f32 / (letter.width() * letter.height()) as f32;
        let slim = letter.height() <= 12 * letter.width() && 5 * letter.width() <= 8 * letter.height();
        if LEAST_HEIGHT <= letter.height() && tall.contains(&letter.height()) && slim {
            // A plain stroke (I, 1) fills its rectangle, other letters do not.
            let is_stroke = 3 * letter.width() < letter.height();
            if LEAST_FILL < fill && (fill < MOST_FILL || is_stroke) {
                found.push(letter);
            }
        }
    }
    found
}

/// How many letters of about one height follow each other on one line.
fn longest_line(mut letters: Vec<Letter>) -> usize {
    letters.sort_unstable_by_key(|letter| letter.left);
    let mut longest = 0;
    for first in &letters {
        let height = first.height();
        let mut end = first.right;
        let mut count = 1;
        let follows = letters.iter().filter(|next| {
            let level = (next.top + next.bottom).abs_diff(first.top + first.bottom) <= height;
            let alike = 3 * height <= 5 * next.height() && 2 * next.height() <= 3 * height;
            first.left < next.left && level && alike
        });
        for next in follows {
            if end + 3 * height < next.left {
                break;
            }
            end = end.max(next.right);
            count += 1;
        }
        longest = longest.max(count);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` letters like an H, and a large white area that is none.
    fn text(count: usize) -> GrayImage {
        let (width, height) = (800_usize, 600_usize);
        let mut data = vec![0.2; width * height];
        for number in 0..count {
            let left = 20 + number * 16;
            for y in 0..14 {
                for x in 0..10 {
                    if !(2..8).contains(&x) || (6..8).contains(&y) {
                        data[(30 + y) * width + left + x] = 1.0;
                    }
                }
            }
        }
        for row in 300..500 {
            data[row * width + 100..row * width + 400].fill(1.0);
        }
        GrayImage {
            width: 800,
            height: 600,
            data,
            frame_count: 1,
        }
    }

    #[test]
    fn a_line_of_letters_is_seen_a_marker_is_not() {
        assert_eq!(longest_line(letters(&text(20))), 20);
        assert_eq!(seen(&text(20)), Some(noted(QualityProblem::BurnedInText)));
        assert_eq!(seen(&text(8)), None);
    }

    #[test]
    fn a_burnt_out_picture_is_no_text() {
        let mut noise = text(0);
        for (index, level) in noise.data.iter_mut().enumerate() {
            *level = if index % 2 == 0 && index / 800 % 2 == 0 {
                1.0
            } else {
                0.0
            };
        }
        assert_eq!(seen(&noise), None);
    }
}
