//! Several envelopes in one message, births, health: what boxes that know them get, and what abuse of them gets.

use barefoot_wire::{
    Packing, ReceiptOutcome, Receipts, decode_batch, decode_envelope, decode_hello, decode_receipts,
    encode_batch, health_envelope, presence_envelope, topics, v1,
};
use prost::Message;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, PublishProperties};

use crate::support::{ClinicBox, Region, clinic, envelope, envelope_id, result};

/// Publishes with correlation data; gives the answer that comes back and the acknowledgement's reason.
async fn exchange(
    edge: &mut ClinicBox,
    topic: String,
    payload: Vec<u8>,
) -> (v1::Envelope, String, PubAckReason) {
    let properties = PublishProperties {
        correlation_data: Some(b"\0\0\0\x07".to_vec().into()),
        ..PublishProperties::default()
    };
    edge.client
        .publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties)
        .await
        .unwrap();
    let (mut reason, mut answer) = (None, None);
    loop {
        match edge.incoming().await.unwrap() {
            Packet::PubAck(ack) => reason = Some(ack.reason),
            Packet::Publish(publish) => {
                let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                answer = Some((decode_envelope(&publish.payload).unwrap(), topic));
            }
            _ => {}
        }
        if let (Some(reason), Some((envelope, topic))) = (&reason, &answer) {
            return (envelope.clone(), topic.clone(), *reason);
        }
    }
}

async fn batch(edge: &mut ClinicBox, payload: Vec<u8>) -> (Receipts, PubAckReason) {
    let topic = topics::up_batch(&edge.clinic);
    let (envelope, topic, reason) = exchange(edge, topic, payload).await;
    assert_eq!(topic, topics::down_receipts(&edge.clinic));
    let receipts = decode_receipts(&envelope.body).unwrap();
    assert_eq!(receipts.correlation, b"\0\0\0\x07");
    (receipts, reason)
}

fn results(of: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    of.map(|number| envelope(&clinic("clinic-7"), number, &result(number)).encode_to_vec())
        .collect()
}

#[tokio::test]
async fn a_batch_is_stored_once_whole_and_receipted_in_one_message() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", hub.port()).await;
    for _ in 0..2 {
        let payload = encode_batch(results(0..100), Packing::Dictionary);
        let (receipts, reason) = batch(&mut edge, payload).await;
        assert_eq!(reason, PubAckReason::Success);
        assert_eq!(receipts.receipts.len(), 100);
        let all = receipts.receipts.iter();
        assert!(
            all.clone()
                .all(|receipt| receipt.outcome == ReceiptOutcome::Stored)
        );
        assert!(all.clone().any(|receipt| receipt.envelope_id == envelope_id(99)));
        assert_eq!(hub.status().await["results"], 100);
    }
    // The same over the older topic is known too.
    let reply = edge
        .send_result(&envelope(&clinic("clinic-7"), 5, &result(5)))
        .await;
    assert_eq!(reply.receipt.unwrap().outcome, ReceiptOutcome::Stored);
    assert_eq!(hub.status().await["results"], 100);
    hub.stop().await;
}

#[tokio::test]
async fn a_bomb_a_foreign_clinic_and_an_unknown_dictionary_are_refused_by_name() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", hub.port()).await;
    let frame = |dictionary: u32, plain_bytes: u32, content: Vec<u8>| {
        v1::BatchFrame {
            version: 1,
            compression: v1::Compression::Zstd.into(),
            dictionary,
            plain_bytes,
            content,
        }
        .encode_to_vec()
    };
    for (payload, refusal, said) in [
        (
            frame(0, u32::MAX, vec![0; 64]),
            v1::FrameRefusal::TooLarge,
            "limit",
        ),
        (
            frame(0, 200_000, vec![0; 64]),
            v1::FrameRefusal::TooLarge,
            "times its size",
        ),
        (
            frame(99, 64, vec![0; 64]),
            v1::FrameRefusal::Dictionary,
            "dictionary 99",
        ),
        (
            frame(0, 64, vec![0; 64]),
            v1::FrameRefusal::Unreadable,
            "decompress",
        ),
        (b"garbage".to_vec(), v1::FrameRefusal::Unreadable, "BatchFrame"),
    ] {
        let (receipts, reason) = batch(&mut edge, payload).await;
        assert_eq!(reason, PubAckReason::PayloadFormatInvalid);
        let refused = receipts.refused.unwrap();
        assert_eq!(refused.0, refusal, "{}", refused.1);
        assert!(refused.1.contains(said), "{}", refused.1);
    }
    let foreign = envelope(&clinic("clinic-8"), 1, &result(1)).encode_to_vec();
    let mixed = vec![foreign, results(2..3).remove(0), b"rubbish".to_vec()];
    let (receipts, _) = batch(&mut edge, encode_batch(mixed, Packing::Zstd)).await;
    let outcomes: Vec<_> = receipts
        .receipts
        .iter()
        .map(|receipt| {
            let stored = receipt.outcome == ReceiptOutcome::Stored;
            (receipt.envelope_id.clone(), stored)
        })
        .collect();
    assert!(outcomes.contains(&(envelope_id(1), false)) && outcomes.contains(&(envelope_id(2), true)));
    assert_eq!(receipts.unreadable.len(), 1);
    assert_eq!(receipts.unreadable[0].0, 2);
    assert_eq!(hub.status().await["results"], 1);
    hub.stop().await;
}

