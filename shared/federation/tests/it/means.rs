//! A mean is the same bits as adding one update after the other, wherever the updates lie.

use barefoot_federation::aggregate::{
    AggregateError, MemoryModel, MemoryUpdates, SourceError, Updates, aggregate,
};
use barefoot_federation::encoding::{Encoding, encode, held_values, read_into};
use barefoot_federation::layout::CHUNK_VALUES;
use barefoot_federation::strategy::Strategy;
use proptest::prelude::*;
use proptest::strategy::Strategy as _;

use crate::support::{layout, updates};

/// Lends what it holds, or has it read.
struct Read(MemoryUpdates);

impl Updates for Read {
    fn clients(&self) -> usize {
        self.0.clients()
    }
    fn weight(&self, client: usize) -> f64 {
        self.0.weight(client)
    }
    fn read(
        &mut self,
        client: usize,
        chunk: usize,
        offset: usize,
        into: &mut [f32],
    ) -> Result<(), SourceError> {
        self.0.read(client, chunk, offset, into)
    }
}

/// Encoded bytes, some of which begin at an address that suits no float32.
struct Encoded {
    rows: Vec<(f64, Vec<u8>)>,
    lent: std::cell::Cell<usize>,
}

impl Encoded {
    fn of(rows: &[(f64, Vec<f32>)]) -> Self {
        let encoded = |(client, (weight, values)): (usize, &(f64, Vec<f32>))| {
            let mut bytes = vec![0xff; client % 4];
            bytes.extend(encode(values, Encoding::F32).unwrap());
            (*weight, bytes)
        };
        Self {
            rows: rows.iter().enumerate().map(encoded).collect(),
            lent: std::cell::Cell::new(0),
        }
    }

    fn piece(&self, client: usize, chunk: usize, offset: usize, values: usize) -> &[u8] {
        let range = Encoding::F32
            .byte_range(chunk * CHUNK_VALUES + offset, values)
            .unwrap();
        &self.rows[client].1[client % 4..][range]
    }
}

impl Updates for Encoded {
    fn clients(&self) -> usize {
        self.rows.len()
    }
    fn weight(&self, client: usize) -> f64 {
        self.rows[client].0
    }
    fn read(
        &mut self,
        client: usize,
        chunk: usize,
        offset: usize,
        into: &mut [f32],
    ) -> Result<(), SourceError> {
        let piece = self.piece(client, chunk, offset, into.len()).to_vec();
        read_into(Encoding::F32, into, &mut Vec::new(), |bytes| {
            bytes.copy_from_slice(&piece);
            Ok(())
        })
    }
    fn held(&self, client: usize, chunk: usize, offset: usize, values: usize) -> Option<&[f32]> {
        let held = held_values(self.piece(client, chunk, offset, values), Encoding::F32);
        self.lent.set(self.lent.get() + usize::from(held.is_some()));
        held
    }
}

fn stepped(model: &[f32], updates: &mut dyn Updates) -> Result<Vec<u32>, AggregateError> {
    let mut model = MemoryModel::new(model.to_vec());
    let layout = layout(model.global().len());
    aggregate(&Strategy::FedAvg, 1, &layout, updates, &mut model)?;
    Ok(model.global().iter().map(|value| value.to_bits()).collect())
}

/// By the book, one value and one client after the other.
fn plain(model: &[f32], rows: &[(f64, Vec<f32>)]) -> Vec<u32> {
    let total: f64 = rows.iter().map(|(weight, _)| weight).sum();
    let next = |(place, value): (usize, &f32)| {
        let mut sum = 0.0;
        for (weight, values) in rows {
            sum += weight * f64::from(values[place]);
        }
        ((f64::from(*value) + sum / total) as f32).to_bits()
    };
    model.iter().enumerate().map(next).collect()
}

fn check(model: &[f32], rows: &[(f64, Vec<f32>)]) {
    let expected = plain(model, rows);
    assert_eq!(stepped(model, &mut updates(rows)).unwrap(), expected);
    assert_eq!(stepped(model, &mut Read(updates(rows))).unwrap(), expected);
    let mut encoded = Encoded::of(rows);
    assert_eq!(stepped(model, &mut encoded).unwrap(), expected);
    assert!(encoded.lent.get() > 0 || cfg!(target_endian = "big"));
}

proptest! {
    #[test]
    fn any_number_of_clients_and_values(
        (model, rows) in (1_usize..30, 1_usize..60).prop_flat_map(|(clients, values)| {
            let numbers = move || prop::collection::vec(-100.0_f32..100.0, values);
            (numbers(), prop::collection::vec((0.5_f64..500.0, numbers()), clients))
        })
    ) {
        check(&model, &rows);
    }
}

#[test]
fn more_than_a_block_and_more_than_a_chunk() {
    for (size, clients) in [(16 * 1024 + 1, 9), (CHUNK_VALUES + 16 * 1024 + 77, 3)] {
        let value =
            |client: usize, value: usize| ((client * 7919 + value * 104_729) % 2003) as f32 / 997.0 - 1.0;
        let row = |client: usize| -> Vec<f32> { (0..size).map(|place| value(client, place)).collect() };
        let rows: Vec<(f64, Vec<f32>)> = (1..=clients).map(|client| (client as f64, row(client))).collect();
        check(&row(0), &rows);
    }
}

#[test]
fn a_bad_value_is_named_also_where_nothing_is_read() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for client in 0..11 {
            let mut rows: Vec<(f64, Vec<f32>)> = (0..11).map(|_| (2.0, vec![0.25; 40])).collect();
            rows[client].1[39] = bad;
            let refused = stepped(&[0.0; 40], &mut updates(&rows));
            assert!(
                matches!(refused, Err(AggregateError::NotFinite { client: named, value: 39 }) if named == client),
                "{refused:?}"
            );
        }
    }
}

#[test]
fn a_model_that_is_no_number_makes_no_next_one() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut model = [1.0; 20];
        model[19] = bad;
        let refused = stepped(&model, &mut updates(&[(1.0, vec![0.5; 20])]));
        assert!(
            matches!(refused, Err(AggregateError::Result { value: 19 })),
            "{refused:?}"
        );
    }
}
