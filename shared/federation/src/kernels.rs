//! The innermost loops over values, each compiled for several kinds of processors and chosen when the program runs.
//!
//! What belongs to one sum is added in the same order everywhere, and no multiplication is contracted with an addition:
//! every processor gives the same bits.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, f32x16, f64x8};

/// Sums of squares are kept in this many independent parts: faster, and less rounding.
const LANES: usize = 8;

/// Values that are in registers together.
const TILE: usize = 2 * LANES;

/// Most rows that are added in one pass over the sums, which saves most of the traffic to and from them.
pub(crate) const MOST_ROWS: usize = 8;

/// Adds to each sum the weighted values of some rows, one row after the other. `fresh` sums begin with 0, whatever is
/// there. Every row is as long as the sums; rows beyond [`MOST_ROWS`] are not looked at.
pub(crate) fn add_weighted(sums: &mut [f64], fresh: bool, rows: &[(f64, &[f32])]) {
    let level = Level::new();
    match *rows {
        [] if fresh => sums.fill(0.0),
        [] => {}
        [a] => dispatch!(level, simd => add_rows(simd, sums, fresh, [a])),
        [a, b] => dispatch!(level, simd => add_rows(simd, sums, fresh, [a, b])),
        [a, b, c] => dispatch!(level, simd => add_rows(simd, sums, fresh, [a, b, c])),
        [a, b, c, d] => dispatch!(level, simd => add_rows(simd, sums, fresh, [a, b, c, d])),
        [a, b, c, d, e] => dispatch!(level, simd => add_rows(simd, sums, fresh, [a, b, c, d, e])),
        [a, b, c, d, e, f] => dispatch!(level, simd => add_rows(simd, sums, fresh, [a, b, c, d, e, f])),
        [a, b, c, d, e, f, g] => {
            dispatch!(level, simd => add_rows(simd, sums, fresh, [a, b, c, d, e, f, g]));
        }
        [a, b, c, d, e, f, g, h, ..] => {
            dispatch!(level, simd => add_rows(simd, sums, fresh, [a, b, c, d, e, f, g, h]));
        }
    }
}

#[inline(always)]
fn add_rows<S: Simd, const ROWS: usize>(simd: S, sums: &mut [f64], fresh: bool, rows: [(f64, &[f32]); ROWS]) {
    let weights = rows.map(|(weight, _)| f64x8::splat(simd, weight));
    let mut tiled = rows.map(|(_, values)| values.as_chunks::<TILE>().0.iter());
    let (tiles, rest) = sums.as_chunks_mut::<TILE>();
    for tile in tiles {
        add_tile(simd, tile, fresh, &weights, |row| tiled.get_mut(row)?.next());
    }
    if !rest.is_empty() {
        let last = rows.map(|(_, values)| padded(values.as_chunks::<TILE>().1));
        let mut tile = padded(rest);
        add_tile(simd, &mut tile, fresh, &weights, |row| last.get(row));
        rest.iter_mut().zip(tile).for_each(|(sum, added)| *sum = added);
    }
}

#[inline(always)]
fn add_tile<'a, S: Simd, const ROWS: usize>(
    simd: S,
    tile: &mut [f64; TILE],
    fresh: bool,
    weights: &[f64x8<S>; ROWS],
    mut values: impl FnMut(usize) -> Option<&'a [f32; TILE]>,
) {
    let (low, high) = tile.split_at_mut(LANES);
    let zero = f64x8::splat(simd, 0.0);
    let (mut low_sums, mut high_sums) = if fresh {
        (zero, zero)
    } else {
        (f64x8::from_slice(simd, low), f64x8::from_slice(simd, high))
    };
    for (row, weight) in weights.iter().enumerate() {
        if let Some(values) = values(row) {
            let (low_values, high_values) = f32x16::from_slice(simd, values).widen();
            low_sums += *weight * low_values;
            high_sums += *weight * high_values;
        }
    }
    low_sums.store_slice(low);
    high_sums.store_slice(high);
}

/// The last values, and zeros to fill a tile.
#[inline(always)]
fn padded<T: Copy + Default>(rest: &[T]) -> [T; TILE] {
    let mut tile = [T::default(); TILE];
    tile.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    tile
}

/// Divides every value. The sum of the squares of the quotients: NaN or infinite when one of them is.
pub(crate) fn divide(values: &mut [f64], by: f64) -> f64 {
    dispatch!(Level::new(), simd => divided(simd, values, by))
}

