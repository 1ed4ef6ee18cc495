//! How the values of a chunk become bytes, and the way back from bytes that nobody vouches for.
//!
//! | encoding | bytes of `n` values | error of one value |
//! |---|---|---|
//! | `f32` | `4n`, little endian | none |
//! | `f16` | `2n`, IEEE 754 binary16, little endian | 2^-11 of the value in the normal range; beyond ±65504 it saturates |
//! | `int8` | per block of 1024: one float32 scale, then one signed byte a value | half the block's scale |
//! | `masked` | `4n`, unsigned 32-bit, little endian | exact: fixed-point values under masks, modulo 2^32 |
//!
//! Any piece of a chunk that starts at a multiple of [`BLOCK_VALUES`] can be decoded by itself:
//! [`Encoding::byte_range`] says which bytes it is.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::kernels::all_finite;

/// Values that share one scale in [`Encoding::Int8`], and the grain at which pieces of a chunk can be read.
pub const BLOCK_VALUES: usize = 1024;

const INT8_MAX: f32 = 127.0;

/// 1.5 * 2^23: added and taken away again, it rounds a small float32 to the nearest whole number.
const ROUND: f32 = 12_582_912.0;

/// What a chunk's bytes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Float32.
    F32,
    /// Half precision.
    F16,
    /// Signed bytes with a scale for each block.
    Int8,
    /// Masked fixed-point values. They stay `u32` until the masks are gone: see [`decode_masked_into`].
    Masked,
}

impl Encoding {
    /// Every encoding.
    pub const ALL: [Self; 4] = [Self::F32, Self::F16, Self::Int8, Self::Masked];

    /// The name used in settings, journals and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
            Self::Masked => "masked",
        }
    }

    /// The encoding of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.name() == name)
    }

    /// Bytes of `values` values that start at a multiple of [`BLOCK_VALUES`].
    pub fn bytes_of(self, values: usize) -> usize {
        match self {
            Self::F32 | Self::Masked => values.saturating_mul(4),
            Self::F16 => values.saturating_mul(2),
            Self::Int8 => values.saturating_add(values.div_ceil(BLOCK_VALUES).saturating_mul(4)),
        }
    }

    /// Where the values `offset .. offset + values` of a chunk lie among its bytes. `None` when `offset` is no
    /// multiple of [`BLOCK_VALUES`].
    pub fn byte_range(self, offset: usize, values: usize) -> Option<Range<usize>> {
        let start = self.bytes_of(offset);
        offset
            .is_multiple_of(BLOCK_VALUES)
            .then(|| start..start.saturating_add(self.bytes_of(values)))
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why values cannot be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A NaN or an infinity.
    #[error("Value {value} is not a finite number.")]
    NotFinite {
        /// Place among the values given.
        value: usize,
    },
    /// Floats cannot be encoded as masked values.
    #[error("Masked values are made by secure aggregation, not from floats.")]
    Masked,
}

/// Why bytes are no values. A place is counted in values from the first value of the bytes given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Too few or too many bytes.
    #[error("{bytes} bytes arrived where {expected} belong.")]
    Length {
        /// Bytes given.
        bytes: usize,
        /// Bytes the values take.
        expected: usize,
    },
    /// A NaN or an infinity.
    #[error("Value {value} is not a finite number.")]
    NotFinite {
        /// Place of the first such value.
        value: usize,
    },
    /// A scale that is negative, not finite or too large to decode with.
    #[error("Scale {block} is not a usable number.")]
    Scale {
        /// Place of the block.
        block: usize,
    },
    /// The byte -128, which no encoder writes.
    #[error("Value {value} is outside the range of its encoding.")]
    Range {
        /// Place of the first such value.
        value: usize,
    },
    /// Masked values are no floats.
    #[error("Masked values cannot be read as numbers.")]
    Masked,
}

