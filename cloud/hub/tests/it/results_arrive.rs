use barefoot_domain::Score;
use barefoot_wire::{ReceiptOutcome, StudyResult, topics, v1};
use prost::Message;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason};

use crate::support::{ClinicBox, Region, clinic, envelope, envelope_id, result, wait_for};

#[tokio::test]
async fn a_result_is_acknowledged_receipted_and_stored_once() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", hub.port()).await;
    let sent = envelope(&clinic("clinic-7"), 1, &result(1));

    for _ in 0..2 {
        let reply = edge.send_result(&sent).await;
        assert_eq!(reply.ack.unwrap().reason, PubAckReason::Success);
        let receipt = reply.receipt.unwrap();
        assert_eq!(receipt.envelope_id, envelope_id(1));
        assert_eq!(receipt.outcome, ReceiptOutcome::Stored);
        assert!(0 < receipt.hub_time_ms);
    }

    let results = hub.results().await;
    assert_eq!(results.len(), 1);
    let stored = &results[0];
    assert_eq!(stored["envelope_id"], envelope_id(1));
    assert_eq!(stored["clinic"], "clinic-7");
    assert_eq!(stored["case_id"], result(1).case.as_str());
    assert_eq!((&stored["version"], &stored["instances"]), (&1.into(), &1.into()));
    assert_eq!(stored["model"], "cxr-pneumonia 0.1.0");
    assert_eq!(
        (&stored["engine"], &stored["precision"]),
        (&"tract".into(), &"int8".into())
    );
    assert_eq!(stored["findings"][0]["code"], "pneumonia");
    assert_eq!(stored["findings"][0]["call"], "positive");
    assert!((stored["findings"][0]["score"].as_f64().unwrap() - 0.93).abs() < 1e-6);
    assert_eq!(
        (&stored["quality"], &stored["urgency"]),
        (&"A".into(), &"critical".into())
    );
    assert_eq!(stored["reasons"][0], "urgent_finding:pneumonia");
    assert_eq!(stored["assessed_at_ms"], 2000);
    assert!(2000 < stored["received_at_ms"].as_i64().unwrap());

    let status = hub.status().await;
    assert_eq!((&status["results"], &status["envelopes"]), (&1.into(), &1.into()));
    assert_eq!(
        (&status["duplicates"], &status["refused"]),
        (&1.into(), &0.into())
    );
    assert_eq!(status["clinics"][0]["clinic"], "clinic-7");
    assert_eq!(status["clinics"][0]["online"], true);
    hub.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_what_was_stored_and_still_knows_it() {
    let region = Region::new();
    let sent = envelope(&clinic("clinic-7"), 1, &result(1));
    let hub = region.hub().await;
    ClinicBox::connect(&region, "clinic-7", hub.port())
        .await
        .send_result(&sent)
        .await;
    hub.stop().await;
    assert!(!region.dir.path().join("state/addresses.json").exists());

    let hub = region.hub().await;
    assert_eq!(hub.results().await.len(), 1);
    assert_eq!(hub.status().await["clinics"][0]["online"], false);
    let reply = ClinicBox::connect(&region, "clinic-7", hub.port())
        .await
        .send_result(&sent)
        .await;
    assert_eq!(reply.receipt.unwrap().outcome, ReceiptOutcome::Stored);
    assert_eq!(hub.results().await.len(), 1);
    hub.stop().await;
}

#[tokio::test]
async fn what_can_never_be_accepted_gets_a_receipt_that_says_why() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", hub.port()).await;
    let good = envelope(&clinic("clinic-7"), 1, &result(1));
    edge.send_result(&good).await;

    let mut refused = async |envelope: v1::Envelope, reason: &str| {
        let reply = edge.send_result(&envelope).await;
        assert_eq!(reply.ack.unwrap().reason, PubAckReason::Success);
        let receipt = reply.receipt.unwrap();
        assert_eq!(receipt.envelope_id, envelope.id);
        let ReceiptOutcome::Refused { reason: said } = receipt.outcome else {
            panic!("{reason}: stored");
        };
        assert!(said.contains(reason), "{said}");
    };
    let foreign = envelope(&clinic("clinic-8"), 2, &result(2));
    refused(foreign, "another clinic").await;
    let newer = v1::Envelope {
        schema: 9,
        ..envelope(&clinic("clinic-7"), 3, &result(3))
    };
    refused(newer, "schema 9").await;
    let hollow = v1::Envelope {
        body: Vec::new(),
        ..envelope(&clinic("clinic-7"), 4, &result(4))
    };
    refused(hollow, "version").await;
    let mut changed = result(1);
    changed.assessment.findings[0].score = Score::new(0.1).unwrap();
    refused(envelope(&clinic("clinic-7"), 5, &changed), "other content").await;
    refused(envelope(&clinic("clinic-7"), 1, &changed), "other content").await;

    let unreadable = edge
        .send(&topics::up_result(&clinic("clinic-7")), b"garbage".to_vec())
        .await;
    assert_eq!(unreadable.ack.unwrap().reason, PubAckReason::PayloadFormatInvalid);
    assert_eq!(hub.results().await.len(), 1);
    assert_eq!(hub.status().await["refused"], 6);
    hub.stop().await;
}

#[tokio::test]
async fn many_clinics_send_at_once_and_every_message_is_receipted() {
    const CLINICS: u32 = 4;
    const MESSAGES: u32 = 100;
    let region = Region::new();
    let hub = region.hub().await;
    let mut sending = Vec::new();
    for number in 0..CLINICS {
        let name = format!("clinic-{number}");
        let mut edge = ClinicBox::connect(&region, &name, hub.port()).await;
        sending.push(tokio::spawn(async move {
            let topic = topics::up_result(&edge.clinic);
            for message in 0..MESSAGES {
                let payload = envelope(&edge.clinic, message, &result(message)).encode_to_vec();
                edge.client
                    .publish(&topic, QoS::AtLeastOnce, false, payload)
                    .await
                    .unwrap();
            }
            let (mut acks, mut receipts) = (0, 0);
            while acks < MESSAGES || receipts < MESSAGES {
                match edge.incoming().await.unwrap() {
                    Packet::PubAck(_) => acks += 1,
                    Packet::Publish(_) => receipts += 1,
                    _ => {}
                }
            }
        }));
    }
    for clinic in sending {
        clinic.await.unwrap();
    }
    assert_eq!(hub.results().await.len(), 200, "the default limit");
    assert_eq!(hub.status().await["results"], CLINICS * MESSAGES);
    hub.stop().await;
}

#[tokio::test]
async fn a_late_image_supersedes_and_the_end_of_a_session_is_seen() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", hub.port()).await;
    edge.send_result(&envelope(&clinic("clinic-7"), 1, &result(1)))
        .await;
    let second = StudyResult {
        version: 2,
        ..result(1)
    };
    edge.send_result(&envelope(&clinic("clinic-7"), 2, &second)).await;
    let versions: Vec<_> = hub
        .results()
        .await
        .iter()
        .map(|r| r["version"].as_u64().unwrap())
        .collect();
    assert_eq!(versions, [2, 1], "newest first, nothing is overwritten");
    assert!(
        hub.get("/?lang=en")
            .await
            .body
            .contains("Superseded by a newer version")
    );

    drop(edge);
    wait_for("the clinic going offline", async || {
        let status = hub.status().await;
        if status["clinics"][0]["online"] == false {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })
    .await;
    hub.stop().await;
}
