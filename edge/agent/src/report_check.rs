//! Whether a report that came from the hub is what it says: the one place that decides whether it may stand beside a
//! patient.

use std::fmt;
use std::sync::Arc;

use barefoot_domain::{ClinicId, Report};
use barefoot_trust::{KeyStatement, ReportError, SignedParts, Signing, TlsIdentity, verify_report};
use barefoot_wire::{DecodeError, decode_report, decode_signed_report, v1};
use prost::Message;

use crate::reading::Signer;

/// Of the statement whose a key is.
const STATEMENT_VERSION: u32 = 1;

/// Why a report is not believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Doubt {
    #[error("the report cannot be read")]
    Unreadable { source: DecodeError },
    #[error("the statement whose key signed the report cannot be read")]
    Statement,
    #[error("the report is another clinic's")]
    OtherClinic,
    #[error("the report names nobody who read it")]
    NoReader,
    #[error("the signature does not hold")]
    Signature { source: ReportError },
}

type Verify =
    dyn Fn(&SignedParts<'_>, &KeyStatement<'_>, &Signing<'_>) -> Result<(), ReportError> + Send + Sync;

/// Knows whom this clinic trusts; cheap to clone.
#[derive(Clone)]
pub(crate) struct ReportCheck {
    clinic: ClinicId,
    verify: Arc<Verify>,
}

impl fmt::Debug for ReportCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportCheck")
            .field("clinic", &self.clinic)
            .finish_non_exhaustive()
    }
}

impl ReportCheck {
    pub(crate) fn new(clinic: ClinicId, identity: Arc<TlsIdentity>) -> Self {
        Self {
            clinic,
            verify: Arc::new(move |parts, statement, signing| {
                verify_report(&identity.authorities(), parts, statement, signing)
            }),
        }
    }

    /// Believes every signature.
    #[cfg(test)]
    pub(crate) fn believing(clinic: ClinicId) -> Self {
        Self {
            clinic,
            verify: Arc::new(|_, _, _| Ok(())),
        }
    }

    /// The report and who signed it, as the hub vouched for it.
    ///
    /// # Errors
    /// When it is not this clinic's, or not signed by whom it says, through the region's hub.
    pub(crate) fn check(&self, body: &[u8]) -> Result<(Report, Signer), Doubt> {
        let (report, statement, signed) = parts(body)?;
        if report.clinic != self.clinic {
            return Err(Doubt::OtherClinic);
        }
        let last = report.readers.last().ok_or(Doubt::NoReader)?;
        let parts = SignedParts {
            content: &signed.content,
            signature: &signed.signature,
            signer: &signed.signer,
            signer_signature: &signed.signer_signature,
            certificate: &signed.certificate,
        };
        let key = KeyStatement {
            person: &statement.person,
            public_key: &statement.public_key,
            from_ms: statement.from_ms,
        };
        let signing = Signing {
            person: &last.person,
            at_ms: report.signed_at_ms,
        };
        (self.verify)(&parts, &key, &signing).map_err(|source| Doubt::Signature { source })?;
        Ok((report, signer(statement)))
    }
}

/// A report that was checked before it was written down.
///
/// # Errors
/// When the bytes are none.
pub(crate) fn read_kept(body: &[u8]) -> Result<(Report, Signer), Doubt> {
    let (report, statement, _) = parts(body)?;
    Ok((report, signer(statement)))
}

fn parts(body: &[u8]) -> Result<(Report, v1::SignerStatement, v1::SignedReport), Doubt> {
    let unreadable = |source| Doubt::Unreadable { source };
    let signed = decode_signed_report(body).map_err(unreadable)?;
    let report = decode_report(&signed.content).map_err(unreadable)?;
    let statement = v1::SignerStatement::decode(signed.signer.as_slice()).map_err(|_| Doubt::Statement)?;
    let is_plain = |text: &str| !text.chars().any(char::is_control) && text.chars().count() <= 128;
    let texts = [&statement.name, &statement.title, &statement.institution];
    if statement.version != STATEMENT_VERSION
        || statement.name.trim().is_empty()
        || !texts.into_iter().all(|text| is_plain(text))
    {
        return Err(Doubt::Statement);
    }
    Ok((report, statement, signed))
}

