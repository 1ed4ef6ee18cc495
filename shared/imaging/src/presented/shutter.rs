//! What a state hides of an image (PS3.3 section C.7.6.11).

use crate::data_set::View;
use crate::pixels::GrayImage;
use crate::tags::Tag;

const SHAPE: Tag = Tag(0x0018, 0x1600);
const LEFT: Tag = Tag(0x0018, 0x1602);
const RIGHT: Tag = Tag(0x0018, 0x1604);
const UPPER: Tag = Tag(0x0018, 0x1606);
const LOWER: Tag = Tag(0x0018, 0x1608);
const CENTRE: Tag = Tag(0x0018, 0x1610);
const RADIUS: Tag = Tag(0x0018, 0x1612);
const VERTICES: Tag = Tag(0x0018, 0x1620);
const SHOWN_AS: Tag = Tag(0x0018, 0x1622);

/// Corners of a polygon that are kept.
const MOST_CORNERS: usize = 1024;

/// Only what lies within all openings is seen. Places are rows and columns from 1, as they are stored.
#[derive(Debug, Default)]
pub(super) struct Shutter {
    openings: Vec<Opening>,
    /// The level of what is hidden.
    level: f32,
}

#[derive(Debug)]
enum Opening {
    Rectangle {
        left: f64,
        right: f64,
        upper: f64,
        lower: f64,
    },
    Circle {
        row: f64,
        column: f64,
        radius: f64,
    },
    /// Rows and columns of its corners.
    Polygon(Vec<(f64, f64)>),
}

impl Shutter {
    pub(super) fn of(state: View<'_>) -> Self {
        let shapes = state.strings(SHAPE);
        let number = |tag: Tag| numbers(state, tag).first().copied();
        let opening = |shape: &String| match shape.as_str() {
            "RECTANGULAR" => Some(Opening::Rectangle {
                left: number(LEFT)?,
                right: number(RIGHT)?,
                upper: number(UPPER)?,
                lower: number(LOWER)?,
            }),
            "CIRCULAR" => match *numbers(state, CENTRE).as_slice() {
                [row, column] => Some(Opening::Circle {
                    row,
                    column,
                    radius: number(RADIUS)?,
                }),
                _ => None,
            },
            "POLYGONAL" => {
                let numbers = numbers(state, VERTICES);
                let (corners, _) = numbers.as_chunks::<2>();
                let corners = corners.iter().take(MOST_CORNERS);
                Some(Opening::Polygon(
                    corners.map(|[row, column]| (*row, *column)).collect(),
                ))
            }
            _ => None,
        };
        Self {
            openings: shapes.iter().filter_map(opening).collect(),
            level: f32::from(state.u16(SHOWN_AS).unwrap_or_default()) / f32::from(u16::MAX),
        }
    }

    pub(super) fn close(&self, image: &mut GrayImage) {
        if self.openings.is_empty() {
            return;
        }
        let width = image.width.max(1) as usize;
        for (row, levels) in image.data.chunks_mut(width).enumerate() {
            for (column, level) in levels.iter_mut().enumerate() {
                let (row, column) = ((row + 1) as f64, (column + 1) as f64);
                if !self.openings.iter().all(|opening| opening.shows(row, column)) {
                    *level = self.level;
                }
            }
        }
    }
}

impl Opening {
    fn shows(&self, row: f64, column: f64) -> bool {
        match self {
            Self::Rectangle {
                left,
                right,
                upper,
                lower,
            } => (*left..=*right).contains(&column) && (*upper..=*lower).contains(&row),
            Self::Circle {
                row: centre_row,
                column: centre_column,
                radius,
            } => (row - centre_row).powi(2) + (column - centre_column).powi(2) <= radius.powi(2),
            Self::Polygon(corners) => is_within(corners, row, column),
        }
    }
}

/// By the number of sides that a line from the place to the right crosses.
fn is_within(corners: &[(f64, f64)], row: f64, column: f64) -> bool {
    let mut inside = false;
    let nexts = corners.iter().cycle().skip(1);
    for ((row_a, column_a), (row_b, column_b)) in corners.iter().zip(nexts) {
        if (*row_a <= row) != (*row_b <= row) {
            let at = column_a + (row - row_a) * (column_b - column_a) / (row_b - row_a);
            if column < at {
                inside = !inside;
            }
        }
    }
    inside
}

fn numbers(state: View<'_>, tag: Tag) -> Vec<f64> {
    let values = state.strings(tag);
    values.iter().filter_map(|value| value.parse().ok()).collect()
}
