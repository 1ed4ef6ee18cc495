//! A certificate that a box makes for its own page, where nobody gave it one: signed by its own key, to be compared by people.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{Error, Fingerprint, Issued, chain};

/// Its subject, and so what browsers call it.
const NAME: &str = "Barefoot box";
/// A tablet whose clock is a little behind takes it all the same.
const CLOCK_TOLERANCE: Duration = Duration::days(1);

/// What such a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageCertificate {
    /// Host names and addresses that it is good for.
    pub names: BTreeSet<String>,
    pub begins: OffsetDateTime,
    pub ends: OffsetDateTime,
    pub fingerprint: Fingerprint,
}

/// A certificate for these host names and addresses, by the key of before where there is one.
///
/// # Errors
/// When a name is none, or the key cannot be read.
pub fn make_page_certificate(
    names: &BTreeSet<String>,
    key: Option<&str>,
    now: OffsetDateTime,
    valid: Duration,
) -> Result<Issued, Error> {
    let issue = |source| Error::Issue { source };
    let key = match key {
        Some(pem) => KeyPair::from_pem(pem),
        None => KeyPair::generate(),
    }
    .map_err(issue)?;
    let names: Vec<String> = names.iter().cloned().collect();
    let mut params = CertificateParams::new(names).map_err(issue)?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.not_before = now - CLOCK_TOLERANCE;
    params.not_after = now + valid;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(Issued {
        certificate_pem: params.self_signed(&key).map_err(issue)?.pem(),
        key_pem: key.serialize_pem(),
    })
}

/// # Errors
/// When it is no certificate in PEM form.
pub fn read_page_certificate(pem: &str) -> Result<PageCertificate, Error> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| Error::Certificate)?;
    let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| Error::Certificate)?;
    let alternatives = parsed
        .subject_alternative_name()
        .map_err(|_| Error::Certificate)?;
    let names = alternatives.map(|found| found.value.general_names.iter().filter_map(name).collect());
    let (begins, ends) = chain::validity(&der)?;
    Ok(PageCertificate {
        names: names.unwrap_or_default(),
        begins,
        ends,
        fingerprint: Fingerprint::of(&der),
    })
}

fn name(found: &GeneralName<'_>) -> Option<String> {
    match found {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(|four| IpAddr::from(Ipv4Addr::from(four)));
            let six = || <[u8; 16]>::try_from(*bytes).map(|six| IpAddr::from(Ipv6Addr::from(six)));
            four.or_else(|_| six()).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_certificate_says_what_it_was_made_for() {
        let names = ["box.local", "192.168.1.7", "fd00::2", "localhost"];
        let names: BTreeSet<String> = names.map(str::to_owned).into();
        let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
        let made = make_page_certificate(&names, None, now, Duration::days(397)).unwrap();
        let said = read_page_certificate(&made.certificate_pem).unwrap();
        assert_eq!(said.names, names);
        assert_eq!(
            (said.begins, said.ends),
            (now - Duration::days(1), now + Duration::days(397))
        );
        let again = make_page_certificate(&names, Some(&made.key_pem), now, Duration::days(397)).unwrap();
        assert_eq!(again.key_pem, made.key_pem);
        crate::BrowserIdentity::parse(&again.certificate_pem, &made.key_pem).unwrap();
        assert!(crate::BrowserIdentity::parse(&made.certificate_pem, "none").is_err());
        assert!(read_page_certificate("none").is_err());
    }
}
