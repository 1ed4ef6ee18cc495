//! The hub behind Mosquitto, with the rules of `provisioning/broker`. Skipped, loudly, where Mosquitto is missing.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use barefoot_wire::{BrokerRules, ReceiptOutcome, presence_envelope, topics, v1};
use prost::Message;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, Packet, PubAckReason, PublishProperties};
use tokio::net::TcpStream;

use crate::support::{ClinicBox, Region, clinic, envelope, result, wait_for};

pub(crate) struct Mosquitto {
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Mosquitto {
    /// The committed example, with this region's paths and a free port, and somebody who listens to alarms.
    async fn start(region: &Region, port: Option<u16>, revoked: &[&str]) -> Option<Self> {
        let rules = BrokerRules {
            listeners: vec!["duty-room".into()],
            revoked: revoked.iter().map(|name| clinic(name)).collect(),
        };
        let found = [
            "/usr/sbin/mosquitto",
            "/usr/bin/mosquitto",
            "/usr/local/sbin/mosquitto",
        ]
        .into_iter()
        .find(|path| Path::new(path).exists())?;
        let port = match port {
            Some(port) => port,
            None => std::net::TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port(),
        };
        let dir = region.dir.path();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../provisioning/broker");
        let example = std::fs::read_to_string(folder.join("mosquitto.conf.example")).unwrap();
        let acl = dir.join("acl");
        std::fs::write(&acl, rules.mosquitto()).unwrap();
        let config = example
            .replace("listener 8883", &format!("listener {port} 127.0.0.1"))
            .replace("/etc/mosquitto/acl", &acl.display().to_string())
            .replace(
                "/etc/mosquitto/certs/authority.crt",
                &dir.join("authority.crt").display().to_string(),
            )
            .replace(
                "/etc/mosquitto/certs/broker.crt",
                &dir.join("hub.crt").display().to_string(),
            )
            .replace(
                "/etc/mosquitto/certs/broker.key",
                &dir.join("hub.key").display().to_string(),
            )
            .replace("persistence true", "persistence false")
            + "\nuser root\n";
        let file = dir.join("mosquitto.conf");
        std::fs::write(&file, config).unwrap();
        let child = Command::new(found)
            .arg("-c")
            .arg(&file)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let this = Self { child, port };
        wait_for("Mosquitto listening", async || {
            TcpStream::connect(("127.0.0.1", port))
                .await
                .map_err(|error| error.to_string())
        })
        .await;
        Some(this)
    }
}

pub(crate) fn hub_settings(broker: &Mosquitto) -> String {
    format!("endpoint = \"broker\"\nbroker = \"127.0.0.1:{}\"", broker.port)
}

/// Sends until the hub has subscribed and answers: the broker drops what nobody listens to, the edge repeats.
pub(crate) async fn receipted(edge: &mut ClinicBox, number: u32) {
    let topic = topics::up_result(&edge.clinic);
    let payload = envelope(&edge.clinic, number, &result(number)).encode_to_vec();
    let mut repeat = tokio::time::interval(std::time::Duration::from_millis(300));
    let start = std::time::Instant::now();
    loop {
        assert!(start.elapsed() < crate::support::DEADLINE, "no receipt came");
        tokio::select! {
            _ = repeat.tick() => {
                edge.client.publish(&topic, QoS::AtLeastOnce, false, payload.clone()).await.unwrap();
            }
            packet = edge.incoming() => {
                let Ok(Packet::Publish(publish)) = packet else { continue };
                if publish.topic != topics::down_receipt(&edge.clinic).as_bytes() {
                    continue;
                }
                let envelope = barefoot_wire::decode_envelope(&publish.payload).unwrap();
                let receipt = barefoot_wire::decode_receipt(&envelope.body).unwrap();
                if receipt.envelope_id == crate::support::envelope_id(number) {
                    assert_eq!(receipt.outcome, ReceiptOutcome::Stored);
                    return;
                }
            }
        }
    }
}

/// None where it is not installed, which CI does not accept.
pub(crate) async fn mosquitto(region: &Region) -> Option<Mosquitto> {
    let broker = Mosquitto::start(region, None, &[]).await;
    if broker.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "mosquitto must be there in CI: `cargo xtask test` installs it"
        );
        eprintln!("SKIPPED: mosquitto is not installed (apt-get install mosquitto)");
    }
    broker
}

