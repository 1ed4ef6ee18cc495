use std::path::Path;

use barefoot_domain::{Assessment, CaseId, QualityGrade, QualityVerdict, Reason, Urgency};
use barefoot_wire::topics::{self, Direction};
use barefoot_wire::{MAX_ENVELOPE_BYTES, MadeBy, ReceiptOutcome, StudyResult, result_envelope, v1};
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::archive::Archive;
use crate::changes::Changes;
use crate::dispatch::Dispatch;
use crate::presence::{Connection, Presence};

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
        clock_offset_ms: None,
        made_by: MadeBy::default(),
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
            regions: Vec::new(),
            others: Vec::new(),
        },
    };
    result_envelope(ID.into(), &clinic(), &result)
}

fn one(topic: &Topic, payload: &[u8]) -> Result<Message, Refusal> {
    let came = Came {
        at_ms: 1_000,
        by_line: true,
    };
    match check(topic, payload, came) {
        Checked::One(checked) => checked,
        Checked::Batch(_) | Checked::Frame(..) => panic!("no batch was sent"),
    }
}

fn presence() -> Presence {
    Presence::new(Changes::new(), Connection::Unseen, [], [])
}

#[test]
fn only_a_result_of_the_topics_clinic_is_accepted() {
    let check_envelope = |envelope: v1::Envelope| one(&topic(), &envelope.encode_to_vec());
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
        "kind of envelope",
    );
    refused(
        v1::Envelope {
            kind: 77,
            ..envelope()
        },
        Some(ID),
        "kind of envelope",
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
    assert!(one(&other_kind, &envelope().encode_to_vec()).is_err());
    let downwards = Topic {
        direction: Direction::Down,
        ..topic()
    };
    assert!(one(&downwards, &envelope().encode_to_vec()).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic_and_none_are_accepted_by_chance(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(one(&topic(), &bytes).is_err());
    }

    #[test]
    fn a_damaged_envelope_never_panics(at in 0usize..200, flip in 1u8..) {
        let mut bytes = envelope().encode_to_vec();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        let _ = one(&topic(), &bytes);
    }
}

async fn parts(folder: &Path) -> (Archive, Ingest, Committer) {
    let archive = Archive::open_with_keys(&folder.join("barefoot.db"))
        .await
        .unwrap();
    let dispatch = Dispatch::new(archive.clone());
    let (ingest, committer) = Committer::new(archive.clone(), Changes::new(), dispatch, presence());
    (archive, ingest, committer)
}

#[tokio::test]
async fn the_committer_answers_everything_submitted_before_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (archive, ingest, committer) = parts(dir.path()).await;
    let mut pending = Vec::new();
    for payload in [
        envelope().encode_to_vec(),
        envelope().encode_to_vec(),
        b"garbage".to_vec(),
    ] {
        pending.push(ingest.submit(&topic(), &payload, None).await.unwrap());
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
    let (archive, ingest, committer) = parts(dir.path()).await;
    archive.close().await;
    let pending = ingest
        .submit(&topic(), &envelope().encode_to_vec(), None)
        .await
        .unwrap();
    drop(ingest);
    committer.run().await;
    assert!(pending.await.is_err(), "no answer is the only honest one");
}

/// What the hub says to one message, and how many results it holds then.
async fn answer_to(topic: &Topic, payload: &[u8], correlation: Option<&[u8]>) -> (Option<Answer>, u64) {
    let dir = tempfile::tempdir().unwrap();
    let (archive, ingest, committer) = parts(dir.path()).await;
    let pending = ingest.submit(topic, payload, correlation).await.unwrap();
    drop(ingest);
    committer.run().await;
    (pending.await.ok(), archive.counts().await.unwrap().results)
}

fn batch_topic() -> Topic {
    topics::parse(&topics::up_batch(&clinic())).unwrap()
}

#[tokio::test]
async fn a_batch_is_committed_but_for_what_is_wrong_in_it() {
    let second = v1::Envelope {
        id: "01ARZ3NDEKTSV4RRFFQ69G5FAW".into(),
        clinic: "clinic-8".into(),
        ..envelope()
    };
    let health = barefoot_wire::health_envelope(
        "01ARZ3NDEKTSV4RRFFQ69G5FAX".into(),
        &clinic(),
        &v1::BoxHealth::default(),
    );
    let envelopes = vec![
        envelope().encode_to_vec(),
        b"rubbish".to_vec(),
        second.encode_to_vec(),
        health.encode_to_vec(),
    ];
    let payload = barefoot_wire::encode_batch(envelopes, barefoot_wire::Packing::Dictionary);
    let (answer, results) = answer_to(&batch_topic(), &payload, Some(b"7")).await;
    let Some(Answer::Receipts(receipts)) = answer else {
        panic!("a batch gets receipts: {answer:?}");
    };
    assert_eq!(results, 1);
    assert_eq!(receipts.correlation, b"7");
    assert_eq!(receipts.unreadable.len(), 1);
    assert_eq!(receipts.unreadable[0].0, 1, "by its place, it has no name");
    let stored: Vec<_> = receipts
        .receipts
        .iter()
        .map(|receipt| {
            (
                receipt.envelope_id.as_str(),
                receipt.outcome == ReceiptOutcome::Stored,
            )
        })
        .collect();
    assert_eq!(
        stored,
        [
            (ID, true),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAW", false),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAX", true)
        ]
    );
}

