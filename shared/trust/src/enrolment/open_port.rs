//! How a box checks the hub on its open port.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use crate::server_check::{Judge, ServerCheck};
use crate::tls::HTTP2;
use crate::{Error, TlsIdentity, chain, tls};

impl TlsIdentity {
    /// For the call to the hub's open port by a box that has (or had) a certificate: the hub shows a certificate of an
    /// authority we trust, but whether it is valid today is not asked: this box's clock may be wrong, or its line may have
    /// been down for long. It is the port where a box gets the time and a new certificate.
    ///
    /// # Errors
    /// When the provider does not offer TLS 1.3.
    pub fn returning_client_config(&self) -> Result<Arc<ClientConfig>, Error> {
        open_client_config(ServerCheck::by(AtAnyTime(self.clone())))
    }
}

/// For the first call to a hub, before the box can know it: any certificate will do, the code tells whether it is the hub.
///
/// # Errors
/// When the provider does not offer TLS 1.3.
pub fn first_client_config() -> Result<Arc<ClientConfig>, Error> {
    open_client_config(ServerCheck::by(Anybody))
}

fn open_client_config(verifier: Arc<dyn ServerCertVerifier>) -> Result<Arc<ClientConfig>, Error> {
    let mut config = tls::client_builder()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP2.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Who shows a certificate of one of our authorities, valid whenever.
#[derive(Debug)]
struct AtAnyTime(TlsIdentity);

impl Judge for AtAnyTime {
    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: UnixTime,
    ) -> Result<(), rustls::Error> {
        let bad = |_| rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding);
        let end = chain::not_after(end_entity).map_err(bad)?;
        let seconds = u64::try_from(end.unix_timestamp()).unwrap_or_default();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let material = self.0.now();
        material.verify_server(end_entity, intermediates, server_name, at)
    }
}

/// Whoever has the key of the certificate they show: the connection is theirs alone, and no more is said of them.
#[derive(Debug)]
struct Anybody;

impl Judge for Anybody {
    fn judge(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: UnixTime,
    ) -> Result<(), rustls::Error> {
        Ok(())
    }
}
