//! Where updates come from and where the model goes: the caller's side of an aggregation.

use super::SourceError;
use crate::strategy::Moment;

/// The clients' updates, wherever they are kept. Clients are numbered from 0.
pub trait Updates {
    /// How many there are.
    fn clients(&self) -> usize;

    /// What one counts in a weighted mean: above 0, at most [`MAX_WEIGHT`](super::MAX_WEIGHT). Robust strategies do not ask.
    fn weight(&self, client: usize) -> f64;

    /// Fills `into` with the values `offset ..` of `chunk`. `offset` is a multiple of
    /// [`BLOCK_VALUES`](crate::encoding::BLOCK_VALUES), so any encoding can be decoded from there.
    ///
    /// # Errors
    /// Whatever keeps the values from being read; it ends the aggregation.
    fn read(
        &mut self,
        client: usize,
        chunk: usize,
        offset: usize,
        into: &mut [f32],
    ) -> Result<(), SourceError>;

    /// The same values, `values` of them, where they lie in memory as they are: a mean then takes them from there, and
    /// [`Self::read`] is not asked.
    fn held(&self, client: usize, chunk: usize, offset: usize, values: usize) -> Option<&[f32]> {
        let _ = (client, chunk, offset, values);
        None
    }
}

/// A sum of weighted updates whose parts nobody can see: what secure aggregation gives.
pub trait UpdateSum {
    /// Fills `into` with the sum's values `offset ..` of `chunk`.
    ///
    /// # Errors
    /// Whatever keeps the values from being read; it ends the aggregation.
    fn read(&mut self, chunk: usize, offset: usize, into: &mut [f64]) -> Result<(), SourceError>;
}

/// The global model and the server's moments, in chunks of float32 values.
///
/// Every chunk is read once, before it is written. A store that must survive a crash in between writes to a new
/// version and makes it the current one when [`aggregate`](super::aggregate()) has returned.
pub trait ModelStore {
    /// Fills `into` with a chunk of the present global model.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn read_global(&mut self, chunk: usize, into: &mut [f32]) -> Result<(), SourceError>;

    /// Takes a chunk of the next global model.
    ///
    /// # Errors
    /// Whatever keeps it from being written.
    fn write_global(&mut self, chunk: usize, values: &[f32]) -> Result<(), SourceError>;

    /// Fills `into` with a chunk of a moment and says `true`, or says `false` when none was ever written.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn read_moment(&mut self, moment: Moment, chunk: usize, into: &mut [f32]) -> Result<bool, SourceError>;

    /// Takes a chunk of the next state of a moment.
    ///
    /// # Errors
    /// Whatever keeps it from being written.
    fn write_moment(&mut self, moment: Moment, chunk: usize, values: &[f32]) -> Result<(), SourceError>;
}
