//! What a sealed file is made of.
//!
//! ```text
//! head   magic 8, version 1, cipher 1, chunk size 1 (power of two), purpose 1, scope 16, file's key as a sealed value
//! then   chunks of 64 KiB, the last one shorter, each with its tag
//! nonce  7 zero bytes, the chunk's number, 1 for the last chunk: the key is this file's alone
//! ```

use super::cipher::{Aead, NONCE_BYTES, TAG_BYTES};
use super::key::{Key, KeyId};
use super::secret::{SECRET_BYTES, Secret};
use super::value::OVERHEAD;
use super::{Cipher, Error, key_of_value, open_value, seal_value};

pub(super) const MAGIC: [u8; 8] = *b"BRFTSEAL";
const VERSION: u8 = 1;
const CHUNK_POWER: u8 = 16;
/// Bytes of a whole chunk, before it is sealed.
pub(super) const CHUNK: usize = 1 << CHUNK_POWER;
/// As it lies in the file.
pub(super) const SEALED_CHUNK: usize = CHUNK + TAG_BYTES;
const SCOPE_BYTES: usize = 16;
/// The part before the file's key, which is bound to it.
const FORE: usize = MAGIC.len() + 4 + SCOPE_BYTES;
pub(super) const HEADER: usize = FORE + SECRET_BYTES + OVERHEAD;
const LABEL: &str = "barefoot file";

/// Whose key seals something: the box's, or a study's, by the number its folder is named by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(pub [u8; SCOPE_BYTES]);

/// What a file is for; it opens as nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An image as it was received.
    Image,
    /// What was received and cannot be understood.
    Quarantine,
    /// What the program itself wrote down or made.
    State,
}

impl Purpose {
    fn code(self) -> u8 {
        match self {
            Self::Image => 1,
            Self::Quarantine => 2,
            Self::State => 3,
        }
    }

    fn of_code(code: u8) -> Result<Self, Error> {
        match code {
            1 => Ok(Self::Image),
            2 => Ok(Self::Quarantine),
            3 => Ok(Self::State),
            _ => Err(Error::Form),
        }
    }
}

/// As many bytes say whether a file is sealed.
pub const MAGIC_BYTES: usize = MAGIC.len();

/// Whether a file that begins so was sealed here, or begun to be.
#[must_use]
pub fn is_sealed_file(start: &[u8]) -> bool {
    start.starts_with(&MAGIC)
}

/// The head of a file, read and not yet believed.
#[derive(Debug, Clone)]
pub struct Header {
    cipher: Cipher,
    purpose: Purpose,
    scope: Scope,
    key: KeyId,
    bytes: [u8; HEADER],
}

impl Header {
    /// How many bytes it has, at the start of the file.
    pub const BYTES: usize = HEADER;

    /// # Errors
    /// When it is no head, or one of a newer program, or was never filled in.
    pub fn parse(bytes: [u8; HEADER]) -> Result<Self, Error> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(Error::Form)?;
        let ([version, cipher, power, purpose], rest) = rest.split_first_chunk().ok_or(Error::Form)?;
        let (scope, wrapped) = rest.split_first_chunk::<SCOPE_BYTES>().ok_or(Error::Form)?;
        if *version != VERSION {
            return Err(if *version == 0 {
                Error::Form
            } else {
                Error::Version(*version)
            });
        }
        if *power != CHUNK_POWER {
            return Err(Error::Form);
        }
        Ok(Self {
            cipher: Cipher::of_code(*cipher)?,
            purpose: Purpose::of_code(*purpose)?,
            scope: Scope(*scope),
            key: key_of_value(wrapped)?,
            bytes,
        })
    }

    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Whose key opens it.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Which of their keys.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    pub(super) fn write(
        cipher: Cipher,
        purpose: Purpose,
        scope: Scope,
        key: &Key,
        file_key: &Secret,
    ) -> Result<[u8; HEADER], Error> {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[VERSION, cipher.code(), CHUNK_POWER, purpose.code()]);
        bytes.extend_from_slice(&scope.0);
        let wrapped = seal_value(cipher, key, &bytes, file_key.bytes())?;
        bytes.extend_from_slice(&wrapped);
        bytes.try_into().map_err(|_| Error::Form)
    }

    pub(super) fn chunks(&self, key: &Key) -> Result<Chunks, Error> {
        let (fore, wrapped) = self.bytes.split_at_checked(FORE).ok_or(Error::Form)?;
        let find = |id: KeyId| (id == key.id()).then_some(key);
        let secret = zeroize::Zeroizing::new(open_value(find, fore, wrapped)?);
        Chunks::new(self.cipher, &Secret::from_slice(&secret)?)
    }
}

/// A file's chunks, sealed and opened each by its number.
#[derive(Debug)]
pub(super) struct Chunks {
    aead: Aead,
    aad: [u8; 3],
}

impl Chunks {
    pub(super) fn new(cipher: Cipher, file_key: &Secret) -> Result<Self, Error> {
        let aad = [VERSION, cipher.code(), CHUNK_POWER];
        let aead = Aead::new(cipher, &file_key.derive(LABEL, &aad))?;
        Ok(Self { aead, aad })
    }

    pub(super) fn seal(&self, number: u32, last: bool, bytes: &mut [u8]) -> Result<[u8; TAG_BYTES], Error> {
        self.aead.seal(nonce(number, last), &self.aad, bytes)
    }

    /// `bytes` with their tag become what they were, without.
    pub(super) fn open(&self, number: u32, last: bool, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let (text, tag) = bytes.split_last_chunk_mut::<TAG_BYTES>().ok_or(Error::Forged)?;
        self.aead.open(nonce(number, last), &self.aad, text, *tag)?;
        bytes.truncate(bytes.len() - TAG_BYTES);
        Ok(())
    }
}

fn nonce(number: u32, last: bool) -> [u8; NONCE_BYTES] {
    let [a, b, c, d] = number.to_be_bytes();
    [0, 0, 0, 0, 0, 0, 0, a, b, c, d, u8::from(last)]
}

/// How long what was sealed is, by the length of its file: only opening it says whether that is true. `None` where no
/// sealed file has that length.
#[must_use]
pub fn plain_length(file: u64) -> Option<u64> {
    let body = file.checked_sub(HEADER as u64)?;
    let chunks = body.div_ceil(SEALED_CHUNK as u64);
    let plain = body.checked_sub(chunks * TAG_BYTES as u64)?;
    (0 < chunks && chunks <= u64::from(u32::MAX)).then_some(plain)
}