#[tokio::test]
async fn what_nobody_can_read_is_answered_where_its_sender_can_find_it() {
    let unreadable = |answer: Option<Answer>| match answer {
        Some(answer @ Answer::Receipts(_)) if answer.is_unreadable() => match answer {
            Answer::Receipts(receipts) => receipts,
            _ => unreachable!("it was just matched"),
        },
        other => panic!("{other:?}"),
    };
    let (answer, _) = answer_to(&topic(), b"rubbish", Some(b"9")).await;
    let receipts = unreadable(answer);
    assert_eq!(
        (receipts.correlation.as_slice(), receipts.unreadable.len()),
        (&b"9"[..], 1)
    );
    let (answer, _) = answer_to(&topic(), b"rubbish", Some(&[0; 17])).await;
    assert_eq!(
        answer,
        Some(Answer::Unreadable),
        "correlation data of nobody of ours"
    );

    let frame = v1::BatchFrame {
        version: 1,
        compression: v1::Compression::Zstd.into(),
        dictionary: 77,
        plain_bytes: 10,
        content: vec![1, 2, 3],
    };
    let (answer, _) = answer_to(&batch_topic(), &frame.encode_to_vec(), Some(b"9")).await;
    let refused = unreadable(answer).refused.unwrap();
    assert_eq!(refused.0, v1::FrameRefusal::Dictionary);
    assert!(refused.1.contains("dictionary 77"), "{}", refused.1);
}

#[tokio::test]
async fn a_birth_is_greeted_and_an_end_is_noted() {
    let topic = topics::parse(&topics::up_presence(&clinic())).unwrap();
    let told = |state: v1::PresenceState| {
        let presence = v1::Presence {
            state: state.into(),
            session: 3,
            client_version: "1".into(),
            ..Default::default()
        };
        barefoot_wire::presence_envelope(ID.into(), &clinic(), &presence).encode_to_vec()
    };
    let (answer, _) = answer_to(&topic, &told(v1::PresenceState::Up), None).await;
    assert!(matches!(answer, Some(Answer::Hello { presence_id, .. }) if presence_id == ID));
    let (answer, _) = answer_to(&topic, &told(v1::PresenceState::Down), None).await;
    assert_eq!(answer, Some(Answer::Noted));
}

#[tokio::test]
async fn a_batch_larger_than_a_transaction_is_answered_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (archive, ingest, committer) = parts(dir.path()).await;
    let mut pending = Vec::new();
    for batch in 0..6u32 {
        let envelopes = (0..250u32)
            .map(|number| {
                let id = format!("01ARZ3NDEKTSV4RRFF{:08}", batch * 1000 + number);
                let decoded = barefoot_wire::decode_result(&envelope().body).unwrap();
                let result = StudyResult {
                    case: CaseId::new(format!("2.25.{}", 1 + batch * 1000 + number)).unwrap(),
                    ..decoded
                };
                result_envelope(id, &clinic(), &result).encode_to_vec()
            })
            .collect();
        let payload = barefoot_wire::encode_batch(envelopes, barefoot_wire::Packing::Zstd);
        pending.push(ingest.submit(&batch_topic(), &payload, Some(b"1")).await.unwrap());
    }
    drop(ingest);
    committer.run().await;
    for answer in pending {
        let Answer::Receipts(receipts) = answer.await.unwrap() else {
            panic!("a batch gets receipts");
        };
        assert_eq!(receipts.receipts.len(), 250);
    }
    assert_eq!(archive.counts().await.unwrap().results, 1500);
}
