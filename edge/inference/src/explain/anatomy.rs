//! What of a picture shows the patient: not the black around, not the shutters of the collimator.

use std::collections::VecDeque;

use barefoot_imaging::pixels::GrayImage;

/// Cells of the longest side: enough to tell a border from a patient.
const LONGEST_SIDE: u32 = 128;
/// Places on each side of a cell that are looked at: a large picture is not read whole for a border.
const PLACES: usize = 3;
/// Of the picture's range of levels: what joins the picture's edge and is darker than this is air or a shutter.
const DARK: f32 = 0.04;
/// Shutters that were shown inverted are white, along a whole side of the picture: bright anatomy may reach an edge too.
const BRIGHT: f32 = 0.985;
const WHOLE_SIDE: f32 = 0.9;
/// With less left than this the rule has failed, and the whole picture counts.
const LEAST_SHARE: f32 = 0.05;

/// Which part of a picture shows the patient.
#[derive(Debug, Clone)]
pub(crate) struct Anatomy {
    width: usize,
    height: usize,
    shown: Vec<bool>,
}

impl Anatomy {
    /// The whole picture where it cannot be told.
    pub(crate) fn of(image: &GrayImage) -> Self {
        let longest = image.width.max(image.height).max(1);
        let side = |side: u32| {
            let small = u64::from(side) * u64::from(LONGEST_SIDE.min(longest)) / u64::from(longest);
            usize::try_from(small).unwrap_or(1).max(1)
        };
        let (width, height) = (side(image.width), side(image.height));
        let small = cells(image, width, height);
        let shown = inside(&small, width, height);
        let share = shown.iter().filter(|shown| **shown).count() as f32 / shown.len() as f32;
        let shown = if share < LEAST_SHARE {
            vec![true; shown.len()]
        } else {
            shown
        };
        Self { width, height, shown }
    }

    /// At a place given in fractions of the picture's sides.
    pub(crate) fn shows(&self, x: f32, y: f32) -> bool {
        let cell = |place: f32, side: usize| ((place * side as f32) as usize).min(side.saturating_sub(1));
        let index = cell(y, self.height) * self.width + cell(x, self.width);
        self.shown.get(index).copied().unwrap_or(false)
    }

    /// From the left to the right end of what is shown, in fractions of the picture's width.
    pub(crate) fn across(&self) -> (f32, f32) {
        let columns = (0..self.width).filter(|column| {
            let mut cells = self.shown.iter().skip(*column).step_by(self.width.max(1));
            cells.any(|shown| *shown)
        });
        let (first, last) = columns.fold((self.width, 0), |(first, last), column| {
            (first.min(column), last.max(column + 1))
        });
        if last <= first {
            return (0.0, 1.0);
        }
        (first as f32 / self.width as f32, last as f32 / self.width as f32)
    }
}

/// The picture's levels in few cells.
fn cells(image: &GrayImage, width: usize, height: usize) -> Vec<f32> {
    let (full_width, full_height) = (image.width as usize, image.height as usize);
    let place = |cell: usize, step: usize, cells: usize, full: usize| {
        ((cell * PLACES + step) * full + full / 2) / (cells * PLACES)
    };
    let level = |row: usize, column: usize| {
        let steps = (0..PLACES).flat_map(|down| (0..PLACES).map(move |across| (down, across)));
        let levels = steps.map(|(down, across)| {
            let y = place(row, down, height, full_height);
            let x = place(column, across, width, full_width);
            image.data.get(y * full_width + x).copied().unwrap_or(0.0)
        });
        levels.sum::<f32>() / (PLACES * PLACES) as f32
    };
    let all = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
    all.map(|(row, column)| level(row, column)).collect()
}

/// What a flood from the edges does not reach, over the very dark and, by itself, over the very bright.
fn inside(levels: &[f32], width: usize, height: usize) -> Vec<bool> {
    let finite = || levels.iter().copied().filter(|level| level.is_finite());
    let (lowest, highest) = finite().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), level| {
        (low.min(level), high.max(level))
    });
    let range = (highest - lowest).max(f32::EPSILON);
    let of_range = |level: f32| (level - lowest) / range;
    let mut shown = vec![true; levels.len()];
    // A NaN is no anatomy: it counts as dark.
    let dark: Vec<bool> = levels
        .iter()
        .map(|level| level.is_nan() || of_range(*level) < DARK)
        .collect();
    let bright: Vec<bool> = levels.iter().map(|level| BRIGHT < of_range(*level)).collect();
    let sides = sides(width, height);
    let whole = |side: &&Vec<usize>| {
        let white = side.iter().filter(|index| bright.get(**index) == Some(&true));
        side.len() as f32 * WHOLE_SIDE <= white.count() as f32
    };
    flood(&mut shown, &dark, width, sides.iter().flatten());
    flood(&mut shown, &bright, width, sides.iter().filter(whole).flatten());
    shown
}

