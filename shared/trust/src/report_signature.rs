//! Whether a report was signed by whom it names, told without asking anyone.
//!
//! ```text
//! region's authority → the hub's certificate, valid when the report was signed
//!   → the hub's statement whose key it is → the key's signature over the report
//! ```
//!
//! What the messages say is read by the caller; here stands what must hold between them.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use time::OffsetDateTime;

use crate::chain::{self, Signer};
use crate::{Error, TlsIdentity, files, person_key};

/// Stands before every statement of the hub about a person's key.
const STATEMENT: &[u8] = b"Barefoot signer 1\0";

/// The authorities of a region, to check signatures with.
#[derive(Debug, Clone)]
pub struct Authorities(RootCertStore);

impl Authorities {
    /// # Errors
    /// When the file cannot be read or holds no certificate in PEM form.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let pem = files::read(path)?;
        let wrong = || Error::Pem {
            path: path.display().to_string(),
            wanted: "certificate",
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            roots
                .add(certificate.map_err(|_| wrong())?)
                .map_err(|source| Error::Rustls { source })?;
        }
        if roots.is_empty() {
            return Err(wrong());
        }
        Ok(Self(roots))
    }

    pub(crate) fn roots(&self) -> &RootCertStore {
        &self.0
    }
}

/// The parts of a signed report as they came.
#[derive(Debug, Clone, Copy)]
pub struct SignedParts<'a> {
    pub content: &'a [u8],
    pub signature: &'a [u8],
    /// The hub's statement about the signer.
    pub signer: &'a [u8],
    pub signer_signature: &'a [u8],
    /// The hub's, DER.
    pub certificate: &'a [u8],
}

/// What the hub's statement says.
#[derive(Debug, Clone, Copy)]
pub struct KeyStatement<'a> {
    pub person: &'a str,
    pub public_key: &'a [u8],
    /// Since when it is this person's key, Unix milliseconds.
    pub from_ms: i64,
}

/// What the report says of its signing.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// Who stands last among its readers.
    pub person: &'a str,
    pub at_ms: i64,
}

/// What does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("the time of signing is none that a calendar has")]
    Time,
    #[error("the certificate is not the hub's")]
    NotTheHub,
    #[error(
        "the hub's certificate is not one of this region's authority that was valid when the report was signed"
    )]
    Certificate { source: Error },
    #[error("the hub did not sign the statement whose key this is")]
    Statement,
    #[error("the report names another person as its signer than the hub's statement")]
    OtherPerson,
    #[error("the report says it was signed before its signer had this key")]
    BeforeKey,
    #[error("the signer's key did not sign this report: it was changed, or never signed")]
    Content,
}

impl TlsIdentity {
    /// The hub's signature over a statement about a person's key.
    ///
    /// # Errors
    /// When the key is of a kind the region does not use, or the random source fails.
    pub fn sign_statement(&self, statement: &[u8]) -> Result<Vec<u8>, Error> {
        self.sign_raw(&[STATEMENT, statement].concat())
    }

    /// The authorities this identity trusts.
    #[must_use]
    pub fn authorities(&self) -> Authorities {
        Authorities(self.now().roots.as_ref().clone())
    }
}

/// # Errors
/// The first link, from the authority down, that does not hold.
pub fn verify_report(
    authorities: &Authorities,
    parts: &SignedParts<'_>,
    statement: &KeyStatement<'_>,
    signing: &Signing<'_>,
) -> Result<(), ReportError> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(signing.at_ms) * 1_000_000)
        .map_err(|_| ReportError::Time)?;
    let certificate = CertificateDer::from(parts.certificate);
    let end = trusted_hub(authorities, &certificate, at)?;
    let said = [STATEMENT, parts.signer].concat();
    chain::verify_raw(&end, &said, parts.signer_signature).map_err(|_| ReportError::Statement)?;
    if statement.person != signing.person {
        return Err(ReportError::OtherPerson);
    }
    if signing.at_ms < statement.from_ms {
        return Err(ReportError::BeforeKey);
    }
    if person_key::signed_report(statement.public_key, parts.content, parts.signature) {
        Ok(())
    } else {
        Err(ReportError::Content)
    }
}

