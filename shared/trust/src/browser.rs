//! The certificate that pages show to browsers, which may be replaced while they are served.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto};

use crate::{Error, files, tls};

/// A certificate of its own for pages that people open, with its key. Clones are one: what is replaced in one holds for all, and
/// for every configuration made from them.
#[derive(Clone)]
pub struct BrowserIdentity(Arc<Shown>);

struct Shown(RwLock<Arc<CertifiedKey>>);

impl std::fmt::Debug for BrowserIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BrowserIdentity(secret)")
    }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown(secret)")
    }
}

impl BrowserIdentity {
    /// # Errors
    /// When a file cannot be read, holds no PEM of the wanted kind, or the two do not fit together.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, Error> {
        Ok(Self::of(of_files(certificate, key)?))
    }

    /// # Errors
    /// When a text holds no PEM of the wanted kind, or the two do not fit together.
    pub fn parse(chain: &str, key: &str) -> Result<Self, Error> {
        Ok(Self::of(of_texts(chain, key)?))
    }

    fn of(shown: CertifiedKey) -> Self {
        Self(Arc::new(Shown(RwLock::new(Arc::new(shown)))))
    }

    /// Takes the files as they are now; connections that stand go on.
    ///
    /// # Errors
    /// As [`Self::load`]; then everything stays as it is.
    pub fn reload(&self, certificate: &Path, key: &Path) -> Result<(), Error> {
        self.replace_by(of_files(certificate, key)?);
        Ok(())
    }

    /// Takes these from now on; connections that stand go on.
    ///
    /// # Errors
    /// As [`Self::parse`]; then everything stays as it is.
    pub fn replace(&self, chain: &str, key: &str) -> Result<(), Error> {
        self.replace_by(of_texts(chain, key)?);
        Ok(())
    }

    fn replace_by(&self, shown: CertifiedKey) {
        *self.0.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shown);
    }

    /// TLS 1.3; nobody shows a certificate.
    ///
    /// # Errors
    /// When the provider does not offer TLS 1.3.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, Error> {
        let shown: Arc<Shown> = Arc::clone(&self.0);
        let provider = Arc::new(crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|source| Error::Rustls { source })?
            .with_no_client_auth()
            .with_cert_resolver(shown);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn of_files(certificate: &Path, key: &Path) -> Result<CertifiedKey, Error> {
    let chain = tls::certificates(certificate)?;
    let key_pem = files::read(key)?;
    let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| Error::Pem {
        path: key.display().to_string(),
        wanted: "private key",
    })?;
    certified(chain, key)
}

fn of_texts(chain: &str, key: &str) -> Result<CertifiedKey, Error> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| Error::SigningKey)?;
    certified(chain.map_err(|_| Error::Certificate)?, key)
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, Error> {
    CertifiedKey::from_der(chain, key, &crypto::ring::default_provider())
        .map_err(|source| Error::Rustls { source })
}
