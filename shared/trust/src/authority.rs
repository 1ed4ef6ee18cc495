use std::fmt;
use std::fs;
use std::path::Path;

use barefoot_domain::ClinicId;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::enrolment::to_pem;
use crate::{Error, Person, Role, files, tls};

const CERTIFICATE_FILE: &str = "authority.crt";
const KEY_FILE: &str = "authority.key";

/// The hub's common name. No clinic can have it: `_` is outside the clinic alphabet.
pub(crate) const HUB_NAME: &str = "_hub";

/// A box or hub whose clock is a little behind must still accept a fresh certificate.
const CLOCK_TOLERANCE: Duration = Duration::days(1);

/// Ten years.
const AUTHORITY_VALID: Duration = Duration::days(3653);

/// A region's certificate authority: a root, or one below it that works for it while the root's key lies in a safe.
///
/// `authority.crt` is what all trust: its first certificate is the authority's own, those of the ones above it or before it
/// follow.
pub struct Authority {
    trusted_pem: String,
    issuer: Issuer<'static, KeyPair>,
    /// Those of them that another one signed, its own first: they go with what it issues, for those who know that one only.
    chain: String,
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
    /// Makes a new root, valid ten years, and writes `authority.crt` and `authority.key` into `directory`.
    ///
    /// # Errors
    /// When a file exists already (an authority is never overwritten) or cannot be written.
    pub fn create(directory: &Path, name: &str, now: OffsetDateTime) -> Result<Self, Error> {
        let params = authority_params(name, now, BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(issue)?;
        let trusted_pem = params.self_signed(&key).map_err(issue)?.pem();
        save(directory, &key, &trusted_pem)?;
        Ok(Self {
            trusted_pem,
            issuer: Issuer::new(params, key),
            chain: String::new(),
        })
    }

    /// Makes an authority below this one, which can issue to the hub, boxes and people and to no further authority.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_below(&self, directory: &Path, name: &str, now: OffsetDateTime) -> Result<Self, Error> {
        self.certify_authority(
            directory,
            authority_params(name, now, BasicConstraints::Constrained(0)),
        )
    }

    /// Makes the root that takes this one's place: whoever trusts this one can see that it is meant.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_successor(&self, directory: &Path, name: &str, now: OffsetDateTime) -> Result<Self, Error> {
        self.certify_authority(
            directory,
            authority_params(name, now, BasicConstraints::Unconstrained),
        )
    }

    fn certify_authority(&self, directory: &Path, mut params: CertificateParams) -> Result<Self, Error> {
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(issue)?;
        let own_pem = params.signed_by(&key, &self.issuer).map_err(issue)?.pem();
        let trusted_pem = format!("{own_pem}{}", self.trusted_pem);
        save(directory, &key, &trusted_pem)?;
        Ok(Self {
            chain: certified_by_others(&trusted_pem)?,
            trusted_pem,
            issuer: Issuer::new(params, key),
        })
    }

    /// # Errors
    /// When `directory` holds no authority made by [`Authority::create`] and its like.
    pub fn load(directory: &Path) -> Result<Self, Error> {
        Self::load_with_key(directory, &directory.join(KEY_FILE))
    }

    /// As [`Self::load`], with the key kept apart, as a systemd credential for instance.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with_key(directory: &Path, key: &Path) -> Result<Self, Error> {
        let text = |path: &Path| {
            fs::read_to_string(path).map_err(|source| Error::Read {
                path: path.display().to_string(),
                source,
            })
        };
        let trusted_pem = text(&directory.join(CERTIFICATE_FILE))?;
        let key = KeyPair::from_pem(&Zeroizing::new(text(key)?)).map_err(issue)?;
        let own = CertificateDer::from_pem_slice(trusted_pem.as_bytes()).map_err(|_| Error::Certificate)?;
        let issuer = Issuer::from_ca_cert_der(&own, key).map_err(issue)?;
        Ok(Self {
            chain: certified_by_others(&trusted_pem)?,
            trusted_pem,
            issuer,
        })
    }

    /// The text of a file of trusted authorities.
    ///
    /// # Errors
    /// When it cannot be read, or this authority is not among them.
    pub fn trusted_in(&self, file: &Path) -> Result<String, Error> {
        let own = CertificateDer::from_pem_slice(self.trusted_pem.as_bytes());
        let own = own.map_err(|_| Error::Certificate)?;
        if !tls::certificates(file)?.contains(&own) {
            return Err(Error::NotAmongTrusted {
                path: file.display().to_string(),
            });
        }
        fs::read_to_string(file).map_err(|source| Error::Read {
            path: file.display().to_string(),
            source,
        })
    }

    /// Whether it was this authority's own key that signed a certificate (DER).
    #[must_use]
    pub fn has_issued(&self, certificate: &[u8]) -> bool {
        let Ok(own) = CertificateDer::from_pem_slice(self.trusted_pem.as_bytes()) else {
            return false;
        };
        let (Ok((_, own)), Ok((_, other))) = (
            X509Certificate::from_der(&own),
            X509Certificate::from_der(certificate),
        ) else {
            return false;
        };
        other.verify_signature(Some(own.public_key())).is_ok()
    }

    /// The authorities to be trusted, PEM: this one, and those above it or before it.
    #[must_use]
    pub fn trusted_pem(&self) -> &str {
        &self.trusted_pem
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

    /// A certificate for a clinic's box that made its key itself, with those above it, PEM.
    pub(crate) fn certify_clinic(
        &self,
        clinic: &ClinicId,
        key: &impl PublicKeyData,
        now: OffsetDateTime,
        valid: Duration,
    ) -> Result<String, Error> {
        let mut params = named(clinic.as_str(), now, valid);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.certify(params, key)
    }

    fn issue(&self, params: CertificateParams) -> Result<Issued, Error> {
        let key = KeyPair::generate().map_err(issue)?;
        Ok(Issued {
            certificate_pem: self.certify(params, &key)?,
            key_pem: key.serialize_pem(),
        })
    }

    fn certify(&self, mut params: CertificateParams, key: &impl PublicKeyData) -> Result<String, Error> {
        // Agreement: files are sealed to the keys of hub and clinics.
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyAgreement];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(key, &self.issuer).map_err(issue)?.pem();
        Ok(certificate + &self.chain)
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

fn authority_params(name: &str, now: OffsetDateTime, below: BasicConstraints) -> CertificateParams {
    let mut params = named(name, now, AUTHORITY_VALID);
    params.is_ca = IsCa::Ca(below);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn save(directory: &Path, key: &KeyPair, trusted_pem: &str) -> Result<(), Error> {
    files::write_new_secret(&directory.join(KEY_FILE), key.serialize_pem().as_bytes())?;
    files::write_new_public(&directory.join(CERTIFICATE_FILE), trusted_pem.as_bytes())
}

/// Of certificates as PEM text, those that another authority signed.
fn certified_by_others(pem: &str) -> Result<String, Error> {
    let mut chain = String::new();
    for one in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let one = one.map_err(|_| Error::Certificate)?;
        let (_, parsed) = X509Certificate::from_der(&one).map_err(|_| Error::Certificate)?;
        if parsed.issuer() != parsed.subject() {
            chain.push_str(&to_pem(&one));
        }
    }
    Ok(chain)
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