fn trusted_hub<'a>(
    authorities: &Authorities,
    certificate: &'a CertificateDer<'a>,
    at: OffsetDateTime,
) -> Result<webpki::EndEntityCert<'a>, ReportError> {
    match Signer::of(certificate) {
        Ok(Signer::Hub) => {}
        Ok(Signer::Clinic(_)) => return Err(ReportError::NotTheHub),
        Err(source) => return Err(ReportError::Certificate { source }),
    }
    chain::trusted(authorities.roots(), certificate, Signer::Hub.usage(), at)
        .map_err(|source| ReportError::Certificate { source })
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;
    use crate::person_key::PersonKey;
    use crate::{Authority, TlsPaths};
    use barefoot_domain::ClinicId;

    struct Region {
        folder: tempfile::TempDir,
        now: OffsetDateTime,
    }

    impl Region {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let now = OffsetDateTime::now_utc();
            let authority = Authority::create(folder.path(), "Test region", now).unwrap();
            let day = Duration::days(30);
            let hub = authority.issue_hub(&["localhost".into()], now, day).unwrap();
            hub.save(folder.path(), "hub").unwrap();
            let clinic = ClinicId::new("a").unwrap();
            let clinic = authority.issue_clinic(&clinic, now, day).unwrap();
            clinic.save(folder.path(), "a").unwrap();
            Self { folder, now }
        }

        fn identity(&self, name: &str) -> TlsIdentity {
            TlsIdentity::load(&TlsPaths {
                authority: self.folder.path().join("authority.crt"),
                certificate: self.folder.path().join(format!("{name}.crt")),
                key: self.folder.path().join(format!("{name}.key")),
            })
            .unwrap()
        }

        fn authorities(&self) -> Authorities {
            Authorities::load(&self.folder.path().join("authority.crt")).unwrap()
        }
    }

    fn ms(at: OffsetDateTime) -> i64 {
        at.unix_timestamp() * 1000
    }

    #[test]
    fn a_report_is_believed_as_long_as_every_link_holds() {
        let region = Region::new();
        let (hub, now) = (region.identity("hub"), ms(region.now));
        let key = PersonKey::from_seed(&[5; 32]).unwrap();
        let public = key.public_key();
        let parts_of = |identity: &TlsIdentity| {
            (
                key.sign_report(b"content"),
                identity.sign_statement(b"statement").unwrap(),
                identity.certificate(),
            )
        };
        let (signature, signer_signature, certificate) = parts_of(&hub);
        let good = SignedParts {
            content: b"content",
            signature: &signature,
            signer: b"statement",
            signer_signature: &signer_signature,
            certificate: &certificate,
        };
        let statement = KeyStatement {
            person: "li",
            public_key: &public,
            from_ms: now - 5,
        };
        let signing = Signing {
            person: "li",
            at_ms: now,
        };
        let here = region.authorities();
        let check =
            |parts: &SignedParts<'_>, signing: &Signing<'_>| verify_report(&here, parts, &statement, signing);
        check(&good, &signing).unwrap();
        verify_report(&hub.authorities(), &good, &statement, &signing).unwrap();

        let content = SignedParts {
            content: b"contenu",
            ..good
        };
        assert!(matches!(check(&content, &signing), Err(ReportError::Content)));
        let other = SignedParts {
            signer: b"statemenu",
            ..good
        };
        assert!(matches!(check(&other, &signing), Err(ReportError::Statement)));
        let wu = Signing {
            person: "wu",
            ..signing
        };
        assert!(matches!(check(&good, &wu), Err(ReportError::OtherPerson)));
        let early = Signing {
            at_ms: now - 6,
            ..signing
        };
        assert!(matches!(check(&good, &early), Err(ReportError::BeforeKey)));
        let late = Signing {
            at_ms: ms(region.now + Duration::days(31)),
            ..signing
        };
        assert!(matches!(
            check(&good, &late),
            Err(ReportError::Certificate {
                source: Error::Untrusted { .. }
            })
        ));
        let never = Signing {
            at_ms: i64::MAX,
            ..signing
        };
        assert!(matches!(check(&good, &never), Err(ReportError::Time)));

        let there = Region::new().authorities();
        assert!(matches!(
            verify_report(&there, &good, &statement, &signing),
            Err(ReportError::Certificate { .. })
        ));
        let (_, signer_signature, certificate) = parts_of(&region.identity("a"));
        let clinic = SignedParts {
            signer_signature: &signer_signature,
            certificate: &certificate,
            ..good
        };
        assert!(matches!(check(&clinic, &signing), Err(ReportError::NotTheHub)));
        let rubbish = SignedParts {
            certificate: b"x",
            ..good
        };
        assert!(matches!(
            check(&rubbish, &signing),
            Err(ReportError::Certificate { .. })
        ));
    }

    #[test]
    fn a_file_without_an_authority_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none.crt");
        std::fs::write(&path, "nothing").unwrap();
        let error = Authorities::load(&path).unwrap_err().to_string();
        assert!(error.contains("none.crt"), "{error}");
        assert!(Authorities::load(&folder.path().join("missing")).is_err());
    }
}
