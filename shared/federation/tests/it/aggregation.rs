//! What holds for every set of updates.

use barefoot_federation::aggregate::{
    AggregateError, MAX_WEIGHT, MemoryModel, SourceError, UpdateSum, Updates, aggregate, aggregate_sum,
    update_norms,
};
use barefoot_federation::clip::l2_norm;
use barefoot_federation::layout::CHUNK_VALUES;
use barefoot_federation::strategy::Strategy;
use proptest::prelude::*;

use crate::support::{Broken, close, equal_weights, layout, once, strategy, updates};

fn rows(clients: std::ops::Range<usize>) -> impl Strategy_<Value = Vec<(f64, Vec<f32>)>> {
    (clients, 1_usize..150).prop_flat_map(|(clients, values)| {
        let update = prop::collection::vec(-100.0_f32..100.0, values);
        prop::collection::vec((1.0_f64..500.0, update), clients)
    })
}

use proptest::strategy::Strategy as Strategy_;

fn reversed(rows: &[(f64, Vec<f32>)]) -> Vec<(f64, Vec<f32>)> {
    rows.iter().rev().cloned().collect()
}

fn column(rows: &[(f64, Vec<f32>)], index: usize) -> Vec<f32> {
    let mut column: Vec<f32> = rows.iter().map(|(_, values)| values[index]).collect();
    column.sort_by(f32::total_cmp);
    column
}

/// Deterministic values that differ for each client and place.
fn pattern(client: usize, value: usize) -> f32 {
    ((client * 7919 + value * 104_729) % 2003) as f32 / 1000.0 - 1.0
}

proptest! {
    #[test]
    fn the_order_of_clients_does_not_matter(rows in rows(7..13)) {
        for text in ["FedAvg", "FedAdam", "FedMedian", "FedTrimmedAvg", "Krum", "MultiKrum", "Bulyan"] {
            let (one, _) = once(text, &rows).unwrap();
            let (other, _) = once(text, &reversed(&rows)).unwrap();
            for (one, other) in one.iter().zip(&other) {
                prop_assert!((one - other).abs() <= 1e-5 * one.abs().max(1.0), "{text}: {one} {other}");
            }
        }
    }

    #[test]
    fn means_of_means_are_the_mean(rows in rows(2..9), split in 1_usize..8) {
        let (left, right) = rows.split_at(split.min(rows.len() - 1));
        let (flat, _) = once("FedAvg", &rows).unwrap();
        let parts: Vec<(f64, Vec<f32>)> = [left, right]
            .iter()
            .map(|part| once("FedAvg", part).map(|(model, summary)| (summary.total_weight, model)).unwrap())
            .collect();
        let (tree, _) = once("FedAvg", &parts).unwrap();
        for (flat, tree) in flat.iter().zip(&tree) {
            prop_assert!((flat - tree).abs() <= 2e-5, "{flat} {tree}");
        }
    }

    #[test]
    fn the_mean_is_exact_to_one_rounding(rows in rows(1..11)) {
        let (model, _) = once("FedAvg", &rows).unwrap();
        let total: f64 = rows.iter().map(|(weight, _)| weight).sum();
        for (index, found) in model.iter().enumerate() {
            let sum: f64 = rows.iter().map(|(weight, values)| weight * f64::from(values[index])).sum();
            prop_assert_eq!(*found, (sum / total) as f32);
        }
    }

    #[test]
    fn median_and_trimmed_mean_follow_their_definitions(rows in rows(5..23)) {
        let (median, _) = once("FedMedian", &rows).unwrap();
        let (trimmed, _) = once("FedTrimmedAvg(beta=0.2)", &rows).unwrap();
        for index in 0..median.len() {
            let column = column(&rows, index);
            let (n, cut) = (column.len(), column.len() / 5);
            let middle = (f64::from(column[(n - 1) / 2]) + f64::from(column[n / 2])) / 2.0;
            prop_assert!((f64::from(median[index]) - middle).abs() <= 1e-5);
            prop_assert!((column[0]..=column[n - 1]).contains(&median[index]));
            let kept = &column[cut..n - cut];
            let mean = kept.iter().map(|v| f64::from(*v)).sum::<f64>() / kept.len() as f64;
            prop_assert!((f64::from(trimmed[index]) - mean).abs() <= 1e-5);
        }
    }

    #[test]
    fn bulyan_averages_the_values_nearest_the_median_of_its_choice(rows in rows(7..16)) {
        let (model, summary) = once("Bulyan(num_malicious_nodes=1)", &rows).unwrap();
        prop_assert_eq!(summary.used.len(), rows.len() - 2);
        let chosen: Vec<_> = summary.used.iter().map(|client| rows[*client].clone()).collect();
        for (index, found) in model.iter().enumerate() {
            let mut column = column(&chosen, index);
            let n = column.len();
            let middle = (f64::from(column[(n - 1) / 2]) + f64::from(column[n / 2])) / 2.0;
            column.sort_by(|a, b| (f64::from(*a) - middle).abs().total_cmp(&(f64::from(*b) - middle).abs()));
            let mean = column[..n - 2].iter().map(|v| f64::from(*v)).sum::<f64>() / (n - 2) as f64;
            prop_assert!((f64::from(*found) - mean).abs() <= 1e-4, "{} {}", found, mean);
        }
    }

    #[test]
    fn robust_strategies_withstand_one_bad_client(
        rows in rows(7..12), bad in 0_usize..7, size in prop::sample::select(vec![1e4_f32, 1e30, f32::MAX]),
    ) {
        let mut rows = rows;
        rows[bad].1.iter_mut().enumerate().for_each(|(i, v)| *v = if i % 2 == 0 { size } else { -size });
        for text in ["FedMedian", "FedTrimmedAvg(beta=0.2)", "Krum", "MultiKrum", "Bulyan"] {
            let (model, summary) = once(text, &rows).unwrap();
            prop_assert!(model.iter().all(|value| value.abs() <= 100.0), "{text}");
            if !matches!(strategy(text), Strategy::FedMedian | Strategy::FedTrimmedAvg { .. }) {
                prop_assert!(summary.left_out.contains(&bad), "{text}");
            }
        }
    }
}

