//! How like a frontal chest a picture is.
//!
//! Held against the mean of 196 frontal chest radiographs of the NIH ChestX-ray14 sample (Wang et al., CVPR 2017; free to use),
//! by correlation of 16 × 16 grey levels: exposure and contrast cancel out. Four quarter turns, and a chest without its
//! upper, lower, left or right part, are tried beside the whole one.

use super::look::Look;

const MEAN_SIDE: usize = 32;
/// What a picture is compared as.
const SIDE: usize = 16;
/// How much of the mean is left away to see whether a part is missing.
const PART: usize = 10;

#[rustfmt::skip]
const MEAN: [[i8; MEAN_SIDE]; MEAN_SIDE] = [
    [-113, -127, -124, -124, -121, -118, -115, -111, -105, -95, -77, -48, -20, 4, 24, 33, 34, 29, 12, -12, -38, -65, -86, -98, -105, -110, -112, -113, -113, -114, -116, -110],
    [-122, -127, -120, -116, -113, -110, -107, -104, -100, -90, -76, -50, -26, -3, 16, 25, 25, 19, 1, -22, -44, -67, -85, -97, -104, -108, -111, -114, -117, -120, -122, -124],
    [-104, -103, -93, -88, -84, -82, -80, -77, -74, -67, -56, -38, -18, -1, 15, 22, 22, 18, 3, -16, -34, -50, -63, -69, -75, -79, -81, -84, -85, -89, -99, -108],
    [-80, -71, -58, -54, -49, -46, -45, -45, -46, -44, -40, -34, -23, -7, 11, 19, 20, 16, 0, -19, -34, -43, -47, -46, -44, -46, -48, -48, -52, -59, -71, -83],
    [-52, -42, -27, -21, -17, -17, -17, -19, -23, -30, -35, -36, -31, -15, 5, 15, 18, 13, -7, -29, -41, -42, -39, -31, -25, -20, -21, -21, -23, -30, -42, -55],
    [-28, -16, -2, 6, 8, 4, -1, -5, -18, -30, -38, -41, -37, -22, -1, 13, 18, 10, -13, -36, -46, -46, -39, -30, -17, -6, -1, -1, 0, -5, -16, -29],
    [-9, 2, 15, 20, 21, 17, 8, -6, -25, -40, -49, -50, -43, -25, -3, 15, 20, 11, -17, -42, -54, -56, -50, -36, -21, -4, 7, 13, 16, 14, 3, -10],
    [4, 15, 26, 31, 29, 23, 9, -13, -35, -51, -59, -59, -50, -31, -5, 18, 25, 12, -20, -48, -61, -64, -60, -46, -27, -5, 12, 21, 25, 24, 15, 3],
    [16, 21, 30, 34, 33, 24, 5, -21, -43, -60, -69, -67, -56, -34, -5, 21, 31, 16, -19, -52, -70, -75, -71, -56, -32, -9, 11, 25, 29, 27, 19, 10],
    [20, 23, 32, 37, 36, 23, 1, -27, -51, -66, -73, -71, -60, -36, -5, 25, 38, 23, -16, -51, -71, -78, -75, -62, -39, -12, 11, 26, 30, 29, 21, 13],
    [20, 22, 31, 37, 35, 21, -3, -31, -54, -70, -75, -72, -59, -34, 0, 31, 43, 29, -10, -46, -69, -78, -76, -64, -42, -15, 10, 26, 31, 30, 21, 14],
    [16, 19, 29, 36, 34, 19, -7, -34, -56, -70, -74, -70, -54, -28, 6, 36, 47, 34, -3, -40, -64, -76, -76, -65, -45, -18, 9, 25, 30, 28, 17, 12],
    [10, 13, 25, 33, 31, 16, -9, -36, -56, -68, -71, -64, -47, -18, 15, 42, 52, 40, 6, -29, -52, -69, -71, -64, -46, -20, 7, 24, 28, 23, 12, 7],
    [3, 6, 20, 29, 27, 15, -11, -38, -56, -66, -67, -57, -37, -8, 23, 48, 56, 46, 17, -17, -42, -60, -67, -62, -45, -22, 5, 22, 25, 18, 3, -1],
    [-7, -3, 14, 25, 25, 9, -15, -38, -54, -61, -59, -47, -25, 2, 31, 54, 61, 51, 27, -3, -30, -51, -62, -59, -44, -22, 3, 20, 21, 12, -6, -10],
    [-17, -11, 8, 21, 21, 7, -14, -35, -50, -56, -52, -38, -16, 10, 39, 59, 66, 58, 37, 11, -16, -39, -51, -55, -43, -22, 1, 17, 18, 5, -14, -20],
    [-27, -17, 3, 16, 18, 6, -14, -33, -45, -49, -42, -29, -8, 18, 46, 64, 70, 64, 46, 23, -1, -25, -40, -45, -38, -21, 0, 14, 13, 0, -21, -30],
    [-36, -24, -1, 14, 16, 2, -13, -29, -37, -38, -32, -20, -1, 25, 51, 69, 74, 69, 54, 34, 14, -8, -26, -36, -32, -19, 0, 12, 10, -4, -27, -39],
    [-43, -28, -4, 11, 12, 1, -11, -21, -28, -30, -24, -13, 6, 32, 57, 73, 78, 73, 60, 44, 26, 6, -12, -25, -26, -17, -2, 9, 9, -7, -33, -47],
    [-48, -34, -8, 8, 8, 1, -8, -15, -18, -16, -10, 0, 17, 40, 63, 77, 81, 76, 64, 51, 36, 19, 0, -15, -19, -13, -3, 5, 6, -9, -38, -53],
    [-54, -38, -12, 5, 5, 2, -2, -4, -3, 0, 5, 13, 28, 48, 69, 80, 84, 79, 68, 56, 45, 29, 12, -4, -14, -11, -4, 1, 2, -12, -42, -60],
    [-61, -43, -17, 0, 4, 6, 6, 7, 9, 13, 20, 27, 40, 57, 74, 83, 86, 82, 71, 59, 50, 37, 23, 7, -4, -7, -3, 0, -2, -17, -47, -66],
    [-69, -47, -23, -5, 3, 11, 13, 16, 20, 26, 33, 40, 51, 66, 79, 87, 89, 85, 75, 63, 54, 44, 31, 17, 6, 1, 1, 0, -5, -23, -52, -73],
    [-75, -53, -27, -9, 3, 15, 23, 32, 39, 44, 49, 54, 63, 74, 85, 90, 92, 88, 79, 69, 61, 50, 40, 28, 17, 10, 6, 1, -8, -28, -57, -80],
    [-80, -60, -34, -12, 4, 22, 35, 46, 53, 59, 63, 68, 73, 82, 90, 93, 94, 91, 82, 75, 67, 56, 47, 37, 27, 19, 9, 2, -11, -34, -63, -85],
    [-87, -65, -39, -14, 7, 28, 43, 55, 63, 69, 74, 78, 82, 88, 94, 97, 97, 94, 87, 79, 74, 65, 57, 47, 37, 27, 17, 4, -13, -37, -70, -88],
    [-91, -68, -40, -13, 12, 34, 51, 64, 72, 78, 83, 86, 89, 92, 98, 99, 100, 97, 91, 85, 80, 74, 67, 57, 46, 32, 20, 6, -15, -42, -77, -93],
    [-94, -73, -43, -13, 15, 38, 56, 70, 79, 85, 89, 91, 93, 96, 101, 103, 103, 100, 95, 90, 86, 80, 74, 65, 55, 41, 25, 8, -15, -47, -82, -97],
    [-98, -77, -45, -13, 17, 40, 58, 72, 81, 87, 91, 94, 96, 99, 103, 104, 103, 101, 97, 93, 89, 84, 78, 70, 59, 45, 28, 8, -17, -52, -87, -100],
    [-100, -78, -46, -14, 18, 42, 60, 74, 83, 90, 94, 97, 99, 101, 104, 105, 105, 103, 99, 96, 92, 87, 81, 72, 62, 49, 31, 9, -19, -54, -91, -102],
    [-100, -78, -47, -12, 19, 42, 61, 74, 84, 91, 95, 98, 101, 103, 105, 106, 106, 104, 100, 97, 94, 89, 83, 75, 64, 50, 31, 9, -20, -55, -92, -103],
    [-89, -70, -39, -5, 22, 44, 60, 71, 79, 85, 89, 92, 94, 96, 98, 99, 98, 97, 93, 91, 89, 85, 79, 72, 63, 50, 32, 10, -17, -50, -85, -96],
];

