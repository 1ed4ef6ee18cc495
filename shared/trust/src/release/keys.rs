use std::fmt;
use std::fs;
use std::path::Path;

use rcgen::{KeyPair, PKCS_ED25519};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::EditorError;
use super::canonical::{canonical, hex, sha256};
use super::metadata::{Envelope, Key, Signature, Unknown};
use crate::files;

/// The public half of a release key, as metadata names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(pub(super) Key);

/// An ed25519 key that signs releases. It lives on its holder's machine, never on the hub.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public.id()).finish()
    }
}

/// One person's signature on staged metadata, made on another machine: a small file to carry back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetachedSignature {
    /// Of the signed part in canonical form: which metadata this belongs to.
    pub(super) signed_sha256: String,
    pub(super) keyid: String,
    pub(super) sig: String,
}

impl PublicKey {
    /// Reads a `.pub` file.
    ///
    /// # Errors
    /// When it cannot be read or is no ed25519 key.
    pub fn load(path: &Path) -> Result<Self, EditorError> {
        let wrong = || EditorError::Key {
            path: path.display().to_string(),
        };
        let bytes = fs::read(path).map_err(|source| EditorError::read(path, source))?;
        let key: Key = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        key.ed25519().ok_or_else(wrong)?;
        Ok(Self(key))
    }

    /// SHA-256 of the key's canonical form, hexadecimal.
    #[must_use]
    pub fn id(&self) -> String {
        let value = serde_json::to_value(&self.0).ok();
        // A key read as ed25519 holds texts only.
        sha256(&value.as_ref().and_then(canonical).unwrap_or_default())
    }

    fn of(pair: &Ed25519KeyPair) -> Self {
        let public = Value::String(hex(pair.public_key().as_ref()));
        Self(Key {
            keytype: "ed25519".to_owned(),
            scheme: "ed25519".to_owned(),
            keyval: [("public".to_owned(), public)].into(),
            unknown: Unknown::new(),
        })
    }
}

impl SigningKey {
    /// Makes a key: `path` holds it (PKCS#8 in PEM, readable by its owner only), `path` with the ending `pub` its public
    /// half, which is no secret.
    ///
    /// # Errors
    /// When a file exists already (a key is never overwritten) or cannot be written.
    pub fn create(path: &Path) -> Result<Self, EditorError> {
        let pem = KeyPair::generate_for(&PKCS_ED25519)
            .map_err(|source| crate::Error::Issue { source })?
            .serialize_pem();
        let key = Self::from_pem(pem.as_bytes(), path)?;
        let public = serde_json::to_vec_pretty(&key.public.0).map_err(|_| EditorError::Key {
            path: path.display().to_string(),
        })?;
        files::write_new_secret(path, pem.as_bytes())?;
        files::write_new_public(&path.with_extension("pub"), &public)?;
        Ok(key)
    }

    /// # Errors
    /// When the file cannot be read or holds no ed25519 key.
    pub fn load(path: &Path) -> Result<Self, EditorError> {
        let pem = fs::read(path).map_err(|source| EditorError::read(path, source))?;
        Self::from_pem(&pem, path)
    }

    fn from_pem(pem: &[u8], path: &Path) -> Result<Self, EditorError> {
        let wrong = || EditorError::Key {
            path: path.display().to_string(),
        };
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| wrong())?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).map_err(|_| wrong())?;
        Ok(Self {
            public: PublicKey::of(&pair),
            pair,
        })
    }

    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn sign(&self, canonical: &[u8]) -> Signature {
        Signature {
            keyid: self.public.id(),
            sig: hex(self.pair.sign(canonical).as_ref()),
        }
    }

    /// Signs a staged metadata file apart from its repository; [`super::RepositoryEditor::merge`] adds the signature
    /// there. It signs whatever it is given: look at its [`super::Contents`] before.
    ///
    /// # Errors
    /// When the bytes are no metadata.
    pub fn sign_detached(&self, staged: &[u8]) -> Result<DetachedSignature, EditorError> {
        let envelope: Envelope = serde_json::from_slice(staged).map_err(|_| EditorError::NoMetadata)?;
        let canonical = canonical(&envelope.signed).ok_or(EditorError::NoMetadata)?;
        let Signature { keyid, sig } = self.sign(&canonical);
        Ok(DetachedSignature {
            signed_sha256: sha256(&canonical),
            keyid,
            sig,
        })
    }
}
