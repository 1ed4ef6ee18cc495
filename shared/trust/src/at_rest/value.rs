//! Small things, sealed whole: magic, cipher, key's name, salt, text, tag. Each has a key of its own, derived with its salt:
//! however many there are, no nonce comes twice.

use super::cipher::{Aead, NONCE_BYTES, TAG_BYTES};
use super::key::{ID_BYTES, Key, KeyId};
use super::secret::fill_random;
use super::{Cipher, Error};

const MAGIC: [u8; 4] = *b"\xbfAR\x01";
const SALT_BYTES: usize = 16;
const HEAD: usize = MAGIC.len() + 1 + ID_BYTES + SALT_BYTES;
const LABEL: &str = "barefoot value";
/// The key is used once.
const NONCE: [u8; NONCE_BYTES] = [0; NONCE_BYTES];

/// How many bytes a sealed value is longer.
pub(super) const OVERHEAD: usize = HEAD + TAG_BYTES;

/// How many bytes a sealed value is longer than what was sealed.
#[must_use]
pub const fn sealed_value_overhead() -> usize {
    OVERHEAD
}

/// Seals `plain`; it opens in the same `context` only.
///
/// # Errors
/// When the system gives no random numbers.
pub fn seal_value(cipher: Cipher, key: &Key, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
    let mut salt = [0; SALT_BYTES];
    fill_random(&mut salt)?;
    let mut out = Vec::with_capacity(plain.len() + OVERHEAD);
    out.extend_from_slice(&MAGIC);
    out.push(cipher.code());
    out.extend_from_slice(&key.id().0);
    out.extend_from_slice(&salt);
    let aad = [&out, context].concat();
    out.extend_from_slice(plain);
    let aead = Aead::new(cipher, &key.secret.derive(LABEL, &salt))?;
    let tag = aead.seal(NONCE, &aad, out.get_mut(HEAD..).unwrap_or_default())?;
    out.extend_from_slice(&tag);
    Ok(out)
}

/// Whether the bytes look like what [`seal_value`] gives.
#[must_use]
pub fn is_sealed_value(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The name of the key that seals a value.
///
/// # Errors
/// When it is no sealed value.
pub fn key_of_value(bytes: &[u8]) -> Result<KeyId, Error> {
    let named = bytes.strip_prefix(&MAGIC).and_then(|rest| rest.get(1..));
    let (id, _) = named
        .and_then(<[u8]>::split_first_chunk::<ID_BYTES>)
        .ok_or(Error::Form)?;
    Ok(KeyId(*id))
}

/// What was sealed.
///
/// # Errors
/// When `find` does not know the key, or anything of it was changed, or the context is another.
pub fn open_value<'a>(
    find: impl FnOnce(KeyId) -> Option<&'a Key>,
    context: &[u8],
    bytes: &[u8],
) -> Result<Vec<u8>, Error> {
    let id = key_of_value(bytes)?;
    let (head, rest) = bytes.split_at_checked(HEAD).ok_or(Error::Form)?;
    let (text, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(Error::Form)?;
    let cipher = Cipher::of_code(head.get(MAGIC.len()).copied().unwrap_or_default())?;
    let salt = head.get(HEAD - SALT_BYTES..).unwrap_or_default();
    let key = find(id).ok_or(Error::UnknownKey(id))?;
    let aead = Aead::new(cipher, &key.secret.derive(LABEL, salt))?;
    let mut plain = text.to_vec();
    aead.open(NONCE, &[head, context].concat(), &mut plain, *tag)?;
    Ok(plain)
}
