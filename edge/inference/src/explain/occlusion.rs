//! Which part of a picture an opaque graph's score rests on: parts are covered in turn, and how far the score falls is how
//! much they mattered. First coarsely over all, then finely where it mattered most; never longer than until a given time.

use std::time::Instant;

use super::{Anatomy, Field, Grid};

/// Cells of the first round on each side.
const COARSE: usize = 4;
/// Rounds after it, each halving the cells that mattered most.
const ROUNDS: usize = 2;
/// So many cells are halved in each.
const HALVED: usize = 4;

/// Most runs of the graph for one picture.
#[cfg(test)]
pub(super) const MOST_RUNS: usize = COARSE * COARSE + ROUNDS * HALVED * 4;

const FINEST: usize = COARSE << ROUNDS;

/// A square of cells of the finest grid.
#[derive(Debug, Clone, Copy)]
struct Cell {
    row: usize,
    column: usize,
    side: usize,
}

/// A prepared picture: one plane of the graph's size, and what of the picture it shows.
pub(crate) struct Plane<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) field: Field,
    pub(crate) anatomy: &'a Anatomy,
}

/// One map for each of the scores; `logits` gives them for a plane, the first of them leads the search. Where it fails or
/// `until` has come, what was found so far is given.
pub(crate) fn occlusion_maps(
    plane: &Plane<'_>,
    scores: usize,
    until: Instant,
    mut logits: impl FnMut(&[f32]) -> Option<Vec<f32>>,
) -> Vec<Grid> {
    let mut maps = vec![vec![0.0_f32; FINEST * FINEST]; scores];
    let Some(whole) = logits(plane.values) else {
        return grids(maps);
    };
    let cover = cover(plane);
    let mut round: Vec<Cell> = coarse();
    let mut covered = Vec::with_capacity(plane.values.len());
    for halving in 0..=ROUNDS {
        let mut mattered: Vec<(f32, Cell)> = Vec::new();
        for cell in round {
            if !plane.shows(cell) {
                continue;
            }
            if until <= Instant::now() {
                return grids(maps);
            }
            covered.clear();
            covered.extend_from_slice(plane.values);
            plane.cover(&mut covered, cell, cover);
            let Some(without) = logits(&covered) else {
                return grids(maps);
            };
            let falls = whole
                .iter()
                .zip(&without)
                .map(|(whole, without)| fall(*whole, *without));
            for (map, fall) in maps.iter_mut().zip(falls.clone()) {
                fill(map, cell, fall);
            }
            mattered.push((falls.clone().next().unwrap_or(0.0), cell));
        }
        mattered.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let kept = mattered.into_iter().filter(|(fall, _)| 0.0 < *fall).take(HALVED);
        round = if halving < ROUNDS {
            kept.flat_map(|(_, cell)| cell.quarters()).collect()
        } else {
            Vec::new()
        };
    }
    grids(maps)
}

/// What a covered part looks like: as bright as the patient is on the mean.
fn cover(plane: &Plane<'_>) -> f32 {
    let all = || plane.values.iter().enumerate();
    let within = all().filter(|(index, _)| {
        let x = (index % plane.width.max(1)) as f32 / plane.width.max(1) as f32;
        let y = (index / plane.width.max(1)) as f32 / plane.height.max(1) as f32;
        let (x, y) = plane.field.outer(x, y);
        plane.anatomy.shows(x, y)
    });
    let (sum, count) = within.fold((0.0, 0_usize), |(sum, count), (_, value)| {
        (sum + value, count + 1)
    });
    sum / count.max(1) as f32
}

/// Certainty that stays certainty did not fall.
fn fall(whole: f32, without: f32) -> f32 {
    let fall = whole - without;
    if fall.is_nan() { 0.0 } else { fall.clamp(0.0, 50.0) }
}

fn coarse() -> Vec<Cell> {
    let side = FINEST / COARSE;
    let places = (0..COARSE).flat_map(|row| (0..COARSE).map(move |column| (row, column)));
    places
        .map(|(row, column)| Cell {
            row: row * side,
            column: column * side,
            side,
        })
        .collect()
}

impl Cell {
    fn quarters(self) -> [Self; 4] {
        let side = self.side / 2;
        [(0, 0), (0, side), (side, 0), (side, side)].map(|(down, across)| Self {
            row: self.row + down,
            column: self.column + across,
            side,
        })
    }
}

