//! A graph's own grid, laid over the whole picture.

use barefoot_imaging::render::HeatMap;

use super::Anatomy;

/// The longest side of a map.
const LONGEST_SIDE: usize = 64;
/// A finer grid keeps its own, up to this.
const MOST: usize = 1024;

/// The part of the picture that a graph sees, in fractions of its sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Field {
    pub(crate) left: f32,
    pub(crate) top: f32,
    pub(crate) width: f32,
    pub(crate) height: f32,
}

impl Field {
    pub(crate) const WHOLE: Self = Self {
        left: 0.0,
        top: 0.0,
        width: 1.0,
        height: 1.0,
    };

    /// Where in the field a place of the picture lies; `None` outside.
    fn inner(self, x: f32, y: f32) -> Option<(f32, f32)> {
        let (x, y) = ((x - self.left) / self.width, (y - self.top) / self.height);
        let within = |place: f32| (0.0..1.0).contains(&place);
        (within(x) && within(y)).then_some((x, y))
    }

    /// Where in the picture a place of the field lies.
    pub(crate) fn outer(self, x: f32, y: f32) -> (f32, f32) {
        (self.left + x * self.width, self.top + y * self.height)
    }
}

/// Values over the field a graph sees, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grid {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) values: Vec<f32>,
}

impl Grid {
    /// Nothing anywhere.
    pub(crate) fn empty() -> Self {
        Self {
            width: 1,
            height: 1,
            values: vec![0.0],
        }
    }

    /// Between the centres of the cells, in fractions of the sides.
    fn at(&self, x: f32, y: f32) -> f32 {
        let between = |place: f32, cells: usize| {
            let last = cells.saturating_sub(1);
            let place = (place * cells as f32 - 0.5).clamp(0.0, last as f32);
            let first = place.floor();
            (first as usize, (first as usize + 1).min(last), place - first)
        };
        let (left, right, across) = between(x, self.width);
        let (upper, lower, down) = between(y, self.height);
        let cell = |row: usize, column: usize| {
            let value = self.values.get(row * self.width + column).copied().unwrap_or(0.0);
            if value.is_finite() { value } else { 0.0 }
        };
        let line = |row: usize| cell(row, left) * (1.0 - across) + cell(row, right) * across;
        line(upper) * (1.0 - down) + line(lower) * down
    }
}

/// The grid over a picture of this size: nothing outside the field, nothing outside the anatomy.
pub(crate) fn placed(grid: &Grid, field: Field, anatomy: &Anatomy, (width, height): (u32, u32)) -> HeatMap {
    let finest = LONGEST_SIDE.max(grid.width).max(grid.height).min(MOST) as f32;
    let longest = width.max(height).max(1) as f32;
    let side = |side: u32| ((side as f32 / longest * finest).round() as usize).max(1);
    let (columns, rows) = (side(width), side(height));
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let values = cells.map(|(row, column)| {
        let x = (column as f32 + 0.5) / columns as f32;
        let y = (row as f32 + 0.5) / rows as f32;
        match field.inner(x, y) {
            Some((inner_x, inner_y)) if anatomy.shows(x, y) => grid.at(inner_x, inner_y),
            _ => 0.0,
        }
    });
    HeatMap {
        values: values.collect(),
        // At most `MOST` of them.
        width: columns as u32,
        height: rows as u32,
    }
}

#[cfg(test)]
mod tests {
    use barefoot_imaging::pixels::GrayImage;

    use super::*;

    fn image(level: impl Fn(usize) -> f32) -> GrayImage {
        GrayImage {
            width: 100,
            height: 50,
            data: (0..5000).map(|index| level(index % 100)).collect(),
            frame_count: 1,
        }
    }

    fn full() -> Grid {
        Grid {
            width: 2,
            height: 2,
            values: vec![1.0; 4],
        }
    }

    #[test]
    fn nothing_is_shown_outside_the_field_or_the_anatomy() {
        let half_black = Anatomy::of(&image(|column| {
            if column < 50 {
                0.0
            } else {
                0.2 + column as f32 / 400.0
            }
        }));
        let field = Field {
            left: 0.0,
            top: 0.0,
            width: 0.75,
            height: 1.0,
        };
        let map = placed(&full(), field, &half_black, (100, 50));
        assert_eq!((map.width, map.height), (64, 32));
        for (index, value) in map.values.iter().enumerate() {
            let x = (index % 64) as f32 / 64.0;
            let expected = (0.5..0.75).contains(&x);
            // Where two cells of the coarse anatomy meet, either will do.
            if (x - 0.5).abs() < 0.02 || (x - 0.75).abs() < 0.02 {
                continue;
            }
            assert_eq!(*value == 1.0, expected, "{x}");
        }
    }

    #[test]
    fn places_of_the_field_and_of_the_picture_match() {
        let field = Field {
            left: 0.2,
            top: 0.1,
            width: 0.5,
            height: 0.8,
        };
        let (x, y) = field.outer(0.5, 0.25);
        let (inner_x, inner_y) = field.inner(x, y).unwrap();
        assert!((inner_x - 0.5).abs() < 1e-6 && (inner_y - 0.25).abs() < 1e-6);
        assert!(field.inner(0.1, 0.5).is_none());
    }

    #[test]
    fn a_value_that_is_no_number_shows_nothing() {
        let mut grid = full();
        grid.values.fill(f32::NAN);
        let anatomy = Anatomy::of(&image(|column| column as f32 / 100.0 + 0.2));
        let map = placed(&grid, Field::WHOLE, &anatomy, (100, 50));
        assert!(map.values.iter().all(|value| *value == 0.0));
    }
}