/// Krum by the book, from all pairs.
fn krum_by_the_book(rows: &[(f64, Vec<f32>)], f: usize) -> usize {
    let scores = rows.iter().enumerate().map(|(i, (_, one))| {
        let mut distances: Vec<f64> = rows
            .iter()
            .enumerate()
            .filter(|(j, _)| *j != i)
            .map(|(_, (_, other))| one.iter().zip(other).map(|(a, b)| f64::from(a - b).powi(2)).sum())
            .collect();
        distances.sort_by(f64::total_cmp);
        distances[..rows.len() - f - 2].iter().sum::<f64>()
    });
    scores.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0
}

#[test]
fn every_strategy_works_across_chunks() {
    let size = CHUNK_VALUES + 8 * 1024 + 77;
    let rows: Vec<(f64, Vec<f32>)> = (0..9)
        .map(|client| {
            (
                client as f64 + 1.0,
                (0..size).map(|value| pattern(client, value)).collect(),
            )
        })
        .collect();
    let places = [
        0,
        63,
        64,
        8191,
        8192,
        CHUNK_VALUES - 1,
        CHUNK_VALUES,
        CHUNK_VALUES + 8192,
        size - 1,
    ];
    let small: Vec<(f64, Vec<f32>)> = rows
        .iter()
        .map(|(weight, values)| (*weight, places.map(|place| values[place]).to_vec()))
        .collect();
    for all in Strategy::ALL {
        let text = all.to_string();
        let (model, summary) = once(&text, &rows).unwrap();
        assert_eq!(model.len(), size);
        // Krum and its kin choose by the whole vector, the others coordinate by coordinate.
        let expected = match all {
            Strategy::Krum { .. } => {
                assert_eq!(summary.used, [krum_by_the_book(&rows, 1)]);
                small[summary.used[0]].1.clone()
            }
            Strategy::MultiKrum { .. } => {
                let kept: Vec<_> = summary
                    .used
                    .iter()
                    .map(|client| (1.0, small[*client].1.clone()))
                    .collect();
                once("FedAvg", &kept).unwrap().0
            }
            Strategy::Bulyan { .. } => continue,
            _ => once(&text, &small).unwrap().0,
        };
        close(
            &places.map(|place| model[place]),
            &expected.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(),
            1e-6,
        );
    }
}