impl Plane<'_> {
    /// Whether any of the cell shows the patient.
    fn shows(&self, cell: Cell) -> bool {
        // Four places a side are enough for a cell of a sixteenth of the picture or less.
        let places = (0..4).flat_map(|row| (0..4).map(move |column| (row, column)));
        places.into_iter().any(|(row, column)| {
            let at = |first: usize, step: usize| {
                (first as f32 + (step as f32 + 0.5) / 4.0 * cell.side as f32) / FINEST as f32
            };
            let (x, y) = self.field.outer(at(cell.column, column), at(cell.row, row));
            self.anatomy.shows(x, y)
        })
    }

    fn cover(&self, values: &mut [f32], cell: Cell, level: f32) {
        let place = |cells: usize, pixels: usize| cells * pixels / FINEST;
        let columns = place(cell.column, self.width)..place(cell.column + cell.side, self.width);
        let rows = place(cell.row, self.height)..place(cell.row + cell.side, self.height);
        for row in values
            .chunks_exact_mut(self.width.max(1))
            .skip(rows.start)
            .take(rows.len())
        {
            for value in row.iter_mut().skip(columns.start).take(columns.len()) {
                *value = level;
            }
        }
    }
}

fn fill(map: &mut [f32], cell: Cell, value: f32) {
    for row in map.chunks_exact_mut(FINEST).skip(cell.row).take(cell.side) {
        for place in row.iter_mut().skip(cell.column).take(cell.side) {
            *place = value;
        }
    }
}

fn grids(maps: Vec<Vec<f32>>) -> Vec<Grid> {
    let grids = maps.into_iter().map(|mut values| {
        let peak = values.iter().copied().fold(0.0_f32, f32::max);
        for value in &mut values {
            *value = if 0.0 < peak { *value / peak } else { 0.0 };
        }
        Grid {
            width: FINEST,
            height: FINEST,
            values,
        }
    });
    grids.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use barefoot_imaging::pixels::GrayImage;

    use super::*;

    const SIDE: usize = 64;

    fn anatomy(level: impl Fn(usize, usize) -> f32) -> Anatomy {
        Anatomy::of(&GrayImage {
            width: SIDE as u32,
            height: SIDE as u32,
            data: (0..SIDE * SIDE)
                .map(|index| level(index % SIDE, index / SIDE))
                .collect(),
            frame_count: 1,
        })
    }

    /// A graph that counts bright pixels in one corner.
    fn corner(values: &[f32]) -> Option<Vec<f32>> {
        let bright = values.iter().enumerate().filter(|(index, value)| {
            let (x, y) = (index % SIDE, index / SIDE);
            x < 12 && (44..56).contains(&y) && 0.5 < **value
        });
        Some(vec![bright.count() as f32])
    }

    fn picture() -> Vec<f32> {
        let bright = |index: usize| (index % SIDE) < 12 && (44..56).contains(&(index / SIDE));
        (0..SIDE * SIDE)
            .map(|index| if bright(index) { 1.0 } else { 0.2 })
            .collect()
    }

    fn maps(anatomy: &Anatomy, until: Instant, runs: &mut usize) -> Grid {
        let values = picture();
        let plane = Plane {
            values: &values,
            width: SIDE,
            height: SIDE,
            field: Field::WHOLE,
            anatomy,
        };
        let mut maps = occlusion_maps(&plane, 1, until, |values| {
            *runs += 1;
            corner(values)
        });
        maps.remove(0)
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(600)
    }

    #[test]
    fn the_part_the_score_rests_on_is_found_in_bounded_runs() {
        let mut runs = 0;
        let map = maps(&anatomy(|_, _| 0.5), later(), &mut runs);
        assert!(runs <= MOST_RUNS + 1, "{runs}");
        let peak = map.values.iter().position(|value| *value == 1.0).unwrap();
        assert!(
            (peak % FINEST) < 3 && (11..14).contains(&(peak / FINEST)),
            "{peak}"
        );
        let elsewhere = map
            .values
            .iter()
            .enumerate()
            .filter(|(index, _)| 4 <= index % FINEST);
        assert!(elsewhere.into_iter().all(|(_, value)| *value == 0.0));
    }

    #[test]
    fn nothing_is_covered_outside_the_anatomy() {
        // The corner the graph looks at is black border.
        let outside = anatomy(|x, _| if x < 32 { 0.0 } else { 0.3 + x as f32 / 200.0 });
        let mut runs = 0;
        let map = maps(&outside, later(), &mut runs);
        assert!(map.values.iter().all(|value| *value == 0.0));
        assert!(runs <= 1 + COARSE * COARSE / 2 + COARSE, "{runs}");
    }

    #[test]
    fn when_time_is_up_or_the_graph_fails_what_was_found_is_given() {
        let mut runs = 0;
        let map = maps(&anatomy(|_, _| 0.5), Instant::now(), &mut runs);
        assert_eq!((runs, map.values.len()), (1, FINEST * FINEST));
        let values = picture();
        let shown = anatomy(|_, _| 0.5);
        let plane = Plane {
            values: &values,
            width: SIDE,
            height: SIDE,
            field: Field::WHOLE,
            anatomy: &shown,
        };
        let maps = occlusion_maps(&plane, 2, later(), |_| None);
        assert_eq!(maps.len(), 2);
    }
}
