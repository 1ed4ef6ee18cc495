//! From what training changed to the bytes that leave: clip, then noise, then residual and encoding, or masks.
//!
//! The order is what the privacy accounting rests on. A residual is never used with noise: it would carry one round's data
//! into the next round's release, outside the clip bound.

use barefoot_federation::clip::{ClipError, clip};
use barefoot_federation::encoding::{EncodeError, Encoding, encode_masked};
use barefoot_federation::layout::CHUNK_VALUES;
use barefoot_federation::noise::{NoiseError, add_gaussian, share_of};
use barefoot_federation::residual::{CompressError, Residual};
use barefoot_federation::secagg::{self, Client};
use rand::CryptoRng;

use super::terms::{Protection, Terms};

/// An update ready to leave.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sealed {
    pub chunks: Vec<Vec<u8>>,
    /// What a lossy encoding still owes, where that is kept.
    pub residual: Option<Vec<f32>>,
}

/// Why an update cannot leave.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the update cannot be clipped")]
    Clip(#[from] ClipError),
    #[error("noise cannot be added")]
    Noise(#[from] NoiseError),
    #[error("the update cannot be encoded")]
    Encode(#[from] EncodeError),
    #[error("the update cannot be compressed")]
    Compress(#[from] CompressError),
    #[error("the update cannot be masked")]
    Mask(#[from] secagg::Error),
}

/// Clips and noises in place.
///
/// # Errors
/// When a value is not finite.
fn protect(
    values: &mut [f32],
    protection: Protection,
    quorum: u32,
    rng: &mut impl CryptoRng,
) -> Result<(), Error> {
    let Some(clip_norm) = protection.clip_norm else {
        return Ok(());
    };
    clip(values, clip_norm)?;
    if protection.has_noise() {
        let whole = protection.noise_multiplier * clip_norm;
        // Where the hub sees only sums, everyone's part adds up to the whole; where it sees this update, the whole is here.
        let deviation = if protection.secure {
            share_of(whole, quorum)
        } else {
            whole
        };
        add_gaussian(values, deviation, rng)?;
    }
    Ok(())
}

/// Seals an update the hub will see. `owed`: what lossy encodings of earlier rounds of the run could not send.
///
/// # Errors
/// [`Error`].
pub(super) fn seal_plain(
    mut delta: Vec<f32>,
    terms: &Terms,
    owed: Option<Vec<f32>>,
    rng: &mut impl CryptoRng,
) -> Result<Sealed, Error> {
    let keeps_residual =
        matches!(terms.encoding, Encoding::F16 | Encoding::Int8) && !terms.protection.has_noise();
    if let Some(owed) = owed.filter(|owed| keeps_residual && owed.len() == delta.len()) {
        for (value, owed) in delta.iter_mut().zip(owed) {
            *value += owed;
        }
    }
    protect(&mut delta, terms.protection, terms.quorum, rng)?;
    let (mut chunks, mut residual) = (Vec::new(), Vec::new());
    for values in delta.chunks(CHUNK_VALUES) {
        let mut rest = Residual::new(values.len());
        chunks.push(rest.compress(values, terms.encoding)?);
        residual.extend_from_slice(rest.values());
    }
    Ok(Sealed {
        chunks,
        residual: keeps_residual.then_some(residual),
    })
}

/// Seals an update of which the hub sees nothing but its part in a sum.
///
/// # Errors
/// [`Error`].
pub(super) fn seal_masked(
    mut delta: Vec<f32>,
    examples: u32,
    terms: &Terms,
    client: &mut Client,
    rng: &mut impl CryptoRng,
) -> Result<Sealed, Error> {
    protect(&mut delta, terms.protection, terms.quorum, rng)?;
    let weight = f64::from(examples.clamp(1, terms.secure_terms().weight_cap()));
    let quantiser = *client.params().quantiser();
    let mut values = quantiser.quantise(&delta, weight, rng)?;
    values.push(quantiser.quantise_weight(weight, rng)?);
    let mut chunks = Vec::new();
    for (chunk, values) in values.chunks(CHUNK_VALUES).enumerate() {
        chunks.push(encode_masked(&client.mask(chunk, values)?));
    }
    Ok(Sealed {
        chunks,
        residual: None,
    })
}
