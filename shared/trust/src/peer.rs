use std::fmt;

use barefoot_domain::ClinicId;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::Error;

/// What a person may do at the hub; stands in the certificate's organizational unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Runs federated rounds, sees gate reports, publishes signed releases. Sees no case.
    Maintainer,
    /// Corrects findings. Touches no model.
    Expert,
    /// Runs the fleet: lets boxes in and shuts them out. Sees no case, touches no model.
    Operator,
    /// A lamp, a pager, a screen: hears that there is an alarm, and says nothing.
    Listener,
}

/// Somebody with a certificate of the region who is no clinic's box.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Person {
    pub role: Role,
    /// 1 to 64 of letters, digits, `.`, `_`, `-`.
    pub name: String,
}

/// Who called, read from an (already verified) certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    Clinic(ClinicId),
    Person(Person),
}

/// One certificate: the SHA-256 of its DER, which `openssl x509 -fingerprint -sha256` prints.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Self(hash)
    }

    /// From hexadecimal digits, colons between them or not.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        let plain: String = digits.chars().filter(|digit| *digit != ':').collect();
        let hash = HEXLOWER_PERMISSIVE.decode(plain.as_bytes()).ok()?;
        hash.try_into().ok().map(Self)
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Maintainer, Self::Expert, Self::Operator, Self::Listener];

    /// The organizational unit that says it.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Maintainer => "maintainer",
            Self::Expert => "expert",
            Self::Operator => "operator",
            Self::Listener => "listener",
        }
    }

    #[must_use]
    pub fn parse(unit: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.unit() == unit)
    }
}

impl Person {
    /// # Errors
    /// When the name breaks its rule.
    pub fn new(role: Role, name: &str) -> Result<Self, Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if name.is_empty() || 64 < name.len() || !name.bytes().all(allowed) {
            return Err(Error::PersonName);
        }
        Ok(Self {
            role,
            name: name.to_owned(),
        })
    }
}

/// A certificate with an organizational unit is a person's, one without is a clinic's box.
///
/// # Errors
/// When a name or unit is missing, doubled (two readers could then disagree who it is) or unknown.
pub fn peer_of(certificate: &CertificateDer<'_>) -> Result<Peer, Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| Error::Certificate)?;
    let mut names = parsed.subject().iter_common_name();
    let (Some(name), None) = (names.next(), names.next()) else {
        return Err(Error::NoClinic);
    };
    let name = name.as_str().map_err(|_| Error::NoClinic)?;
    let mut units = parsed.subject().iter_organizational_unit();
    match (units.next(), units.next()) {
        (None, _) => ClinicId::new(name).map(Peer::Clinic).map_err(|_| Error::NoClinic),
        (Some(unit), None) => {
            let role = unit.as_str().ok().and_then(Role::parse).ok_or(Error::Role)?;
            Person::new(role, name).map(Peer::Person)
        }
        (Some(_), Some(_)) => Err(Error::Role),
    }
}

/// The clinic a peer's (already verified) certificate names.
///
/// # Errors
/// When it is a person's, or names no clinic.
pub fn clinic_of(certificate: &CertificateDer<'_>) -> Result<ClinicId, Error> {
    match peer_of(certificate)? {
        Peer::Clinic(clinic) => Ok(clinic),
        Peer::Person(_) => Err(Error::NoClinic),
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;
    use time::{Duration, OffsetDateTime};

    use super::*;
    use crate::{Authority, Issued};

    fn read(issued: &Issued) -> Result<Peer, Error> {
        peer_of(&CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap())
    }

    #[test]
    fn a_person_is_no_clinic_even_with_a_clinics_name() {
        let dir = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let authority = Authority::create(dir.path(), "Test region", now).unwrap();
        let clinic = ClinicId::new("clinic-7").unwrap();
        let day = Duration::days(1);
        let boxed = authority.issue_clinic(&clinic, now, day).unwrap();
        assert_eq!(read(&boxed).unwrap(), Peer::Clinic(clinic));
        for role in Role::ALL {
            let issued = authority.issue_person(role, "clinic-7", now, day).unwrap();
            let person = Person::new(role, "clinic-7").unwrap();
            assert_eq!(read(&issued).unwrap(), Peer::Person(person));
            let der = CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap();
            assert!(matches!(clinic_of(&der), Err(Error::NoClinic)));
        }
        assert!(authority.issue_person(Role::Expert, "", now, day).is_err());
        assert!(authority.issue_person(Role::Expert, "a/b", now, day).is_err());
    }

    #[test]
    fn a_fingerprint_is_what_openssl_prints() {
        let certificate = CertificateDer::from_slice(b"abc");
        assert_eq!(
            Fingerprint::of(&certificate).to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let shown = "C7:".repeat(31) + "C7";
        assert_eq!(Fingerprint::parse(&shown), Some(Fingerprint([0xC7; 32])));
        assert_eq!(Fingerprint::parse("c7"), None);
    }
}
