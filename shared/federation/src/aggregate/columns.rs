//! Rules that look at each coordinate by itself: median, trimmed mean, and Bulyan's mean near the median.
//!
//! The clients' values of a tile are sorted coordinate by coordinate with a sorting network, whose compare-exchanges
//! work on whole rows at once: no branch depends on a value.

use super::place::Place;
use super::rows::{Rows, TILE};
use super::rule::Used;
use super::{AggregateError, Updates};
use crate::strategy::trimmed_each_end;

/// What is made of the sorted values of one coordinate.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Median,
    /// The mean without this many at each end.
    Trimmed(usize),
    /// The mean of this many that are nearest to the median.
    NearMedian(usize),
}

/// A rule, whose values it takes, and the buffers for it.
#[derive(Debug)]
pub(super) struct Columns {
    rule: Rule,
    rows: Rows,
    network: Vec<(usize, usize)>,
}

impl Columns {
    pub(super) fn median(clients: Vec<usize>) -> Self {
        Self::of(Rule::Median, clients)
    }

    /// Leaves out the part `beta` of the clients at each end.
    pub(super) fn trimmed(clients: Vec<usize>, beta: f64) -> Self {
        Self::of(Rule::Trimmed(trimmed_each_end(clients.len(), beta)), clients)
    }

    /// The mean of all but `leave_out` values, those farthest from the median.
    pub(super) fn near_median(clients: Vec<usize>, leave_out: usize) -> Self {
        Self::of(
            Rule::NearMedian(clients.len().saturating_sub(leave_out).max(1)),
            clients,
        )
    }

    fn of(rule: Rule, clients: Vec<usize>) -> Self {
        let network = network(clients.len());
        Self {
            rule,
            rows: Rows::new(clients),
            network,
        }
    }

    pub(super) fn used(&self) -> Used {
        let clients = self.rows.clients().to_vec();
        Used {
            total_weight: clients.len() as f64,
            clients,
        }
    }

    /// Fills `into` with the combined values.
    pub(super) fn combine(
        &mut self,
        updates: &mut dyn Updates,
        place: Place,
        into: &mut [f64],
    ) -> Result<(), AggregateError> {
        let Self { rule, rows, network } = self;
        rows.tiles(updates, place, |start, sorted| {
            sort_columns(sorted, network);
            let combined = match *rule {
                Rule::Median => median(sorted),
                Rule::Trimmed(each_end) => trimmed(sorted, each_end),
                Rule::NearMedian(keep) => near_median(sorted, keep),
            };
            let into = into.get_mut(start..).unwrap_or_default();
            into.iter_mut().zip(combined).for_each(|(to, from)| *to = from);
        })
    }
}

/// Batcher's merge exchange for any number of rows: Knuth, The Art of Computer Programming, volume 3, 5.2.2 M.
fn network(rows: usize) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let top = rows.next_power_of_two() / 2;
    let mut p = top;
    while p > 0 {
        let (mut q, mut r, mut d) = (top, 0, p);
        loop {
            pairs.extend(
                (0..rows.saturating_sub(d))
                    .filter(|i| i & p == r)
                    .map(|i| (i, i + d)),
            );
            if q == p {
                break;
            }
            (d, q, r) = (q - p, q / 2, p);
        }
        p /= 2;
    }
    pairs
}

fn sort_columns(rows: &mut [[f32; TILE]], network: &[(usize, usize)]) {
    for (low, high) in network {
        if let Ok([low, high]) = rows.get_disjoint_mut([*low, *high]) {
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = if *b < *a { (*b, *a) } else { (*a, *b) };
            }
        }
    }
}

fn median(sorted: &[[f32; TILE]]) -> [f64; TILE] {
    trimmed(sorted, sorted.len().saturating_sub(1) / 2)
}

fn trimmed(sorted: &[[f32; TILE]], each_end: usize) -> [f64; TILE] {
    let kept = sorted
        .get(each_end..sorted.len().saturating_sub(each_end))
        .unwrap_or_default();
    let mut sums = [0.0; TILE];
    for row in kept {
        sums.iter_mut()
            .zip(row)
            .for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums.map(|sum| sum / kept.len() as f64)
}

/// In sorted order the values nearest to the median lie together: a window slides up while that brings it nearer.
fn near_median(sorted: &[[f32; TILE]], keep: usize) -> [f64; TILE] {
    let mut combined = median(sorted);
    for (column, value) in combined.iter_mut().enumerate() {
        let at = |row: usize| {
            sorted
                .get(row)
                .and_then(|row| row.get(column))
                .map(|v| f64::from(*v))
        };
        let far = |row: usize| at(row).map(|v| (v - *value).abs());
        let mut start = 0;
        while let (Some(below), Some(above)) = (far(start), far(start + keep)) {
            if above >= below {
                break;
            }
            start += 1;
        }
        *value = (start..start + keep).filter_map(at).sum::<f64>() / keep as f64;
    }
    combined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_sorts_any_number_of_rows() {
        for rows in 1..=33 {
            let mut values: Vec<[f32; TILE]> = (0..rows)
                .map(|row| std::array::from_fn(|column| ((row * 37 + column * 11) % 23) as f32 - 11.0))
                .collect();
            let mut expected = values.clone();
            sort_columns(&mut values, &network(rows));
            for column in 0..TILE {
                let mut one: Vec<f32> = expected.iter().map(|row| row[column]).collect();
                one.sort_by(f32::total_cmp);
                expected
                    .iter_mut()
                    .zip(one)
                    .for_each(|(row, value)| row[column] = value);
            }
            assert_eq!(values, expected);
        }
    }
}
