//! A region with a hub and clinics, in this process.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use barefoot_domain::{
    Assessment, Call, CaseId, ClinicId, EngineUse, FindingCode, FindingResult, ModelVersion, QualityGrade,
    QualityVerdict, Reason, Score, Urgency,
};
use barefoot_hub::{Config, Shutdown};
use barefoot_trust::{Authority, Role, TlsIdentity, TlsPaths};
use barefoot_wire::{
    MadeBy, Receipt, StudyResult, decode_envelope, decode_receipt, result_envelope, topics, v1,
};
use prost::Message;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, Packet, PubAck, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for `probe` to give something; the last thing it said stands in the panic.
pub(crate) async fn wait_for<T>(what: &str, mut probe: impl AsyncFnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(status) => assert!(start.elapsed() < DEADLINE, "{what} did not happen: {status}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn clinic(name: &str) -> ClinicId {
    ClinicId::new(name).unwrap()
}

/// An authority with its hub's certificate, and the hub's directory.
pub(crate) struct Region {
    pub(crate) dir: TempDir,
    pub(crate) authority: Authority,
}

pub(crate) struct Hub {
    pub(crate) mqtt: Option<u16>,
    pub(crate) page: u16,
    pub(crate) grpc: u16,
    pub(crate) images: Option<u16>,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), barefoot_hub::Error>>,
}

impl Region {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let authority = Authority::create(dir.path(), "Test region", now).unwrap();
        authority
            .issue_hub(
                &["localhost".into(), "127.0.0.1".into()],
                now,
                time::Duration::days(2),
            )
            .unwrap()
            .save(dir.path(), "hub")
            .unwrap();
        Self { dir, authority }
    }

    pub(crate) fn config_text(&self, mqtt: &str) -> String {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        format!(
            "[storage]\ndirectory = {:?}\n[mqtt]\n{mqtt}\n[tls]\nauthority = {:?}\ncertificate = {:?}\nkey = {:?}\n\
             [page]\nlisten = \"127.0.0.1:0\"\nlanguage = \"zh\"\n[grpc]\nlisten = \"127.0.0.1:0\"\n",
            path("state"),
            path("authority.crt"),
            path("hub.crt"),
            path("hub.key"),
        )
    }

    pub(crate) async fn hub(&self) -> Hub {
        self.hub_with("").await
    }

    /// A hub with more settings under `[mqtt]`.
    pub(crate) async fn hub_with(&self, more: &str) -> Hub {
        self.start(&format!(
            "endpoint = \"embedded\"\nlisten = \"127.0.0.1:0\"\n{more}"
        ))
        .await
    }

    pub(crate) async fn start(&self, mqtt: &str) -> Hub {
        self.start_as(&self.config_text(mqtt)).await
    }

    /// A hub with these settings, all of them.
    pub(crate) async fn start_as(&self, text: &str) -> Hub {
        let config = Config::parse(text, "hub.toml", std::path::Path::new("/")).unwrap();
        let shutdown = Shutdown::new();
        let (ready, bound) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(barefoot_hub::run(config, shutdown.clone(), move || {
            let _ = ready.send(());
        }));
        if bound.await.is_err() {
            panic!("the hub did not start: {:?}", task.await);
        }
        let text = std::fs::read_to_string(self.dir.path().join("state/addresses.json")).unwrap();
        let addresses: Value = serde_json::from_str(&text).unwrap();
        let port = |name: &str| {
            let address = addresses["addresses"][name].as_str()?;
            Some(address.rsplit_once(':')?.1.parse().unwrap())
        };
        Hub {
            mqtt: port("mqtt"),
            page: port("page").unwrap(),
            grpc: port("grpc").unwrap(),
            images: port("images"),
            shutdown,
            task,
        }
    }

    /// A fresh certificate of this region's authority.
    pub(crate) fn identity(&self, name: &str) -> TlsIdentity {
        let dir = tempfile::tempdir_in(self.dir.path()).unwrap().keep();
        self.authority
            .issue_clinic(&clinic(name), OffsetDateTime::now_utc(), time::Duration::days(1))
            .unwrap()
            .save(&dir, name)
            .unwrap();
        TlsIdentity::load(&self.paths(&dir.join(name))).unwrap()
    }

    /// A fresh certificate of somebody with a role.
    pub(crate) fn person(&self, role: Role, name: &str) -> TlsIdentity {
        let dir = tempfile::tempdir_in(self.dir.path()).unwrap().keep();
        self.authority
            .issue_person(role, name, OffsetDateTime::now_utc(), time::Duration::days(1))
            .unwrap()
            .save(&dir, name)
            .unwrap();
        TlsIdentity::load(&self.paths(&dir.join(name))).unwrap()
    }

    /// The paths of a certificate `<stem>.crt` with its key, trusting this region.
    pub(crate) fn paths(&self, stem: &std::path::Path) -> TlsPaths {
        let with = |extension: &str| PathBuf::from(format!("{}.{extension}", stem.display()));
        TlsPaths {
            authority: self.dir.path().join("authority.crt"),
            certificate: with("crt"),
            key: with("key"),
        }
    }
}

