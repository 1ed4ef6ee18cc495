use barefoot_federation::aggregate::{
    AggregateError, MemoryModel, MemoryUpdates, ModelStore, Summary, aggregate,
};
use barefoot_federation::layout::{Layout, TensorSpec};
use barefoot_federation::strategy::Strategy;

pub(crate) fn layout(values: usize) -> Layout {
    Layout::new(vec![TensorSpec {
        name: "weight".into(),
        shape: vec![values as u64],
    }])
    .unwrap()
}

pub(crate) fn strategy(text: &str) -> Strategy {
    text.parse().unwrap()
}

pub(crate) fn updates(rows: &[(f64, Vec<f32>)]) -> MemoryUpdates {
    let mut updates = MemoryUpdates::new();
    for (weight, values) in rows {
        updates.push(*weight, values.clone());
    }
    updates
}

/// One round on a model of zeros.
pub(crate) fn once(text: &str, rows: &[(f64, Vec<f32>)]) -> Result<(Vec<f32>, Summary), AggregateError> {
    let layout = layout(rows[0].1.len());
    let mut model = MemoryModel::zeros(&layout);
    let summary = aggregate(&strategy(text), 1, &layout, &mut updates(rows), &mut model)?;
    Ok((model.global().to_vec(), summary))
}

pub(crate) fn equal_weights(rows: &[Vec<f32>]) -> Vec<(f64, Vec<f32>)> {
    rows.iter().map(|row| (1.0, row.clone())).collect()
}

pub(crate) fn close(found: &[f32], expected: &[f64], within: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (f64::from(*found) - expected).abs() <= within,
            "{found} is not {expected}"
        );
    }
}

/// A store that has lost its disk.
#[derive(Debug)]
pub(crate) struct Broken;

impl ModelStore for Broken {
    fn read_global(
        &mut self,
        _: usize,
        _: &mut [f32],
    ) -> Result<(), barefoot_federation::aggregate::SourceError> {
        Err("no disk".into())
    }
    fn write_global(
        &mut self,
        _: usize,
        _: &[f32],
    ) -> Result<(), barefoot_federation::aggregate::SourceError> {
        Err("no disk".into())
    }
    fn read_moment(
        &mut self,
        _: barefoot_federation::strategy::Moment,
        _: usize,
        _: &mut [f32],
    ) -> Result<bool, barefoot_federation::aggregate::SourceError> {
        Err("no disk".into())
    }
    fn write_moment(
        &mut self,
        _: barefoot_federation::strategy::Moment,
        _: usize,
        _: &[f32],
    ) -> Result<(), barefoot_federation::aggregate::SourceError> {
        Err("no disk".into())
    }
}
