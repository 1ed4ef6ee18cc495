use std::ops::RangeInclusive;

use super::keys::hash;
use super::{Error, Quantiser};

/// Values in one chunk; the last chunk of a vector has fewer.
pub const CHUNK_VALUES: usize = 262_144;

const PARTICIPANTS: RangeInclusive<u16> = 3..=1000;

/// Which round of which run this is. Enters every derived key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundContext {
    /// The run's id, and which attempt at the round where a failed one is tried again.
    pub run: String,
    /// The round within the run.
    pub round: u32,
    /// SHA-256 of the global model the deltas refer to.
    pub model: [u8; 32],
}

/// What all participants of a round must agree on. Two that disagree on any of it cannot open each other's shares.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    participants: u16,
    threshold: u16,
    values: usize,
    quantiser: Quantiser,
    context: RoundContext,
}

impl Params {
    /// `participants`: the most clinics the round may have, 3 to 1000. `threshold`: how many must stay to the end,
    /// above two thirds of the participants. `values`: length of the update, without the weight. `clip` and
    /// `weight_cap`: see [`Quantiser`].
    ///
    /// # Errors
    /// [`Error::Participants`], [`Error::Threshold`], [`Error::Values`], [`Error::Clip`], [`Error::WeightCap`].
    pub fn new(
        participants: u16,
        threshold: u16,
        values: usize,
        clip: f32,
        weight_cap: u32,
        context: RoundContext,
    ) -> Result<Self, Error> {
        if !PARTICIPANTS.contains(&participants) {
            return Err(Error::Participants);
        }
        // A hub that tells clinics of different survivors hears both kinds of share of one clinic from
        // `2 * threshold - participants` clinics in league with it. That must be above a third of all.
        if u32::from(threshold) * 3 <= u32::from(participants) * 2 || participants < threshold {
            return Err(Error::Threshold);
        }
        if values == 0 || u32::try_from(values).is_err() {
            return Err(Error::Values);
        }
        Ok(Self {
            participants,
            threshold,
            values,
            quantiser: Quantiser::new(clip, weight_cap, participants)?,
            context,
        })
    }

    #[must_use]
    pub fn participants(&self) -> u16 {
        self.participants
    }

    #[must_use]
    pub fn threshold(&self) -> u16 {
        self.threshold
    }

    /// Length of the update, without the weight.
    #[must_use]
    pub fn values(&self) -> usize {
        self.values
    }

    #[must_use]
    pub fn quantiser(&self) -> &Quantiser {
        &self.quantiser
    }

    #[must_use]
    pub fn context(&self) -> &RoundContext {
        &self.context
    }

    /// Length of the masked vector: the values and the weight after them.
    #[must_use]
    pub fn length(&self) -> usize {
        self.values + 1
    }

    /// Chunks of the masked vector.
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.length().div_ceil(CHUNK_VALUES)
    }

    /// Values in chunk `chunk` of the masked vector, the weight included in the last.
    ///
    /// # Errors
    /// [`Error::NoSuchChunk`].
    pub fn chunk_length(&self, chunk: usize) -> Result<usize, Error> {
        if self.chunks() <= chunk {
            return Err(Error::NoSuchChunk { chunk });
        }
        Ok(CHUNK_VALUES.min(self.length() - chunk * CHUNK_VALUES))
    }

    pub(super) fn check_chunk(&self, chunk: usize, found: usize) -> Result<(), Error> {
        let wanted = self.chunk_length(chunk)?;
        if found == wanted {
            Ok(())
        } else {
            Err(Error::ChunkLength { chunk, found, wanted })
        }
    }

    pub(super) fn check_threshold(&self, what: &'static str, have: usize) -> Result<(), Error> {
        let need = usize::from(self.threshold);
        if have < need {
            Err(Error::BelowThreshold { what, have, need })
        } else {
            Ok(())
        }
    }

    /// Stands for the parameters in every derived key.
    pub(super) fn digest(&self) -> [u8; 32] {
        hash(
            "parameters",
            &[
                &self.participants.to_le_bytes(),
                &self.threshold.to_le_bytes(),
                &(self.values as u64).to_le_bytes(),
                &self.quantiser.clip().to_bits().to_le_bytes(),
                &self.quantiser.weight_cap().to_le_bytes(),
                self.context.run.as_bytes(),
                &self.context.round.to_le_bytes(),
                &self.context.model,
            ],
        )
    }
}