impl Hub {
    pub(crate) async fn stop(self) {
        self.shutdown.trigger();
        tokio::time::timeout(DEADLINE, self.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    pub(crate) fn port(&self) -> u16 {
        self.mqtt.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, "").await
    }

    /// A plain HTTP request: status line, headers, body.
    pub(crate) async fn get_with(&self, path: &str, headers: &str) -> Answer {
        let mut socket = TcpStream::connect(("127.0.0.1", self.page)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Answer {
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    pub(crate) async fn results(&self) -> Vec<Value> {
        self.get("/api/results").await.json()["results"]
            .as_array()
            .unwrap()
            .clone()
    }

    pub(crate) async fn status(&self) -> Value {
        self.get("/api/status").await.json()
    }
}

pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A clinic's box: rumqttc as the edge uses it.
pub(crate) struct ClinicBox {
    pub(crate) client: AsyncClient,
    pub(crate) events: EventLoop,
    pub(crate) clinic: ClinicId,
}

/// What a hub of ours sends back for one message, in whatever order.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) ack: Option<PubAck>,
    pub(crate) receipt: Option<Receipt>,
}

impl ClinicBox {
    pub(crate) fn new(identity: &TlsIdentity, name: &str, port: u16) -> Self {
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
                identity.client_config().unwrap(),
            )))
            .set_keep_alive(Duration::from_secs(30))
            .set_clean_start(true)
            .set_outgoing_inflight_upper_limit(64);
        // Otherwise a message waits for TCP to acknowledge the packet before it: 40 ms each.
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        let (client, events) = AsyncClient::new(options, 1024);
        Self {
            client,
            events,
            clinic: clinic(name),
        }
    }

    /// Connected and listening to its own `down`.
    pub(crate) async fn connect(region: &Region, name: &str, port: u16) -> Self {
        Self::with_will(region, name, port, None).await
    }

    /// The same with something to say when it is gone.
    pub(crate) async fn with_will(region: &Region, name: &str, port: u16, will: Option<LastWill>) -> Self {
        let mut this = Self::new(&region.identity(name), name, port);
        if let Some(will) = will {
            this.events.options.set_last_will(will);
        }
        let codes = this.subscribe(&topics::down_filter(&clinic(name))).await.unwrap();
        assert_eq!(codes, [SubscribeReasonCode::Success(QoS::AtLeastOnce)]);
        this
    }

    pub(crate) async fn subscribe(
        &mut self,
        filter: &str,
    ) -> Result<Vec<SubscribeReasonCode>, ConnectionError> {
        self.client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        loop {
            if let Packet::SubAck(ack) = self.incoming().await? {
                return Ok(ack.return_codes);
            }
        }
    }

    /// The next packet from the hub.
    pub(crate) async fn incoming(&mut self) -> Result<Packet, ConnectionError> {
        let next = async {
            loop {
                if let Event::Incoming(packet) = self.events.poll().await? {
                    return Ok(packet);
                }
            }
        };
        tokio::time::timeout(DEADLINE, next)
            .await
            .expect("the hub says nothing")
    }

    /// Sends `payload` and waits for its PUBACK, and for its receipt unless it is refused in the PUBACK.
    pub(crate) async fn send(&mut self, topic: &str, payload: Vec<u8>) -> Reply {
        self.client
            .publish(topic, QoS::AtLeastOnce, false, payload)
            .await
            .unwrap();
        let mut reply = Reply::default();
        loop {
            match self.incoming().await.unwrap() {
                Packet::PubAck(ack) => {
                    let refused = ack.reason != rumqttc::v5::mqttbytes::v5::PubAckReason::Success;
                    reply.ack = Some(ack);
                    if refused {
                        return reply;
                    }
                }
                // A hub at which cases are read tells of these as well.
                Packet::Publish(publish) if publish.topic == topics::down_case(&self.clinic).as_bytes() => {}
                Packet::Publish(publish) => {
                    assert_eq!(publish.topic, topics::down_receipt(&self.clinic).as_bytes());
                    let envelope = decode_envelope(&publish.payload).unwrap();
                    assert_eq!(envelope.clinic, self.clinic.as_str());
                    assert_eq!(envelope.kind(), v1::Kind::Receipt);
                    reply.receipt = Some(decode_receipt(&envelope.body).unwrap());
                }
                _ => {}
            }
            if reply.ack.is_some() && reply.receipt.is_some() {
                return reply;
            }
        }
    }

    pub(crate) async fn send_result(&mut self, envelope: &v1::Envelope) -> Reply {
        self.send(&topics::up_result(&self.clinic.clone()), envelope.encode_to_vec())
            .await
    }
}

pub(crate) fn envelope_id(number: u32) -> String {
    format!("01ARZ3NDEKTSV4RRFF{number:08}")
}

pub(crate) fn envelope(clinic: &ClinicId, number: u32, result: &StudyResult) -> v1::Envelope {
    result_envelope(envelope_id(number), clinic, result)
}

/// A pneumonia of the demonstration model, one case per number.
pub(crate) fn result(case: u32) -> StudyResult {
    let score = Score::new(0.93).unwrap();
    StudyResult {
        case: CaseId::new(format!("2.25.3141592653{case:08}")).unwrap(),
        version: 1,
        modality: "DX".into(),
        instances: 1,
        received_at_ms: 1_000,
        assessed_at_ms: 2_000,
        clock_offset_ms: None,
        made_by: MadeBy::default(),
        assessment: Assessment {
            model: Some(ModelVersion {
                id: "cxr-pneumonia".into(),
                version: "0.1.0".into(),
                demonstration: true,
            }),
            engine: Some(EngineUse {
                engine: "tract".into(),
                precision: "int8".into(),
            }),
            findings: vec![FindingResult {
                code: FindingCode::new("pneumonia").unwrap(),
                score,
                call: Call::Positive,
                confidence: score,
            }],
            quality: QualityVerdict {
                grade: QualityGrade::A,
                problems: vec![],
            },
            urgency: Urgency::Critical,
            reasons: vec![Reason::UrgentFinding(FindingCode::new("pneumonia").unwrap())],
            regions: Vec::new(),
            others: Vec::new(),
        },
    }
}
