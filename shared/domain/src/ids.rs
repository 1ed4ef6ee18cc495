use std::fmt;

/// Why a text is no id of the wanted kind. Holds the rule, never the text: a wrong id may be somebody's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidId {
    kind: &'static str,
    rule: &'static str,
}

impl InvalidId {
    pub(crate) const fn finding_code() -> Self {
        Self {
            kind: "finding code",
            rule: "1 to 64 of a-z, 0-9, '_' and '-'",
        }
    }
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a {}: {}", self.kind, self.rule)
    }
}

impl std::error::Error for InvalidId {}

/// A clinic's name in topics, certificates and tables: 1 to 64 of `a-z`, `0-9`, `-`, not starting with `-`.
///
/// The narrow alphabet is what lets it stand in an MQTT topic or a certificate subject without escaping.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClinicId(String);

impl ClinicId {
    /// # Errors
    /// When `text` breaks the rule above.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || 64 < text.len() || text.starts_with('-') || !text.bytes().all(allowed) {
            return Err(InvalidId {
                kind: "clinic id",
                rule: "1 to 64 of a-z, 0-9 and '-', not starting with '-'",
            });
        }
        Ok(Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClinicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A DICOM Study Instance UID as the scanner sent it (PS3.5 section 9.1). Identity: it never leaves the clinic.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StudyUid(String);

impl StudyUid {
    /// # Errors
    /// When `text` is no DICOM UID: 1 to 64 digits and dots, no empty component.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        if !is_uid(&text) {
            return Err(InvalidId {
                kind: "DICOM UID",
                rule: "1 to 64 digits and single dots (PS3.5 section 9.1)",
            });
        }
        Ok(Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StudyUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StudyUid(redacted)")
    }
}

/// Leading zeros in a component are tolerated: old scanners send them and PS3.5 only forbids making them.
fn is_uid(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// The study's name outside the clinic: a keyed pseudonym in UID form, made by `trust` on the edge.
/// The same study always gets the same one; the hub cannot go back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CaseId(String);

impl CaseId {
    /// # Errors
    /// When `text` is not of UID form.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        if !is_uid(&text) {
            return Err(InvalidId {
                kind: "case id",
                rule: "a pseudonym in DICOM UID form",
            });
        }
        Ok(Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clinic_ids_fit_a_topic() {
        for good in ["a", "clinic-7", "0x"] {
            assert!(ClinicId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a/b", "a+", "#", "a b", "诊所", &"a".repeat(65)] {
            assert!(ClinicId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn uids_are_digits_and_dots() {
        for good in ["1", "1.2.840.10008.1.2", "2.25.0", "1.02.3"] {
            assert!(StudyUid::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "1.",
            ".1",
            "1..2",
            "../pwned",
            "1.2a",
            "1 2",
            &"1".repeat(65),
        ] {
            assert!(StudyUid::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn identity_and_bad_ids_stay_out_of_messages() {
        let uid = StudyUid::new("1.2.3.4").unwrap();
        assert!(!format!("{uid:?}").contains("1.2.3.4"));
        let error = StudyUid::new("ZHANG^SAN").unwrap_err();
        assert!(!error.to_string().contains("ZHANG"));
    }
}
