//! Ultrasound: frames without a picture, and a loop that stands still.
//!
//! A screen always carries text and scales, so a frame is black when hardly anything but these is lit. Frames are compared
//! bit for bit: living tissue and a held probe never give two equal ones, a frozen screen gives nothing else. The coding of a
//! film changes even a screen that stands still: its frames are compared by the brightness of small fields, which coding
//! hardly touches and speckle always does.

use barefoot_domain::QualityProblem;
use ring::digest;

use super::{Remark, bad, noted};
use crate::pixels::{ColourImage, GrayImage};

/// Decoding a loop of hundreds of frames to grade it would hold up the next study.
pub const FRAMES_LOOKED_AT: u32 = 8;
const LIT: f32 = 0.12;
/// Text, rulers and the maker's mark.
const TEXT: f32 = 0.03;
/// Fewer equal frames are a still picture sent as a loop.
const LOOP: usize = 4;
/// Fields of a film's frame along each side.
const SIDE: usize = 64;
/// Levels of 255 by which coding moves a field's brightness.
const CODED: u8 = 2;

/// What the rules need to know of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameLook {
    black: bool,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Digest(Vec<u8>),
    /// The mean brightness of fields, 0 to 255, row by row.
    Fields(Vec<u8>),
}

impl FrameLook {
    #[must_use]
    pub fn of(frame: &GrayImage) -> Self {
        let lit = frame.data.iter().filter(|level| LIT < **level).count();
        let mut context = digest::Context::new(&digest::SHA256);
        for level in &frame.data {
            context.update(&level.to_bits().to_le_bytes());
        }
        Self::new(lit, frame.data.len(), context)
    }

    #[must_use]
    pub fn of_colour(frame: &ColourImage) -> Self {
        let (pixels, _) = frame.data.as_chunks::<3>();
        let bright = |pixel: &&[u8; 3]| pixel.iter().any(|sample| LIT * 255.0 < f32::from(*sample));
        let lit = pixels.iter().filter(bright).count();
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&frame.data);
        Self::new(lit, pixels.len(), context)
    }

    /// Of a film, whose frames were changed by its coding.
    #[must_use]
    pub fn of_film(frame: &ColourImage) -> Self {
        let gray = frame.brightness(1);
        let lit = gray.data.iter().filter(|level| LIT < **level).count();
        Self {
            black: (lit as f32) < TEXT * gray.data.len() as f32,
            content: Content::Fields(fields(&gray)),
        }
    }

    fn new(lit: usize, pixels: usize, content: digest::Context) -> Self {
        Self {
            black: (lit as f32) < TEXT * pixels as f32,
            content: Content::Digest(content.finish().as_ref().to_vec()),
        }
    }

    fn shows_the_same(&self, other: &Self) -> bool {
        match (&self.content, &other.content) {
            (Content::Fields(one), Content::Fields(other)) => {
                one.len() == other.len()
                    && one
                        .iter()
                        .zip(other)
                        .all(|(one, other)| one.abs_diff(*other) <= CODED)
            }
            (one, other) => one == other,
        }
    }
}

fn fields(gray: &GrayImage) -> Vec<u8> {
    let (width, height) = (gray.width as usize, gray.height as usize);
    let mut sums = vec![(0.0_f32, 0_u32); SIDE * SIDE];
    let rows = gray.data.chunks(width.max(1)).enumerate();
    for (row, levels) in rows {
        for (column, level) in levels.iter().enumerate() {
            let field = row * SIDE / height.max(1) * SIDE + column * SIDE / width.max(1);
            if let Some((sum, count)) = sums.get_mut(field) {
                *sum += level;
                *count += 1;
            }
        }
    }
    let mean = |(sum, count): &(f32, u32)| (sum * 255.0 / (*count).max(1) as f32 + 0.5) as u8;
    sums.iter().map(mean).collect()
}

/// Frames spread over the loop, counted from nought.
#[must_use]
pub fn frames_to_look_at(frames: u32) -> Vec<u32> {
    let looks = frames.min(FRAMES_LOOKED_AT);
    (0..looks)
        .map(|look| (u64::from(look) * u64::from(frames) / u64::from(looks.max(1))) as u32)
        .collect()
}

pub(super) fn remarks(looks: &[FrameLook]) -> Vec<Remark> {
    let black = looks.iter().filter(|look| look.black).count();
    if black != 0 && black == looks.len() {
        return vec![bad(QualityProblem::FramesBlack)];
    }
    let mut remarks = Vec::new();
    if black != 0 {
        remarks.push(noted(QualityProblem::FramesBlack));
    }
    let frozen = LOOP <= looks.len()
        && looks
            .windows(2)
            .all(|pair| matches!(pair, [one, other] if one.shows_the_same(other)));
    if frozen {
        remarks.push(noted(QualityProblem::FramesFrozen));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(level: f32) -> FrameLook {
        FrameLook::of(&GrayImage {
            width: 10,
            height: 10,
            data: (0..100).map(|i| if i < 2 { 1.0 } else { level }).collect(),
            frame_count: 1,
        })
    }

    #[test]
    fn black_and_frozen_frames_are_named() {
        use QualityProblem::{FramesBlack, FramesFrozen};
        let live: Vec<FrameLook> = (0..8_u8).map(|n| frame(0.3 + f32::from(n) / 100.0)).collect();
        assert_eq!(remarks(&live), []);
        assert_eq!(remarks(&[]), []);
        assert_eq!(remarks(&[frame(0.5)]), [], "a still picture");
        assert_eq!(remarks(&vec![frame(0.5); 8]), [noted(FramesFrozen)]);
        assert_eq!(
            remarks(&vec![frame(0.0); 8]),
            [bad(FramesBlack)],
            "text alone is no picture"
        );
        let mut gone = live;
        gone[3] = frame(0.0);
        assert_eq!(remarks(&gone), [noted(FramesBlack)]);
    }

    #[test]
    fn a_film_that_stands_still_may_be_coded_a_little_otherwise_each_time() {
        let film = |change: &dyn Fn(usize) -> u8| {
            FrameLook::of_film(&ColourImage {
                width: 160,
                height: 120,
                data: (0..160 * 120 * 3)
                    .map(|sample| 100 + change(sample / 3))
                    .collect(),
            })
        };
        let coded: Vec<FrameLook> = (0..8_usize)
            .map(|frame| film(&|pixel| ((pixel * 7 + frame) % 3) as u8))
            .collect();
        assert_eq!(remarks(&coded), [noted(QualityProblem::FramesFrozen)]);
        let speckle: Vec<FrameLook> = (0..8_usize)
            .map(|frame| film(&|pixel| ((pixel * 2_654_435_761 + frame * 40_503) >> 7) as u8 % 100))
            .collect();
        assert_eq!(remarks(&speckle), []);
        let dark = FrameLook::of_film(&ColourImage {
            width: 8,
            height: 8,
            data: vec![16; 192],
        });
        assert_eq!(remarks(&vec![dark; 8]), [bad(QualityProblem::FramesBlack)]);
    }

    #[test]
    fn the_frames_looked_at_are_spread_over_the_loop() {
        assert_eq!(frames_to_look_at(1), [0]);
        assert_eq!(frames_to_look_at(3), [0, 1, 2]);
        assert_eq!(frames_to_look_at(80), [0, 10, 20, 30, 40, 50, 60, 70]);
        assert!(frames_to_look_at(0).is_empty());
    }
}
