//! Names for the objects a report becomes. The same report of the same study always gets the same ones, so an object that
//! is made again is the same object; the clinic's, whose study has another UID than the hub's, has others.

use ring::digest::{Context, SHA256};

/// What a report becomes in DICOM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    StructuredReport,
    EncapsulatedPdf,
}

impl Document {
    fn word(self) -> &'static str {
        match self {
            Self::StructuredReport => "sr",
            Self::EncapsulatedPdf => "pdf",
        }
    }
}

/// Of the object that a report of a study becomes.
#[must_use]
pub fn sop_instance_uid(document: Document, report: &str, study_uid: &str) -> String {
    made(&["report object", document.word(), report, study_uid])
}

/// One series a report and kind: its objects are of different modalities.
#[must_use]
pub fn series_uid(document: Document, report: &str, study_uid: &str) -> String {
    made(&["report series", document.word(), report, study_uid])
}

/// The model as an observer.
pub(crate) fn device_uid(model: &str, version: &str) -> String {
    made(&["model", model, version])
}

/// The program as an observer.
pub(crate) fn program_uid() -> String {
    made(&["program", "barefoot", env!("CARGO_PKG_VERSION")])
}

/// `2.25.` and the number of a UUID of version 8 (PS3.5 annex B.2, RFC 9562 section 5.8).
pub(crate) fn made(parts: &[&str]) -> String {
    format!("2.25.{}", number(parts))
}

/// The same UUID as FHIR wants it.
pub(crate) fn uuid(parts: &[&str]) -> String {
    let hex = format!("{:032x}", number(parts));
    let part = |range| hex.get(range).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32)
    )
}

fn number(parts: &[&str]) -> u128 {
    let mut context = Context::new(&SHA256);
    for part in parts {
        // Lengths keep parts apart.
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part.as_bytes());
    }
    let digest = context.finish();
    let number = digest
        .as_ref()
        .iter()
        .take(16)
        .fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
    let version = 0xf_u128 << 76;
    let variant = 0b11_u128 << 62;
    number & !version & !variant | 8 << 76 | 0b10 << 62
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_and_apart() {
        let of = |document, report, study| sop_instance_uid(document, report, study);
        let sr = of(Document::StructuredReport, "01J", "1.2.3");
        assert_eq!(sr, of(Document::StructuredReport, "01J", "1.2.3"));
        assert_ne!(sr, of(Document::EncapsulatedPdf, "01J", "1.2.3"));
        assert_ne!(sr, of(Document::StructuredReport, "01K", "1.2.3"));
        assert_ne!(sr, of(Document::StructuredReport, "01J", "1.2.4"));
        assert_ne!(sr, of(Document::StructuredReport, "01J1", ".2.3"));
        assert_ne!(sr, series_uid(Document::StructuredReport, "01J", "1.2.3"));
        assert!(sr.starts_with("2.25.") && sr.len() <= 64);
    }

    #[test]
    fn a_uuid_says_its_version() {
        let uuid = uuid(&["a"]);
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'8');
        assert!(b"89ab".contains(&uuid.as_bytes()[19]));
    }
}
