//! Measured places of a finding: what a map shows above a level, piece by piece.

use barefoot_domain::{FindingCode, FindingRegion};
use barefoot_imaging::render::HeatMap;

use super::{Anatomy, Pose};

/// More places than a reader looks at.
const MOST: usize = 4;
/// A piece with less than this share of all that is shown is noise.
const LEAST_SHARE: f32 = 0.1;

/// The pieces of `map` that reach `level`, the largest first.
pub(crate) fn regions(
    finding: &FindingCode,
    map: &HeatMap,
    level: f32,
    anatomy: &Anatomy,
    pose: Pose,
) -> Vec<FindingRegion> {
    let (width, height) = (map.width as usize, map.height as usize);
    let shown = (0..width * height).filter(|index| {
        let x = ((index % width.max(1)) as f32 + 0.5) / width as f32;
        let y = ((index / width.max(1)) as f32 + 0.5) / height as f32;
        anatomy.shows(x, y)
    });
    let looked_at = shown.count().max(1);
    let mut pieces = pieces(map, level);
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
    let all: usize = pieces.iter().map(Vec::len).sum();
    let (left, right) = anatomy.across();
    let middle = (left + right) / 2.0;
    let kept = pieces
        .into_iter()
        .filter(|piece| all as f32 * LEAST_SHARE <= piece.len() as f32)
        .take(MOST);
    kept.map(|piece| {
        let columns = || piece.iter().map(|index| index % width);
        let rows = || piece.iter().map(|index| index / width);
        let (first_column, last_column) = ends(columns());
        let (first_row, last_row) = ends(rows());
        let leftwards = columns().filter(|column| (*column as f32 + 0.5) / (width as f32) < middle);
        FindingRegion {
            finding: finding.clone(),
            left: first_column as f32 / width as f32,
            top: first_row as f32 / height as f32,
            width: (last_column + 1 - first_column) as f32 / width as f32,
            height: (last_row + 1 - first_row) as f32 / height as f32,
            side: pose.side(leftwards.count() as f32 / piece.len() as f32),
            extent: (piece.len() as f32 / looked_at as f32).min(1.0),
        }
    })
    .collect()
}

fn ends(places: impl Iterator<Item = usize>) -> (usize, usize) {
    let (first, last) = places.fold((usize::MAX, 0), |(first, last), place| {
        (first.min(place), last.max(place))
    });
    (first.min(last), last)
}

/// Cells that reach the level and touch, also at their corners.
fn pieces(map: &HeatMap, level: f32) -> Vec<Vec<usize>> {
    let (width, height) = (map.width as usize, map.height as usize);
    let mut left: Vec<bool> = map
        .values
        .iter()
        .map(|value| 0.0 < *value && level <= *value)
        .collect();
    let mut pieces = Vec::new();
    for start in 0..left.len() {
        let mut waiting = Vec::new();
        let mut piece = Vec::new();
        take(&mut left, start, &mut waiting);
        while let Some(index) = waiting.pop() {
            piece.push(index);
            let (row, column) = (index / width, index % width);
            for row in row.saturating_sub(1)..=(row + 1).min(height - 1) {
                for column in column.saturating_sub(1)..=(column + 1).min(width - 1) {
                    take(&mut left, row * width + column, &mut waiting);
                }
            }
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
    }
    pieces
}

fn take(left: &mut [bool], index: usize, waiting: &mut Vec<usize>) {
    if let Some(there) = left.get_mut(index)
        && *there
    {
        *there = false;
        waiting.push(index);
    }
}

#[cfg(test)]
mod tests {
    use barefoot_domain::Side;
    use barefoot_imaging::pixels::GrayImage;

    use super::*;

    fn anatomy() -> Anatomy {
        // The patient fills the right four fifths.
        Anatomy::of(&GrayImage {
            width: 100,
            height: 100,
            data: (0..10_000)
                .map(|index| {
                    if index % 100 < 20 {
                        0.0
                    } else {
                        0.4 + (index % 100) as f32 / 400.0
                    }
                })
                .collect(),
            frame_count: 1,
        })
    }

    fn map(at: &[(usize, usize)]) -> HeatMap {
        let mut values = vec![0.1; 400];
        for (column, row) in at {
            values[row * 20 + column] = 1.0;
        }
        HeatMap {
            width: 20,
            height: 20,
            values,
        }
    }

    fn code() -> FindingCode {
        FindingCode::new("pneumonia").unwrap()
    }

    #[test]
    fn a_piece_has_its_box_its_side_and_its_extent() {
        let map = map(&[(6, 4), (7, 4), (7, 5), (8, 6)]);
        let found = regions(&code(), &map, 0.5, &anatomy(), Pose::Facing);
        let [region] = &found[..] else {
            unreachable!("one piece, also at corners: {found:?}")
        };
        let near = |one: f32, other: f32| (one - other).abs() < 1e-6;
        assert!(near(region.left, 0.3) && near(region.top, 0.2));
        assert!(near(region.width, 0.15) && near(region.height, 0.15));
        // The middle of the patient is at 0.6 of the picture.
        assert_eq!(region.side, Some(Side::Right));
        assert!((region.extent - 4.0 / 320.0).abs() < 0.001, "{}", region.extent);
    }

    #[test]
    fn the_largest_comes_first_and_specks_are_left_out() {
        let mut cells: Vec<(usize, usize)> = (0..5)
            .flat_map(|row| (14..18).map(move |column| (column, row)))
            .collect();
        cells.extend([(6, 10), (7, 10), (6, 11)]);
        cells.push((10, 18));
        let found = regions(&code(), &map(&cells), 0.5, &anatomy(), Pose::Facing);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].side, Some(Side::Left));
        assert_eq!(found[1].side, Some(Side::Right));
        assert!(found[1].extent < found[0].extent);
    }

    #[test]
    fn an_empty_map_has_no_region() {
        let mut empty = map(&[]);
        empty.values.fill(0.0);
        assert!(regions(&code(), &empty, 0.0, &anatomy(), Pose::Unknown).is_empty());
    }
}