#[test]
fn many_clients_are_read_in_narrow_blocks() {
    let rows: Vec<Vec<f32>> = (0..401)
        .map(|client| (0..3000).map(|value| pattern(client, value)).collect())
        .collect();
    let rows = equal_weights(&rows);
    let (median, _) = once("FedMedian", &rows).unwrap();
    for index in [0, 1023, 1024, 2559, 2560, 2999] {
        assert_eq!(median[index], column(&rows, index)[200]);
    }
}

struct Sum(Vec<f64>);

impl UpdateSum for Sum {
    fn read(&mut self, chunk: usize, offset: usize, into: &mut [f64]) -> Result<(), SourceError> {
        let start = chunk * CHUNK_VALUES + offset;
        into.copy_from_slice(&self.0[start..start + into.len()]);
        Ok(())
    }
}

#[test]
fn a_secure_sum_takes_the_same_step_as_its_parts() {
    let size = CHUNK_VALUES + 5;
    let rows: Vec<(f64, Vec<f32>)> = (0..3)
        .map(|client| {
            (
                client as f64 + 1.0,
                (0..size).map(|value| pattern(client, value)).collect(),
            )
        })
        .collect();
    let layout = layout(size);
    let mut sum = Sum((0..size)
        .map(|value| rows.iter().map(|(w, values)| w * f64::from(values[value])).sum())
        .collect());
    for text in ["FedAvg", "FedAvgM", "FedProx", "FedAdam", "FedYogi", "FedAdagrad"] {
        let (mut plain, mut secure) = (MemoryModel::zeros(&layout), MemoryModel::zeros(&layout));
        for round in 1..3 {
            aggregate(&strategy(text), round, &layout, &mut updates(&rows), &mut plain).unwrap();
            let summary = aggregate_sum(&strategy(text), round, &layout, &mut sum, 6.0, &mut secure).unwrap();
            assert!(summary.used.is_empty() && summary.left_out.is_empty());
        }
        assert_eq!(plain, secure, "{text}");
    }
    let mut model = MemoryModel::zeros(&layout);
    for all in Strategy::ALL {
        let refused = aggregate_sum(&all, 1, &layout, &mut sum, 6.0, &mut model);
        assert_eq!(
            matches!(refused, Err(AggregateError::NeedsPlainUpdates)),
            all.needs_plain_updates()
        );
    }
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let refused = aggregate_sum(&Strategy::FedAvg, 1, &layout, &mut sum, weight, &mut model);
        assert!(matches!(refused, Err(AggregateError::TotalWeight)));
    }
}

#[test]
fn a_value_that_is_no_number_is_named() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for all in Strategy::ALL {
            let mut rows = equal_weights(&vec![vec![1.0; 9000]; 9]);
            rows[6].1[8999] = bad;
            let refused = once(&all.to_string(), &rows);
            assert!(
                matches!(
                    refused,
                    Err(AggregateError::NotFinite {
                        client: 6,
                        value: 8999
                    })
                ),
                "{all}: {refused:?}"
            );
        }
    }
}

#[test]
fn a_step_out_of_range_leaves_no_model() {
    let layout = layout(2);
    let mut model = MemoryModel::new(vec![0.0, f32::MAX]);
    let refused = aggregate(
        &Strategy::FedAvg,
        1,
        &layout,
        &mut updates(&[(1.0, vec![0.0, f32::MAX])]),
        &mut model,
    );
    assert!(matches!(refused, Err(AggregateError::Result { value: 1 })));
    assert_eq!(model.global(), [0.0, f32::MAX]);
}

