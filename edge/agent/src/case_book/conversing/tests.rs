use std::path::Path;

use barefoot_domain::{CaseId, ClinicId, Progress, StudyUid, Tier};
use barefoot_trust::PseudonymKey;
use barefoot_wire::{case_state_envelope, decode_envelope};

use super::*;
use crate::case_book::Recovery;
use crate::case_index::CaseIndex;
use crate::case_log::PatientText;
use crate::character_sets::CharacterSets;
use crate::handoff::HubReceipt;
use crate::reading::tests::{message, report};
use crate::report_check::tests::unsigned;
use crate::study_folder::StateDirectory;

const NOW: Moment = Moment {
    at_ms: 50,
    clock_offset_ms: Some(1_000),
};

fn open(root: &Path) -> (CaseBook, CaseIndex, Recovery) {
    let index = CaseIndex::default();
    let pseudonyms = PseudonymKey::load_or_create(&root.join("pseudonym.key")).unwrap();
    let state = StateDirectory::open(root).unwrap();
    let clinic = ClinicId::new("clinic-7").unwrap();
    let book = CaseBook::new(state, clinic, pseudonyms, index.clone(), CharacterSets::default());
    let recovery = book.recover().unwrap();
    (book, index, recovery)
}

fn one_study(root: &Path) -> StudyKey {
    let uid = StudyUid::new("1.2.3").unwrap();
    let key = StudyKey::of(&uid);
    let state = StateDirectory::open(root).unwrap();
    std::fs::create_dir_all(state.instances(&key)).unwrap();
    let settled = Entry::Settled {
        version: 1,
        at_ms: 1,
        received_at_ms: 1,
        study_uid: uid.as_str().to_owned(),
        instances: Vec::new(),
        modality: "DX".into(),
        patient: PatientText {
            name: "王小东".into(),
            ..PatientText::default()
        },
        conflicts: 0,
        strangers: 0,
    };
    case_log::append(&state.case_log(&key), &[settled]).unwrap();
    key
}

fn of(case: &CaseId, change: u64, progress: Progress) -> (Heard, Vec<u8>) {
    let state = CaseState {
        case: case.clone(),
        version: 1,
        progress,
        tier: Tier::County,
        deadline_ms: Some(9),
        change,
        at_ms: 1,
    };
    let clinic = ClinicId::new("clinic-7").unwrap();
    let body = case_state_envelope("E".into(), &clinic, &state).body;
    (Heard::State(state), body)
}

fn ask(text: &str) -> Speech {
    Speech::Message {
        id: "01JD5Z0000000000000000000M".into(),
        subject: Subject::AskExpert,
        text: text.into(),
        post: "Doctor".into(),
    }
}

