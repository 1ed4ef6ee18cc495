use std::time::Duration;

use dicom_ul::pdu::{Pdu, PresentationContextResultReason as Reason, read_pdu, write_pdu};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

const SYNTAX: &str = "1.2.840.10008.1.2.1";
const IMAGE: &str = "1.2.840.10008.5.1.4.1.1.7";
const LONG: Duration = Duration::from_secs(60);
const MAX_PDU: u32 = 16 * 1024;

struct Images;

impl Offers for Images {
    fn offer(&self, abstract_syntax: &str) -> Option<Offered> {
        (abstract_syntax == IMAGE).then_some(Offered {
            transfer_syntaxes: &[SYNTAX],
            roles: Roles { scu: true, scp: true },
        })
    }
}

fn proposal() -> Proposal {
    Proposal {
        calling_ae_title: "CT_1".to_owned(),
        called_ae_title: "BAREFOOT".to_owned(),
        contexts: vec![
            Proposed {
                abstract_syntax: IMAGE.to_owned(),
                transfer_syntaxes: vec![SYNTAX.to_owned()],
            },
            Proposed {
                abstract_syntax: "1.2.3".to_owned(),
                transfer_syntaxes: vec![SYNTAX.to_owned()],
            },
        ],
        roles: Vec::new(),
        max_pdu: MAX_PDU,
        timeout: LONG,
    }
}

async fn accepted(stream: DuplexStream) -> Result<Connection, Ended> {
    let asked = await_request(Box::new(stream), MAX_PDU, LONG).await?;
    assert_eq!(
        (asked.calling_ae_title(), asked.called_ae_title()),
        ("CT_1", "BAREFOOT")
    );
    asked.check().unwrap();
    Ok(asked.accept(&Images, MAX_PDU, LONG).await?.0)
}

async fn both() -> (Connection, Connection) {
    let (ours, theirs) = duplex(1 << 20);
    let proposal = proposal();
    let (acceptor, requestor) = tokio::join!(accepted(ours), request(Box::new(theirs), &proposal));
    let (requestor, contexts) = requestor.unwrap();
    assert_eq!(
        contexts.keys().collect::<Vec<_>>(),
        [&1],
        "the unknown class was refused"
    );
    (acceptor.unwrap(), requestor)
}

/// An established association of ours, and the peer's bare end of it.
async fn established() -> (Connection, DuplexStream) {
    let (ours, mut theirs) = duplex(1 << 20);
    let task = tokio::spawn(accepted(ours));
    theirs.write_all(&request_bytes(&[(1, IMAGE)])).await.unwrap();
    assert!(matches!(next_pdu(&mut theirs).await, Pdu::AssociationAC(_)));
    (task.await.unwrap().unwrap(), theirs)
}

fn request_bytes(contexts: &[(u8, &str)]) -> Vec<u8> {
    let mut request = dicom_ul::pdu::AssociationRQ {
        protocol_version: 1,
        calling_ae_title: "CT_1".to_owned(),
        called_ae_title: "BAREFOOT".to_owned(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: Vec::new(),
        user_variables: vec![dicom_ul::pdu::UserVariableItem::MaxLength(MAX_PDU)],
    };
    for (id, class) in contexts {
        request
            .presentation_contexts
            .push(dicom_ul::pdu::PresentationContextProposed {
                id: *id,
                abstract_syntax: (*class).to_owned(),
                transfer_syntaxes: vec![SYNTAX.to_owned()],
            });
    }
    bytes(&Pdu::AssociationRQ(request))
}

fn bytes(pdu: &Pdu) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_pdu(&mut bytes, pdu).unwrap();
    bytes
}

async fn next_pdu(stream: &mut DuplexStream) -> Pdu {
    let mut header = [0; 6];
    stream.read_exact(&mut header).await.unwrap();
    let length = u32::from_be_bytes(header[2..].try_into().unwrap());
    let mut whole = header.to_vec();
    whole.resize(6 + length as usize, 0);
    stream.read_exact(&mut whole[6..]).await.unwrap();
    read_pdu(whole.as_slice(), 1 << 20, true).unwrap().unwrap()
}

