//! Which pixels of an image something covers.

use super::Error;
use crate::render::HeatMap;

/// From here on a heat map's value counts as covered.
const COVERED_FROM: f32 = 0.5;

/// Row by row from the top, one value a pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    pub width: u32,
    pub height: u32,
    /// `width` × `height` of them.
    pub covered: Vec<bool>,
}

impl Mask {
    /// Where a map is at least half as strong as it can be, at an image's size.
    ///
    /// # Errors
    /// When the map's size does not fit its data.
    pub fn of_heat(map: &HeatMap, width: u32, height: u32) -> Result<Self, Error> {
        let heat = map
            .stretched(width, height)
            .map_err(|source| Error::Picture { source })?;
        Ok(Self {
            width,
            height,
            covered: heat.into_iter().map(|value| COVERED_FROM <= value).collect(),
        })
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.covered.contains(&true)
    }

    pub(super) fn at(&self, column: u32, row: u32) -> bool {
        let index = row as usize * self.width as usize + column as usize;
        column < self.width && self.covered.get(index).copied().unwrap_or(false)
    }

    /// Whether a pixel is covered and one beside it is not.
    pub(super) fn is_edge(&self, column: u32, row: u32) -> bool {
        let left = column.checked_sub(1).is_some_and(|column| self.at(column, row));
        let above = row.checked_sub(1).is_some_and(|row| self.at(column, row));
        self.at(column, row) && !(left && above && self.at(column + 1, row) && self.at(column, row + 1))
    }

    /// As single-bit pixel data: the first pixel in the lowest bit of the first byte (PS3.5 section 8.1.1).
    pub(super) fn bits(&self) -> Vec<u8> {
        let byte = |eight: &[bool]| {
            let bits = eight.iter().enumerate();
            bits.fold(0_u8, |byte, (at, covered)| byte | u8::from(*covered) << at)
        };
        self.covered.chunks(8).map(byte).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> Mask {
        Mask {
            width: rows[0].len() as u32,
            height: rows.len() as u32,
            covered: rows
                .iter()
                .flat_map(|row| row.bytes().map(|b| b == b'#'))
                .collect(),
        }
    }

    #[test]
    fn bits_stand_from_the_lowest() {
        assert_eq!(mask(&["#..#", "....", "#"]).bits(), [0b0000_1001, 1]);
        assert_eq!(mask(&["###"]).bits(), [0b111]);
    }

    #[test]
    fn an_edge_is_covered_and_has_a_neighbour_that_is_not() {
        let square = mask(&["....", ".##.", ".##.", "...."]);
        assert!(square.is_edge(1, 1) && !square.is_edge(0, 0));
        let whole = mask(&["###", "###", "###"]);
        assert!(!whole.is_edge(1, 1) && whole.is_edge(0, 1) && whole.is_edge(2, 1));
    }

    #[test]
    fn a_map_covers_what_it_covers_at_any_size() {
        let map = HeatMap {
            width: 2,
            height: 1,
            values: vec![0.0, 1.0],
        };
        let mask = Mask::of_heat(&map, 8, 4).unwrap();
        assert!(mask.at(7, 3) && !mask.at(0, 0) && !mask.is_empty());
        assert_eq!(mask.covered.iter().filter(|covered| **covered).count(), 16);
    }
}
