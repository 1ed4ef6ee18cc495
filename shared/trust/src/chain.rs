//! Whose certificate it is, and what its key signed, without a connection.

use std::time::Duration;

use barefoot_domain::ClinicId;
use rustls::RootCertStore;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use time::OffsetDateTime;
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::authority::HUB_NAME;
use crate::{Error, TlsIdentity, clinic_of};

/// What the region's certificates may sign with, each with how it is checked.
const SCHEMES: [(SignatureScheme, &dyn SignatureVerificationAlgorithm); 3] = [
    (
        SignatureScheme::ECDSA_NISTP256_SHA256,
        webpki::ring::ECDSA_P256_SHA256,
    ),
    (
        SignatureScheme::ECDSA_NISTP384_SHA384,
        webpki::ring::ECDSA_P384_SHA384,
    ),
    (SignatureScheme::ED25519, webpki::ring::ED25519),
];

/// A program of the region that signs: the hub or a clinic's box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    Hub,
    Clinic(ClinicId),
}

impl Signer {
    /// Who a (verified) certificate belongs to.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        if is_hub(certificate)? {
            return Ok(Self::Hub);
        }
        clinic_of(certificate).map(Self::Clinic)
    }

    /// What its certificate must be good for: only the hub may serve.
    pub(crate) fn usage(&self) -> KeyUsage {
        match self {
            Self::Hub => KeyUsage::server_auth(),
            Self::Clinic(_) => KeyUsage::client_auth(),
        }
    }
}

impl TlsIdentity {
    /// What is signed must begin with words of its own, so that no signature is ever one of another kind.
    pub(crate) fn sign_raw(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let rustls = |source| Error::Rustls { source };
        let signer = any_supported_type(&self.now().key)
            .map_err(rustls)?
            .choose_scheme(&SCHEMES.map(|(scheme, _)| scheme))
            .ok_or(Error::SigningKey)?;
        signer.sign(message).map_err(rustls)
    }
}

/// The certificate, if the authority issued it for `usage` and it is valid at `at`.
pub(crate) fn trusted<'a>(
    roots: &RootCertStore,
    certificate: &'a CertificateDer<'a>,
    usage: KeyUsage,
    at: OffsetDateTime,
) -> Result<EndEntityCert<'a>, Error> {
    trusted_over(roots, certificate, &[], usage, at)
}

/// The same, with certificates that stand between it and the authority.
pub(crate) fn trusted_over<'a>(
    roots: &RootCertStore,
    certificate: &'a CertificateDer<'a>,
    between: &[CertificateDer<'_>],
    usage: KeyUsage,
    at: OffsetDateTime,
) -> Result<EndEntityCert<'a>, Error> {
    let untrusted = |source| Error::Untrusted { source };
    let end = EndEntityCert::try_from(certificate).map_err(untrusted)?;
    let seconds = u64::try_from(at.unix_timestamp()).map_err(|_| Error::Certificate)?;
    end.verify_for_usage(
        &SCHEMES.map(|(_, algorithm)| algorithm),
        &roots.roots,
        between,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        usage,
        None,
        None,
    )
    .map_err(untrusted)?;
    Ok(end)
}

pub(crate) fn verify_raw(end: &EndEntityCert<'_>, message: &[u8], signature: &[u8]) -> Result<(), Error> {
    let signed = SCHEMES
        .iter()
        .any(|(_, algorithm)| end.verify_signature(*algorithm, message, signature).is_ok());
    if signed { Ok(()) } else { Err(Error::BadSignature) }
}

/// When a certificate ends.
pub(crate) fn not_after(certificate: &CertificateDer<'_>) -> Result<OffsetDateTime, Error> {
    Ok(validity(certificate)?.1)
}

/// When a certificate begins and ends.
pub(crate) fn validity(certificate: &CertificateDer<'_>) -> Result<(OffsetDateTime, OffsetDateTime), Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| Error::Certificate)?;
    let validity = parsed.validity();
    Ok((
        validity.not_before.to_datetime(),
        validity.not_after.to_datetime(),
    ))
}

fn is_hub(certificate: &CertificateDer<'_>) -> Result<bool, Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| Error::Certificate)?;
    let subject = parsed.subject();
    let mut names = subject.iter_common_name();
    let (Some(name), None) = (names.next(), names.next()) else {
        return Ok(false);
    };
    let is_nobody_else = subject.iter_organizational_unit().next().is_none();
    Ok(is_nobody_else && name.as_str().is_ok_and(|name| name == HUB_NAME))
}
