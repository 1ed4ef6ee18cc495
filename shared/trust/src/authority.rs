use std::fmt;
use std::fs;
use std::path::Path;

use barefoot_domain::ClinicId;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use crate::{Error, Person, Role, files};

const CERTIFICATE_FILE: &str = "authority.crt";
const KEY_FILE: &str = "authority.key";

/// The hub's common name. No clinic can have it: `_` is outside the clinic alphabet.
pub(crate) const HUB_NAME: &str = "_hub";

/// A box or hub whose clock is a little behind must still accept a fresh certificate.
const CLOCK_TOLERANCE: Duration = Duration::days(1);

/// A region's certificate authority.
pub struct Authority {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(secret)")
    }
}

/// A fresh key and its certificate, PEM.
pub struct Issued {
    pub certificate_pem: String,
    pub key_pem: String,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issued(secret)")
    }
}

impl Authority {
    /// Makes a new authority, valid ten years, and writes `authority.crt` and `authority.key` into `directory`.
    ///
    /// # Errors
    /// When a file exists already (an authority is never overwritten) or cannot be written.
    pub fn create(directory: &Path, name: &str, now: OffsetDateTime) -> Result<Self, Error> {
        let mut params = named(name, now, Duration::days(3653));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(issue)?;
        let certificate_pem = params.self_signed(&key).map_err(issue)?.pem();
        files::write_new_secret(&directory.join(KEY_FILE), key.serialize_pem().as_bytes())?;
        files::write_new_public(&directory.join(CERTIFICATE_FILE), certificate_pem.as_bytes())?;
        Ok(Self {
            certificate_pem,
            issuer: Issuer::new(params, key),
        })
    }

    /// # Errors
    /// When `directory` holds no authority made by [`Authority::create`].
    pub fn load(directory: &Path) -> Result<Self, Error> {
        let text = |name: &str| {
            let path = directory.join(name);
            fs::read_to_string(&path).map_err(|source| Error::Read {
                path: path.display().to_string(),
                source,
            })
        };
        let certificate_pem = text(CERTIFICATE_FILE)?;
        let key = KeyPair::from_pem(&text(KEY_FILE)?).map_err(issue)?;
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key).map_err(issue)?;
        Ok(Self {
            certificate_pem,
            issuer,
        })
    }

    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A certificate for the hub: it serves under `hosts` (names or addresses), and may also call a broker.
    ///
    /// # Errors
    /// When a host is no name or address.
    pub fn issue_hub(&self, hosts: &[String], now: OffsetDateTime, valid: Duration) -> Result<Issued, Error> {
        let mut params = named(HUB_NAME, now, valid);
        params.subject_alt_names = CertificateParams::new(hosts.to_vec())
            .map_err(issue)?
            .subject_alt_names;
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        self.issue(params)
    }

    /// A certificate for a clinic's box. It can only call, never serve.
    ///
    /// # Errors
    /// When the random source or the signature fails.
    pub fn issue_clinic(
        &self,
        clinic: &ClinicId,
        now: OffsetDateTime,
        valid: Duration,
    ) -> Result<Issued, Error> {
        let mut params = named(clinic.as_str(), now, valid);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    /// A certificate for a person who works at the hub from afar. It can only call, and is nobody's box.
    ///
    /// # Errors
    /// When `name` is not 1 to 64 of letters, digits, `.`, `_`, `-`, or the random source or the signature fails.
    pub fn issue_person(
        &self,
        role: Role,
        name: &str,
        now: OffsetDateTime,
        valid: Duration,
    ) -> Result<Issued, Error> {
        let person = Person::new(role, name)?;
        let mut params = named(&person.name, now, valid);
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, role.unit());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    fn issue(&self, mut params: CertificateParams) -> Result<Issued, Error> {
        // Agreement: files are sealed to the keys of hub and clinics.
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyAgreement];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(issue)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(issue)?;
        Ok(Issued {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

impl Issued {
    /// Writes `<name>.crt` and `<name>.key` (readable by the owner only).
    ///
    /// # Errors
    /// When a file exists already or cannot be written.
    pub fn save(&self, directory: &Path, name: &str) -> Result<(), Error> {
        files::write_new_secret(&directory.join(format!("{name}.key")), self.key_pem.as_bytes())?;
        files::write_new_public(
            &directory.join(format!("{name}.crt")),
            self.certificate_pem.as_bytes(),
        )
    }
}

fn named(common_name: &str, now: OffsetDateTime, valid: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = now - CLOCK_TOLERANCE;
    params.not_after = now + valid;
    params
}

fn issue(source: rcgen::Error) -> Error {
    Error::Issue { source }
}
