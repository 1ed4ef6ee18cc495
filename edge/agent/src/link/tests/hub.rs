//! A hub that does what a test tells it, packet by packet.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_trust::{Authority, TlsIdentity, TlsPaths};
use barefoot_wire::{
    Receipt, ReceiptOutcome, Receipts, decode_batch, decode_envelope, hello, hello_envelope,
    receipt_envelope, receipts_envelope, topics, v1,
};
use bytes::{Bytes, BytesMut};
use prost::Message;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnectReturnCode, LastWill, Packet, PingResp, PubAck, PubAckReason, Publish, SubAck,
    SubscribeReasonCode,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use ulid::Ulid;

use crate::clock::now_ms;

/// Generous: the machine may be busy with something else.
const SOON: Duration = Duration::from_secs(60);

pub(super) fn clinic() -> ClinicId {
    ClinicId::new("clinic-7").unwrap()
}

pub(super) fn paths(folder: &Path, name: &str) -> TlsPaths {
    TlsPaths {
        authority: folder.join("authority.crt"),
        certificate: folder.join(format!("{name}.crt")),
        key: folder.join(format!("{name}.key")),
    }
}

pub(super) struct Hub {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    certificate: Vec<u8>,
}

impl Hub {
    /// Makes the region's certificates in `folder`, and listens.
    pub(super) async fn new(folder: &Path) -> Self {
        let now = time::OffsetDateTime::now_utc();
        let day = time::Duration::days(1);
        let authority = Authority::create(folder, "Test region", now).unwrap();
        let issued = authority.issue_hub(&["127.0.0.1".into()], now, day).unwrap();
        issued.save(folder, "hub").unwrap();
        let issued = authority.issue_clinic(&clinic(), now, day).unwrap();
        issued.save(folder, "clinic-7").unwrap();
        let identity = TlsIdentity::load(&paths(folder, "hub")).unwrap();
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(identity.server_config().unwrap()),
            certificate: identity.certificate(),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub(super) async fn accept_raw(&self) -> TcpStream {
        timeout(SOON, self.listener.accept())
            .await
            .expect("the box calls")
            .unwrap()
            .0
    }

    /// The next session, up to its subscription.
    pub(super) async fn session(&self) -> Session {
        let stream = self.acceptor.accept(self.accept_raw().await).await.unwrap();
        let mut session = Session {
            stream,
            buffer: BytesMut::new(),
            will: None,
            next_packet: 1,
            certificate: self.certificate.clone().into(),
            ahead_ms: 0,
        };
        let Some(Packet::Connect(_, will, _)) = session.packet().await else {
            panic!("a session begins with CONNECT");
        };
        session.will = will;
        let ack = ConnAck {
            session_present: false,
            code: ConnectReturnCode::Success,
            properties: None,
        };
        session.send(Packet::ConnAck(ack)).await;
        let Some(Packet::Subscribe(subscribe)) = session.packet().await else {
            panic!("then comes SUBSCRIBE");
        };
        let ack = SubAck {
            pkid: subscribe.pkid,
            return_codes: vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)],
            properties: None,
        };
        session.send(Packet::SubAck(ack)).await;
        session
    }
}

pub(super) struct Session {
    stream: TlsStream<TcpStream>,
    buffer: BytesMut,
    pub(super) will: Option<LastWill>,
    next_packet: u16,
    certificate: Arc<[u8]>,
    /// What the hub's clock is ahead of the box's.
    ahead_ms: i64,
}

/// A message of the box.
pub(super) struct Sent {
    pub(super) packet: u16,
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) correlation: Vec<u8>,
    pub(super) expiry_s: Option<u32>,
}

impl Sent {
    /// The envelopes in it, alone or in a batch.
    pub(super) fn envelopes(&self) -> Vec<v1::Envelope> {
        if self.topic == topics::up_batch(&clinic()) {
            let envelopes = decode_batch(&self.payload).unwrap();
            return envelopes
                .iter()
                .map(|one| decode_envelope(one).unwrap())
                .collect();
        }
        vec![decode_envelope(&self.payload).unwrap()]
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.envelopes().into_iter().map(|envelope| envelope.id).collect()
    }
}

