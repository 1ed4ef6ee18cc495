use data_encoding::BASE64;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use webpki::KeyUsage;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{Error, chain};

/// The new authorities that may take the place of those a box trusts: each is one of these or was signed by one of these, and
/// together they vouch for the new certificate. PEM in, PEM out.
///
/// # Errors
/// When one is neither, or they do not vouch for the certificate.
pub fn successors(known_pem: &[u8], offered_pem: &[u8], chain_pem: &[u8]) -> Result<String, Error> {
    let known = certificates(known_pem)?;
    let mut accepted = known.clone();
    let mut waiting = certificates(offered_pem)?;
    let offered = waiting.clone();
    loop {
        let before = waiting.len();
        waiting.retain(|one| {
            let vouched = accepted.contains(one) || accepted.iter().any(|authority| signed(authority, one));
            if vouched {
                accepted.push(one.clone());
            }
            !vouched
        });
        if waiting.is_empty() {
            break;
        }
        if waiting.len() == before {
            return Err(Error::UnknownAuthority);
        }
    }
    check_chain(&offered, chain_pem)?;
    let encoded = offered.iter().map(|one| to_pem(one));
    Ok(encoded.collect())
}

/// The authorities a box is told at its enrolment must vouch for the certificate it gets.
///
/// # Errors
/// When they do not.
pub fn check_first(authorities_pem: &[u8], chain_pem: &[u8]) -> Result<(), Error> {
    check_chain(&certificates(authorities_pem)?, chain_pem)
}

fn check_chain(authorities: &[CertificateDer<'static>], chain_pem: &[u8]) -> Result<(), Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots
            .add(authority.clone())
            .map_err(|source| Error::Rustls { source })?;
    }
    let certificate = CertificateDer::from_pem_slice(chain_pem).map_err(|_| Error::Certificate)?;
    let at = chain::not_after(&certificate)?;
    chain::trusted(&roots, &certificate, KeyUsage::client_auth(), at)?;
    Ok(())
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or(Error::Certificate)
}

/// Whether an authority signed another one's certificate.
fn signed(authority: &CertificateDer<'_>, other: &CertificateDer<'_>) -> bool {
    let (Ok((_, authority)), Ok((_, other))) = (
        X509Certificate::from_der(authority),
        X509Certificate::from_der(other),
    ) else {
        return false;
    };
    authority.is_ca()
        && other.is_ca()
        && authority.subject() == other.issuer()
        && other.verify_signature(Some(authority.public_key())).is_ok()
}

/// A certificate as PEM text.
#[must_use]
pub fn to_pem(certificate: &[u8]) -> String {
    let text = BASE64.encode(certificate);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let body: Vec<_> = lines.collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        body.join("\n")
    )
}
