use std::io;

use crate::header;

/// Why an object gives no picture. Names the fault, never a value.
#[derive(Debug, thiserror::Error)]
#[expect(clippy::error_impl_error, reason = "said with its module: pixels::Error")]
pub enum Error {
    #[error("the file cannot be read")]
    Read {
        #[source]
        source: io::Error,
    },
    #[error("the file is not what its header said")]
    Changed {
        #[source]
        source: header::Error,
    },
    #[error("the object has no pixel data")]
    NoPixels,
    #[error("the object has {frames} frames and not that one")]
    NoSuchFrame { frames: u32 },
    #[error("{name} is missing or zero")]
    MissingAttribute { name: &'static str },
    #[error("{what} is not supported")]
    Unsupported { what: &'static str },
    #[error("no decoder for transfer syntax {uid}")]
    NoDecoder { uid: String },
    #[error("{pixels} pixels in a frame, the limit is {limit}")]
    TooLarge { pixels: u64, limit: u64 },
    #[error("the header announces {wanted} bytes of pixel data, there are {found}")]
    SizeMismatch { wanted: u64, found: u64 },
    #[error("the compressed picture is not of the header's size or depth")]
    CodestreamMismatch,
    #[error("the compressed picture is damaged")]
    Damaged,
    #[error("the compressed picture cannot be decoded")]
    Codec {
        #[source]
        source: dicom_encoding::adapters::DecodeError,
    },
    /// A fault in the codec, stopped here.
    #[error("the decoder failed on this picture")]
    CodecPanic,
    #[error("its pixels cannot be made square")]
    NotMadeSquare,
    #[error("the lookup table {name} does not fit its descriptor")]
    BadTable { name: &'static str },
}
