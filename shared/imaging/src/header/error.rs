use std::io;

use crate::tags::Tag;

/// Why a file is not taken as a DICOM object. Names the place, never the value.
#[derive(Debug, thiserror::Error)]
#[expect(clippy::error_impl_error, reason = "said with its module: header::Error")]
pub enum Error {
    #[error("the file cannot be read")]
    Read {
        #[source]
        source: io::Error,
    },
    #[error("not a DICOM Part 10 file: the DICM mark is missing")]
    NotDicom,
    #[error("the file ends at byte {offset}, inside element {tag} or before it")]
    Truncated { tag: Tag, offset: u64 },
    #[error("malformed at byte {offset}, element {tag}: {what}")]
    Malformed {
        tag: Tag,
        offset: u64,
        what: &'static str,
    },
    #[error("sequences are nested more than {limit} deep at byte {offset}")]
    TooDeep { limit: u8, offset: u64 },
    #[error("more than {limit} elements or fragments at byte {offset}")]
    TooManyElements { limit: u32, offset: u64 },
    #[error("element {tag} is longer than {limit} bytes")]
    ValueTooLong { tag: Tag, limit: u32 },
    #[error("the data set is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the deflated data set is larger than {limit} bytes")]
    InflatesTooFar { limit: u64 },
    #[error("the deflated data set cannot be inflated")]
    BrokenDeflate,
    #[error("element {tag} {name} is missing or empty")]
    MissingElement { tag: Tag, name: &'static str },
    #[error("element {tag} {name} is not a DICOM UID")]
    InvalidUid { tag: Tag, name: &'static str },
    /// The UID is one, or this would be [`Error::InvalidUid`].
    #[error("transfer syntax {uid} is not supported")]
    UnsupportedTransferSyntax { uid: String },
}
