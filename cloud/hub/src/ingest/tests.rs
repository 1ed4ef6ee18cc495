use barefoot_domain::{Assessment, CaseId, QualityGrade, QualityVerdict, Reason, Urgency};
use barefoot_wire::topics::{self, Direction};
use barefoot_wire::{MAX_ENVELOPE_BYTES, ReceiptOutcome, StudyResult, result_envelope, v1};
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::archive::Archive;
use crate::changes::Changes;
use crate::dispatch::Dispatch;

const ID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn clinic() -> ClinicId {
    ClinicId::new("clinic-7").unwrap()
}

fn topic() -> Topic {
    topics::parse(&topics::up_result(&clinic())).unwrap()
}

fn envelope() -> v1::Envelope {
    let result = StudyResult {
        case: CaseId::new("2.25.1").unwrap(),
        version: 1,
        modality: "DX".into(),
        instances: 1,
        received_at_ms: 1,
        assessed_at_ms: 2,
        assessment: Assessment {
            model: None,
            engine: None,
            findings: vec![],
            quality: QualityVerdict {
                grade: QualityGrade::B,
                problems: vec![],
            },
            urgency: Urgency::Review,
            reasons: vec![Reason::NoModel],
        },
    };
    result_envelope(ID.into(), &clinic(), &result)
}

#[test]
fn only_a_result_of_the_topics_clinic_is_accepted() {
    let check_envelope = |envelope: v1::Envelope| check(&topic(), &envelope.encode_to_vec());
    let Message::Result(accepted) = check_envelope(envelope()).unwrap() else {
        panic!("a result is a result");
    };
    assert_eq!(accepted.envelope_id, ID);

    let refused = |envelope: v1::Envelope, id: Option<&str>, reason: &str| {
        let refusal = check_envelope(envelope).unwrap_err();
        assert_eq!(refusal.envelope_id.as_deref(), id);
        assert!(refusal.reason.contains(reason), "{}", refusal.reason);
    };
    let clinic_8 = "clinic-8".to_owned();
    refused(
        v1::Envelope {
            clinic: clinic_8,
            ..envelope()
        },
        Some(ID),
        "another clinic",
    );
    refused(
        v1::Envelope {
            kind: 2,
            ..envelope()
        },
        Some(ID),
        "results and receipts only",
    );
    refused(
        v1::Envelope {
            kind: 77,
            ..envelope()
        },
        Some(ID),
        "results and receipts only",
    );
    refused(
        v1::Envelope {
            body: b"x".to_vec(),
            ..envelope()
        },
        Some(ID),
        "StudyResult",
    );
    refused(
        v1::Envelope {
            schema: 9,
            ..envelope()
        },
        Some(ID),
        "schema 9",
    );
    refused(
        v1::Envelope {
            body: vec![0; MAX_ENVELOPE_BYTES],
            ..envelope()
        },
        Some(ID),
        "at most",
    );
    refused(
        v1::Envelope {
            id: "no ulid".into(),
            ..envelope()
        },
        None,
        "id",
    );

    let other_kind = Topic {
        kind: "telemetry".into(),
        ..topic()
    };
    assert!(check(&other_kind, &envelope().encode_to_vec()).is_err());
    let downwards = Topic {
        direction: Direction::Down,
        ..topic()
    };
    assert!(check(&downwards, &envelope().encode_to_vec()).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic_and_none_are_accepted_by_chance(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(check(&topic(), &bytes).is_err());
    }

    #[test]
    fn a_damaged_envelope_never_panics(at in 0usize..200, flip in 1u8..) {
        let mut bytes = envelope().encode_to_vec();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        let _ = check(&topic(), &bytes);
    }
}

#[tokio::test]
async fn the_committer_answers_everything_submitted_before_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::open(&dir.path().join("barefoot.db")).await.unwrap();
    let (ingest, committer) = Committer::new(archive.clone(), Changes::new(), Dispatch::new(archive.clone()));
    let mut pending = Vec::new();
    for payload in [
        envelope().encode_to_vec(),
        envelope().encode_to_vec(),
        b"garbage".to_vec(),
    ] {
        pending.push(ingest.submit(&topic(), &payload).await.unwrap());
    }
    drop(ingest);
    committer.run().await;
    let mut answers = Vec::new();
    for answer in pending {
        answers.push(answer.await.unwrap());
    }
    let stored = |answer: &Answer| matches!(answer, Answer::Receipt(receipt) if receipt.outcome == ReceiptOutcome::Stored && receipt.envelope_id == ID);
    assert!(stored(&answers[0]) && stored(&answers[1]), "{answers:?}");
    assert_eq!(answers[2], Answer::Unreadable);
    let counts = archive.counts().await.unwrap();
    assert_eq!((counts.results, counts.duplicates, counts.refused), (1, 1, 1));
}

#[tokio::test]
async fn a_failing_database_answers_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::open(&dir.path().join("barefoot.db")).await.unwrap();
    let (ingest, committer) = Committer::new(archive.clone(), Changes::new(), Dispatch::new(archive.clone()));
    archive.close().await;
    let pending = ingest
        .submit(&topic(), &envelope().encode_to_vec())
        .await
        .unwrap();
    drop(ingest);
    committer.run().await;
    assert!(pending.await.is_err(), "no answer is the only honest one");
}