#[test]
fn what_the_hub_says_is_there_after_a_restart_and_counts_once() {
    let root = tempfile::tempdir().unwrap();
    let key = one_study(root.path());
    let (book, index, _) = open(root.path());
    let case = index.get(&key).unwrap().case.clone();
    let hear =
        |book: &CaseBook, heard: &Heard, body: &[u8]| book.record_heard(&key, heard, "E", body, 5).unwrap();

    let (newer, newer_body) = of(&case, 2, Progress::BeingRead);
    let (older, older_body) = of(&case, 1, Progress::Waiting);
    assert_eq!(hear(&book, &newer, &newer_body), Labelled::New);
    assert_eq!(hear(&book, &newer, &newer_body), Labelled::Known);
    assert_eq!(
        hear(&book, &older, &older_body),
        Labelled::Known,
        "an older one changes nothing"
    );

    let clinic = ClinicId::new("clinic-7").unwrap();
    let mut said = message("01JD5Z0000000000000000000E", Author::Expert, "one more view", 10);
    said.case = case.clone();
    let body = message_envelope("E".into(), &clinic, &said).body;
    assert_eq!(hear(&book, &Heard::Message(said.clone()), &body), Labelled::New);
    assert_eq!(hear(&book, &Heard::Message(said.clone()), &body), Labelled::Known);
    said.author = Author::Clinic;
    said.id = "01JD5Z0000000000000000000F".into();
    assert!(matches!(
        hear(&book, &Heard::Message(said), &body),
        Labelled::Impossible(_)
    ));

    let mut first = report("01JD5Z0000000000000000000A", None);
    first.case = case.clone();
    let mut added = report("01JD5Z0000000000000000000B", Some(&first.id));
    added.case = case.clone();
    for one in [&added, &first] {
        let body = unsigned(one);
        let (read, signer) = report_check::read_kept(&body).unwrap();
        assert_eq!(
            hear(&book, &Heard::Report(Arc::new(read), signer), &body),
            Labelled::New
        );
    }
    assert_eq!(
        book.signed_report(&key, &first.id).unwrap(),
        Some(unsigned(&first))
    );
    assert_eq!(book.signed_report(&key, "other").unwrap(), None);
    let before = index.get(&key).unwrap().reading.clone();
    assert_eq!(before.reports().len(), 2);
    assert!(before.is_under_way());
    let lines = std::fs::read(StateDirectory::open(root.path()).unwrap().case_log(&key)).unwrap();
    drop(book);

    let (book, index, recovery) = open(root.path());
    assert_eq!(index.get(&key).unwrap().reading, before);
    assert!(recovery.undelivered.is_empty());
    assert_eq!(hear(&book, &newer, &newer_body), Labelled::Known);
    let after = std::fs::read(StateDirectory::open(root.path()).unwrap().case_log(&key)).unwrap();
    assert_eq!(lines, after, "nothing was written twice");
}

#[test]
fn what_the_clinic_says_waits_in_the_log_until_the_hub_has_it() {
    let root = tempfile::tempdir().unwrap();
    let key = one_study(root.path());
    let (book, index, _) = open(root.path());
    let said = book
        .record_spoken(
            &key,
            &ask("is it pneumonia?"),
            "Wang",
            "01JD5Z0000000000000000000X",
            NOW,
        )
        .unwrap();
    let Spoken::Goes(first) = said else {
        panic!("{said:?}");
    };
    assert_eq!(first.lane, Lane::Reports);
    let again = book
        .record_spoken(
            &key,
            &ask("is it pneumonia?"),
            "Wang",
            "01JD5Z0000000000000000000Y",
            NOW,
        )
        .unwrap();
    assert!(matches!(again, Spoken::Known), "the same form twice");
    let envelope = decode_envelope(&first.envelope).unwrap();
    let sent = decode_message(&envelope.body).unwrap();
    assert_eq!(
        (sent.name.as_str(), sent.at_ms, sent.subject),
        ("Doctor", 1_050, Subject::AskExpert)
    );
    assert!(
        !String::from_utf8_lossy(&first.envelope).contains("Wang"),
        "who it was stays here"
    );
    drop(book);

    // The daemon ended before it was queued.
    let (book, _, recovery) = open(root.path());
    assert_eq!(recovery.undelivered.len(), 1);
    assert_eq!(recovery.undelivered[0].envelope, first.envelope);
    assert_eq!(
        book.undelivered(&key, "01JD5Z0000000000000000000X")
            .unwrap()
            .unwrap()
            .envelope,
        first.envelope
    );
    let receipt = HubReceipt {
        envelope_id: "01JD5Z0000000000000000000X".into(),
        refused: None,
        hub_time_ms: 9,
    };
    book.record_receipt(&key, &receipt, 60).unwrap();
    drop(book);
    let (book, again, recovery) = open(root.path());
    assert!(
        recovery.undelivered.is_empty()
            && book
                .undelivered(&key, "01JD5Z0000000000000000000X")
                .unwrap()
                .is_none()
    );
    let view = again.get(&key).unwrap();
    let said = &view.reading.messages()[0];
    assert_eq!(
        (said.sent.as_ref(), said.by.as_str()),
        (Some(&Sent::Arrived), "Wang")
    );
    drop(index);
}

