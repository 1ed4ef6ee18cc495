//! What is on a disk and shall tell a thief nothing.
//!
//! ```text
//! box key     kept apart from the data; seals only other keys ([`BoxKeys`], several generations)
//!   └─ keys   random, one small file each; without it all that it sealed is noise ([`Key::wrap`])
//!        ├─ values   lines, messages, small records, each by a key of its own derivation ([`seal_value`])
//!        └─ files    a random key each, wrapped in the file's head ([`Writer`], [`Reader`])
//! ```
//!
//! A file is cut into chunks with a tag each (the STREAM construction): any part can be read without the rest, and what
//! was changed, cut off, put in another order or taken from another file does not open. Of disks only [`KeyPlace`] and the
//! small files of keys know.

mod cipher;
mod file;
mod key;
mod key_files;
mod key_place;
mod opened;
mod reader;
mod sealer;
mod secret;
mod value;
mod writer;

pub use cipher::Cipher;
pub use file::{Header, MAGIC_BYTES, Purpose, Scope, is_sealed_file, plain_length};
pub use key::{BoxKeys, Key, KeyId};
pub use key_files::{key_file, list_keys, load_key, save_key};
pub use key_place::{KeyFileError, KeyPlace, replace_key, write_first_key};
pub use opened::{Opened, sealed_start};
pub use reader::Reader;
pub use value::{is_sealed_value, key_of_value, open_value, seal_value, sealed_value_overhead};
pub use writer::{Writer, Written};

/// What a disk takes at once, bytes: pieces of it, from memory that begins at a multiple of it, can be written without the
/// system's cache.
pub const BLOCK: usize = 4096;

/// Why something sealed does not open, or cannot be sealed. Never holds what was sealed, nor a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("it was changed or cut, or belongs elsewhere")]
    Forged,
    #[error("it is nothing that was sealed here")]
    Form,
    #[error("a newer program sealed it (version {0})")]
    Version(u8),
    #[error("the key {0} that it was sealed with is not here")]
    UnknownKey(KeyId),
    #[error("line {line} of the box's key is none")]
    BoxKey { line: usize },
    #[error("the box's key is empty")]
    NoBoxKey,
    #[error("more than can be sealed at once")]
    TooLong,
    #[error("the system gives no random numbers")]
    Random,
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::UnknownKey(_) => Self::other(error),
            other => Self::new(std::io::ErrorKind::InvalidData, other),
        }
    }
}

#[cfg(test)]
mod tests;
