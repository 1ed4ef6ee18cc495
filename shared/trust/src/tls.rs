use std::path::{Path, PathBuf};
use std::sync::Arc;

use barefoot_domain::ClinicId;
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig, WantsVerifier, crypto};
use time::OffsetDateTime;

use crate::live::{Live, Material};
use crate::server_check::ServerCheck;
use crate::{Error, chain, clinic_of, files};

/// ALPN's name for HTTP/2 (RFC 7540 section 3.1).
pub(crate) const HTTP2: &[u8] = b"h2";

/// Where the PEM files lie.
#[derive(Debug, Clone)]
pub struct TlsPaths {
    /// The authority whose certificates are trusted.
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The same as texts.
#[derive(Clone, Copy)]
pub struct Pem<'a> {
    pub authorities: &'a str,
    /// Our certificate, with those above it.
    pub chain: &'a str,
    pub key: &'a str,
}

impl std::fmt::Debug for Pem<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pem(secret)")
    }
}

/// A certificate with its key, and the authority it trusts. TLS 1.3 only: both ends are ours. Clones are one identity: what
/// is renewed in one holds for all, and for every configuration made from them.
#[derive(Clone)]
pub struct TlsIdentity {
    live: Arc<Live>,
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsIdentity(secret)")
    }
}

impl TlsIdentity {
    /// # Errors
    /// When a file cannot be read or holds no PEM of the wanted kind, or certificate and key do not fit together.
    pub fn load(paths: &TlsPaths) -> Result<Self, Error> {
        Material::load(paths).map(Self::of)
    }

    fn of(material: Material) -> Self {
        Self {
            live: Arc::new(Live::new(material)),
        }
    }

    /// # Errors
    /// When a text holds no PEM of the wanted kind, or certificate and key do not fit together.
    pub fn parse(pem: &Pem<'_>) -> Result<Self, Error> {
        Material::parse(pem).map(Self::of)
    }

    /// What holds now.
    pub(crate) fn now(&self) -> Arc<Material> {
        self.live.now()
    }

    /// Takes the files as they are now; connections that stand go on, new ones use them.
    ///
    /// # Errors
    /// As [`Self::load`]; then everything stays as it is.
    pub fn reload(&self, paths: &TlsPaths) -> Result<(), Error> {
        self.live.replace(Material::load(paths)?);
        Ok(())
    }

    /// As [`Self::reload`], for a hub: what no box would believe is not taken.
    ///
    /// # Errors
    /// As [`Self::load`], and when the certificate is none of a hub, or not one of these authorities at this moment; then
    /// everything stays as it is.
    pub fn reload_hub(&self, paths: &TlsPaths, at: OffsetDateTime) -> Result<(), Error> {
        let material = Material::load(paths)?;
        material.check_hub(at)?;
        self.live.replace(material);
        Ok(())
    }

    /// Takes these from now on; connections that stand go on.
    ///
    /// # Errors
    /// As [`Self::parse`]; then everything stays as it is.
    pub fn replace(&self, pem: &Pem<'_>) -> Result<(), Error> {
        self.live.replace(Material::parse(pem)?);
        Ok(())
    }

    /// What this machine's clock lacks to the hub's, in seconds: certificates are checked by the hub's time.
    pub fn set_clock_behind(&self, seconds: i64) {
        self.live.set_behind(seconds);
    }

    /// When our certificate begins and ends.
    ///
    /// # Errors
    /// When there is none that can be parsed.
    pub fn validity(&self) -> Result<(OffsetDateTime, OffsetDateTime), Error> {
        let now = self.now();
        chain::validity(now.chain.first().ok_or(Error::Certificate)?)
    }

    /// For a port of ours: every caller must show a certificate of the authority.
    ///
    /// # Errors
    /// When the provider does not offer TLS 1.3.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, Error> {
        self.make_server_config().map(Arc::new)
    }

    /// As [`Self::server_config`], for a port that speaks HTTP/2 (gRPC).
    ///
    /// # Errors
    /// As [`Self::server_config`].
    pub fn http2_server_config(&self) -> Result<Arc<ServerConfig>, Error> {
        let mut config = self.make_server_config()?;
        config.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(Arc::new(config))
    }

    /// For the one port (HTTP/2) on which boxes call that have no certificate yet, or one that ran out: nobody shows one.
    ///
    /// # Errors
    /// As [`Self::server_config`].
    pub fn open_http2_server_config(&self) -> Result<Arc<ServerConfig>, Error> {
        let live: Arc<Live> = Arc::clone(&self.live);
        let mut config = server_builder()?.with_no_client_auth().with_cert_resolver(live);
        config.alpn_protocols = vec![HTTP2.to_vec()];
        without_resumption(&mut config);
        Ok(Arc::new(config))
    }

    fn make_server_config(&self) -> Result<ServerConfig, Error> {
        let live: Arc<Live> = Arc::clone(&self.live);
        let mut config = server_builder()?
            .with_client_cert_verifier(Arc::clone(&self.live) as _)
            .with_cert_resolver(live);
        without_resumption(&mut config);
        Ok(config)
    }

    /// For a call to the hub or its broker.
    ///
    /// # Errors
    /// When the provider does not offer TLS 1.3.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, Error> {
        self.make_client_config().map(Arc::new)
    }

    /// As [`Self::client_config`], for a call by HTTP/2 (gRPC).
    ///
    /// # Errors
    /// As [`Self::client_config`].
    pub fn http2_client_config(&self) -> Result<Arc<ClientConfig>, Error> {
        let mut config = self.make_client_config()?;
        config.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(Arc::new(config))
    }

    fn make_client_config(&self) -> Result<ClientConfig, Error> {
        let live: Arc<Live> = Arc::clone(&self.live);
        // The verifier is the library's, with the authority that holds now and the hub's time.
        let mut config = client_builder()?
            .dangerous()
            .with_custom_certificate_verifier(ServerCheck::by(Arc::clone(&self.live)))
            .with_client_cert_resolver(live);
        // A session taken up again would skip the check of a certificate that was replaced.
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// For a call to a server that is not the region's, such as a repository of audit messages: its certificate must be of the
    /// authority in this PEM file; it is shown ours. TLS 1.2 of BCP 195 too: such servers are of many makers.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub fn client_config_trusting(&self, authority: &Path) -> Result<Arc<ClientConfig>, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(authority)? {
            roots
                .add(certificate)
                .map_err(|source| Error::Rustls { source })?;
        }
        let live: Arc<Live> = Arc::clone(&self.live);
        let mut config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|source| Error::Rustls { source })?
            .with_root_certificates(roots)
            .with_client_cert_resolver(live);
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    /// The clinic this identity's own certificate names.
    ///
    /// # Errors
    /// When it names none.
    pub fn clinic(&self) -> Result<ClinicId, Error> {
        clinic_of(self.now().chain.first().ok_or(Error::NoClinic)?)
    }
}

pub(crate) fn client_builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|source| Error::Rustls { source })
}

fn server_builder() -> Result<ConfigBuilder<ServerConfig, WantsVerifier>, Error> {
    ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|source| Error::Rustls { source })
}

/// A session taken up again is let in by the certificate of its first day, unchecked.
fn without_resumption(config: &mut ServerConfig) {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
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
    use time::Duration;

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