/// Correlations, -1 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Likeness {
    /// As it lies, then turned by one, two and three quarters.
    turns: [f32; 4],
    /// With a chest without its upper, lower, left and right part.
    parts: [f32; 4],
}

impl Likeness {
    /// Zero for a picture too small to say.
    pub(super) fn of(look: &Look) -> Self {
        let side = SIDE as u32;
        let Some(grid) = look.at(side, side) else {
            return Self::NONE;
        };
        let Ok(levels) = Grid::try_from(grid.data) else {
            return Self::NONE;
        };
        let levels = normal(&levels);
        let whole = mean(0..MEAN_SIDE, 0..MEAN_SIDE);
        let mut turned = levels;
        let turns = [(); 4].map(|()| {
            let alike = correlation(&turned, &whole);
            turned = quarter_turn(&turned);
            alike
        });
        let parts = [
            mean(PART..MEAN_SIDE, 0..MEAN_SIDE),
            mean(0..MEAN_SIDE - PART, 0..MEAN_SIDE),
            mean(0..MEAN_SIDE, PART..MEAN_SIDE),
            mean(0..MEAN_SIDE, 0..MEAN_SIDE - PART),
        ];
        Self {
            turns,
            parts: parts.map(|part| correlation(&levels, &part)),
        }
    }

