//! TLS with scanners and archives: the BCP 195 profile of DICOM (PS3.15 sections B.12 and B.13; RFC 8996, RFC 9325).
//!
//! TLS 1.2 with ECDHE and AEAD suites, and 1.3; nothing older exists here. Devices of a clinic come from many makers and
//! seldom from the region's authority, so these configurations share nothing with [`crate::TlsIdentity`]: a peer is
//! trusted because an authority named here issued its certificate, or because the certificate itself is pinned.

mod error;
mod fingerprint;
mod own;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion, crypto, version};
use time::OffsetDateTime;

pub use error::Error;
pub use fingerprint::{Fingerprint, NotAFingerprint, peer_fingerprint};
pub use own::OwnCertificate;
use verify::{Clients, Servers};

const VERSIONS: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

/// Whose certificates are taken. One that is pinned needs no authority and no fitting name, but must be valid in time.
#[derive(Debug, Clone, Default)]
pub struct Trusted {
    /// PEM; one certificate or several.
    pub authority: Option<PathBuf>,
    pub pinned: Vec<Fingerprint>,
}

/// Whether a caller must show who it is.
#[derive(Debug, Clone)]
pub enum ClientCertificates {
    /// None is asked for.
    Off,
    /// One that is shown must be trusted.
    Optional(Trusted),
    Required(Trusted),
}

/// For the port that scanners call.
///
/// # Errors
/// When a file cannot be read, is not what it should be, or the certificate is not valid at `now`.
pub fn server_config(
    own: &OwnCertificate,
    clients: &ClientCertificates,
    now: OffsetDateTime,
) -> Result<Arc<ServerConfig>, Error> {
    let provider = provider();
    let loaded = own.load(now)?;
    let verifier: Arc<dyn ClientCertVerifier> = match clients {
        ClientCertificates::Off => Arc::new(NoClientAuth),
        ClientCertificates::Optional(trusted) => client_verifier(trusted, false, &provider)?,
        ClientCertificates::Required(trusted) => client_verifier(trusted, true, &provider)?,
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(VERSIONS)
        .map_err(|source| Error::Rustls { source })?
        .with_client_cert_verifier(verifier)
        .with_single_cert(loaded.chain, loaded.key)
        .map_err(|source| own.unfit(source))?;
    Ok(Arc::new(config))
}

/// For a call to an archive. Behind an authority the peer's name must be the one that is called.
///
/// # Errors
/// As [`server_config`].
pub fn client_config(
    trusted: &Trusted,
    own: Option<&OwnCertificate>,
    now: OffsetDateTime,
) -> Result<Arc<ClientConfig>, Error> {
    let provider = provider();
    let by_authority = match roots(trusted)? {
        Some(roots) => Some(
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                .build()
                .map_err(|source| Error::Verifier { source })?,
        ),
        None => None,
    };
    let verifier = Servers::new(by_authority, trusted.pinned.clone(), &provider);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(VERSIONS)
        .map_err(|source| Error::Rustls { source })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let loaded = own.load(now)?;
            builder
                .with_client_auth_cert(loaded.chain, loaded.key)
                .map_err(|source| own.unfit(source))?
        }
    };
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    // Its suites for TLS 1.2 are the six of ECDHE with AES-GCM or ChaCha20: those of RFC 9325 section 4.2.
    Arc::new(crypto::ring::default_provider())
}

fn client_verifier(
    trusted: &Trusted,
    mandatory: bool,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let by_authority = match roots(trusted)? {
        Some(roots) => Some(
            WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
                .build()
                .map_err(|source| Error::Verifier { source })?,
        ),
        None => None,
    };
    Ok(Arc::new(Clients::new(
        by_authority,
        trusted.pinned.clone(),
        mandatory,
        provider,
    )))
}

/// `None` where only pinned certificates are trusted.
fn roots(trusted: &Trusted) -> Result<Option<Arc<RootCertStore>>, Error> {
    let Some(path) = &trusted.authority else {
        return if trusted.pinned.is_empty() {
            Err(Error::NobodyTrusted)
        } else {
            Ok(None)
        };
    };
    let mut roots = RootCertStore::empty();
    for certificate in own::certificates(path)? {
        roots.add(certificate).map_err(|_| Error::Damaged {
            path: path.display().to_string(),
        })?;
    }
    Ok(Some(Arc::new(roots)))
}

#[cfg(test)]
mod tests;