#[test]
fn the_example_is_what_is_generated() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../provisioning/broker/acl.example");
    assert_eq!(
        std::fs::read_to_string(file).unwrap(),
        BrokerRules::default().mosquitto()
    );
}

#[tokio::test]
async fn a_broker_that_was_told_takes_nothing_of_a_revoked_clinic() {
    let region = Region::new();
    if mosquitto(&region).await.is_none() {
        return;
    }
    let broker = Mosquitto::start(&region, None, &["clinic-7"]).await.unwrap();
    let hub = region.start(&hub_settings(&broker)).await;
    let mut edge = ClinicBox::new(&region.identity("clinic-7"), "clinic-7", broker.port);
    // Mosquitto asks its rules when a message is handed on, not when a topic is subscribed.
    edge.subscribe(&topics::down_filter(&edge.clinic.clone()))
        .await
        .unwrap();
    let result = envelope(&edge.clinic, 1, &result(1)).encode_to_vec();
    let topic = topics::up_result(&edge.clinic);
    let sent = edge.client.publish(&topic, QoS::AtLeastOnce, false, result);
    sent.await.unwrap();
    let refused = loop {
        if let Packet::PubAck(answer) = edge.incoming().await.unwrap() {
            break answer.reason;
        }
    };
    assert_eq!(refused, PubAckReason::NotAuthorized);
    let mut other = ClinicBox::connect(&region, "clinic-8", broker.port).await;
    receipted(&mut other, 2).await;
    let clinics: Vec<_> = hub
        .results()
        .await
        .iter()
        .map(|one| one["clinic"].clone())
        .collect();
    assert_eq!(clinics, ["clinic-8"]);
    hub.stop().await;
}

#[tokio::test]
async fn results_arrive_over_mosquitto_and_its_rules_hold() {
    let region = Region::new();
    let Some(broker) = mosquitto(&region).await else {
        return;
    };
    let hub = region.start(&hub_settings(&broker)).await;
    assert!(hub.mqtt.is_none(), "no port of its own");
    let mut edge = ClinicBox::connect(&region, "clinic-7", broker.port).await;
    receipted(&mut edge, 1).await;
    assert_eq!(hub.results().await.len(), 1);
    assert_eq!(hub.status().await["clinics"][0]["online"], true);

    // The broker's rules, not the hub, stop a clinic that writes as another.
    edge.client
        .publish(
            topics::up_result(&clinic("clinic-8")),
            QoS::AtLeastOnce,
            false,
            envelope(&clinic("clinic-8"), 2, &result(2)).encode_to_vec(),
        )
        .await
        .unwrap();
    receipted(&mut edge, 3).await;
    let clinics: Vec<_> = hub.results().await.iter().map(|r| r["clinic"].clone()).collect();
    assert_eq!(clinics, ["clinic-7", "clinic-7"]);
    hub.stop().await;
}

#[tokio::test]
async fn the_hub_returns_when_its_broker_does() {
    let region = Region::new();
    let Some(broker) = mosquitto(&region).await else {
        return;
    };
    let hub = region.start(&hub_settings(&broker)).await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", broker.port).await;
    receipted(&mut edge, 1).await;
    let port = broker.port;
    drop(broker);
    let _broker = Mosquitto::start(&region, Some(port), &[]).await.unwrap();
    let mut edge = ClinicBox::connect(&region, "clinic-7", port).await;
    receipted(&mut edge, 2).await;
    assert_eq!(hub.results().await.len(), 2);
    hub.stop().await;
}

