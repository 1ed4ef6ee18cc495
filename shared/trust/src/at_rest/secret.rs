use std::fmt;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::Error;

pub(super) const SECRET_BYTES: usize = 32;

/// Key material: wiped when it goes, never shown.
#[derive(Clone)]
pub(super) struct Secret(Zeroizing<[u8; SECRET_BYTES]>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    pub(super) fn random() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        fill_random(bytes.as_mut())?;
        Ok(Self(bytes))
    }

    pub(super) fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        if bytes.len() != SECRET_BYTES {
            return Err(Error::Form);
        }
        secret.copy_from_slice(bytes);
        Ok(Self(secret))
    }

    /// Another key that tells nothing of this one (HMAC-SHA-256). `label` keeps uses apart.
    pub(super) fn derive(&self, label: &str, salt: &[u8]) -> Self {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.bytes()));
        context.update(label.as_bytes());
        context.update(&[0]);
        context.update(salt);
        let mut derived = Zeroizing::new([0; SECRET_BYTES]);
        derived.copy_from_slice(context.sign().as_ref());
        Self(derived)
    }

    pub(super) fn bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }
}

pub(super) fn fill_random(bytes: &mut [u8]) -> Result<(), Error> {
    SystemRandom::new().fill(bytes).map_err(|_| Error::Random)
}
