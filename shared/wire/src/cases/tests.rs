use barefoot_domain::{FindingCode, QualityGrade, QualityVerdict, Side};
use proptest::prelude::*;

use super::*;
use crate::decode_envelope;

const ULID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn clinic() -> ClinicId {
    ClinicId::new("clinic-7").unwrap()
}

fn case_id() -> CaseId {
    CaseId::new("2.25.7").unwrap()
}

fn report() -> Report {
    Report {
        id: ULID.into(),
        clinic: clinic(),
        case: case_id(),
        version: 2,
        addendum_to: Some("01ARZ3NDEKTSV4RRFFQ69G5FAA".into()),
        modality: "DX".into(),
        tier: Tier::City,
        urgency: Urgency::Critical,
        statements: vec![Statement {
            finding: FindingCode::new("pneumonia").unwrap(),
            presence: Presence::Present,
            side: Some(Side::Left),
            note: "左下肺".into(),
            regions: vec![Region {
                instance: "2.25.9".into(),
                frame: 1,
                shape: Shape::Polygon,
                points: vec![(1.0, 2.0), (3.5, 4.0), (5.0, 6.0)],
            }],
        }],
        description: "左下肺见片状高密度影。\n余肺野清晰。".into(),
        impression: "左下肺炎症。".into(),
        advice: "抗炎后复查。".into(),
        assessment: Some(barefoot_domain::Assessment {
            model: None,
            engine: None,
            findings: vec![],
            quality: QualityVerdict {
                grade: QualityGrade::A,
                problems: vec![],
            },
            urgency: Urgency::Review,
            reasons: vec![],
            regions: Vec::new(),
            others: Vec::new(),
        }),
        readers: vec![Reader {
            person: ULID.into(),
            name: "王医生".into(),
            title: "主治医师".into(),
            institution: "县人民医院".into(),
            part: Part::First,
            at_ms: 7,
        }],
        language: "zh".into(),
        signed_at_ms: 8,
    }
}

#[test]
fn a_report_comes_back_as_it_was_signed() {
    let content = encode_report(&report());
    assert_eq!(decode_report(&content).unwrap(), report());
    let signed = v1::SignedReport {
        content,
        signature: vec![1],
        signer: vec![2],
        signer_signature: vec![3],
        certificate: vec![4],
    };
    let envelope = signed_report_envelope(ULID.into(), &clinic(), &signed);
    let received = decode_envelope(&envelope.encode_to_vec()).unwrap();
    assert_eq!(received.kind(), v1::Kind::Report);
    assert_eq!(decode_signed_report(&received.body).unwrap(), signed);
}

#[test]
fn a_report_without_a_reader_or_with_half_a_point_is_none() {
    let refused = |change: fn(&mut Report)| {
        let mut report = report();
        change(&mut report);
        decode_report(&encode_report(&report)).unwrap_err().to_string()
    };
    assert!(refused(|report| report.readers.clear()).contains("reader"));
    assert!(refused(|report| report.version = 0).contains("study_version"));
    assert!(refused(|report| report.impression = "x".repeat(MAX_REPORT_CHARS + 1)).contains("impression"));
    assert!(refused(|report| report.impression = "\u{1b}[2J".into()).contains("impression"));
    assert!(refused(|report| report.statements[0].regions[0].points.truncate(2)).contains("region.point"));
    assert!(
        refused(|report| report.statements[0].regions[0].points[0].0 = f32::NAN).contains("region.point")
    );
}

#[test]
fn what_is_said_of_a_case_comes_back() {
    let body = |envelope: v1::Envelope| decode_envelope(&envelope.encode_to_vec()).unwrap().body;
    let state = CaseState {
        case: case_id(),
        version: 1,
        progress: Progress::Waiting,
        tier: Tier::County,
        deadline_ms: Some(9),
        change: 3,
        at_ms: 4,
    };
    let sent = case_state_envelope(ULID.into(), &clinic(), &state);
    assert_eq!(decode_case_state(&body(sent)).unwrap(), state);
    let message = CaseMessage {
        id: ULID.into(),
        case: case_id(),
        version: 1,
        author: Author::Clinic,
        name: "放射科".into(),
        subject: Subject::AskExpert,
        text: "右上肺是结节吗？".into(),
        at_ms: 5,
    };
    let sent = message_envelope(ULID.into(), &clinic(), &message);
    assert_eq!(decode_message(&body(sent)).unwrap(), message);
    let opinion = Opinion {
        id: ULID.into(),
        case: case_id(),
        version: 1,
        finding: FindingCode::new("pneumonia").unwrap(),
        present: false,
        at_ms: 6,
    };
    let sent = opinion_envelope(ULID.into(), &clinic(), &opinion);
    assert_eq!(decode_opinion(&body(sent)).unwrap(), opinion);
    let read = ReportRead {
        report: ULID.into(),
        case: case_id(),
        at_ms: 7,
    };
    let sent = report_read_envelope(ULID.into(), &clinic(), &read);
    assert_eq!(decode_report_read(&body(sent)).unwrap(), read);
}

proptest! {
    #[test]
    fn any_bytes_are_answered_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = (decode_report(&bytes), decode_signed_report(&bytes), decode_case_state(&bytes));
        let _ = (decode_message(&bytes), decode_opinion(&bytes), decode_report_read(&bytes));
    }

    /// One byte changed: it is refused, or it is another report.
    #[test]
    fn a_changed_report_is_not_the_same(place in any::<prop::sample::Index>(), bit in 0u8..8) {
        let content = encode_report(&report());
        let mut changed = content.clone();
        let place = place.index(changed.len());
        changed[place] ^= 1 << bit;
        if let Ok(read) = decode_report(&changed) {
            // Unknown fields are skipped, so the text may be the same; the bytes that were signed are not.
            prop_assert!(read != report() || changed != content);
        }
    }
}
