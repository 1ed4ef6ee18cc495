use super::*;

fn entry(kind: &str, actor: &str, action: &str) -> AuditEntry {
    AuditEntry {
        number: 12,
        at_ms: 1_795_430_400_123,
        actor_kind: kind.to_owned(),
        actor: actor.to_owned(),
        action: action.to_owned(),
        clinic: "clinic-7".to_owned(),
        ..AuditEntry::default()
    }
}

fn said(entry: &AuditEntry) -> String {
    let source = Source {
        host: Some("box-7".to_owned()),
        process: 1,
        ..Source::of_box("clinic-7", "BAREFOOT")
    };
    message(entry, &[0xAB; 32], &source)
}

#[test]
fn what_a_scanner_sent_names_sender_study_and_count() {
    let told = said(&AuditEntry {
        actor_name: "sha256 1234".to_owned(),
        case: "2.25.77".to_owned(),
        details: "3 images, 1 refused".to_owned(),
        ..entry("node", "DR ROOM 1@10.0.0.5", "stored")
    });
    for part in [
        "<EventID csd-code=\"110104\" codeSystemName=\"DCM\" originalText=\"DICOM Instances Transferred\"/>",
        "<EventTypeCode csd-code=\"stored\" codeSystemName=\"99BAREFOOT\" originalText=\"stored\"/>",
        "EventActionCode=\"C\" EventDateTime=\"2026-11-23T10:40:00.123Z\" EventOutcomeIndicator=\"0\"",
        "UserID=\"DR ROOM 1\" AlternativeUserID=\"AETITLES=DR ROOM 1\" UserName=\"sha256 1234\" \
         UserIsRequestor=\"true\" NetworkAccessPointID=\"10.0.0.5\" NetworkAccessPointTypeCode=\"2\"",
        "UserID=\"barefoot-edge@clinic-7\" AlternativeUserID=\"AETITLES=BAREFOOT\"",
        "<SOPClass NumberOfInstances=\"3\"/><Anonymized>false</Anonymized>",
        "ParticipantObjectID=\"2.25.77\" ParticipantObjectTypeCode=\"2\" ParticipantObjectTypeCodeRole=\"3\"",
        "ParticipantObjectID=\"clinic-7/2.25.77\" ParticipantObjectTypeCode=\"1\" ParticipantObjectTypeCodeRole=\"1\"",
        "ParticipantObjectID=\"urn:barefoot:audit:clinic-7:12\"",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let hash = data_encoding::BASE64.encode("ab".repeat(32).as_bytes());
    assert!(
        told.contains(&format!("type=\"SHA-256\" value=\"{hash}\"")),
        "{told}"
    );
}

#[test]
fn who_asked_for_a_study_and_who_got_it_are_two() {
    let told = said(&AuditEntry {
        subject: "PACS@archive.example".to_owned(),
        case: "2.25.77".to_owned(),
        details: "2 images".to_owned(),
        ..entry("node", "WORKSTATION@10.0.0.9", "retrieve_begun")
    });
    for part in [
        "csd-code=\"110102\"",
        "UserID=\"PACS\" AlternativeUserID=\"AETITLES=PACS\" UserIsRequestor=\"false\" \
         NetworkAccessPointID=\"archive.example\" NetworkAccessPointTypeCode=\"1\"><RoleIDCode csd-code=\"110152\"",
        "UserID=\"WORKSTATION\" AlternativeUserID=\"AETITLES=WORKSTATION\" UserIsRequestor=\"true\"",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert_eq!(told.matches("<ActiveParticipant ").count(), 3, "{told}");
}

#[test]
fn nothing_breaks_out_of_a_message() {
    let told = said(&AuditEntry {
        actor_name: "a\"b<c>&'\u{1}\u{FFFF}".to_owned(),
        subject: "</AuditMessage>".to_owned(),
        details: "refused: <x>\n]]>".to_owned(),
        ..entry("node", "A\"<B>@10.0.0.5", "association_refused")
    });
    assert_eq!(told.matches("</AuditMessage>").count(), 1, "{told}");
    assert!(
        !told.contains("<x>") && !told.contains('\u{1}') && !told.contains('\n'),
        "{told}"
    );
    assert!(told.contains("EventOutcomeIndicator=\"4\""), "{told}");
}

#[test]
fn a_word_that_is_not_known_is_told_all_the_same() {
    let told = said(&entry("person", "U1", "something_new"));
    assert!(
        told.contains("csd-code=\"110113\"") && told.contains("csd-code=\"something_new\""),
        "{told}"
    );
    assert!(!is_known("something_new"));
}

#[test]
fn the_log_that_was_taken_away_and_images_for_a_program_are_what_they_are() {
    let log = said(&AuditEntry {
        subject: "audit".to_owned(),
        ..entry("console", "", "export")
    });
    assert!(
        log.contains("csd-code=\"110101\"") && log.contains("Security Audit Log"),
        "{log}"
    );
    let looked = said(&AuditEntry {
        case: "2.25.1".to_owned(),
        ..entry("person", "U1", "view_images")
    });
    assert!(looked.contains("csd-code=\"110103\""), "{looked}");
    let taken = said(&AuditEntry {
        case: "2.25.1".to_owned(),
        ..entry("program", "T1", "view_images")
    });
    assert!(
        taken.contains("csd-code=\"110104\"") && taken.contains("UserID=\"program:T1\""),
        "{taken}"
    );
}