#[tokio::test]
async fn what_one_side_puts_the_other_takes_in_pieces_that_fit_its_pdus() {
    let (mut acceptor, mut requestor) = both().await;
    let sent: Vec<u8> = (0..300_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let expected = sent.clone();
    let sending = tokio::spawn(async move {
        let piece = |bytes, last| Piece {
            context: 1,
            command: false,
            bytes,
            last,
        };
        requestor.put(piece(&sent[..100_001], false)).await.unwrap();
        requestor.put(piece(&sent[100_001..], true)).await.unwrap();
        requestor.push().await.unwrap();
        requestor.release().await.unwrap();
    });
    let mut taken = Vec::new();
    loop {
        match acceptor.receive().await.unwrap() {
            Received::Data(piece) => {
                assert!(!piece.command && piece.context == 1);
                taken.extend_from_slice(piece.bytes);
                if piece.last {
                    break;
                }
            }
            Received::ReleaseAsked => panic!("before the data ended"),
        }
    }
    assert!(taken == expected);
    assert!(matches!(
        acceptor.receive().await.unwrap(),
        Received::ReleaseAsked
    ));
    acceptor.answer_release().await.unwrap();
    sending.await.unwrap();
}

#[tokio::test]
async fn a_refusal_says_why_in_the_standards_words() {
    let (ours, theirs) = duplex(1 << 16);
    let proposal = proposal();
    let refusing = async {
        let asked = await_request(Box::new(ours), MAX_PDU, LONG).await.unwrap();
        asked.refuse(Refusal::CallingAeTitle).await.unwrap();
    };
    let ((), outcome) = tokio::join!(refusing, request(Box::new(theirs), &proposal));
    let Err(ConnectError::Refused(reason)) = outcome else {
        panic!("it was refused");
    };
    assert_eq!(reason, "calling ae title not recognized (permanent)");
}

#[tokio::test]
async fn doubled_even_or_too_many_contexts_are_aborted() {
    let many: Vec<(u8, &str)> = (0..129).map(|n| (n as u8, IMAGE)).collect();
    for contexts in [vec![(1, IMAGE), (1, IMAGE)], vec![(2, IMAGE)], many] {
        let (ours, mut theirs) = duplex(1 << 16);
        let task = tokio::spawn(accepted(ours));
        theirs.write_all(&request_bytes(&contexts)).await.unwrap();
        assert!(matches!(next_pdu(&mut theirs).await, Pdu::AbortRQ { .. }));
        assert!(matches!(task.await.unwrap(), Err(Ended::Violation(_))));
    }
}

#[tokio::test]
async fn all_128_contexts_can_be_used() {
    let (ours, mut theirs) = duplex(1 << 20);
    let task = tokio::spawn(accepted(ours));
    let contexts: Vec<(u8, &str)> = (0..128).map(|n| (2 * n + 1, IMAGE)).collect();
    theirs.write_all(&request_bytes(&contexts)).await.unwrap();
    let Pdu::AssociationAC(answer) = next_pdu(&mut theirs).await else {
        panic!("accepted");
    };
    let accepted = answer.presentation_contexts.iter();
    assert_eq!(accepted.filter(|c| c.reason == Reason::Acceptance).count(), 128);
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_cannot_be_is_answered_by_an_abort_before_it_costs_anything() {
    let absurd = [0x04, 0, 0xFF, 0xFF, 0xFF, 0xF0];
    let too_long_fragment = [4, 0, 0, 0, 0, 10, 0, 0, 1, 0, 1, 0, 1, 2, 3, 4];
    let short_fragment = [4, 0, 0, 0, 0, 10, 0, 0, 0, 1, 1, 0, 1, 2, 3, 4];
    let torn_header = [4, 0, 0, 0, 0, 3, 0, 0, 0];
    let unknown = [9, 0, 0, 0, 0, 0];
    let long_control = [5, 0, 0x7F, 0, 0, 0];
    let second_request = request_bytes(&[(1, IMAGE)]);
    let attacks: [&[u8]; 7] = [
        &absurd,
        &too_long_fragment,
        &short_fragment,
        &torn_header,
        &unknown,
        &long_control,
        &second_request,
    ];
    for attack in attacks {
        let (mut connection, mut theirs) = established().await;
        theirs.write_all(attack).await.unwrap();
        assert!(
            matches!(connection.receive().await, Err(Ended::Violation(_))),
            "{attack:?}"
        );
        assert!(matches!(next_pdu(&mut theirs).await, Pdu::AbortRQ { .. }));
    }
}

#[tokio::test]
async fn garbage_instead_of_a_request_is_answered_at_once() {
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        &[0xFF; 64],
        &[1, 0, 0, 0, 0, 2, 0, 0],
    ] {
        let (ours, mut theirs) = duplex(1 << 16);
        theirs.write_all(garbage).await.unwrap();
        assert!(matches!(
            await_request(Box::new(ours), MAX_PDU, LONG).await,
            Err(Ended::Violation(_))
        ));
        assert!(matches!(next_pdu(&mut theirs).await, Pdu::AbortRQ { .. }));
    }
}

#[tokio::test]
async fn silence_and_dripping_end_with_the_time_for_one_pdu() {
    let short = Duration::from_millis(300);
    let (ours, theirs) = duplex(1 << 16);
    assert!(matches!(
        await_request(Box::new(ours), MAX_PDU, short).await,
        Err(Ended::Idle { .. })
    ));
    drop(theirs);
    let (mut connection, mut theirs) = established().await;
    connection.set_timeout(short);
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let dripping = tokio::spawn(async move {
        theirs
            .write_all(&[4, 0, 0, 0, 1, 0, 0, 0, 0, 0xFC, 1, 0])
            .await
            .unwrap();
        while stopped.try_recv().is_err() {
            tokio::time::sleep(short / 20).await;
            if theirs.write_all(&[0]).await.is_err() {
                break;
            }
        }
        theirs
    });
    // The drops are handed on as they come, but the PDU's time does not begin anew with each.
    let ended = loop {
        if let Err(ended) = connection.receive().await {
            break ended;
        }
    };
    assert!(matches!(ended, Ended::Idle { .. }));
    stop.send(()).unwrap();
    assert!(matches!(
        next_pdu(&mut dripping.await.unwrap()).await,
        Pdu::AbortRQ { .. }
    ));
}

#[tokio::test]
async fn both_may_ask_to_release_at_once() {
    let (mut acceptor, mut requestor) = both().await;
    let (one, other) = tokio::join!(acceptor.release(), requestor.release());
    one.unwrap();
    other.unwrap();
}

#[tokio::test]
async fn an_abort_and_a_close_are_told_apart() {
    let (mut connection, mut theirs) = established().await;
    let abort = Pdu::AbortRQ {
        source: dicom_ul::pdu::AbortRQSource::ServiceUser,
    };
    theirs.write_all(&bytes(&abort)).await.unwrap();
    assert!(matches!(connection.receive().await, Err(Ended::Aborted)));
    let (mut connection, theirs) = established().await;
    drop(theirs);
    assert!(matches!(connection.receive().await, Err(Ended::Closed)));
}