fn presence(of: &str, session: u64, state: v1::PresenceState) -> Vec<u8> {
    let presence = v1::Presence {
        state: state.into(),
        session,
        client_version: "1.0.0".into(),
        ..Default::default()
    };
    presence_envelope(crate::support::envelope_id(77), &clinic(of), &presence).encode_to_vec()
}

#[tokio::test]
async fn a_will_is_heard_for_its_own_clinic_only() {
    let region = Region::new();
    let Some(broker) = mosquitto(&region).await else {
        return;
    };
    let hub = region.start(&hub_settings(&broker)).await;
    let online = async |wanted: bool| {
        wait_for("the clinic as wanted", async || {
            let status = hub.status().await;
            let clinics = status["clinics"].as_array().unwrap();
            let found = clinics.iter().find(|one| one["clinic"] == "clinic-7").cloned();
            match found {
                Some(one) if one["online"] == wanted => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    };
    // Everything works once a result is receipted.
    let mut edge = ClinicBox::connect(&region, "clinic-7", broker.port).await;
    receipted(&mut edge, 1).await;
    let will = |of: &str, session: u64| {
        LastWill::new(
            topics::up_presence(&clinic(of)),
            presence(of, session, v1::PresenceState::Down),
            QoS::AtLeastOnce,
            false,
            None,
        )
    };
    let born = async |edge: &mut ClinicBox, session: u64| {
        let birth = presence("clinic-7", session, v1::PresenceState::Up);
        let topic = topics::up_presence(&clinic("clinic-7"));
        edge.client
            .publish(topic, QoS::AtLeastOnce, false, birth)
            .await
            .unwrap();
        loop {
            if let Packet::Publish(publish) = edge.incoming().await.unwrap()
                && publish.topic == topics::down_hello(&clinic("clinic-7")).as_bytes()
            {
                return;
            }
        }
    };
    drop(edge);
    let mut first = ClinicBox::with_will(&region, "clinic-7", broker.port, Some(will("clinic-7", 5))).await;
    born(&mut first, 5).await;
    online(true).await;

    // Another clinic's Will speaks of this one: the broker's rules do not let it.
    let foreign = ClinicBox::with_will(&region, "clinic-8", broker.port, Some(will("clinic-7", 1_000)));
    if let Ok(mut foreign) = tokio::time::timeout(std::time::Duration::from_secs(5), foreign).await {
        receipted(&mut foreign, 2).await;
        drop(foreign);
    }
    // Its own older session's Will comes after the birth of the newer one.
    let mut second = ClinicBox::with_will(&region, "clinic-7", broker.port, Some(will("clinic-7", 6))).await;
    born(&mut second, 6).await;
    drop(first);
    receipted(&mut second, 3).await;
    online(true).await;
    drop(second);
    online(false).await;
    hub.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_through_the_broker_too() {
    let region = Region::new();
    let Some(broker) = mosquitto(&region).await else {
        return;
    };
    let hub = region.start(&hub_settings(&broker)).await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", broker.port).await;
    receipted(&mut edge, 1).await;
    let properties = PublishProperties {
        correlation_data: Some(b"\0\0\0\x09".to_vec().into()),
        ..PublishProperties::default()
    };
    edge.client
        .publish_with_properties(
            topics::up_result(&edge.clinic),
            QoS::AtLeastOnce,
            false,
            b"garbage".to_vec(),
            properties,
        )
        .await
        .unwrap();
    let receipts = loop {
        if let Packet::Publish(publish) = edge.incoming().await.unwrap()
            && publish.topic == topics::down_receipts(&edge.clinic).as_bytes()
        {
            let envelope = barefoot_wire::decode_envelope(&publish.payload).unwrap();
            break barefoot_wire::decode_receipts(&envelope.body).unwrap();
        }
    };
    assert_eq!(
        (receipts.correlation.as_slice(), receipts.unreadable.len()),
        (&b"\0\0\0\x09"[..], 1)
    );
    hub.stop().await;
}