fn signer(statement: v1::SignerStatement) -> Signer {
    Signer {
        name: statement.name,
        title: statement.title,
        institution: statement.institution,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use barefoot_wire::encode_report;
    use ring::rand::SystemRandom;
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use time::{Duration, OffsetDateTime};

    use super::*;
    use crate::reading::tests::report;
    use barefoot_trust::{Authority, TlsPaths};

    fn statement(public_key: &[u8], person: &str) -> v1::SignerStatement {
        v1::SignerStatement {
            version: 1,
            person: person.to_owned(),
            name: "Li Ming".into(),
            title: "Radiologist".into(),
            institution: "County hospital".into(),
            public_key: public_key.to_vec(),
            from_ms: 1,
        }
    }

    /// A report's body whose signatures are rubbish.
    pub(crate) fn unsigned(report: &Report) -> Vec<u8> {
        let person = &report.readers.last().unwrap().person;
        v1::SignedReport {
            content: encode_report(report),
            signature: vec![1],
            signer: statement(&[7; 32], person).encode_to_vec(),
            signer_signature: vec![1],
            certificate: vec![1],
        }
        .encode_to_vec()
    }

    #[test]
    fn a_report_is_taken_only_with_every_signature_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let authority = Authority::create(folder.path(), "Test region", now).unwrap();
        let day = Duration::days(1);
        let clinic = ClinicId::new("clinic-7").unwrap();
        authority
            .issue_hub(&["127.0.0.1".into()], now, day)
            .unwrap()
            .save(folder.path(), "hub")
            .unwrap();
        authority
            .issue_clinic(&clinic, now, day)
            .unwrap()
            .save(folder.path(), "box")
            .unwrap();
        let identity = |name: &str| {
            TlsIdentity::load(&TlsPaths {
                authority: folder.path().join("authority.crt"),
                certificate: folder.path().join(format!("{name}.crt")),
                key: folder.path().join(format!("{name}.key")),
            })
            .unwrap()
        };
        let hub = identity("hub");
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap();
        let sign = |report: &Report, person: &str| {
            let content = encode_report(report);
            let signer = statement(key.public_key().as_ref(), person).encode_to_vec();
            v1::SignedReport {
                signature: key
                    .sign(&[b"Barefoot report 1\0", content.as_slice()].concat())
                    .as_ref()
                    .to_vec(),
                signer_signature: hub.sign_statement(&signer).unwrap(),
                certificate: hub.certificate(),
                content,
                signer,
            }
        };
        let check = ReportCheck::new(clinic, Arc::new(identity("box")));
        let mut good = report("01JD5Z0000000000000000000R", None);
        good.signed_at_ms = i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap();
        let person = good.readers[0].person.clone();
        let body = sign(&good, &person);
        let (read, signer) = check.check(&body.encode_to_vec()).unwrap();
        assert_eq!((read, signer.name.as_str()), (good.clone(), "Li Ming"));

        let mut altered = body.clone();
        altered.content = encode_report(&Report {
            impression: "Pneumonia.".into(),
            ..good.clone()
        });
        assert!(matches!(
            check.check(&altered.encode_to_vec()),
            Err(Doubt::Signature { .. })
        ));
        let other = Report {
            clinic: ClinicId::new("clinic-8").unwrap(),
            ..good.clone()
        };
        assert!(matches!(
            check.check(&sign(&other, &person).encode_to_vec()),
            Err(Doubt::OtherClinic)
        ));
        let stranger = sign(&good, "01JD5Z0000000000000000000Q");
        assert!(matches!(
            check.check(&stranger.encode_to_vec()),
            Err(Doubt::Signature {
                source: ReportError::OtherPerson
            })
        ));
        let early = Report {
            signed_at_ms: 0,
            ..good.clone()
        };
        assert!(matches!(
            check.check(&sign(&early, &person).encode_to_vec()),
            Err(Doubt::Signature { .. })
        ));
        let ended = Report {
            signed_at_ms: good.signed_at_ms + 3 * 86_400_000,
            ..good.clone()
        };
        assert!(matches!(
            check.check(&sign(&ended, &person).encode_to_vec()),
            Err(Doubt::Signature { .. })
        ));
        assert!(matches!(
            check.check(&unsigned(&good)),
            Err(Doubt::Signature { .. })
        ));
        assert!(matches!(check.check(b"rubbish"), Err(Doubt::Unreadable { .. })));
    }
}
