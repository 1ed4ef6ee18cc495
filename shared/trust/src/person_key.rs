//! A person's own key, and what keeps it: a password.
//!
//! A report is signed by the person, not by the hub. So the hub holds the key only as it is sealed by what the person
//! alone knows: argon2id makes a key from the password, AES-256-GCM seals the Ed25519 seed with it. Whoever copies the
//! hub's disk can sign nothing.

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

/// What OWASP advises for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

const KEY_BYTES: usize = 32;
pub const SALT_BYTES: usize = 16;
pub const SEED_BYTES: usize = 32;

/// Stands before every report that a person signs, so that no such signature is ever one of another kind.
const REPORT: &[u8] = b"Barefoot report 1\0";

/// Stands before what is sealed, with its purpose and the account's id: no sealed secret can be put in another's place.
const SEALED: &[u8] = b"Barefoot person's secret 1\0";

/// Why a secret cannot be made, sealed, opened or used. Never holds any of it.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    #[error("the system's random source failed")]
    Random,
    #[error("the password could not be hashed")]
    Hash,
    #[error("the password does not open this secret")]
    Sealed,
    #[error("the secret is no key")]
    NoKey,
}

fn argon2() -> Result<Argon2<'static>, KeyError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(KEY_BYTES)).map_err(|_| KeyError::Hash)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// # Errors
/// When the system has none.
pub fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| KeyError::Random)?;
    Ok(bytes)
}

/// The password as it may be stored: a PHC string with a fresh salt. Takes some 19 MiB and tens of milliseconds.
///
/// # Errors
/// When the random source fails or the password is longer than argon2 takes.
pub fn hash_password(password: &str) -> Result<String, KeyError> {
    let salt: [u8; SALT_BYTES] = random()?;
    let hash = argon2()?
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|_| KeyError::Hash)?;
    Ok(hash.to_string())
}

/// Takes as long whether it fits or not.
#[must_use]
pub fn password_fits(password: &str, hash: &str) -> bool {
    argon2().is_ok_and(|argon2| argon2.verify_password(password.as_bytes(), hash).is_ok())
}

/// What is kept under a person's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// The seed of the key that signs reports.
    SigningSeed,
    /// What the authenticator's codes are made from.
    CodeSecret,
}

impl Secret {
    fn word(self) -> &'static [u8] {
        match self {
            Self::SigningSeed => b"signing seed\0",
            Self::CodeSecret => b"code secret\0",
        }
    }

    fn aad(self, person: &str) -> Aad<Vec<u8>> {
        Aad::from([SEALED, self.word(), person.as_bytes()].concat())
    }
}

/// Made from a password; seals and opens. Forgotten as soon as it is dropped.
pub struct SealingKey(Zeroizing<[u8; KEY_BYTES]>);

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(secret)")
    }
}

impl SealingKey {
    /// `salt` is another than the stored password's: who has the one knows nothing of the other. As slow as hashing.
    ///
    /// # Errors
    /// When argon2 does not take the password or the salt.
    pub fn derive(password: &str, salt: &[u8]) -> Result<Self, KeyError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        argon2()?
            .hash_password_into(password.as_bytes(), salt, key.as_mut())
            .map_err(|_| KeyError::Hash)?;
        Ok(Self(key))
    }

    fn key(&self) -> Result<LessSafeKey, KeyError> {
        UnboundKey::new(&AES_256_GCM, self.0.as_ref())
            .map(LessSafeKey::new)
            .map_err(|_| KeyError::NoKey)
    }

    /// The nonce, then what is sealed.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn seal(&self, secret: Secret, person: &str, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut sealed = plain.to_vec();
        self.key()?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                secret.aad(person),
                &mut sealed,
            )
            .map_err(|_| KeyError::Sealed)?;
        Ok([&nonce, sealed.as_slice()].concat())
    }

    /// # Errors
    /// When it was sealed with another key, for another purpose or person, or has been changed.
    pub fn open(&self, secret: Secret, person: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(KeyError::Sealed)?;
        let mut bytes = Zeroizing::new(rest.to_vec());
        let plain = self
            .key()?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                secret.aad(person),
                &mut bytes,
            )
            .map_err(|_| KeyError::Sealed)?
            .len();
        bytes.truncate(plain);
        Ok(bytes)
    }
}

/// The key a person signs reports with.
pub struct PersonKey(Ed25519KeyPair);

impl std::fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonKey(secret)")
    }
}

impl PersonKey {
    /// A new key's seed.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn new_seed() -> Result<Zeroizing<[u8; SEED_BYTES]>, KeyError> {
        random().map(Zeroizing::new)
    }

    /// # Errors
    /// When it has not [`SEED_BYTES`].
    pub fn from_seed(seed: &[u8]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_seed_unchecked(seed)
            .map(Self)
            .map_err(|_| KeyError::NoKey)
    }

    /// 32 bytes (RFC 8032).
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    #[must_use]
    pub fn sign_report(&self, content: &[u8]) -> Vec<u8> {
        self.0.sign(&[REPORT, content].concat()).as_ref().to_vec()
    }
}

/// Did the holder of `public_key` sign this report?
pub(crate) fn signed_report(public_key: &[u8], content: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(&[REPORT, content].concat(), signature)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_only() {
        let hash = hash_password("correct horse").unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "the cost is OWASP's: {hash}"
        );
        assert!(password_fits("correct horse", &hash));
        assert!(!password_fits("correct horsf", &hash));
        assert!(!password_fits("correct horse", "no hash"));
        assert_ne!(hash, hash_password("correct horse").unwrap(), "salted");
    }

    #[test]
    fn a_secret_opens_for_its_password_person_and_purpose() {
        let key = SealingKey::derive("correct horse", &[7; SALT_BYTES]).unwrap();
        let sealed = key.seal(Secret::SigningSeed, "li", b"seed").unwrap();
        assert!(!sealed.windows(4).any(|window| window == b"seed"));
        assert_eq!(
            key.open(Secret::SigningSeed, "li", &sealed).unwrap().as_slice(),
            b"seed"
        );
        for (secret, person) in [(Secret::CodeSecret, "li"), (Secret::SigningSeed, "wu")] {
            assert_eq!(key.open(secret, person, &sealed).unwrap_err(), KeyError::Sealed);
        }
        let other = SealingKey::derive("correct horsf", &[7; SALT_BYTES]).unwrap();
        assert!(other.open(Secret::SigningSeed, "li", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(Secret::SigningSeed, "li", &changed).is_err(), "{at}");
            assert!(
                key.open(Secret::SigningSeed, "li", &sealed[..at]).is_err(),
                "{at}"
            );
        }
    }

    #[test]
    fn what_a_person_signed_is_that_report_and_no_other_kind_of_text() {
        let seed = PersonKey::new_seed().unwrap();
        let key = PersonKey::from_seed(seed.as_ref()).unwrap();
        let signature = key.sign_report(b"content");
        assert!(signed_report(&key.public_key(), b"content", &signature));
        assert!(!signed_report(&key.public_key(), b"contenu", &signature));
        assert!(!signed_report(&[0; 31], b"content", &signature));
        let bare = UnparsedPublicKey::new(&ED25519, key.public_key());
        assert!(bare.verify(b"content", &signature).is_err());
        assert!(PersonKey::from_seed(&[1; 31]).is_err());
    }
}