#[test]
fn a_text_that_names_the_patient_is_never_written_down() {
    let root = tempfile::tempdir().unwrap();
    let key = one_study(root.path());
    let (book, index, _) = open(root.path());
    for (speech, reason) in [
        (
            ask("请看小东的片子"),
            NotKept::Names(vec![crate::identity_check::Names::Name]),
        ),
        (ask(" \n"), NotKept::Empty),
        (ask(&"x".repeat(2001)), NotKept::TooLong),
        (Speech::Read { report: "01".into() }, NotKept::NoSuchReport),
    ] {
        let said = book.record_spoken(&key, &speech, "", "E", NOW).unwrap();
        assert!(matches!(&said, Spoken::Not(why) if *why == reason), "{said:?}");
    }
    assert!(index.get(&key).unwrap().reading.messages().is_empty());
    let other = StudyKey::of(&StudyUid::new("9.9").unwrap());
    let nowhere = book.record_spoken(&other, &ask("x"), "", "E", NOW).unwrap();
    assert!(matches!(nowhere, Spoken::Not(NotKept::NoSuchCase)));
}

#[test]
fn an_opinion_is_a_label_here_and_a_word_to_the_hub() {
    let root = tempfile::tempdir().unwrap();
    let key = one_study(root.path());
    let (book, _, _) = open(root.path());
    let label = Label {
        correction_id: "01JD5Z0000000000000000000L".into(),
        source: LabelSource::Clinic,
        version: 1,
        finding: FindingCode::new("pneumonia").unwrap(),
        present: true,
    };
    let said = book
        .record_opinion(&key, &label, "Wang", "01JD5Z0000000000000000000X", NOW)
        .unwrap();
    let Spoken::Goes(outgoing) = said else {
        panic!("{said:?}");
    };
    assert_eq!(outgoing.lane, Lane::Results);
    let opinion = decode_opinion(&decode_envelope(&outgoing.envelope).unwrap().body).unwrap();
    assert!(opinion.present && opinion.id == label.correction_id);
    assert!(matches!(
        book.record_opinion(&key, &label, "", "F", NOW).unwrap(),
        Spoken::Known
    ));
    let (_, index, recovery) = open(root.path());
    assert!(
        index
            .get(&key)
            .unwrap()
            .labels
            .of(&label.finding)
            .unwrap()
            .present
    );
    assert_eq!(recovery.undelivered.len(), 1);
}

#[test]
fn a_report_is_read_once_and_messages_are_seen() {
    let root = tempfile::tempdir().unwrap();
    let key = one_study(root.path());
    let (book, index, _) = open(root.path());
    let case = index.get(&key).unwrap().case.clone();
    let mut signed = report("01JD5Z0000000000000000000A", None);
    signed.case = case.clone();
    let body = unsigned(&signed);
    let (read, signer) = report_check::read_kept(&body).unwrap();
    book.record_heard(&key, &Heard::Report(Arc::new(read), signer), "E", &body, 5)
        .unwrap();
    let mut said = message("01JD5Z0000000000000000000E", Author::Expert, "hello", 10);
    said.case = case;
    let body = message_envelope("E".into(), &ClinicId::new("clinic-7").unwrap(), &said).body;
    book.record_heard(&key, &Heard::Message(said), "E2", &body, 6)
        .unwrap();

    let read = Speech::Read {
        report: signed.id.clone(),
    };
    assert!(matches!(
        book.record_spoken(&key, &read, "Wang", "R", NOW).unwrap(),
        Spoken::Goes(_)
    ));
    assert!(matches!(
        book.record_spoken(&key, &read, "Li", "S", NOW).unwrap(),
        Spoken::Known
    ));
    book.record_seen(&key, "Wang", 60).unwrap();
    let (_, index, recovery) = open(root.path());
    let reading = index.get(&key).unwrap().reading.clone();
    assert_eq!(
        reading.unread_reports().count() + reading.unseen_messages().count(),
        0
    );
    assert_eq!(
        reading.report(&signed.id).unwrap().read,
        Some(("Wang".into(), 50))
    );
    assert_eq!(recovery.undelivered.len(), 1);
}