#[test]
fn too_few_or_too_many_clients_are_refused() {
    for all in Strategy::ALL {
        let enough = all.minimum_clients();
        let rows = equal_weights(&vec![vec![1.0, 2.0]; enough]);
        assert!(once(&all.to_string(), &rows).is_ok(), "{all}");
        let refused = aggregate(
            &all,
            1,
            &layout(2),
            &mut updates(&rows[1..]),
            &mut MemoryModel::zeros(&layout(2)),
        );
        assert!(
            matches!(refused, Err(AggregateError::NotEnoughClients { needed, .. }) if needed == enough),
            "{all}"
        );
    }
    let crowd = equal_weights(&vec![vec![1.0]; 1025]);
    assert!(once("FedAvg", &crowd).is_ok());
    assert!(matches!(
        once("Krum", &crowd),
        Err(AggregateError::TooManyClients { limit: 1024, .. })
    ));
}

#[test]
fn weights_that_cannot_be_are_refused() {
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY, MAX_WEIGHT * 2.0] {
        let refused = once("FedAvg", &[(1.0, vec![1.0]), (weight, vec![1.0])]);
        assert!(matches!(refused, Err(AggregateError::Weight { client: 1 })));
    }
}

#[test]
fn parameters_written_by_hand_are_checked() {
    let bad = Strategy::FedAvgM {
        server_learning_rate: f64::NAN,
        server_momentum: 0.9,
    };
    let refused = aggregate(
        &bad,
        1,
        &layout(1),
        &mut updates(&[(1.0, vec![1.0])]),
        &mut MemoryModel::new(vec![0.0]),
    );
    assert!(matches!(refused, Err(AggregateError::Strategy(_))));
}

#[test]
fn a_lost_store_or_source_says_where() {
    let refused = aggregate(
        &Strategy::FedAvg,
        1,
        &layout(1),
        &mut updates(&[(1.0, vec![1.0])]),
        &mut Broken,
    );
    assert!(matches!(refused, Err(AggregateError::Model { chunk: 0, .. })));
    let short = updates(&[(1.0, vec![1.0])]);
    let refused = aggregate(
        &Strategy::FedAvg,
        1,
        &layout(2),
        &mut short.clone(),
        &mut MemoryModel::zeros(&layout(2)),
    );
    assert!(matches!(
        refused,
        Err(AggregateError::Update {
            client: 0,
            chunk: 0,
            ..
        })
    ));
}

/// Counts what is asked for, to hold the promise about blocks.
struct Watched(Vec<(usize, usize, usize)>);

impl Updates for Watched {
    fn clients(&self) -> usize {
        5
    }
    fn weight(&self, _: usize) -> f64 {
        1.0
    }
    fn read(&mut self, _: usize, chunk: usize, offset: usize, into: &mut [f32]) -> Result<(), SourceError> {
        self.0.push((chunk, offset, into.len()));
        into.fill(0.0);
        Ok(())
    }
}

#[test]
fn reads_start_at_blocks_and_stay_within_a_chunk() {
    let layout = layout(CHUNK_VALUES + 3000);
    for all in Strategy::ALL.into_iter().filter(|all| all.minimum_clients() <= 5) {
        let mut watched = Watched(Vec::new());
        aggregate(&all, 1, &layout, &mut watched, &mut MemoryModel::zeros(&layout)).unwrap();
        for (chunk, offset, values) in watched.0 {
            assert_eq!(offset % 1024, 0);
            assert!(values > 0 && offset + values <= layout.chunk_values(chunk));
        }
    }
}

#[test]
fn norms_are_those_of_the_whole_updates() {
    let size = CHUNK_VALUES + 100;
    let rows: Vec<Vec<f32>> = (0..2)
        .map(|client| (0..size).map(|value| pattern(client, value)).collect())
        .collect();
    let norms = update_norms(&layout(size), &mut updates(&equal_weights(&rows))).unwrap();
    for (norm, row) in norms.iter().zip(&rows) {
        assert!((norm - l2_norm(row)).abs() < 1e-9 * norm);
    }
}
