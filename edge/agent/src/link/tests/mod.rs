//! The link against a hub that is old, slow, broken or lies.

mod hub;

use std::sync::Arc;
use std::time::Duration;

use barefoot_queue::{Lane, Queue};
use barefoot_trust::TlsIdentity;
use barefoot_wire::{Receipts, topics, v1};
use prost::Message as _;
use rumqttc::v5::mqttbytes::v5::PubAckReason;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use self::hub::{Hub, Session, clinic, paths, stored};
use super::{Config, Link, Parts};
use crate::clock::now_ms;
use crate::handoff::{Acknowledgement, FromHub, HubReceipt};
use crate::hub_certificate;
use crate::status::Status;

const SOON: Duration = Duration::from_secs(60);

/// A box's end of the line: its queue, and what the link hands on.
struct ClinicBox {
    queue: Queue,
    status: Status,
    from_hub: mpsc::Receiver<FromHub>,
    _acknowledge: mpsc::Sender<Acknowledgement>,
    shutdown: CancellationToken,
    folder: TempDir,
}

impl Drop for ClinicBox {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl ClinicBox {
    fn queue(&self, lane: Lane) -> String {
        self.queue_kind(lane, v1::Kind::Result)
    }

    fn queue_kind(&self, lane: Lane, kind: v1::Kind) -> String {
        let id = Ulid::generate().to_string();
        let envelope = v1::Envelope {
            schema: 1,
            id: id.clone(),
            clinic: clinic().as_str().to_owned(),
            kind: kind.into(),
            body: vec![7; 200],
            ..v1::Envelope::default()
        };
        self.queue
            .append(lane, &id, &envelope.encode_to_vec(), 1)
            .unwrap();
        id
    }

    fn queue_many(&self, lane: Lane, count: usize) -> Vec<String> {
        (0..count).map(|_| self.queue(lane)).collect()
    }

    /// The next receipts, written down as the daemon would.
    async fn receipts(&mut self) -> Vec<HubReceipt> {
        let word = timeout(SOON, self.from_hub.recv())
            .await
            .expect("a word of the hub");
        let Some(FromHub::Receipts(receipts)) = word else {
            panic!("receipts, not {word:?}");
        };
        for receipt in &receipts {
            match &receipt.refused {
                None => self.queue.receipt(&receipt.envelope_id).unwrap(),
                Some(reason) => self.queue.set_aside(&receipt.envelope_id, reason).unwrap(),
            };
        }
        receipts
    }

    /// Takes receipts until nothing waits.
    async fn drained(&mut self) {
        while self.status.waiting().records != 0 {
            self.receipts().await;
        }
    }