impl Session {
    /// `None` when the box has gone. Pings are not answered here.
    pub(super) async fn packet(&mut self) -> Option<Packet> {
        let read = async {
            loop {
                if let Ok(packet) = Packet::read(&mut self.buffer, None) {
                    return Some(packet);
                }
                match self.stream.read_buf(&mut self.buffer).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        };
        timeout(SOON, read).await.expect("the box says something")
    }

    pub(super) async fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).unwrap();
        // A box that has gone meanwhile is noticed by whoever reads next.
        let _ = self.stream.write_all(&bytes).await;
        let _ = self.stream.flush().await;
    }

    /// The next message; pings are answered, acknowledgements passed over.
    pub(super) async fn message(&mut self) -> Sent {
        self.try_message().await.expect("the session stands")
    }

    /// `None` when the box has gone.
    pub(super) async fn try_message(&mut self) -> Option<Sent> {
        loop {
            match self.packet().await? {
                Packet::Publish(publish) => {
                    let properties = publish.properties.unwrap_or_default();
                    return Some(Sent {
                        packet: publish.pkid,
                        topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
                        payload: publish.payload,
                        correlation: properties.correlation_data.unwrap_or_default().to_vec(),
                        expiry_s: properties.message_expiry_interval,
                    });
                }
                Packet::PingReq(_) => self.send(Packet::PingResp(PingResp)).await,
                _ => {}
            }
        }
    }

    pub(super) async fn acknowledge(&mut self, sent: &Sent) {
        self.acknowledge_as(sent, PubAckReason::Success).await;
    }

    pub(super) async fn acknowledge_as(&mut self, sent: &Sent, reason: PubAckReason) {
        let ack = PubAck {
            pkid: sent.packet,
            reason,
            properties: None,
        };
        self.send(Packet::PubAck(ack)).await;
    }

    pub(super) async fn publish(&mut self, topic: String, envelope: v1::Envelope) {
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, envelope.encode_to_vec(), None);
        publish.pkid = self.next_packet;
        self.next_packet += 1;
        self.send(Packet::Publish(publish)).await;
    }

    /// The birth, without an answer.
    pub(super) async fn birth(&mut self) -> Sent {
        let birth = self.message().await;
        assert_eq!(birth.topic, topics::up_presence(&clinic()));
        birth
    }

    /// Takes the birth and answers it as a hub whose clock is `ahead_ms` ahead.
    pub(super) async fn greet(&mut self, ahead_ms: i64) {
        let birth = self.birth().await;
        self.acknowledge(&birth).await;
        self.say_hello(&birth, ahead_ms).await;
    }

    pub(super) async fn say_hello(&mut self, birth: &Sent, ahead_ms: i64) {
        self.say_hello_as(birth, ahead_ms, |_| {}).await;
    }

    /// As a hub that says other things of itself.
    pub(super) async fn say_hello_as(
        &mut self,
        birth: &Sent,
        ahead_ms: i64,
        change: impl FnOnce(&mut v1::Hello),
    ) {
        self.ahead_ms = ahead_ms;
        let now = now_ms() + ahead_ms;
        let mut hello = hello(birth.ids().remove(0), now, now, &self.certificate);
        change(&mut hello);
        let envelope = hello_envelope(Ulid::generate().to_string(), &clinic(), &hello);
        self.publish(topics::down_hello(&clinic()), envelope).await;
    }

    /// Takes the birth and refuses it, as a hub from before births did.
    pub(super) async fn do_not_know_births(&mut self) {
        let birth = self.birth().await;
        self.acknowledge(&birth).await;
        let receipt = Receipt {
            envelope_id: birth.ids().remove(0),
            outcome: ReceiptOutcome::Refused {
                reason: "this hub takes results and receipts only".into(),
            },
            hub_time_ms: now_ms(),
        };
        self.receipt(&receipt).await;
    }

    pub(super) async fn receipt(&mut self, receipt: &Receipt) {
        let envelope = receipt_envelope(Ulid::generate().to_string(), &clinic(), receipt);
        self.publish(topics::down_receipt(&clinic()), envelope).await;
    }

    pub(super) async fn receipts(&mut self, receipts: &Receipts) {
        let envelope = receipts_envelope(Ulid::generate().to_string(), &clinic(), receipts);
        self.publish(topics::down_receipts(&clinic()), envelope).await;
    }

    /// Acknowledges a message and says that all of it is stored.
    pub(super) async fn store(&mut self, sent: &Sent) {
        self.acknowledge(sent).await;
        let mut receipts = stored(sent);
        receipts.hub_time_ms += self.ahead_ms;
        self.receipts(&receipts).await;
    }
}

pub(super) fn stored(sent: &Sent) -> Receipts {
    Receipts {
        receipts: sent
            .ids()
            .into_iter()
            .map(|envelope_id| Receipt {
                envelope_id,
                outcome: ReceiptOutcome::Stored,
                hub_time_ms: now_ms(),
            })
            .collect(),
        correlation: sent.correlation.clone(),
        hub_time_ms: now_ms(),
        ..Receipts::default()
    }
}
