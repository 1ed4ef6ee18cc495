//! The hub behind Mosquitto, with the rules of `provisioning/broker`. Skipped, loudly, where Mosquitto is missing.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use barefoot_wire::{ReceiptOutcome, topics};
use prost::Message;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use tokio::net::TcpStream;

use crate::support::{ClinicBox, Region, clinic, envelope, result, wait_for};

struct Mosquitto {
    child: Child,
    port: u16,
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Mosquitto {
    /// The committed example, with this region's paths and a free port.
    async fn start(region: &Region, port: Option<u16>) -> Option<Self> {
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
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../provisioning/broker");
        let example = std::fs::read_to_string(rules.join("mosquitto.conf.example")).unwrap();
        let acl = dir.join("acl");
        std::fs::copy(rules.join("acl.example"), &acl).unwrap();
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

fn hub_settings(broker: &Mosquitto) -> String {
    format!("endpoint = \"broker\"\nbroker = \"127.0.0.1:{}\"", broker.port)
}

/// Sends until the hub has subscribed and answers: the broker drops what nobody listens to, the edge repeats.
async fn receipted(edge: &mut ClinicBox, number: u32) {
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

#[tokio::test]
async fn results_arrive_over_mosquitto_and_its_rules_hold() {
    let region = Region::new();
    let Some(broker) = Mosquitto::start(&region, None).await else {
        assert!(
            std::env::var_os("CI").is_none(),
            "mosquitto must be there in CI: `cargo xtask test` installs it"
        );
        eprintln!("SKIPPED: mosquitto is not installed (apt-get install mosquitto)");
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
    let Some(broker) = Mosquitto::start(&region, None).await else {
        assert!(
            std::env::var_os("CI").is_none(),
            "mosquitto must be there in CI: `cargo xtask test` installs it"
        );
        eprintln!("SKIPPED: mosquitto is not installed (apt-get install mosquitto)");
        return;
    };
    let hub = region.start(&hub_settings(&broker)).await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", broker.port).await;
    receipted(&mut edge, 1).await;
    let port = broker.port;
    drop(broker);
    let _broker = Mosquitto::start(&region, Some(port)).await.unwrap();
    let mut edge = ClinicBox::connect(&region, "clinic-7", port).await;
    receipted(&mut edge, 2).await;
    assert_eq!(hub.results().await.len(), 2);
    hub.stop().await;
}
