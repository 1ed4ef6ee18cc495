use std::fmt;
use std::path::Path;

use barefoot_domain::{CaseId, StudyUid};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::{Error, files};

const KEY_BYTES: usize = 32;

/// Between these many days a patient's dates move back.
const LEAST_DAYS: u128 = 30;
const MOST_DAYS: u128 = 3650;

/// The clinic's secret behind its pseudonyms: HMAC-SHA-256, made on the box, never sent.
///
/// The same study gets the same name for as long as the key lives; two clinics give different names; without the key
/// nobody can go back or test a guess.
pub struct PseudonymKey(hmac::Key);

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PseudonymKey(secret)")
    }
}

impl PseudonymKey {
    /// Reads the key, or makes it on the first start.
    ///
    /// # Errors
    /// When the file cannot be read or written or has the wrong length. A damaged key is not replaced.
    pub fn load_or_create(path: &Path) -> Result<Self, Error> {
        if path.exists() {
            return Self::from_bytes(&files::read(path)?, path);
        }
        let bytes = Self::random_bytes()?;
        files::write_new_secret(path, bytes.as_ref())?;
        Self::from_bytes(bytes.as_ref(), path)
    }

    /// A new key, to be kept.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn random_bytes() -> Result<Zeroizing<[u8; KEY_BYTES]>, Error> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        SystemRandom::new()
            .fill(bytes.as_mut())
            .map_err(|_| Error::Random)?;
        Ok(bytes)
    }

    /// The key that was kept at `path`, however it was.
    ///
    /// # Errors
    /// When it has the wrong length.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        if bytes.len() != KEY_BYTES {
            return Err(Error::PseudonymKeyLength {
                path: path.display().to_string(),
                found: bytes.len(),
                wanted: KEY_BYTES,
            });
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// The key of names that are for one recipient alone: who has names of two cannot put them together, nor with the
    /// clinic's own. The same key for the same recipient, for as long as this one lives.
    #[must_use]
    pub fn for_recipient(&self, recipient: &str) -> Self {
        let key = hmac::sign(&self.0, format!("key for recipient\0{recipient}").as_bytes());
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()))
    }

    /// A UID under 2.25 (PS3.5 annex B.2), its number the first 128 bits of the keyed hash.
    #[must_use]
    pub fn case_of(&self, study: &StudyUid) -> CaseId {
        #[expect(
            clippy::expect_used,
            reason = "2.25. and at most 39 digits is a UID by construction"
        )]
        CaseId::new(self.uid_of(study.as_str())).expect("2.25.<decimal> is a UID")
    }

    /// The name of any UID outside, a study's among them: an object then names its study, and studies each other, as the
    /// case does.
    #[must_use]
    pub fn uid_of(&self, uid: &str) -> String {
        format!("2.25.{}", self.number("study", uid))
    }

    /// `P` and 32 hexadecimal digits for a patient.
    #[must_use]
    pub fn patient_of(&self, identity: &str) -> String {
        format!("P{:032X}", self.number("patient", identity))
    }

    /// `O` and 8 hexadecimal digits for who operated a scanner: enough to tell the people of one clinic apart.
    #[must_use]
    pub fn operator_of(&self, name: &str) -> String {
        format!("O{:08X}", self.number("operator", name) >> 96)
    }

    /// How many days a patient's dates are moved: back, by a month to ten years.
    #[must_use]
    pub fn days_of(&self, identity: &str) -> i64 {
        let spread = self.number("days", identity) % (MOST_DAYS - LEAST_DAYS);
        -i64::try_from(LEAST_DAYS + spread).unwrap_or_default()
    }

    /// The first 128 bits of the keyed hash. `what` keeps one kind of name from telling anything of another.
    fn number(&self, what: &str, text: &str) -> u128 {
        let tag = hmac::sign(&self.0, format!("{what}\0{text}").as_bytes());
        tag.as_ref()
            .iter()
            .take(16)
            .fold(0u128, |sum, byte| sum << 8 | u128::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_per_study_and_clinic_and_it_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (here, there) = (dir.path().join("here"), dir.path().join("there"));
        let study = StudyUid::new("1.2.840.113619.2.55").unwrap();
        let first = PseudonymKey::load_or_create(&here).unwrap().case_of(&study);
        assert_eq!(
            PseudonymKey::load_or_create(&here).unwrap().case_of(&study),
            first
        );
        assert_ne!(
            PseudonymKey::load_or_create(&there).unwrap().case_of(&study),
            first
        );
        let other = StudyUid::new("1.2.840.113619.2.56").unwrap();
        assert_ne!(
            PseudonymKey::load_or_create(&here).unwrap().case_of(&other),
            first
        );
        assert!(!first.as_str().contains("113619"));
    }

    #[test]
    fn each_recipient_has_names_of_its_own_that_stay() {
        let dir = tempfile::tempdir().unwrap();
        let care = PseudonymKey::load_or_create(&dir.path().join("key")).unwrap();
        let names = |key: &PseudonymKey| {
            let identity = "id\x00123";
            (
                key.patient_of(identity),
                key.uid_of("1.2.3"),
                key.days_of(identity),
            )
        };
        let (one, other) = (care.for_recipient("a"), care.for_recipient("b"));
        assert_eq!(names(&one), names(&care.for_recipient("a")));
        for (first, second) in [(&care, &one), (&care, &other), (&one, &other)] {
            let (first, second) = (names(first), names(second));
            assert!(first.0 != second.0 && first.1 != second.1 && first.2 != second.2);
        }
    }

    #[test]
    fn an_operator_has_one_short_name_and_no_patients() {
        let dir = tempfile::tempdir().unwrap();
        let key = PseudonymKey::load_or_create(&dir.path().join("key")).unwrap();
        let name = key.operator_of("Li^Na");
        assert_eq!((name.len(), key.operator_of("Li^Na")), (9, name.clone()));
        assert_ne!(key.operator_of("Li^Wei"), name);
        assert_ne!(key.patient_of("Li^Na").get(1..9), name.get(1..9));
    }

    #[test]
    fn patients_have_one_name_and_one_shift_per_clinic() {
        let dir = tempfile::tempdir().unwrap();
        let key = |name: &str| PseudonymKey::load_or_create(&dir.path().join(name)).unwrap();
        let (here, there) = (key("here"), key("there"));
        assert_eq!(here.patient_of("id\x00123"), here.patient_of("id\x00123"));
        assert_ne!(here.patient_of("id\x00123"), there.patient_of("id\x00123"));
        assert_ne!(here.patient_of("id\x00123"), here.patient_of("id\x00124"));
        assert!(!here.patient_of("id\x00123").contains("123456789"));
        for number in 0..100 {
            let days = here.days_of(&number.to_string());
            assert!((-3650..=-30).contains(&days), "{days}");
        }
        let study = StudyUid::new("1.2.3").unwrap();
        assert_eq!(here.case_of(&study).as_str(), here.uid_of("1.2.3"));
    }

    #[test]
    fn a_damaged_key_is_refused_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, b"short").unwrap();
        let error = PseudonymKey::load_or_create(&path).unwrap_err();
        assert!(
            error.to_string().contains("restore it from the backup"),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"short");
    }
}
