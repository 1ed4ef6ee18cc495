//! The checks of peers' certificates: pinned, or by an authority. The peer proves in either case that the key is its own.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::Fingerprint;
use super::own::validity;

/// Certificates known themselves.
#[derive(Debug)]
struct Pins {
    pinned: Vec<Fingerprint>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pins {
    /// `None` where it is none of them; then the authority decides.
    fn check(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Option<Result<(), Error>> {
        self.pinned
            .contains(&Fingerprint::of(certificate))
            .then(|| valid_at(certificate, now).map_err(Error::InvalidCertificate))
    }
}

fn valid_at(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let (from, until) = validity(certificate).ok_or(CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < from.unix_timestamp() {
        Err(CertificateError::NotValidYet)
    } else if until.unix_timestamp() < now {
        Err(CertificateError::Expired)
    } else {
        Ok(())
    }
}

/// What a server asks of its callers.
#[derive(Debug)]
pub(super) struct Clients {
    by_authority: Option<Arc<dyn ClientCertVerifier>>,
    pins: Pins,
    mandatory: bool,
}

impl Clients {
    pub(super) fn new(
        by_authority: Option<Arc<dyn ClientCertVerifier>>,
        pinned: Vec<Fingerprint>,
        mandatory: bool,
        provider: &CryptoProvider,
    ) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        Self {
            by_authority,
            pins: Pins { pinned, algorithms },
            mandatory,
        }
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match &self.by_authority {
            // A caller with a pinned certificate would see no fitting name and show none.
            Some(authority) if self.pins.pinned.is_empty() => authority.root_hint_subjects(),
            _ => &[],
        }
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(checked) = self.pins.check(end_entity, now) {
            return checked.map(|()| ClientCertVerified::assertion());
        }
        match &self.by_authority {
            Some(authority) => authority.verify_client_cert(end_entity, intermediates, now),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.pins.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.pins.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.pins.algorithms.supported_schemes()
    }
}

/// What a caller asks of the server.
#[derive(Debug)]
pub(super) struct Servers {
    by_authority: Option<Arc<dyn ServerCertVerifier>>,
    pins: Pins,
}

impl Servers {
    pub(super) fn new(
        by_authority: Option<Arc<impl ServerCertVerifier + 'static>>,
        pinned: Vec<Fingerprint>,
        provider: &CryptoProvider,
    ) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        Self {
            by_authority: by_authority.map(|verifier| verifier as Arc<dyn ServerCertVerifier>),
            pins: Pins { pinned, algorithms },
        }
    }
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(checked) = self.pins.check(end_entity, now) {
            return checked.map(|()| ServerCertVerified::assertion());
        }
        match &self.by_authority {
            Some(authority) => {
                authority.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.pins.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.pins.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.pins.algorithms.supported_schemes()
    }
}