    /// The same with a hub that stores whatever it gets.
    async fn drained_by(&mut self, session: &mut Session) {
        while self.status.waiting().records != 0 {
            tokio::select! {
                sent = session.message() => session.store(&sent).await,
                _ = self.receipts() => {}
            }
        }
    }
}

/// A box that calls `hub`, with some settings changed. Nothing runs yet.
fn prepare(folder: TempDir, hub: &Hub, change: impl FnOnce(&mut Config)) -> (ClinicBox, Link) {
    let certificates = paths(folder.path(), "clinic-7");
    let mut config = Config {
        hub: Some(hub.address().to_string()),
        tls: None,
        identity_check_s: 60,
        receipt_timeout_s: 30,
        in_flight: 8,
        routine_in_flight_kib: 16,
        keep_alive_s: 20,
        health_interval_s: 0,
        max_backoff_s: 1,
    };
    change(&mut config);
    config.check().unwrap();
    let queue = Queue::open(&folder.path().join("queue"), barefoot_queue::Config::default()).unwrap();
    let status = Status::new(queue.clone());
    let (from_hub_in, from_hub) = mpsc::channel(256);
    let (acknowledge, acknowledgements) = mpsc::channel(8);
    let parts = Parts {
        queue: queue.clone(),
        from_hub: from_hub_in,
        acknowledgements,
        status: status.clone(),
        hub_clock: status.hub_clock(),
        state: folder.path().to_owned(),
    };
    let identity = Arc::new(TlsIdentity::load(&certificates).unwrap());
    let link = Link::new(config, clinic(), identity, parts).unwrap();
    let clinics_box = ClinicBox {
        queue,
        status,
        from_hub,
        _acknowledge: acknowledge,
        shutdown: CancellationToken::new(),
        folder,
    };
    (clinics_box, link)
}

async fn region() -> (TempDir, Hub) {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::new(folder.path()).await;
    (folder, hub)
}

fn run(clinics_box: &ClinicBox, link: Link) {
    tokio::spawn(link.run(clinics_box.shutdown.clone()));
}

/// A box with `records` routine results and one critical one that calls the hub.
async fn begin(records: usize) -> (ClinicBox, Hub, Vec<String>, String) {
    let (folder, hub) = region().await;
    let (clinics_box, link) = prepare(folder, &hub, |_| {});
    let routine = clinics_box.queue_many(Lane::Results, records);
    let critical = clinics_box.queue(Lane::Critical);
    run(&clinics_box, link);
    (clinics_box, hub, routine, critical)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_takes_batches_gets_the_critical_record_first_and_the_others_together() {
    let (mut clinics_box, hub, routine, critical) = begin(10).await;
    let mut session = hub.session().await;
    session.greet(0).await;
    let first = session.message().await;
    assert_eq!(first.ids(), [critical]);
    let second = session.message().await;
    assert_eq!(second.topic, topics::up_batch(&clinic()));
    assert_eq!(second.ids(), routine);
    assert_eq!(
        (first.expiry_s, second.expiry_s),
        (None, None),
        "results never expire"
    );
    assert!(
        second.payload.len() < 10 * 100,
        "compressed: {}",
        second.payload.len()
    );
    for sent in [&first, &second] {
        session.store(sent).await;
    }
    clinics_box.drained().await;
    assert_eq!(clinics_box.status.line_counts().receipts, 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_critical_record_does_not_wait_behind_what_is_on_its_way() {
    let (folder, hub) = region().await;
    let (mut clinics_box, link) = prepare(folder, &hub, |config| config.routine_in_flight_kib = 1);
    clinics_box.queue_many(Lane::Results, 600);
    run(&clinics_box, link);
    let mut session = hub.session().await;
    session.greet(0).await;
    let mut unanswered = vec![session.message().await];
    let critical = clinics_box.queue(Lane::Critical);
    // The hub answers nothing, and the critical record comes all the same, with few others before it.
    loop {
        let sent = session.message().await;
        let is_critical = sent.ids() == [critical.clone()];
        unanswered.push(sent);
        if is_critical {
            break;
        }
        assert!(unanswered.len() <= 6, "its place was kept");
    }
    for sent in &unanswered {
        session.store(sent).await;
    }
    clinics_box.drained_by(&mut session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_from_before_births_gets_one_result_a_message() {
    let (mut clinics_box, hub, routine, critical) = begin(2).await;
    let mut session = hub.session().await;
    session.do_not_know_births().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let sent = session.message().await;
        assert_eq!(sent.topic, topics::up_result(&clinic()));
        ids.extend(sent.ids());
        session.acknowledge(&sent).await;
        session.receipt(&stored(&sent).receipts[0]).await;
    }
    assert!(ids.contains(&critical) && routine.iter().all(|id| ids.contains(id)));
    clinics_box.drained().await;
    assert!(!hub_certificate::is_known(clinics_box.folder.path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hello_tells_the_time_and_whom_to_seal_for() {
    let (clinics_box, hub, ..) = begin(0).await;
    let mut session = hub.session().await;
    assert_eq!(clinics_box.status.hub_clock().offset_ms(now_ms()), None);
    session.greet(3_600_000).await;
    let within = 3_540_000..3_660_000;
    loop {
        let id = clinics_box.queue(Lane::Critical);
        let sent = loop {
            let sent = session.message().await;
            session.store(&sent).await;
            if sent.ids().contains(&id) {
                break sent;
            }
        };
        // Those that went before the hello was read do not know it yet.
        if let Some(told) = sent.envelopes().remove(0).clock_offset_ms {
            assert!(within.contains(&told), "{told}");
            break;
        }
    }
    let offset = clinics_box.status.hub_clock().offset_ms(now_ms()).unwrap();
    assert!(within.contains(&offset), "{offset}");
    assert!(hub_certificate::is_known(clinics_box.folder.path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_will_and_the_next_birth_have_rising_numbers() {
    let (_clinics_box, hub, ..) = begin(0).await;
    let presence = |payload: &[u8]| {
        let envelope = barefoot_wire::decode_envelope(payload).unwrap();
        assert_eq!(envelope.kind(), v1::Kind::Presence);
        barefoot_wire::decode_presence(&envelope.body).unwrap()
    };
    let mut last = 0;
    for _ in 0..3 {
        let mut session = hub.session().await;
        let will = session.will.clone().unwrap();
        assert_eq!(will.topic, topics::up_presence(&clinic()).as_bytes());
        assert!(!will.retain && will.properties.unwrap().message_expiry_interval.is_some());
        let (end, birth) = (presence(&will.message), session.birth().await);
        assert!(birth.expiry_s.is_some());
        let birth = presence(&birth.payload);
        assert_eq!(end.state(), v1::PresenceState::Down);
        assert_eq!(birth.state(), v1::PresenceState::Up);
        assert_eq!(end.session, birth.session);
        assert!(last < birth.session);
        last = birth.session;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_without_the_dictionary_gets_batches_without_it() {
    let (folder, hub) = region().await;
    let (mut clinics_box, link) = prepare(folder, &hub, |_| {});
    let routine = clinics_box.queue_many(Lane::Results, 3);
    run(&clinics_box, link);
    let mut session = hub.session().await;
    session.greet(0).await;
    let packed_with = |sent: &hub::Sent| v1::BatchFrame::decode(&*sent.payload).unwrap().dictionary;
    let mut refused = vec![session.message().await];
    let critical = clinics_box.queue(Lane::Critical);
    refused.push(session.message().await);
    for sent in &refused {
        assert_eq!(packed_with(sent), 1);
        session.acknowledge(sent).await;
    }
    for sent in refused {
        let refusal = Receipts {
            correlation: sent.correlation.clone(),
            refused: Some((v1::FrameRefusal::Dictionary, "dictionary 1 is not here".into())),
            hub_time_ms: now_ms(),
            ..Receipts::default()
        };
        session.receipts(&refusal).await;
    }
    let mut ids = Vec::new();
    while ids.len() < 4 {
        let sent = session.message().await;
        assert_eq!(sent.topic, topics::up_batch(&clinic()), "batches go on");
        assert_eq!(packed_with(&sent), 0);
        ids.extend(sent.ids());
        session.store(&sent).await;
    }
    assert!(ids.contains(&critical) && routine.iter().all(|id| ids.contains(id)));
    clinics_box.drained().await;
}

/// Answers everything, but finds one envelope unreadable, until the box gives it up.
async fn poison(session: &mut Session, clinics_box: &mut ClinicBox, bad: &str, by_ack: bool) {
    let mut refusals = 0;
    while clinics_box.status.waiting().records != 0 {
        let sent = tokio::select! {
            sent = session.message() => sent,
            _ = clinics_box.receipts() => continue,
        };
        let place = sent.ids().iter().position(|id| id == bad);
        if place.is_some() && by_ack {
            refusals += 1;
            session
                .acknowledge_as(&sent, PubAckReason::PayloadFormatInvalid)
                .await;
            continue;
        }
        session.acknowledge(&sent).await;
        let mut answer = stored(&sent);
        if let Some(place) = place {
            refusals += 1;
            answer.receipts.remove(place);
            answer
                .unreadable
                .push((u32::try_from(place).unwrap(), "no protobuf".into()));
        }
        if by_ack {
            session.receipt(&answer.receipts[0]).await;
        } else {
            session.receipts(&answer).await;
        }
    }
    assert_eq!(refusals, 3);
    let aside = clinics_box.queue.set_aside_records(10).unwrap();
    assert_eq!(aside.len(), 1);
    assert_eq!(aside[0].record.id, bad);
    assert!(aside[0].reason.contains("cannot read it"), "{}", aside[0].reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_hub_cannot_read_is_set_aside_and_holds_nothing_up() {
    let (mut clinics_box, hub, routine, _) = begin(5).await;
    let mut session = hub.session().await;
    session.greet(0).await;
    poison(&mut session, &mut clinics_box, &routine[2], false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_where_the_hub_only_refuses_in_its_acknowledgement() {
    let (mut clinics_box, hub, routine, _) = begin(2).await;
    let mut session = hub.session().await;
    session.do_not_know_births().await;
    poison(&mut session, &mut clinics_box, &routine[0], true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_takes_nothing_costs_a_session_and_no_record() {
    let (mut clinics_box, hub, ..) = begin(3).await;
    for _ in 0..4 {
        let mut session = hub.session().await;
        let sent = session.birth().await;
        session.acknowledge_as(&sent, PubAckReason::NotAuthorized).await;
        while session.try_message().await.is_some() {}
    }
    let mut session = hub.session().await;
    session.greet(0).await;
    clinics_box.drained_by(&mut session).await;
    assert_eq!(clinics_box.queue.depth().set_aside, 0);
}

/// The library's known wedge: an acknowledgement that never comes stands in the way when its packet id comes round again.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_for_an_acknowledgement_in_its_way_is_thrown_away() {
    let (folder, hub) = region().await;
    let (mut clinics_box, link) = prepare(folder, &hub, |config| config.in_flight = 2);
    let ids = clinics_box.queue_many(Lane::Critical, 30);
    run(&clinics_box, link);
    let mut session = hub.session().await;
    let birth = session.birth().await;
    let receipt = barefoot_wire::Receipt {
        envelope_id: birth.ids().remove(0),
        outcome: barefoot_wire::ReceiptOutcome::Refused { reason: "old".into() },
        hub_time_ms: now_ms(),
    };
    // The birth is never acknowledged: its packet id stays taken.
    session.receipt(&receipt).await;
    let mut seen = Vec::new();
    while let Some(sent) = session.try_message().await {
        session.acknowledge(&sent).await;
        session.receipt(&stored(&sent).receipts[0]).await;
        seen.extend(sent.ids());
    }
    assert!(
        seen.len() < ids.len(),
        "the packet ids came round: {}",
        seen.len()
    );
    let mut session = hub.session().await;
    session.greet(0).await;
    clinics_box.drained_by(&mut session).await;
}

/// A line that is half open: the hub is there, and nothing it says arrives, not even to a ping.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_on_which_nothing_is_heard_is_given_up() {
    let (folder, hub) = region().await;
    let (_clinics_box, link) = prepare(folder, &hub, |config| config.keep_alive_s = 5);
    run(&_clinics_box, link);
    let mut session = hub.session().await;
    session.birth().await;
    // Pings are read and not answered until the box goes.
    while session.packet().await.is_some() {}
    hub.session().await.greet(0).await;
}

/// A captive portal, a port scanner, a hub without its certificate: the box tries again.
#[tokio::test(flavor = "multi_thread")]
async fn nonsense_in_place_of_a_hub_is_outlived() {
    let (mut clinics_box, hub, ..) = begin(1).await;
    for answer in [
        &b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n"[..],
        b"\x16\x03\x01\x00\x05nonsense",
        b"",
    ] {
        let mut stream = hub.accept_raw().await;
        let _ = stream.write_all(answer).await;
        let _ = stream.shutdown().await;
    }
    let mut session = hub.session().await;
    session.greet(0).await;
    clinics_box.drained_by(&mut session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_the_box_is_comes_after_the_results_and_expires() {
    let (folder, hub) = region().await;
    let (mut clinics_box, link) = prepare(folder, &hub, |config| config.health_interval_s = 3600);
    let result = clinics_box.queue(Lane::Results);
    run(&clinics_box, link);
    let mut session = hub.session().await;
    session.greet(0).await;
    let first = session.message().await;
    assert_eq!(first.ids(), [result]);
    session.store(&first).await;
    clinics_box.receipts().await;
    let second = session.message().await;
    assert_eq!(second.expiry_s, Some(7200));
    let envelope = second.envelopes().remove(0);
    assert_eq!(envelope.kind(), v1::Kind::Health);
    let health = barefoot_wire::decode_health(&envelope.body).unwrap();
    assert_eq!(health.lane.len(), 5);
    assert!(0 < health.disk_total_bytes && health.disk_free_bytes <= health.disk_total_bytes);
    session.store(&second).await;
    clinics_box.receipts().await;
    assert_eq!(clinics_box.queue.depth().pending, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_waits_until_a_hub_takes_it_and_keeps_nothing_else_back() {
    let (folder, hub) = region().await;
    let (mut clinics_box, link) = prepare(folder, &hub, |_| {});
    // More of them than are looked at for one round of sending.
    let questions: Vec<String> = (0..600)
        .map(|_| clinics_box.queue_kind(Lane::Reports, v1::Kind::Message))
        .collect();
    let urgent = clinics_box.queue_kind(Lane::Critical, v1::Kind::Message);
    let results = clinics_box.queue_many(Lane::Results, 3);
    run(&clinics_box, link);
    let mut session = hub.session().await;
    let birth = session.birth().await;
    session.acknowledge(&birth).await;
    session.say_hello_as(&birth, 0, |hello| hello.takes.clear()).await;
    let sent = session.message().await;
    assert_eq!(sent.ids(), results);
    session.store(&sent).await;
    clinics_box.receipts().await;
    assert_eq!(clinics_box.status.hub_talks(), Some(false));
    assert_eq!(clinics_box.status.waiting().records, 601, "they wait, visibly");

    session.say_hello(&birth, 0).await;
    let first = session.message().await;
    assert_eq!(first.ids(), [urgent]);
    session.store(&first).await;
    let second = session.message().await;
    assert_eq!(second.ids()[0], questions[0]);
    session.store(&second).await;
    clinics_box.drained_by(&mut session).await;
    assert_eq!(clinics_box.status.hub_talks(), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_hub_says_of_a_case_is_handed_on_and_receipted_when_it_is_written_down() {
    let (mut clinics_box, hub, ..) = begin(0).await;
    let mut session = hub.session().await;
    session.greet(0).await;
    let critical = session.message().await;
    session.store(&critical).await;
    clinics_box.drained().await;
    for kind in [v1::Kind::Report, v1::Kind::CaseState, v1::Kind::Message] {
        let id = Ulid::generate().to_string();
        let envelope = v1::Envelope {
            schema: 1,
            id: id.clone(),
            clinic: clinic().as_str().to_owned(),
            kind: kind.into(),
            body: b"rubbish is answered too".to_vec(),
            ..v1::Envelope::default()
        };
        session
            .publish(topics::down_correction(&clinic()), envelope)
            .await;
        let word = timeout(SOON, clinics_box.from_hub.recv()).await.unwrap();
        let Some(FromHub::Case(word)) = word else {
            panic!("{word:?}");
        };
        assert_eq!((word.envelope_id.as_str(), word.kind), (id.as_str(), kind));
        let acknowledgement = Acknowledgement {
            envelope_id: id.clone(),
            refused: Some("not for us".into()),
        };
        clinics_box._acknowledge.send(acknowledgement).await.unwrap();
        let receipt = session.message().await;
        assert_eq!(receipt.topic, topics::up_receipt(&clinic()));
        let receipt = barefoot_wire::decode_receipt(&receipt.envelopes()[0].body).unwrap();
        assert_eq!(receipt.envelope_id, id);
    }
}
