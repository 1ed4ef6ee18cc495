use std::fmt;

use barefoot_domain::ClinicId;
use rcgen::{CertificateParams, CertificateSigningRequestParams, KeyPair, PublicKeyData};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::sha256;
use crate::{Authority, Error, chain, clinic_of};

/// A box's own key, made on it; it never leaves it.
pub struct BoxKey(KeyPair);

impl fmt::Debug for BoxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxKey(secret)")
    }
}

impl BoxKey {
    /// # Errors
    /// When the random source fails.
    pub fn generate() -> Result<Self, Error> {
        KeyPair::generate().map(Self).map_err(issue)
    }

    /// # Errors
    /// When the text holds no key.
    pub fn parse(pem: &str) -> Result<Self, Error> {
        KeyPair::from_pem(pem).map(Self).map_err(issue)
    }

    /// PEM, for where the box keeps its secrets.
    #[must_use]
    pub fn pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.serialize_pem())
    }

    /// The request for a certificate, DER (RFC 2986). Whose it will be stands in none: the hub says so.
    ///
    /// # Errors
    /// When the signature fails.
    pub fn request(&self) -> Result<Vec<u8>, Error> {
        let request = CertificateParams::default()
            .serialize_request(&self.0)
            .map_err(issue)?;
        Ok(request.der().to_vec())
    }
}

/// A request for a certificate whose key signed it.
pub struct Request(CertificateSigningRequestParams);

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Request")
    }
}

impl Request {
    /// # Errors
    /// When it cannot be read, its key did not sign it, or the key is no P-256 key.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let request = CertificateSigningRequestParams::from_der(&der.into()).map_err(|_| Error::Request)?;
        // To a key of another kind nothing can be sealed.
        if request.public_key.algorithm() != &rcgen::PKCS_ECDSA_P256_SHA256 {
            return Err(Error::Request);
        }
        Ok(Self(request))
    }

    /// SHA-256 of the public key (its SubjectPublicKeyInfo).
    #[must_use]
    pub fn key(&self) -> [u8; 32] {
        sha256(&[&self.0.public_key.subject_public_key_info()])
    }
}

/// SHA-256 of a certificate's public key (its SubjectPublicKeyInfo).
///
/// # Errors
/// When it cannot be parsed.
pub fn key_of(certificate: &[u8]) -> Result<[u8; 32], Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| Error::Certificate)?;
    Ok(sha256(&[parsed.public_key().raw]))
}

/// When a certificate begins and ends.
///
/// # Errors
/// When it cannot be parsed.
pub fn validity_of(certificate: &[u8]) -> Result<(OffsetDateTime, OffsetDateTime), Error> {
    chain::validity(&CertificateDer::from(certificate))
}

/// A certificate of an authority, issued on request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// With those above it, PEM.
    pub chain_pem: String,
    /// Its own, DER.
    pub certificate: Vec<u8>,
    pub not_after: OffsetDateTime,
}

impl Authority {
    /// A certificate for the clinic's box that asks.
    ///
    /// # Errors
    /// When the signature fails.
    pub fn enrol(
        &self,
        clinic: &ClinicId,
        request: &Request,
        now: OffsetDateTime,
        valid: Duration,
    ) -> Result<Certified, Error> {
        certified(self.certify_clinic(clinic, &request.0.public_key, now, valid)?)
    }

    /// A certificate as this one, for the same clinic and key, from now on.
    ///
    /// # Errors
    /// When the certificate cannot be parsed or the signature fails.
    pub fn renew(&self, old: &[u8], now: OffsetDateTime, valid: Duration) -> Result<Certified, Error> {
        let clinic = clinic_of(&CertificateDer::from(old))?;
        let (_, parsed) = X509Certificate::from_der(old).map_err(|_| Error::Certificate)?;
        let key = rcgen::SubjectPublicKeyInfo::from_der(parsed.public_key().raw).map_err(issue)?;
        certified(self.certify_clinic(&clinic, &key, now, valid)?)
    }
}

fn certified(chain_pem: String) -> Result<Certified, Error> {
    let own = CertificateDer::from_pem_slice(chain_pem.as_bytes()).map_err(|_| Error::Certificate)?;
    Ok(Certified {
        not_after: chain::not_after(&own)?,
        certificate: own.to_vec(),
        chain_pem,
    })
}

fn issue(source: rcgen::Error) -> Error {
    Error::Issue { source }
}