#[inline(always)]
fn divided<S: Simd>(simd: S, values: &mut [f64], by: f64) -> f64 {
    let divisors = f64x8::splat(simd, by);
    let mut lanes = f64x8::splat(simd, 0.0);
    let (blocks, rest) = values.as_chunks_mut::<LANES>();
    for block in blocks {
        let quotients = f64x8::from_slice(simd, block) / divisors;
        quotients.store_slice(block);
        lanes += quotients * quotients;
    }
    let mut last = 0.0;
    for value in rest {
        *value /= by;
        last += *value * *value;
    }
    sum_of(lanes) + last
}

/// Adds each change to its value, rounded once. The sum of the squares of what the values really changed by: NaN or
/// infinite when a value is, before or afterwards.
pub(crate) fn advance(values: &mut [f32], changes: &[f64]) -> f64 {
    dispatch!(Level::new(), simd => advanced(simd, values, changes))
}

#[inline(always)]
fn advanced<S: Simd>(simd: S, values: &mut [f32], changes: &[f64]) -> f64 {
    let (tiles, rest) = values.as_chunks_mut::<TILE>();
    let (tiles_of_changes, changes) = changes.as_chunks::<TILE>();
    let mut lanes = f64x8::splat(simd, 0.0);
    for (tile, changes) in tiles.iter_mut().zip(tiles_of_changes) {
        lanes = advance_tile(simd, tile, changes, lanes);
    }
    if !rest.is_empty() {
        let mut tile = padded(rest);
        // Zeros do not change, and add nothing.
        lanes = advance_tile(simd, &mut tile, &padded(changes), lanes);
        rest.iter_mut().zip(tile).for_each(|(value, new)| *value = new);
    }
    sum_of(lanes)
}

#[inline(always)]
fn advance_tile<S: Simd>(
    simd: S,
    tile: &mut [f32; TILE],
    changes: &[f64; TILE],
    lanes: f64x8<S>,
) -> f64x8<S> {
    let (low, high) = changes.split_at(LANES);
    let before = f32x16::from_slice(simd, tile);
    let (low_values, high_values) = before.widen();
    let low_values = low_values + f64x8::from_slice(simd, low);
    let high_values = high_values + f64x8::from_slice(simd, high);
    let after: f32x16<S> = low_values.narrow(high_values);
    after.store_slice(tile);
    let (low, high) = (before - after).widen();
    lanes + low * low + high * high
}

/// The sum of the squares: NaN or infinite when one of the values is, and only then.
pub(crate) fn squares(values: &[f32]) -> f64 {
    dispatch!(Level::new(), simd => squared(simd, values))
}

#[inline(always)]
fn squared<S: Simd>(simd: S, values: &[f32]) -> f64 {
    let (tiles, rest) = values.as_chunks::<TILE>();
    let last = padded(rest);
    let mut lanes = f64x8::splat(simd, 0.0);
    for tile in tiles.iter().chain([&last]) {
        let (low, high) = f32x16::from_slice(simd, tile).widen();
        lanes = lanes + low * low + high * high;
    }
    sum_of(lanes)
}

/// The same of float64 values, whose squares may also be too large.
pub(crate) fn wide_squares(values: &[f64]) -> f64 {
    dispatch!(Level::new(), simd => wide_squared(simd, values))
}

#[inline(always)]
fn wide_squared<S: Simd>(simd: S, values: &[f64]) -> f64 {
    let (blocks, rest) = values.as_chunks::<LANES>();
    let mut lanes = f64x8::splat(simd, 0.0);
    for block in blocks {
        let values = f64x8::from_slice(simd, block);
        lanes += values * values;
    }
    sum_of(lanes) + rest.iter().map(|value| value * value).sum::<f64>()
}

/// One after the other, in order.
#[inline(always)]
fn sum_of<S: Simd>(lanes: f64x8<S>) -> f64 {
    lanes.as_slice().iter().sum()
}

