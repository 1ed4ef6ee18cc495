use std::path::{Path, PathBuf};
use std::sync::Arc;

use barefoot_domain::ClinicId;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};

use crate::{Error, clinic_of, files};

/// ALPN's name for HTTP/2 (RFC 7540 section 3.1).
const HTTP2: &[u8] = b"h2";

/// Where the PEM files lie.
#[derive(Debug, Clone)]
pub struct TlsPaths {
    /// The authority whose certificates are trusted.
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A certificate with its key, and the authority it trusts. TLS 1.3 only: both ends are ours.
pub struct TlsIdentity {
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsIdentity(secret)")
    }
}

impl TlsIdentity {
    /// # Errors
    /// When a file cannot be read or holds no PEM of the wanted kind.
    pub fn load(paths: &TlsPaths) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&paths.authority)? {
            roots
                .add(certificate)
                .map_err(|source| Error::Rustls { source })?;
        }
        let key_pem = files::read(&paths.key)?;
        let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| Error::Pem {
            path: paths.key.display().to_string(),
            wanted: "private key",
        })?;
        Ok(Self {
            roots: Arc::new(roots),
            chain: certificates(&paths.certificate)?,
            key,
        })
    }

    /// For a port of ours: every caller must show a certificate of the authority.
    ///
    /// # Errors
    /// When certificate and key do not fit together.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, Error> {
        self.make_server_config().map(Arc::new)
    }

    /// As [`Self::server_config`], for a port that speaks HTTP/2 (gRPC).
    ///
    /// # Errors
    /// When certificate and key do not fit together.
    pub fn http2_server_config(&self) -> Result<Arc<ServerConfig>, Error> {
        let mut config = self.make_server_config()?;
        config.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(Arc::new(config))
    }

    fn make_server_config(&self) -> Result<ServerConfig, Error> {
        let provider = Arc::new(crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), Arc::clone(&provider))
                .build()
                .map_err(|source| Error::Verifier { source })?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .and_then(|builder| {
                builder
                    .with_client_cert_verifier(verifier)
                    .with_single_cert(self.chain.clone(), self.key.clone_key())
            })
            .map_err(|source| Error::Rustls { source })?;
        // A session taken up again is let in by the certificate of its first day, unchecked.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// For a call to the hub or its broker.
    ///
    /// # Errors
    /// When certificate and key do not fit together.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, Error> {
        self.make_client_config().map(Arc::new)
    }

    /// As [`Self::client_config`], for a call by HTTP/2 (gRPC).
    ///
    /// # Errors
    /// When certificate and key do not fit together.
    pub fn http2_client_config(&self) -> Result<Arc<ClientConfig>, Error> {
        let mut config = self.make_client_config()?;
        config.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(Arc::new(config))
    }

    fn make_client_config(&self) -> Result<ClientConfig, Error> {
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .and_then(|builder| {
                builder
                    .with_root_certificates(Arc::clone(&self.roots))
                    .with_client_auth_cert(self.chain.clone(), self.key.clone_key())
            })
            .map_err(|source| Error::Rustls { source })?;
        Ok(config)
    }

    /// The clinic this identity's own certificate names.
    ///
    /// # Errors
    /// When it names none.
    pub fn clinic(&self) -> Result<ClinicId, Error> {
        clinic_of(self.chain.first().ok_or(Error::NoClinic)?)
    }
}

/// The first certificate of a PEM file.
///
/// # Errors
/// When the file cannot be read or holds none.
pub fn certificate_in(path: &Path) -> Result<CertificateDer<'static>, Error> {
    certificates(path)?.into_iter().next().ok_or(Error::Certificate)
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = files::read(path)?;
    let wrong = || Error::Pem {
        path: path.display().to_string(),
        wanted: "certificate",
    };
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| wrong())?;
    if certificates.is_empty() {
        return Err(wrong());
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Authority;
    use time::{Duration, OffsetDateTime};

    fn now() -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    #[test]
    fn issued_identities_load_and_name_their_clinic() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(dir.path(), "Test region", now()).unwrap();
        let clinic = ClinicId::new("clinic-7").unwrap();
        authority
            .issue_clinic(&clinic, now(), Duration::days(30))
            .unwrap()
            .save(dir.path(), "clinic-7")
            .unwrap();
        let reloaded = Authority::load(dir.path()).unwrap();
        reloaded
            .issue_hub(
                &["localhost".into(), "127.0.0.1".into()],
                now(),
                Duration::days(30),
            )
            .unwrap()
            .save(dir.path(), "hub")
            .unwrap();
        let paths = |name: &str| TlsPaths {
            authority: dir.path().join("authority.crt"),
            certificate: dir.path().join(format!("{name}.crt")),
            key: dir.path().join(format!("{name}.key")),
        };
        let edge = TlsIdentity::load(&paths("clinic-7")).unwrap();
        assert_eq!(edge.clinic().unwrap(), clinic);
        edge.client_config().unwrap();
        let hub = TlsIdentity::load(&paths("hub")).unwrap();
        hub.server_config().unwrap();
        assert!(
            matches!(hub.clinic(), Err(Error::NoClinic)),
            "the hub is no clinic"
        );
    }

    #[test]
    fn wrong_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("empty.crt");
        std::fs::write(&file, b"").unwrap();
        let paths = TlsPaths {
            authority: file.clone(),
            certificate: file.clone(),
            key: file,
        };
        let error = TlsIdentity::load(&paths).unwrap_err().to_string();
        assert!(
            error.contains("empty.crt") && error.contains("certificate"),
            "{error}"
        );
    }
}
