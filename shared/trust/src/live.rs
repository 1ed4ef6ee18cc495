//! An identity that is renewed while connections are served with it: each new handshake takes what holds then.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme, crypto};

use time::OffsetDateTime;

use crate::chain::{self, Signer};
use crate::server_check::Judge;
use crate::tls::Pem;
use crate::{Error, TlsPaths, files, tls};

/// What an identity consists of at one moment.
#[derive(Debug)]
pub(crate) struct Material {
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    certified: Arc<CertifiedKey>,
    servers: Arc<WebPkiServerVerifier>,
    clients: Arc<dyn ClientCertVerifier>,
}

impl Material {
    pub(crate) fn load(paths: &TlsPaths) -> Result<Self, Error> {
        let authorities = tls::certificates(&paths.authority)?;
        let chain = tls::certificates(&paths.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&files::read(&paths.key)?).map_err(|_| Error::Pem {
            path: paths.key.display().to_string(),
            wanted: "private key",
        })?;
        Self::new(authorities, chain, key)
    }

    pub(crate) fn parse(pem: &Pem<'_>) -> Result<Self, Error> {
        let certificates = |text: &str| {
            let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
            all.map_err(|_| Error::Certificate)
        };
        let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes()).map_err(|_| Error::SigningKey)?;
        Self::new(certificates(pem.authorities)?, certificates(pem.chain)?, key)
    }

    fn new(
        authorities: Vec<CertificateDer<'static>>,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in authorities {
            roots
                .add(certificate)
                .map_err(|source| Error::Rustls { source })?;
        }
        let (roots, provider) = (Arc::new(roots), Arc::new(crypto::ring::default_provider()));
        let verifier = |source| Error::Verifier { source };
        let certified = CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider)
            .map_err(|source| Error::Rustls { source })?;
        Ok(Self {
            servers: WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()
                .map_err(verifier)?,
            clients: WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider)
                .build()
                .map_err(verifier)?,
            certified: Arc::new(certified),
            roots,
            chain,
            key,
        })
    }
}

impl Material {
    /// Whether it is a hub's, good for serving at this moment in the eyes of whoever trusts the same authorities.
    pub(crate) fn check_hub(&self, at: OffsetDateTime) -> Result<(), Error> {
        let (own, between) = self.chain.split_first().ok_or(Error::Certificate)?;
        if Signer::of(own)? != Signer::Hub {
            return Err(Error::NotTheHub);
        }
        chain::trusted_over(&self.roots, own, between, Signer::Hub.usage(), at).map(|_| ())
    }

    /// Whether a server's certificate is one of our authorities', for this name and at this moment.
    pub(crate) fn verify_server(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        at: UnixTime,
    ) -> Result<(), rustls::Error> {
        self.servers
            .verify_server_cert(end_entity, intermediates, server_name, &[], at)
            .map(|_| ())
    }
}

/// What holds now.
#[derive(Debug)]
pub(crate) struct Live {
    material: RwLock<Arc<Material>>,
    /// What the box's clock lacks to the hub's, seconds.
    behind_s: AtomicI64,
}

impl Live {
    pub(crate) fn new(material: Material) -> Self {
        Self {
            material: RwLock::new(Arc::new(material)),
            behind_s: AtomicI64::new(0),
        }
    }

    pub(crate) fn now(&self) -> Arc<Material> {
        // Whole after any panic: the only change is one assignment.
        Arc::clone(&self.material.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, material: Material) {
        *self.material.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(material);
    }

    pub(crate) fn set_behind(&self, seconds: i64) {
        self.behind_s.store(seconds, Ordering::Relaxed);
    }

    /// The moment by the hub's clock, as far as it is known.
    fn corrected(&self, now: UnixTime) -> UnixTime {
        let behind = self.behind_s.load(Ordering::Relaxed);
        let seconds = now.as_secs().saturating_add_signed(behind);
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }
}

impl ResolvesServerCert for Live {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.now().certified))
    }
}

impl ResolvesClientCert for Live {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.now().certified))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A server of one of the authorities that hold now, valid by the hub's time.
impl Judge for Arc<Live> {
    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let at = self.corrected(now);
        self.now()
            .verify_server(end_entity, intermediates, server_name, at)
    }
}

impl ClientCertVerifier for Live {
    /// None: they are for callers with several certificates, and these may be replaced.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let now = self.corrected(now);
        self.now()
            .clients
            .verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.now().clients.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.now().clients.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.now().clients.supported_verify_schemes()
    }
}