/// The bytes of one chunk, or of a piece of one that starts at a multiple of [`BLOCK_VALUES`].
///
/// # Errors
/// [`EncodeError::NotFinite`] names the first value that is not a number; [`EncodeError::Masked`] for that encoding.
pub fn encode(values: &[f32], encoding: Encoding) -> Result<Vec<u8>, EncodeError> {
    if let Some(value) = first_not_finite(values) {
        return Err(EncodeError::NotFinite { value });
    }
    let mut bytes = Vec::with_capacity(encoding.bytes_of(values.len()));
    match encoding {
        Encoding::F32 => bytes.extend_from_slice(&f32_bytes(values)),
        Encoding::F16 => values
            .chunks(BLOCK_VALUES)
            .for_each(|block| encode_f16(block, &mut bytes)),
        Encoding::Int8 => values
            .chunks(BLOCK_VALUES)
            .for_each(|block| encode_int8(block, &mut bytes)),
        Encoding::Masked => return Err(EncodeError::Masked),
    }
    Ok(bytes)
}

/// Decodes the bytes of `into.len()` values.
///
/// # Errors
/// [`DecodeError`]; `into` then holds anything.
pub fn decode_into(bytes: &[u8], encoding: Encoding, into: &mut [f32]) -> Result<(), DecodeError> {
    check_length(bytes, encoding, into.len())?;
    match encoding {
        Encoding::F32 => {
            for (to, from) in into.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *to = f32::from_le_bytes(*from);
            }
        }
        Encoding::F16 => {
            let blocks = bytes.chunks(2 * BLOCK_VALUES).zip(into.chunks_mut(BLOCK_VALUES));
            blocks.for_each(|(from, to)| decode_f16(from, to));
        }
        Encoding::Int8 => {
            let blocks = bytes.chunks(4 + BLOCK_VALUES).zip(into.chunks_mut(BLOCK_VALUES));
            for (block, (from, to)) in blocks.enumerate() {
                decode_int8(block, from, to)?;
            }
        }
        Encoding::Masked => return Err(DecodeError::Masked),
    }
    first_not_finite(into).map_or(Ok(()), |value| Err(DecodeError::NotFinite { value }))
}

/// Decodes the bytes of `into.len()` values which `read` fills in, by way of `buffer`; float32 values without it.
///
/// Does not look for NaN and infinities in float32 values: an aggregation does that itself.
///
/// # Errors
/// What `read` fails with, and [`DecodeError`]; `into` then holds anything.
pub fn read_into<E: From<DecodeError>>(
    encoding: Encoding,
    into: &mut [f32],
    buffer: &mut Vec<u8>,
    read: impl FnOnce(&mut [u8]) -> Result<(), E>,
) -> Result<(), E> {
    if encoding == Encoding::F32 {
        read(bytemuck::cast_slice_mut(into))?;
        if cfg!(target_endian = "big") {
            into.iter_mut()
                .for_each(|value| *value = f32::from_bits(value.to_bits().swap_bytes()));
        }
        return Ok(());
    }
    buffer.resize(encoding.bytes_of(into.len()), 0);
    read(buffer)?;
    Ok(decode_into(buffer, encoding, into)?)
}

/// The values as [`Encoding::F32`] has them, without a copy where the processor has them so in memory. Whether they are
/// finite is not looked at.
pub fn f32_bytes(values: &[f32]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "big") {
        return Cow::Owned(values.iter().flat_map(|value| value.to_le_bytes()).collect());
    }
    Cow::Borrowed(bytemuck::cast_slice(values))
}

/// The values of bytes that the processor can take for numbers as they lie in memory: float32 values at an address
/// that suits it. Everything else is decoded: `None`. Whether they are finite is not looked at.
pub fn held_values(bytes: &[u8], encoding: Encoding) -> Option<&[f32]> {
    let as_they_are = encoding == Encoding::F32 && cfg!(target_endian = "little");
    as_they_are
        .then(|| bytemuck::try_cast_slice(bytes).ok())
        .flatten()
}

/// The bytes of masked values.
pub fn encode_masked(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Decodes masked values. Every bit pattern is one.
///
/// # Errors
/// [`DecodeError::Length`].
pub fn decode_masked_into(bytes: &[u8], into: &mut [u32]) -> Result<(), DecodeError> {
    check_length(bytes, Encoding::Masked, into.len())?;
    for (to, from) in into.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *to = u32::from_le_bytes(*from);
    }
    Ok(())
}

