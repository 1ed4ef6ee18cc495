use std::fs;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{Error as RustlsError, InconsistentKeys};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Error;

/// Where this end's certificate chain and its key lie, PEM.
#[derive(Debug, Clone)]
pub struct OwnCertificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

pub(super) struct Loaded {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl OwnCertificate {
    /// The last moment at which peers take it.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub fn valid_until(&self) -> Result<OffsetDateTime, Error> {
        Ok(self.chain()?.1.1)
    }

    pub(super) fn load(&self, now: OffsetDateTime) -> Result<Loaded, Error> {
        let (chain, (from, until)) = self.chain()?;
        let path = || self.certificate.display().to_string();
        if until < now {
            return Err(Error::Expired {
                path: path(),
                day: until.date(),
            });
        }
        if now < from {
            return Err(Error::NotYetValid {
                path: path(),
                day: from.date(),
            });
        }
        let pem = read(&self.key)?;
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
            let path = self.key.display().to_string();
            if pem.windows(LOCKED.len()).any(|window| window == LOCKED) {
                Error::LockedKey { path }
            } else {
                Error::NoKey { path }
            }
        })?;
        Ok(Loaded { chain, key })
    }

    pub(super) fn unfit(&self, source: RustlsError) -> Error {
        if matches!(
            source,
            RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)
        ) {
            return Error::KeyMismatch {
                certificate: self.certificate.display().to_string(),
                key: self.key.display().to_string(),
            };
        }
        Error::Rustls { source }
    }

    /// The chain, and when its first certificate is valid.
    fn chain(&self) -> Result<(Vec<CertificateDer<'static>>, (OffsetDateTime, OffsetDateTime)), Error> {
        let chain = certificates(&self.certificate)?;
        let validity = chain.first().and_then(validity).ok_or_else(|| Error::Damaged {
            path: self.certificate.display().to_string(),
        })?;
        Ok((chain, validity))
    }
}

/// Stands in the labels of both ways to lock a key with a passphrase (RFC 1421, RFC 7468).
const LOCKED: &[u8] = b"ENCRYPTED";

/// From when until when; `None` where the certificate cannot be parsed.
pub(super) fn validity(certificate: &CertificateDer<'_>) -> Option<(OffsetDateTime, OffsetDateTime)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let validity = parsed.validity();
    Some((
        validity.not_before.to_datetime(),
        validity.not_after.to_datetime(),
    ))
}

pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = read(path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .unwrap_or_default();
    if found.is_empty() {
        return Err(Error::NoCertificate {
            path: path.display().to_string(),
        });
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.display().to_string(),
        source,
    })
}