/// Whether none is NaN or infinite.
pub(crate) fn all_finite(values: &[f32]) -> bool {
    #[inline(always)]
    fn all(values: &[f32]) -> bool {
        values.iter().fold(true, |all, value| all & value.is_finite())
    }
    dispatch!(Level::new(), _ => all(values))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every kind of float32 value, mostly usual ones.
    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![
            8 => -10.0_f32..10.0,
            1 => prop::num::f32::ANY,
            1 => prop::sample::select(vec![0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45]),
        ]
    }

    fn finite() -> impl Strategy<Value = f32> {
        value().prop_map(|value| if value.is_finite() { value } else { 1.0 })
    }

    fn bits(values: &[f64]) -> Vec<u64> {
        // What kind of NaN comes out of two is nobody's promise.
        values
            .iter()
            .map(|value| {
                if value.is_nan() {
                    f64::NAN.to_bits()
                } else {
                    value.to_bits()
                }
            })
            .collect()
    }

    /// Sums of every eighth value, and their sum.
    fn squares_in_order(values: impl Iterator<Item = f64>) -> f64 {
        let mut lanes = [0.0; LANES];
        for (index, value) in values.enumerate() {
            lanes[index % LANES] += value * value;
        }
        lanes.iter().sum()
    }

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 1e-13 * expected || found.to_bits() == expected.to_bits()
    }

    proptest! {
        /// Rows begin at any value, so that hardly one lies as the processor would like it.
        #[test]
        fn weighted_rows_are_added_bit_for_bit_as_one_after_the_other(
            rows in prop::collection::vec((0.001_f64..1e6, prop::collection::vec(value(), 70)), 0..=MOST_ROWS),
            before in prop::collection::vec(-1e3_f64..1e3, 70),
            start in 0_usize..4,
            length in 0_usize..66,
            fresh: bool,
        ) {
            let mut expected = before[..length].to_vec();
            if fresh {
                expected.fill(0.0);
            }
            for (weight, values) in &rows {
                for (sum, value) in expected.iter_mut().zip(&values[start..]) {
                    *sum += weight * f64::from(*value);
                }
            }
            let mut sums = before[..length].to_vec();
            let slices: Vec<(f64, &[f32])> = rows
                .iter()
                .map(|(weight, values)| (*weight, &values[start..start + length]))
                .collect();
            add_weighted(&mut sums, fresh, &slices);
            prop_assert_eq!(bits(&sums), bits(&expected));
        }

        #[test]
        fn quotients_are_those_of_plain_division(
            values in prop::collection::vec(value().prop_map(f64::from), 0..70),
            by in 0.001_f64..1e12,
        ) {
            let expected: Vec<f64> = values.iter().map(|value| value / by).collect();
            let mut divided = values;
            let squares = divide(&mut divided, by);
            prop_assert_eq!(bits(&divided), bits(&expected));
            prop_assert_eq!(squares.is_finite(), expected.iter().all(|value| value.is_finite()));
            if squares.is_finite() {
                prop_assert!(near(squares, squares_in_order(expected.into_iter())));
            }
        }

        #[test]
        fn a_step_is_rounded_once_and_its_length_is_known(
            pairs in prop::collection::vec((value(), value().prop_map(f64::from)), 0..70),
            start in 0_usize..4,
        ) {
            let (values, changes): (Vec<f32>, Vec<f64>) = pairs.into_iter().unzip();
            let start = start.min(values.len());
            let mut stepped = values.clone();
            let squares = advance(&mut stepped[start..], &changes[start..]);
            let mut changed = Vec::new();
            for ((before, change), after) in values.iter().zip(&changes).zip(&stepped).skip(start) {
                let expected = (f64::from(*before) + change) as f32;
                prop_assert!(after.to_bits() == expected.to_bits() || after.is_nan() && expected.is_nan());
                changed.push(f64::from(before - expected));
            }
            prop_assert_eq!(&stepped[..start].iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
                &values[..start].iter().map(|v| v.to_bits()).collect::<Vec<_>>());
            if stepped[start..].iter().chain(&values[start..]).any(|value| !value.is_finite()) {
                prop_assert!(!squares.is_finite());
            }
            if squares.is_finite() {
                prop_assert!(near(squares, squares_in_order(changed.into_iter())));
            }
        }

        #[test]
        fn squares_are_finite_exactly_when_all_values_are(
            values in prop::collection::vec(value(), 0..70), start in 0_usize..4,
        ) {
            let values = &values[start.min(values.len())..];
            let found = squares(values);
            let all = values.iter().all(|value| value.is_finite());
            prop_assert_eq!((found.is_finite(), all_finite(values)), (all, all));
            if all {
                let expected = squares_in_order(values.iter().map(|value| f64::from(*value)));
                prop_assert_eq!(found.to_bits(), expected.to_bits());
            }
        }

        #[test]
        fn wide_squares_are_those_in_order(values in prop::collection::vec(finite(), 0..70)) {
            let wide: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
            prop_assert!(near(wide_squares(&wide), squares_in_order(wide.iter().copied())));
        }
    }

    #[test]
    fn one_bad_value_anywhere_shows() {
        for length in [1, 7, 8, 9, 15, 16, 17, 33] {
            for place in 0..length {
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let mut values = vec![f32::MAX; length];
                    assert!(squares(&values).is_finite() && all_finite(&values));
                    values[place] = bad;
                    assert!(!squares(&values).is_finite() && !all_finite(&values));
                    let mut sums = vec![0.0; length];
                    add_weighted(
                        &mut sums,
                        true,
                        &[(1e12, &values), (1.0, &vec![-f32::MAX; length])],
                    );
                    assert!(!divide(&mut sums, 1e12).is_finite());
                    assert!(!advance(&mut values, &vec![0.0; length]).is_finite());
                }
            }
        }
    }
}