/// Place of the first NaN or infinity.
pub fn first_not_finite(values: &[f32]) -> Option<usize> {
    // Whole blocks without a branch for each value; only a block that fails is searched.
    values
        .chunks(BLOCK_VALUES)
        .enumerate()
        .find_map(|(block, values)| {
            let within = if all_finite(values) {
                None
            } else {
                values.iter().position(|v| !v.is_finite())
            };
            within.map(|value| block * BLOCK_VALUES + value)
        })
}

fn check_length(bytes: &[u8], encoding: Encoding, values: usize) -> Result<(), DecodeError> {
    let expected = encoding.bytes_of(values);
    if bytes.len() == expected {
        Ok(())
    } else {
        Err(DecodeError::Length {
            bytes: bytes.len(),
            expected,
        })
    }
}

// Half precision goes through whole blocks, which the processor converts eight values at a time where it can.

fn encode_f16(block: &[f32], bytes: &mut Vec<u8>) {
    let (min, max) = (f16::MIN.to_f32(), f16::MAX.to_f32());
    let mut clamped = [0.0_f32; BLOCK_VALUES];
    clamped
        .iter_mut()
        .zip(block)
        .for_each(|(to, from)| *to = from.clamp(min, max));
    let mut halves = [f16::ZERO; BLOCK_VALUES];
    halves.convert_from_f32_slice(&clamped);
    bytes.extend(
        halves
            .iter()
            .take(block.len())
            .flat_map(|half| half.to_le_bytes()),
    );
}

fn decode_f16(bytes: &[u8], into: &mut [f32]) {
    let mut halves = [f16::ZERO; BLOCK_VALUES];
    for (to, from) in halves.iter_mut().zip(bytes.as_chunks::<2>().0) {
        *to = f16::from_le_bytes(*from);
    }
    if let Some(halves) = halves.get(..into.len()) {
        halves.convert_to_f32_slice(into);
    }
}

fn encode_int8(block: &[f32], bytes: &mut Vec<u8>) {
    let largest = block.iter().fold(0.0_f32, |max, v| max.max(v.abs()));
    let scale = int8_scale(largest);
    bytes.extend(scale.to_le_bytes());
    if scale > 0.0 {
        let step = |v: &f32| (v / scale).clamp(-INT8_MAX, INT8_MAX) + ROUND - ROUND;
        bytes.extend(block.iter().map(|v| step(v) as i8 as u8));
    } else {
        bytes.resize(bytes.len() + block.len(), 0);
    }
}

/// The smallest step with which 127 steps reach `largest`. Never subnormal, so that dividing by it keeps its
/// precision, and never so large that 127 steps overflow.
fn int8_scale(largest: f32) -> f32 {
    if largest == 0.0 {
        return 0.0;
    }
    let scale = (largest / INT8_MAX).max(f32::MIN_POSITIVE);
    if (scale * INT8_MAX).is_finite() {
        scale
    } else {
        scale.next_down()
    }
}

fn decode_int8(block: usize, bytes: &[u8], into: &mut [f32]) -> Result<(), DecodeError> {
    let (scale, steps) = bytes
        .split_first_chunk::<4>()
        .ok_or(DecodeError::Scale { block })?;
    let scale = f32::from_le_bytes(*scale);
    if !(scale.is_sign_positive() && (scale * INT8_MAX).is_finite()) {
        return Err(DecodeError::Scale { block });
    }
    let mut in_range = true;
    for (to, step) in into.iter_mut().zip(steps) {
        let step = *step as i8;
        in_range &= step != i8::MIN;
        *to = f32::from(step) * scale;
    }
    if in_range {
        return Ok(());
    }
    let value = steps
        .iter()
        .position(|step| *step as i8 == i8::MIN)
        .unwrap_or_default();
    Err(DecodeError::Range {
        value: block * BLOCK_VALUES + value,
    })
}
