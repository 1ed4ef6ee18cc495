//! Updates and a model held in memory, for simulations, tests and small heads.

use super::{ModelStore, SourceError, Updates};
use crate::layout::{CHUNK_VALUES, Layout};
use crate::strategy::Moment;

/// Whole updates with their weights.
#[derive(Debug, Clone, Default)]
pub struct MemoryUpdates {
    updates: Vec<(f64, Vec<f32>)>,
}

/// A chunk lies outside what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The values asked for are not held.")]
struct NotHeld;

impl MemoryUpdates {
    /// No updates yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a client's update, flattened in layout order. Returns the client's number.
    pub fn push(&mut self, weight: f64, update: Vec<f32>) -> usize {
        self.updates.push((weight, update));
        self.updates.len() - 1
    }
}

impl Updates for MemoryUpdates {
    fn clients(&self) -> usize {
        self.updates.len()
    }

    fn weight(&self, client: usize) -> f64 {
        self.updates.get(client).map_or(0.0, |(weight, _)| *weight)
    }

    fn read(
        &mut self,
        client: usize,
        chunk: usize,
        offset: usize,
        into: &mut [f32],
    ) -> Result<(), SourceError> {
        let (_, update) = self.updates.get(client).ok_or(NotHeld)?;
        into.copy_from_slice(span(update, chunk, offset, into.len())?);
        Ok(())
    }

    fn held(&self, client: usize, chunk: usize, offset: usize, values: usize) -> Option<&[f32]> {
        let (_, update) = self.updates.get(client)?;
        span(update, chunk, offset, values).ok()
    }
}

/// A global model and its moments.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryModel {
    global: Vec<f32>,
    first: Option<Vec<f32>>,
    second: Option<Vec<f32>>,
}

impl MemoryModel {
    /// A model with these values, flattened in layout order, and no moments yet.
    pub fn new(global: Vec<f32>) -> Self {
        Self {
            global,
            first: None,
            second: None,
        }
    }

    /// A model of zeros.
    pub fn zeros(layout: &Layout) -> Self {
        Self::new(vec![0.0; layout.elements()])
    }

    /// The model's values.
    pub fn global(&self) -> &[f32] {
        &self.global
    }

    fn moment(&mut self, moment: Moment) -> &mut Option<Vec<f32>> {
        match moment {
            Moment::First => &mut self.first,
            Moment::Second => &mut self.second,
        }
    }
}

impl ModelStore for MemoryModel {
    fn read_global(&mut self, chunk: usize, into: &mut [f32]) -> Result<(), SourceError> {
        into.copy_from_slice(span(&self.global, chunk, 0, into.len())?);
        Ok(())
    }

    fn write_global(&mut self, chunk: usize, values: &[f32]) -> Result<(), SourceError> {
        write(&mut self.global, chunk, values)
    }

    fn read_moment(&mut self, moment: Moment, chunk: usize, into: &mut [f32]) -> Result<bool, SourceError> {
        let Some(values) = self.moment(moment) else {
            return Ok(false);
        };
        into.copy_from_slice(span(values, chunk, 0, into.len())?);
        Ok(true)
    }

    fn write_moment(&mut self, moment: Moment, chunk: usize, values: &[f32]) -> Result<(), SourceError> {
        let size = self.global.len();
        write(
            self.moment(moment).get_or_insert_with(|| vec![0.0; size]),
            chunk,
            values,
        )
    }
}

fn span(values: &[f32], chunk: usize, offset: usize, len: usize) -> Result<&[f32], NotHeld> {
    let start = chunk
        .checked_mul(CHUNK_VALUES)
        .and_then(|start| start.checked_add(offset))
        .ok_or(NotHeld)?;
    values
        .get(start..)
        .and_then(|rest| rest.get(..len))
        .ok_or(NotHeld)
}

fn write(to: &mut [f32], chunk: usize, values: &[f32]) -> Result<(), SourceError> {
    let start = chunk.checked_mul(CHUNK_VALUES).ok_or(NotHeld)?;
    let to = to
        .get_mut(start..)
        .and_then(|rest| rest.get_mut(..values.len()))
        .ok_or(NotHeld)?;
    to.copy_from_slice(values);
    Ok(())
}
