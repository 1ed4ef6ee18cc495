use barefoot_domain::ClinicId;
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use webpki::KeyUsage;

use crate::{Error, TlsIdentity, chain, clinic_of};

/// Stands before everything signed here, so that no such signature is ever one of TLS or of a certificate.
const CONTEXT: &[u8] = b"Barefoot advert 1\0";

/// A signature with the certificate whose key made it: whoever trusts the authority can check it without asking anyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// DER.
    pub certificate: Vec<u8>,
    pub signature: Vec<u8>,
}

impl TlsIdentity {
    /// Signs with the certificate's own key.
    ///
    /// # Errors
    /// When the key is of a kind the region does not use, or the random source fails.
    pub fn sign(&self, bytes: &[u8]) -> Result<Signature, Error> {
        Ok(Signature {
            certificate: self.certificate(),
            signature: self.sign_raw(&with_context(bytes))?,
        })
    }

    /// Was it `clinic` that signed `bytes`, by a certificate of the authority this identity trusts, valid at `now`?
    ///
    /// # Errors
    /// When the certificate is not the authority's, not valid now, not this clinic's, or did not sign these bytes.
    pub fn verify_signed(
        &self,
        clinic: &ClinicId,
        bytes: &[u8],
        certificate: &[u8],
        signature: &[u8],
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let certificate = CertificateDer::from(certificate);
        let end = chain::trusted(&self.now().roots, &certificate, KeyUsage::client_auth(), now)?;
        if clinic_of(&certificate)? != *clinic {
            return Err(Error::OtherClinic);
        }
        chain::verify_raw(&end, &with_context(bytes), signature)
    }
}

fn with_context(bytes: &[u8]) -> Vec<u8> {
    [CONTEXT, bytes].concat()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use time::Duration;

    use super::*;
    use crate::{Authority, Role, TlsPaths};

    fn identity(folder: &Path, name: &str) -> TlsIdentity {
        TlsIdentity::load(&TlsPaths {
            authority: folder.join("authority.crt"),
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        })
        .unwrap()
    }

    fn region(folder: &Path, now: OffsetDateTime) -> Authority {
        let authority = Authority::create(folder, "Test region", now).unwrap();
        for name in ["a", "b"] {
            let clinic = ClinicId::new(name).unwrap();
            let issued = authority.issue_clinic(&clinic, now, Duration::days(30)).unwrap();
            issued.save(folder, name).unwrap();
        }
        authority
    }

    #[test]
    fn a_clinics_word_is_believed_only_for_what_it_said() {
        let folder = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        region(folder.path(), now);
        let (a, b) = (identity(folder.path(), "a"), identity(folder.path(), "b"));
        let (clinic, other) = (a.clinic().unwrap(), b.clinic().unwrap());
        let signed = a.sign(b"keys of round 1").unwrap();
        let verify = |clinic: &ClinicId, bytes: &[u8], signed: &Signature, at: OffsetDateTime| {
            b.verify_signed(clinic, bytes, &signed.certificate, &signed.signature, at)
        };
        verify(&clinic, b"keys of round 1", &signed, now).unwrap();
        assert!(matches!(
            verify(&clinic, b"keys of round 2", &signed, now),
            Err(Error::BadSignature)
        ));
        assert!(matches!(
            verify(&other, b"keys of round 1", &signed, now),
            Err(Error::OtherClinic)
        ));
        let late = now + Duration::days(31);
        assert!(matches!(
            verify(&clinic, b"keys of round 1", &signed, late),
            Err(Error::Untrusted { .. })
        ));
        let swapped = Signature {
            certificate: b.sign(b"").unwrap().certificate,
            ..signed
        };
        assert!(matches!(
            verify(&other, b"keys of round 1", &swapped, now),
            Err(Error::BadSignature)
        ));
    }

    #[test]
    fn another_authority_a_person_and_rubbish_are_no_clinic() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let now = OffsetDateTime::now_utc();
        let authority = region(here.path(), now);
        region(there.path(), now);
        authority
            .issue_person(Role::Maintainer, "p", now, Duration::days(1))
            .unwrap()
            .save(here.path(), "p")
            .unwrap();
        let reader = identity(here.path(), "b");
        let clinic = ClinicId::new("a").unwrap();
        let stranger = identity(there.path(), "a").sign(b"x").unwrap();
        let person = identity(here.path(), "p").sign(b"x").unwrap();
        let verify = |certificate: &[u8], signature: &[u8]| {
            reader.verify_signed(&clinic, b"x", certificate, signature, now)
        };
        assert!(matches!(
            verify(&stranger.certificate, &stranger.signature),
            Err(Error::Untrusted { .. })
        ));
        assert!(matches!(
            verify(&person.certificate, &person.signature),
            Err(Error::NoClinic)
        ));
        assert!(verify(b"", b"").is_err());
        assert!(verify(&person.certificate[1..], b"\x30").is_err());
    }
}
