//! An expert's word on its way to the clinic: kept, sent until the clinic's own receipt, and to nobody else.

use barefoot_domain::Correction;
use barefoot_trust::{Role, TlsIdentity};
use barefoot_wire::v1::corrections_client::CorrectionsClient;
use barefoot_wire::{
    Receipt, ReceiptOutcome, decode_correction, decode_envelope, receipt_envelope, topics, v1,
};
use prost::Message;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use tonic::Code;

use crate::federation::channel;
use crate::support::{ClinicBox, Hub, Region, clinic, envelope, envelope_id, result, wait_for};

const CLINIC: &str = "clinic-7";

/// A hub with result 1 of clinic-7, and the box it came from.
async fn with_a_result(region: &Region) -> (Hub, ClinicBox) {
    let hub = region.hub().await;
    let mut edge = ClinicBox::connect(region, CLINIC, hub.port()).await;
    let reply = edge.send_result(&envelope(&clinic(CLINIC), 1, &result(1))).await;
    assert_eq!(reply.receipt.unwrap().outcome, ReceiptOutcome::Stored);
    (hub, edge)
}

fn asked() -> v1::RecordCorrectionRequest {
    v1::RecordCorrectionRequest {
        clinic: CLINIC.into(),
        case_id: result(1).case.as_str().into(),
        version: 1,
        finding: "pneumonia".into(),
        present: false,
    }
}

async fn record(expert: &TlsIdentity, hub: &Hub, asked: v1::RecordCorrectionRequest) -> Result<String, Code> {
    let mut corrections = CorrectionsClient::new(channel(expert, hub.grpc));
    let recorded = corrections.record_correction(asked).await;
    recorded
        .map(|reply| reply.into_inner().correction_id)
        .map_err(|status| status.code())
}

/// The next correction, and the id of the message it came in.
async fn told(edge: &mut ClinicBox) -> (String, Correction) {
    loop {
        if let Packet::Publish(publish) = edge.incoming().await.unwrap() {
            assert_eq!(publish.topic, topics::down_correction(&edge.clinic).as_bytes());
            assert_eq!(publish.qos, QoS::AtLeastOnce);
            let envelope = decode_envelope(&publish.payload).unwrap();
            assert_eq!(envelope.clinic, CLINIC);
            return (envelope.id, decode_correction(&envelope.body).unwrap());
        }
    }
}

async fn receipt(edge: &mut ClinicBox, envelope: &str, outcome: ReceiptOutcome) {
    let receipt = Receipt {
        envelope_id: envelope.into(),
        outcome,
        hub_time_ms: 0,
    };
    let message = receipt_envelope(envelope_id(900), &edge.clinic, &receipt).encode_to_vec();
    let topic = topics::up_receipt(&edge.clinic);
    edge.client
        .publish(topic, QoS::AtLeastOnce, false, message)
        .await
        .unwrap();
    while !matches!(edge.incoming().await.unwrap(), Packet::PubAck(_)) {}
}

/// Sends a result and sees nothing but what belongs to it: no correction came before.
async fn hears_nothing(edge: &mut ClinicBox, number: u32) {
    let reply = edge
        .send_result(&envelope(&clinic(CLINIC), number, &result(number)))
        .await;
    assert_eq!(reply.receipt.unwrap().envelope_id, envelope_id(number));
}

#[tokio::test]
async fn a_correction_is_sent_until_the_clinic_gives_its_receipt() {
    let region = Region::new();
    let (hub, mut edge) = with_a_result(&region).await;
    let expert = region.person(Role::Expert, "dr-chen");
    let id = record(&expert, &hub, asked()).await.unwrap();

    let (first, correction) = told(&mut edge).await;
    assert_eq!(correction.id, id);
    assert_eq!(correction.case, result(1).case);
    assert_eq!(
        (correction.version, correction.finding.as_str()),
        (1, "pneumonia")
    );
    assert!(!correction.present);

    // The box was switched off before it had written it down; the hub too, in between.
    drop(edge);
    hub.stop().await;
    let hub = region.hub().await;
    let mut edge = ClinicBox::connect(&region, CLINIC, hub.port()).await;
    let (again, same) = told(&mut edge).await;
    assert_eq!((again.as_str(), same.id), (first.as_str(), id));

    receipt(&mut edge, &first, ReceiptOutcome::Stored).await;
    drop(edge);
    wait_for(
        "the session to end",
        async || match hub.status().await["clinics"][0]["online"].as_bool() {
            Some(false) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
    .await;
    let mut edge = ClinicBox::connect(&region, CLINIC, hub.port()).await;
    hears_nothing(&mut edge, 2).await;
    hub.stop().await;
}

#[tokio::test]
async fn what_a_clinic_refuses_is_not_sent_for_ever() {
    let region = Region::new();
    let (hub, mut edge) = with_a_result(&region).await;
    let expert = region.person(Role::Expert, "dr-chen");
    record(&expert, &hub, asked()).await.unwrap();
    let (message, _) = told(&mut edge).await;
    let outcome = ReceiptOutcome::Refused {
        reason: "no such case".into(),
    };
    receipt(&mut edge, &message, outcome).await;
    drop(edge);
    let mut edge = ClinicBox::connect(&region, CLINIC, hub.port()).await;
    hears_nothing(&mut edge, 2).await;
    hub.stop().await;
}

#[tokio::test]
async fn only_an_expert_corrects_and_only_what_is_there() {
    let region = Region::new();
    let (hub, mut edge) = with_a_result(&region).await;
    let expert = region.person(Role::Expert, "dr-chen");
    let others = [region.person(Role::Maintainer, "mara"), region.identity(CLINIC)];
    for other in &others {
        assert_eq!(record(other, &hub, asked()).await, Err(Code::PermissionDenied));
    }
    type Break = fn(&mut v1::RecordCorrectionRequest);
    let absent: [Break; 4] = [
        |asked| asked.clinic = "clinic-8".into(),
        |asked| asked.case_id = "2.25.1".into(),
        |asked| asked.version = 2,
        |asked| asked.finding = "tuberculosis".into(),
    ];
    for alter in absent {
        let mut asked = asked();
        alter(&mut asked);
        assert_eq!(record(&expert, &hub, asked).await, Err(Code::NotFound));
    }
    let broken: [Break; 3] = [
        |asked| asked.clinic = "../clinic".into(),
        |asked| asked.case_id = String::new(),
        |asked| asked.version = 0,
    ];
    for alter in broken {
        let mut asked = asked();
        alter(&mut asked);
        assert_eq!(record(&expert, &hub, asked).await, Err(Code::InvalidArgument));
    }
    hears_nothing(&mut edge, 2).await;
    hub.stop().await;
}
