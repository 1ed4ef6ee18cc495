//! A message as a line of syslog (RFC 5424) with its length before it (RFC 5425), as PS3.15 annex A.6 wants it.

use barefoot_trust::audit::{AuditEntry, Hash};

use crate::Source;
use crate::message::{message, rfc3339, severity};

/// Security and authorization messages.
const FACILITY: u8 = 10;
const MESSAGE_ID: &str = "DICOM+RFC3881";
/// Says that what follows is UTF-8 (RFC 5424 section 6.4).
const BYTE_ORDER_MARK: &str = "\u{FEFF}";

/// The frame that goes over the line.
pub(crate) fn frame(entry: &AuditEntry, hash: &Hash, source: &Source) -> Vec<u8> {
    let priority = u16::from(FACILITY) * 8 + u16::from(severity(entry));
    let line = format!(
        "<{priority}>1 {} {} {} {} {MESSAGE_ID} - {BYTE_ORDER_MARK}{}",
        rfc3339(entry.at_ms),
        source.host.as_deref().unwrap_or("-"),
        source.program(),
        source.process,
        message(entry, hash, source)
    );
    let mut frame = format!("{} ", line.len()).into_bytes();
    frame.extend(line.bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_counts_its_octets_and_says_that_it_is_utf8() {
        let entry = AuditEntry {
            number: 7,
            at_ms: 1_795_430_400_123,
            actor_kind: "person".to_owned(),
            actor: "U1".to_owned(),
            actor_name: "李".to_owned(),
            action: "sign_in".to_owned(),
            ..AuditEntry::default()
        };
        let mut source = Source::of_hub();
        (source.host, source.process) = (Some("hub.example".to_owned()), 42);
        let text = String::from_utf8(frame(&entry, &[0; 32], &source)).unwrap();
        let (length, line) = text.split_once(' ').unwrap();
        assert_eq!(
            length.parse::<usize>().unwrap(),
            line.len(),
            "octets, not characters"
        );
        let header = "<85>1 2026-11-23T10:40:00.123Z hub.example barefoot-hub 42 DICOM+RFC3881 - \u{FEFF}<AuditMessage>";
        assert!(line.starts_with(header), "{line}");
        let failed = AuditEntry {
            action: "sign_in_failed".to_owned(),
            ..entry
        };
        let text = String::from_utf8(frame(&failed, &[0; 32], &source)).unwrap();
        assert!(text.contains(" <84>1 "), "a warning: {text}");
    }
}
