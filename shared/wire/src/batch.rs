//! Several envelopes in one message: framed, counted, and compressed where that makes them smaller.
//!
//! What is declared is compared with the limits before anything is decompressed, and no more memory is taken than was
//! declared: a frame that unfolds further than its word is refused.

use prost::Message;
use zstd::bulk::{Compressor, Decompressor};

use crate::{MAX_ENVELOPE_BYTES, v1};

/// The batch frame this code speaks.
pub const BATCH_VERSION: u32 = 1;

/// Most envelopes in one batch.
pub const MAX_BATCH_ENVELOPES: usize = 256;

/// Most bytes of one batch, decompressed.
pub const MAX_BATCH_BYTES: usize = 256 * 1024;

/// Honest results shrink to about a fifth; nothing honest shrinks this much.
const MAX_RATIO: usize = 64;

/// The newest dictionary; its id stands in every frame that was compressed with it. A released dictionary is never
/// changed: another one is a new file with a new id.
pub const DICTIONARY: u32 = 1;

/// How it was made: `examples/train_dictionary.rs`.
const DICTIONARY_1: &[u8] = include_bytes!("dictionaries/1.zdict");

/// Small messages: the highest ordinary level costs a millisecond.
const LEVEL: i32 = 19;

/// How far a batch may be compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Zstd,
    /// With [`DICTIONARY`].
    Dictionary,
}

/// Why a frame is refused as a whole.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    #[error("the batch is no {message}")]
    Protobuf {
        message: &'static str,
        source: prost::DecodeError,
    },
    #[error("the batch frame has version {found}, this program knows {BATCH_VERSION}")]
    Version { found: u32 },
    #[error("the batch's way of compression is unknown")]
    Compression,
    #[error("the batch was compressed with dictionary {found}, this program has {DICTIONARY}")]
    Dictionary { found: u32 },
    #[error("the batch exceeds the limit of {limit} {what}")]
    TooLarge { what: &'static str, limit: usize },
    #[error("the batch does not decompress to what it declares")]
    Decompress,
}

impl BatchError {
    /// What the sender can do about it.
    #[must_use]
    pub fn refusal(&self) -> v1::FrameRefusal {
        match self {
            Self::Version { .. } | Self::Compression => v1::FrameRefusal::Version,
            Self::Dictionary { .. } => v1::FrameRefusal::Dictionary,
            Self::TooLarge { .. } => v1::FrameRefusal::TooLarge,
            Self::Protobuf { .. } | Self::Decompress => v1::FrameRefusal::Unreadable,
        }
    }
}

/// The payload for these encoded envelopes, in the smallest form that `packing` allows.
#[must_use]
pub fn encode_batch(envelopes: Vec<Vec<u8>>, packing: Packing) -> Vec<u8> {
    let plain = v1::Batch { envelope: envelopes }.encode_to_vec();
    let mut frame = v1::BatchFrame {
        version: BATCH_VERSION,
        compression: v1::Compression::None.into(),
        dictionary: 0,
        // A batch beyond this is beyond every limit too.
        plain_bytes: u32::try_from(plain.len()).unwrap_or(u32::MAX),
        content: Vec::new(),
    };
    match compress(&plain, packing) {
        Some(small) if small.len() < plain.len() && plain.len() <= small.len().saturating_mul(MAX_RATIO) => {
            frame.compression = v1::Compression::Zstd.into();
            frame.dictionary = match packing {
                Packing::Dictionary => DICTIONARY,
                Packing::Plain | Packing::Zstd => 0,
            };
            frame.content = small;
        }
        _ => frame.content = plain,
    }
    frame.encode_to_vec()
}

/// `None` when it is not wanted or the library fails: then the plain form goes.
fn compress(plain: &[u8], packing: Packing) -> Option<Vec<u8>> {
    let mut compressor = match packing {
        Packing::Plain => return None,
        Packing::Zstd => Compressor::new(LEVEL),
        Packing::Dictionary => Compressor::with_dictionary(LEVEL, DICTIONARY_1),
    }
    .ok()?;
    // The frame says both.
    let settings = [
        zstd::zstd_safe::CParameter::DictIdFlag(false),
        zstd::zstd_safe::CParameter::ContentSizeFlag(false),
    ];
    for setting in settings {
        compressor.set_parameter(setting).ok()?;
    }
    compressor.compress(plain).ok()
}

/// The envelopes of a batch, each still encoded, none larger than an envelope may be.
///
/// # Errors
/// When the frame is beyond a limit, of another version, or not what it says.
pub fn decode_batch(payload: &[u8]) -> Result<Vec<Vec<u8>>, BatchError> {
    let frame = v1::BatchFrame::decode(payload).map_err(|source| BatchError::Protobuf {
        message: "BatchFrame",
        source,
    })?;
    if frame.version != BATCH_VERSION {
        return Err(BatchError::Version { found: frame.version });
    }
    let plain_bytes = usize::try_from(frame.plain_bytes).unwrap_or(usize::MAX);
    if MAX_BATCH_BYTES < plain_bytes {
        return Err(BatchError::TooLarge {
            what: "bytes",
            limit: MAX_BATCH_BYTES,
        });
    }
    let plain = match frame.compression() {
        v1::Compression::Unspecified => return Err(BatchError::Compression),
        v1::Compression::None => frame.content,
        v1::Compression::Zstd => decompress(&frame.content, plain_bytes, frame.dictionary)?,
    };
    if plain.len() != plain_bytes {
        return Err(BatchError::Decompress);
    }
    let batch = v1::Batch::decode(plain.as_slice()).map_err(|source| BatchError::Protobuf {
        message: "Batch",
        source,
    })?;
    if MAX_BATCH_ENVELOPES < batch.envelope.len() {
        return Err(BatchError::TooLarge {
            what: "envelopes",
            limit: MAX_BATCH_ENVELOPES,
        });
    }
    if batch
        .envelope
        .iter()
        .any(|envelope| MAX_ENVELOPE_BYTES < envelope.len())
    {
        return Err(BatchError::TooLarge {
            what: "bytes in one envelope",
            limit: MAX_ENVELOPE_BYTES,
        });
    }
    Ok(batch.envelope)
}

fn decompress(content: &[u8], plain_bytes: usize, dictionary: u32) -> Result<Vec<u8>, BatchError> {
    if content.len().saturating_mul(MAX_RATIO) < plain_bytes {
        return Err(BatchError::TooLarge {
            what: "times its size",
            limit: MAX_RATIO,
        });
    }
    let mut decompressor = match dictionary {
        0 => Decompressor::new(),
        DICTIONARY => Decompressor::with_dictionary(DICTIONARY_1),
        found => return Err(BatchError::Dictionary { found }),
    }
    .map_err(|_| BatchError::Decompress)?;
    // The buffer is the limit: what does not fit is an error, not a larger buffer.
    decompressor
        .decompress(content, plain_bytes)
        .map_err(|_| BatchError::Decompress)
}
