//! Error feedback: what a lossy encoding could not send this round is added to the next round's update.
//!
//! Karimireddy et al. 2019 (arXiv 1901.09847), algorithm 1. Without it the same small changes are rounded away in
//! every round. Not to be used together with noise: a residual carries one round's data into the next round's
//! release, outside the clip bound that the privacy accounting rests on.

use crate::encoding::{DecodeError, EncodeError, Encoding, decode_into, encode};

/// What is still owed for one span of values, usually one chunk. Starts as nothing owed.
#[derive(Debug, Clone, PartialEq)]
pub struct Residual {
    owed: Vec<f32>,
}

/// Why an update could not be compressed. The residual is then unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompressError {
    /// The update has another length than the residual.
    #[error("An update of {values} values came to a residual of {owed}.")]
    Length {
        /// Values of the update.
        values: usize,
        /// Values of the residual.
        owed: usize,
    },
    /// The update cannot be encoded.
    #[error("The update cannot be encoded.")]
    Encode(#[from] EncodeError),
    /// What was just encoded does not decode.
    #[error("The encoded update does not decode.")]
    Decode(#[from] DecodeError),
}

impl Residual {
    /// Nothing owed for `values` values.
    pub fn new(values: usize) -> Self {
        Self {
            owed: vec![0.0; values],
        }
    }

    /// Takes up a residual kept from an earlier round.
    pub fn from_values(owed: Vec<f32>) -> Self {
        Self { owed }
    }

    /// What is owed, to be kept until the next round.
    pub fn values(&self) -> &[f32] {
        &self.owed
    }

    /// Encodes `delta` plus what is owed. Afterwards the decoded bytes plus the new residual are that sum, to the
    /// rounding of one float32 subtraction.
    ///
    /// # Errors
    /// [`CompressError`].
    pub fn compress(&mut self, delta: &[f32], encoding: Encoding) -> Result<Vec<u8>, CompressError> {
        if delta.len() != self.owed.len() {
            return Err(CompressError::Length {
                values: delta.len(),
                owed: self.owed.len(),
            });
        }
        let mut update: Vec<f32> = delta
            .iter()
            .zip(&self.owed)
            .map(|(delta, owed)| delta + owed)
            .collect();
        let bytes = encode(&update, encoding)?;
        let mut sent = vec![0.0; update.len()];
        decode_into(&bytes, encoding, &mut sent)?;
        for (update, sent) in update.iter_mut().zip(&sent) {
            *update -= sent;
        }
        self.owed = update;
        Ok(bytes)
    }
}