/// The cells along the upper, lower, left and right edge.
fn sides(width: usize, height: usize) -> [Vec<usize>; 4] {
    let last_row = width * height.saturating_sub(1);
    let rows = || (0..height).map(|row| row * width);
    [
        (0..width).collect(),
        (last_row..last_row + width).collect(),
        rows().collect(),
        rows().map(|first| first + width.saturating_sub(1)).collect(),
    ]
}

fn flood<'a>(shown: &mut [bool], border: &[bool], width: usize, from: impl Iterator<Item = &'a usize>) {
    let mut waiting = VecDeque::new();
    let mut reach = |index: usize, waiting: &mut VecDeque<usize>| {
        if let (Some(shown), Some(true)) = (shown.get_mut(index), border.get(index))
            && *shown
        {
            *shown = false;
            waiting.push_back(index);
        }
    };
    for index in from {
        reach(*index, &mut waiting);
    }
    while let Some(index) = waiting.pop_front() {
        let column = index % width.max(1);
        if 0 < column {
            reach(index - 1, &mut waiting);
        }
        if column + 1 < width {
            reach(index + 1, &mut waiting);
        }
        if width <= index {
            reach(index - width, &mut waiting);
        }
        reach(index + width, &mut waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of 0.5 on black, with a black lung in it.
    fn picture(body: impl Fn(u32, u32) -> bool, lung: impl Fn(u32, u32) -> bool) -> GrayImage {
        let level = |x, y| {
            if lung(x, y) || !body(x, y) { 0.0 } else { 0.5 }
        };
        GrayImage {
            width: 100,
            height: 50,
            data: (0..50)
                .flat_map(|y| (0..100).map(move |x| (x, y)))
                .map(|(x, y)| level(x, y))
                .collect(),
            frame_count: 1,
        }
    }

    #[test]
    fn the_black_around_is_not_the_patient_and_black_within_is() {
        let image = picture(
            |x, y| (20..80).contains(&x) && (10..40).contains(&y),
            |x, y| (30..40).contains(&x) && (20..30).contains(&y),
        );
        let anatomy = Anatomy::of(&image);
        assert!(anatomy.shows(0.5, 0.5));
        assert!(anatomy.shows(0.35, 0.5), "the lung is within");
        for (x, y) in [(0.05, 0.5), (0.95, 0.5), (0.5, 0.05), (0.5, 0.95)] {
            assert!(!anatomy.shows(x, y), "{x} {y}");
        }
        let (left, right) = anatomy.across();
        assert!((left - 0.2).abs() < 0.02 && (right - 0.8).abs() < 0.02);
    }

    #[test]
    fn white_shutters_are_not_the_patient() {
        let mut image = picture(|_, _| true, |_, _| false);
        for (index, level) in image.data.iter_mut().enumerate() {
            if index % 100 < 10 {
                *level = 1.0;
            } else if index == 2_550 {
                *level = 0.0;
            }
        }
        let anatomy = Anatomy::of(&image);
        assert!(!anatomy.shows(0.05, 0.5) && anatomy.shows(0.5, 0.5));
    }

    #[test]
    fn bright_anatomy_that_reaches_an_edge_stays() {
        let mut image = picture(|_, _| true, |x, _| 80 < x);
        for (index, level) in image.data.iter_mut().enumerate() {
            if index % 100 < 40 && 3_000 < index {
                *level = 1.0;
            }
        }
        let anatomy = Anatomy::of(&image);
        assert!(anatomy.shows(0.1, 0.95) && !anatomy.shows(0.9, 0.5));
    }

    #[test]
    fn where_nothing_can_be_told_the_whole_picture_counts() {
        for level in [0.0, 1.0, f32::NAN] {
            let mut image = picture(|_, _| true, |_, _| false);
            image.data.fill(level);
            assert!(Anatomy::of(&image).shows(0.01, 0.01), "{level}");
        }
        let nothing = GrayImage {
            width: 0,
            height: 0,
            data: Vec::new(),
            frame_count: 1,
        };
        assert!(Anatomy::of(&nothing).shows(0.5, 0.5));
    }
}
