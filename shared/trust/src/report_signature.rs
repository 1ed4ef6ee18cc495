use ring::signature::{ED25519, UnparsedPublicKey};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use webpki::KeyUsage;

use crate::{Error, Signer, TlsIdentity, chain};

/// Before a report's content, signed by the person.
const CONTENT: &[u8] = b"Barefoot report 1\0";
/// Before what the hub says of the person's key.
const STATEMENT: &[u8] = b"Barefoot signer 1\0";

/// A report's bytes and everything that shows whose they are.
#[derive(Debug, Clone, Copy)]
pub struct ReportSignature<'a> {
    pub content: &'a [u8],
    /// Over the content, by the person's key (Ed25519).
    pub signature: &'a [u8],
    /// The hub's word whose key it is.
    pub statement: &'a [u8],
    /// Over the statement, by the hub's certificate.
    pub statement_signature: &'a [u8],
    /// The hub's, DER.
    pub certificate: &'a [u8],
    /// As the statement says it.
    pub public_key: &'a [u8; 32],
    /// When the report was signed: the certificate must have been valid then.
    pub signed_at: OffsetDateTime,
}

impl TlsIdentity {
    /// Whether a hub of the authority this identity trusts vouched for the key, and that key signed the content.
    ///
    /// # Errors
    /// When the certificate is not the authority's, was not valid at the time of signing or is not a hub's, or one of the
    /// two signatures is of other bytes.
    pub fn verify_report(&self, report: &ReportSignature<'_>) -> Result<(), Error> {
        let certificate = CertificateDer::from(report.certificate);
        let end = chain::trusted(
            &self.roots,
            &certificate,
            KeyUsage::server_auth(),
            report.signed_at,
        )?;
        if Signer::of(&certificate)? != Signer::Hub {
            return Err(Error::NotTheHub);
        }
        let statement = [STATEMENT, report.statement].concat();
        chain::verify_raw(&end, &statement, report.statement_signature)?;
        UnparsedPublicKey::new(&ED25519, report.public_key)
            .verify(&[CONTENT, report.content].concat(), report.signature)
            .map_err(|_| Error::BadSignature)
    }

    /// The hub's word whose key it is, signed with the hub's certificate.
    ///
    /// # Errors
    /// When the key is of a kind the region does not use, or the random source fails.
    pub fn sign_statement(&self, statement: &[u8]) -> Result<Vec<u8>, Error> {
        self.sign_raw(&[STATEMENT, statement].concat())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ring::rand::SystemRandom;
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use time::Duration;

    use super::*;
    use crate::{Authority, TlsPaths};

    fn identity(folder: &Path, name: &str) -> TlsIdentity {
        TlsIdentity::load(&TlsPaths {
            authority: folder.join("authority.crt"),
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        })
        .unwrap()
    }

    fn region(folder: &Path, now: OffsetDateTime) {
        let authority = Authority::create(folder, "Test region", now).unwrap();
        let clinic = barefoot_domain::ClinicId::new("a").unwrap();
        let day = Duration::days(1);
        let issued = authority.issue_hub(&["127.0.0.1".into()], now, day).unwrap();
        issued.save(folder, "hub").unwrap();
        let issued = authority.issue_clinic(&clinic, now, day).unwrap();
        issued.save(folder, "a").unwrap();
    }

    #[test]
    fn a_report_is_believed_only_whole_and_only_through_the_hub() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let now = OffsetDateTime::now_utc();
        region(here.path(), now);
        region(there.path(), now);
        let (hub, clinic) = (identity(here.path(), "hub"), identity(here.path(), "a"));
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap();
        let public: [u8; 32] = key.public_key().as_ref().try_into().unwrap();
        let signature = key.sign(&[CONTENT, b"seen"].concat());
        let statement_signature = hub.sign_statement(b"whose").unwrap();
        let good = ReportSignature {
            content: b"seen",
            signature: signature.as_ref(),
            statement: b"whose",
            statement_signature: &statement_signature,
            certificate: hub.certificate(),
            public_key: &public,
            signed_at: now,
        };
        clinic.verify_report(&good).unwrap();
        let by_clinic = clinic.sign_statement(b"whose").unwrap();
        let stranger = identity(there.path(), "hub");
        let by_stranger = stranger.sign_statement(b"whose").unwrap();
        for bad in [
            ReportSignature {
                content: b"unseen",
                ..good
            },
            ReportSignature {
                statement: b"who",
                ..good
            },
            ReportSignature {
                public_key: &[7; 32],
                ..good
            },
            ReportSignature {
                signature: b"",
                ..good
            },
            ReportSignature {
                statement_signature: b"",
                ..good
            },
            ReportSignature {
                certificate: b"",
                ..good
            },
            ReportSignature {
                signed_at: now + Duration::days(2),
                ..good
            },
            ReportSignature {
                certificate: clinic.certificate(),
                statement_signature: &by_clinic,
                ..good
            },
            ReportSignature {
                certificate: stranger.certificate(),
                statement_signature: &by_stranger,
                ..good
            },
        ] {
            assert!(clinic.verify_report(&bad).is_err(), "{bad:?}");
        }
    }
}