    const NONE: Self = Self {
        turns: [0.0; 4],
        parts: [0.0; 4],
    };

    pub(super) fn upright(&self) -> f32 {
        let [upright, ..] = self.turns;
        upright
    }

    pub(super) fn best_turned(&self) -> f32 {
        let [_, turned @ ..] = self.turns;
        turned.into_iter().fold(-1.0, f32::max)
    }

    pub(super) fn best_of_all(&self) -> f32 {
        self.turns.into_iter().map(f32::abs).fold(0.0, f32::max)
    }

    pub(super) fn best_of_parts(&self) -> f32 {
        self.parts.into_iter().fold(-1.0, f32::max)
    }
}

type Grid = [f32; SIDE * SIDE];

/// A part of the mean chest, stretched to the size of comparison.
fn mean(rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> Grid {
    let across: Vec<[f32; SIDE]> = MEAN
        .iter()
        .map(|row| {
            let levels: Vec<f32> = row.iter().map(|level| f32::from(*level)).collect();
            stretched(levels.get(columns.clone()).unwrap_or_default())
        })
        .collect();
    let mut made = [0.0; SIDE * SIDE];
    for x in 0..SIDE {
        let column: Vec<f32> = across.iter().filter_map(|row| row.get(x).copied()).collect();
        let down = stretched(column.get(rows.clone()).unwrap_or_default());
        for (y, level) in down.into_iter().enumerate() {
            if let Some(place) = made.get_mut(y * SIDE + x) {
                *place = level;
            }
        }
    }
    normal(&made)
}

/// The mean over each of [`SIDE`] equal stretches, parts of a value counted in part.
fn stretched(levels: &[f32]) -> [f32; SIDE] {
    let step = levels.len() as f32 / SIDE as f32;
    let mut made = [0.0; SIDE];
    for (index, place) in made.iter_mut().enumerate() {
        let (from, to) = (index as f32 * step, (index + 1) as f32 * step);
        let covered = levels.iter().enumerate().map(|(at, level)| {
            let overlap = to.min((at + 1) as f32) - from.max(at as f32);
            level * overlap.max(0.0)
        });
        *place = covered.sum::<f32>() / step.max(f32::EPSILON);
    }
    made
}

/// Mean nought, length one; a flat picture is all nought and like nothing.
fn normal(levels: &Grid) -> Grid {
    let mean = levels.iter().sum::<f32>() / levels.len() as f32;
    let centred = levels.map(|level| level - mean);
    let length = centred.iter().map(|level| level * level).sum::<f32>().sqrt();
    centred.map(|level| if length < 1e-6 { 0.0 } else { level / length })
}

fn correlation(one: &Grid, other: &Grid) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

fn quarter_turn(levels: &Grid) -> Grid {
    let mut turned = [0.0; SIDE * SIDE];
    for (index, place) in turned.iter_mut().enumerate() {
        let (x, y) = (index % SIDE, index / SIDE);
        *place = levels.get(x * SIDE + SIDE - 1 - y).copied().unwrap_or(0.0);
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_chest_is_like_itself_and_unlike_its_turns() {
        let chest = mean(0..MEAN_SIDE, 0..MEAN_SIDE);
        assert!(0.999 < correlation(&chest, &chest));
        for turned in [quarter_turn(&chest), quarter_turn(&quarter_turn(&chest))] {
            assert!(correlation(&turned, &chest) < 0.6);
        }
        let whole_turn = (0..4).fold(chest, |levels, _| quarter_turn(&levels));
        assert_eq!(whole_turn, chest);
    }

    #[test]
    fn a_flat_picture_is_like_nothing() {
        assert!(normal(&[0.5; SIDE * SIDE]).iter().all(|level| *level == 0.0));
    }
}