#[tokio::test]
async fn an_envelope_that_cannot_be_read_is_found_again_by_its_correlation_data() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", hub.port()).await;
    let topic = topics::up_result(&edge.clinic);
    let (answer, topic, reason) = exchange(&mut edge, topic, b"garbage".to_vec()).await;
    assert_eq!(topic, topics::down_receipts(&edge.clinic));
    assert_eq!(reason, PubAckReason::PayloadFormatInvalid);
    let receipts = decode_receipts(&answer.body).unwrap();
    assert_eq!(
        (receipts.correlation.as_slice(), receipts.unreadable.len()),
        (&b"\0\0\0\x07"[..], 1)
    );
    hub.stop().await;
}

#[tokio::test]
async fn a_birth_is_answered_with_the_time_and_what_the_hub_understands() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", hub.port()).await;
    let presence = v1::Presence {
        state: v1::PresenceState::Up.into(),
        session: 5,
        client_version: "9.9.9".into(),
        ..Default::default()
    };
    let birth = presence_envelope(envelope_id(1), &clinic("clinic-7"), &presence);
    let topic = topics::up_presence(&edge.clinic);
    let (answer, topic, _) = exchange(&mut edge, topic, birth.encode_to_vec()).await;
    assert_eq!(topic, topics::down_hello(&edge.clinic));
    let hello = decode_hello(&answer.body).unwrap();
    assert_eq!(hello.presence_id, envelope_id(1));
    assert_eq!((hello.schema, hello.batch_version), (vec![1], 1));
    let identity = region.identity("clinic-9");
    assert!(
        identity
            .hub_reader(&hello.certificate, time::OffsetDateTime::now_utc())
            .is_ok()
    );

    let health = v1::BoxHealth {
        session: 5,
        client_version: "9.9.9".into(),
        lane: vec![v1::LaneDepth {
            lane: "results".into(),
            pending: 12,
        }],
        set_aside: 3,
        ..v1::BoxHealth::default()
    };
    let health = health_envelope(envelope_id(2), &clinic("clinic-7"), &health);
    let payload = encode_batch(vec![health.encode_to_vec()], Packing::Plain);
    assert_eq!(decode_batch(&payload).unwrap().len(), 1);
    let (receipts, _) = batch(&mut edge, payload).await;
    assert_eq!(receipts.receipts[0].outcome, ReceiptOutcome::Stored);
    let status = hub.status().await;
    let seen = &status["clinics"][0];
    assert_eq!(
        (&seen["version"], &seen["health"]["set_aside"]),
        (&"9.9.9".into(), &3.into())
    );
    assert_eq!(seen["health"]["pending"]["results"], 12);
    assert!(hub.get("/?lang=en").await.body.contains("12 waiting to be sent"));
    hub.stop().await;

    let hub = region.hub().await;
    let status = hub.status().await;
    let seen = &status["clinics"][0];
    assert_eq!(
        (&seen["online"], &seen["health"]["set_aside"]),
        (&false.into(), &3.into())
    );
    hub.stop().await;
}

#[tokio::test]
async fn a_result_is_dated_by_the_hubs_clock_whatever_the_box_says() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", hub.port()).await;
    let now = i64::try_from(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis(),
    )
    .unwrap();
    // The box's clock stands in 1970, and the box knows it.
    let mut early = result(1);
    (early.received_at_ms, early.assessed_at_ms) = (1, 5_000);
    early.clock_offset_ms = Some(now - 60_000 - 5_000);
    // Another one's is a year ahead and does not know it: the message tells how old the result is.
    let mut late = result(2);
    late.assessed_at_ms = now + 365 * 86_400_000;
    let mut late = envelope(&clinic("clinic-7"), 2, &late);
    late.sent_at_ms = now + 365 * 86_400_000 + 30_000;
    edge.send_result(&envelope(&clinic("clinic-7"), 1, &early)).await;
    edge.send_result(&late).await;
    let results = hub.results().await;
    let of = |number: u32| {
        let found = results
            .iter()
            .find(|one| one["envelope_id"] == envelope_id(number));
        found.unwrap()["detected_at_ms"].as_i64().unwrap()
    };
    assert_eq!(of(1), now - 60_000);
    assert!((now - 30_000..now + 60_000).contains(&of(2)), "{} {now}", of(2));
    hub.stop().await;
}
