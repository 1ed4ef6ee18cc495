//! Whoever does not keep the rules gets its clear answer, and everybody else is served.

use std::sync::Arc;
use std::time::Instant;

use barefoot_trust::{Authority, TlsIdentity};
use barefoot_wire::topics;
use rcgen::{CertificateParams, DnType, DnValue, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, DisconnectReasonCode, LastWill, Packet, PubAckReason, SubscribeReasonCode,
};
use rumqttc::v5::{ConnectionError, StateError};
use rustls::pki_types::ServerName;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{ClinicBox, Hub, Region, clinic, envelope, result};

async fn is_served(region: &Region, hub: &Hub) {
    let mut edge = ClinicBox::connect(region, "honest", hub.port()).await;
    let reply = edge
        .send_result(&envelope(&clinic("honest"), 1, &result(1)))
        .await;
    assert!(reply.receipt.is_some());
}

/// A TLS connection of a clinic, to say on it what no client library would.
async fn raw(region: &Region, name: &str, port: u16) -> TlsStream<TcpStream> {
    let connector = TlsConnector::from(Arc::clone(&region.identity(name).client_config().unwrap()));
    let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let host = ServerName::try_from("127.0.0.1").unwrap();
    connector.connect(host, socket).await.unwrap()
}

/// CONNECT of MQTT 5, clean start, keep-alive as given, client id "x".
fn connect_packet(keep_alive_s: u8) -> Vec<u8> {
    [
        b"\x10\x0e\x00\x04MQTT\x05\x02\x00".as_slice(),
        &[keep_alive_s],
        b"\x00\x00\x01x",
    ]
    .concat()
}

/// All the hub says until it closes; how it closes does not matter.
async fn read_all(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut said = Vec::new();
    let _ = tokio::time::timeout(crate::support::DEADLINE, stream.read_to_end(&mut said))
        .await
        .expect("the hub keeps the line open");
    said
}

/// Whether `said` ends with a DISCONNECT for `reason`.
fn ends_with_disconnect(said: &[u8], reason: u8) -> bool {
    said.ends_with(&[0xE0, 2, reason, 0]) || said.ends_with(&[0xE0, 1, reason])
}

#[tokio::test]
async fn foreign_topics_and_filters_are_not_authorized() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", hub.port()).await;
    for topic in [
        topics::up_result(&clinic("clinic-8")),
        topics::down_receipt(&clinic("clinic-7")),
        "barefoot/v1/clinic-7/up/result/more".into(),
        "elsewhere".into(),
    ] {
        let reply = edge.send(&topic, b"x".to_vec()).await;
        assert_eq!(reply.ack.unwrap().reason, PubAckReason::NotAuthorized, "{topic}");
    }
    for filter in [
        "#",
        "$share/g/barefoot/v1/clinic-7/down/#",
        "barefoot/v1/clinic-8/down/#",
        "barefoot/v1/+/down/#",
    ] {
        let codes = edge.subscribe(filter).await.unwrap();
        assert_eq!(codes, [SubscribeReasonCode::NotAuthorized], "{filter}");
    }
    let reply = edge
        .send_result(&envelope(&clinic("clinic-7"), 1, &result(1)))
        .await;
    assert!(reply.receipt.is_some(), "the session lives on");
    assert_eq!(hub.results().await.len(), 1);
    hub.stop().await;
}

#[tokio::test]
async fn only_a_clinic_of_the_region_gets_in() {
    let region = Region::new();
    let hub = region.hub().await;
    let stranger = Region::new().identity("clinic-7");
    // The stranger trusts this hub, the hub does not trust the stranger.
    assert!(
        ClinicBox::new(&stranger, "clinic-7", hub.port())
            .incoming()
            .await
            .is_err()
    );

    let now = OffsetDateTime::now_utc();
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = Authority::create(elsewhere.path(), "Other region", now).unwrap();
    let issued = foreign
        .issue_clinic(&clinic("clinic-7"), now, time::Duration::days(1))
        .unwrap();
    issued.save(elsewhere.path(), "foreign").unwrap();
    let identity = TlsIdentity::load(&region.paths(&elsewhere.path().join("foreign"))).unwrap();
    assert!(
        ClinicBox::new(&identity, "clinic-7", hub.port())
            .incoming()
            .await
            .is_err()
    );

    // The hub's own certificate is of the region, but of no clinic.
    let hubs_own = TlsIdentity::load(&region.paths(&region.dir.path().join("hub"))).unwrap();
    assert_refused(
        ClinicBox::new(&hubs_own, "clinic-7", hub.port()),
        ConnectReturnCode::NotAuthorized,
    )
    .await;
    let two = two_names(&region, &["clinic-7", "clinic-8"]);
    assert_refused(
        ClinicBox::new(&two, "clinic-7", hub.port()),
        ConnectReturnCode::NotAuthorized,
    )
    .await;

    let mut anonymous = TcpStream::connect(("127.0.0.1", hub.port())).await.unwrap();
    anonymous.write_all(&connect_packet(30)).await.unwrap();
    let mut said = Vec::new();
    let _ = anonymous.read_to_end(&mut said).await;
    assert!(!said.contains(&0x20), "no CONNACK without TLS");

    is_served(&region, &hub).await;
    hub.stop().await;
}

async fn assert_refused(mut client: ClinicBox, code: ConnectReturnCode) {
    match client.incoming().await {
        Err(ConnectionError::ConnectionRefused(found)) => assert_eq!(found, code),
        Err(ConnectionError::MqttState(StateError::ConnFail { reason })) => assert_eq!(reason, code),
        other => panic!("{other:?}"),
    }
}

/// A certificate of the region whose subject names two clinics.
fn two_names(region: &Region, names: &[&str]) -> TlsIdentity {
    let read = |name: &str| std::fs::read_to_string(region.dir.path().join(name)).unwrap();
    let key = KeyPair::from_pem(&read("authority.key")).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&read("authority.crt"), key).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (at, name) in names.iter().enumerate() {
        // rcgen keeps one value per type; the same attribute under its object identifier is a second one.
        let kind = if at == 0 {
            DnType::CommonName
        } else {
            DnType::CustomDnType(vec![2, 5, 4, 3])
        };
        params
            .distinguished_name
            .push(kind, DnValue::Utf8String((*name).into()));
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&own, &issuer).unwrap();
    let stem = region.dir.path().join("two");
    std::fs::write(stem.with_extension("crt"), certificate.pem()).unwrap();
    std::fs::write(stem.with_extension("key"), own.serialize_pem()).unwrap();
    TlsIdentity::load(&region.paths(&stem)).unwrap()
}

#[tokio::test]
async fn silent_and_babbling_sockets_keep_nobody_out() {
    let region = Region::new();
    let hub = region.hub_with("connect_timeout_ms = 700").await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(("127.0.0.1", hub.port())).await.unwrap());
    }
    let mut babbling = TcpStream::connect(("127.0.0.1", hub.port())).await.unwrap();
    babbling.write_all(&[0xA5; 4096]).await.unwrap();
    let mut half = raw(&region, "clinic-5", hub.port()).await;
    half.write_all(&connect_packet(30)[..5]).await.unwrap();
    is_served(&region, &hub).await;

    let start = Instant::now();
    let mut nothing = [0; 1];
    for mut socket in silent {
        assert_eq!(
            socket.read(&mut nothing).await.unwrap_or(0),
            0,
            "a silent socket is cut"
        );
    }
    assert!(
        read_all(&mut half).await.is_empty(),
        "so is one that never finishes CONNECT"
    );
    assert!(start.elapsed().as_secs() < 10);
    is_served(&region, &hub).await;
    hub.stop().await;
}

#[tokio::test]
async fn the_wrong_protocol_is_told_so() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut old = raw(&region, "clinic-7", hub.port()).await;
    old.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x1e\x00\x01x")
        .await
        .unwrap();
    assert_eq!(
        read_all(&mut old).await,
        [0x20, 2, 0, 1],
        "unacceptable protocol version"
    );

    let mut web = raw(&region, "clinic-7", hub.port()).await;
    web.write_all(b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n")
        .await
        .unwrap();
    assert!(read_all(&mut web).await.is_empty());

    let mut early = raw(&region, "clinic-7", hub.port()).await;
    early
        .write_all(b"\xC0\x00\xC0\x00\xC0\x00\xC0\x00")
        .await
        .unwrap();
    assert!(read_all(&mut early).await.is_empty());
    is_served(&region, &hub).await;
    hub.stop().await;
}

#[tokio::test]
async fn a_session_that_breaks_the_protocol_is_cut_with_its_reason() {
    let region = Region::new();
    let hub = region.hub().await;
    let check = async |packet: &[u8], reason: u8| {
        let mut stream = raw(&region, "clinic-7", hub.port()).await;
        stream.write_all(&connect_packet(30)).await.unwrap();
        stream.write_all(packet).await.unwrap();
        let said = read_all(&mut stream).await;
        assert_eq!(said[0], 0x20, "CONNACK first");
        assert!(ends_with_disconnect(&said, reason), "{packet:x?}: {said:x?}");
    };
    let topic = b"\x00\x1ebarefoot/v1/clinic-7/up/result";
    let publish = |first: u8, rest: &[u8]| {
        [&[first, (topic.len() + rest.len()) as u8], topic.as_slice(), rest].concat()
    };
    check(b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x1e\x00\x00\x01x", 0x82).await; // a second CONNECT
    check(&publish(0x34, b"\x00\x01\x00x"), 0x9B).await; // QoS 2
    check(&publish(0x33, b"\x00\x01\x00x"), 0x9A).await; // retain
    check(&publish(0x32, b"\x00\x01\x03\x23\x00\x01x"), 0x94).await; // topic alias
    check(b"\x30\xff\xff\x7f", 0x95).await; // a packet of 2 MB
    check(b"\x82\x09\x00\x01\x02\x0b\x01\x00\x01#\x01", 0xA1).await; // subscription identifier
    check(b"\xF0\x00", 0x82).await; // AUTH
    is_served(&region, &hub).await;
    hub.stop().await;
}

#[tokio::test]
async fn random_bytes_after_connect_end_one_session_and_nothing_else() {
    use proptest::strategy::{Strategy, ValueTree};
    let region = Region::new();
    let hub = region.hub().await;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let bytes = proptest::collection::vec(proptest::num::u8::ANY, 1..300);
    for _ in 0..40 {
        let babble = bytes.new_tree(&mut runner).unwrap().current();
        let mut stream = raw(&region, "clinic-7", hub.port()).await;
        stream.write_all(&connect_packet(30)).await.unwrap();
        let _ = stream.write_all(&babble).await;
        let _ = stream.shutdown().await;
        read_all(&mut stream).await;
    }
    is_served(&region, &hub).await;
    hub.stop().await;
}

#[tokio::test]
async fn a_newer_session_of_the_same_clinic_takes_over() {
    let region = Region::new();
    let hub = region.hub_with("max_sessions = 1").await;
    let mut older = ClinicBox::connect(&region, "clinic-7", hub.port()).await;
    let mut newer = ClinicBox::connect(&region, "clinic-7", hub.port()).await;
    match older.incoming().await {
        Err(ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. })) => {
            assert_eq!(reason_code, DisconnectReasonCode::SessionTakenOver);
        }
        Ok(Packet::Disconnect(disconnect)) => {
            assert_eq!(disconnect.reason_code, DisconnectReasonCode::SessionTakenOver);
        }
        other => panic!("{other:?}"),
    }
    let reply = newer
        .send_result(&envelope(&clinic("clinic-7"), 1, &result(1)))
        .await;
    assert!(reply.receipt.is_some());
    let full = ClinicBox::new(&region.identity("clinic-8"), "clinic-8", hub.port());
    assert_refused(full, ConnectReturnCode::ServerBusy).await;
    hub.stop().await;
}

#[tokio::test]
async fn a_silent_session_is_cut_after_its_keep_alive() {
    let region = Region::new();
    let hub = region.hub_with("keep_alive_max_s = 1").await;
    let mut stream = raw(&region, "clinic-7", hub.port()).await;
    stream.write_all(&connect_packet(0)).await.unwrap();
    let said = read_all(&mut stream).await;
    assert!(
        said.windows(3).any(|window| window == [0x13, 0, 1]),
        "CONNACK names the server's keep-alive: {said:x?}"
    );
    assert!(ends_with_disconnect(&said, 0x8D), "{said:x?}");
    hub.stop().await;
}

#[tokio::test]
async fn a_will_must_be_the_clinics_own() {
    let region = Region::new();
    let hub = region.hub().await;
    let with_will = |topic: &str| {
        let mut edge = ClinicBox::new(&region.identity("clinic-7"), "clinic-7", hub.port());
        edge.events
            .options
            .set_last_will(LastWill::new(topic, "gone", QoS::AtLeastOnce, false, None));
        edge
    };
    assert_refused(
        with_will("barefoot/v1/clinic-8/up/result"),
        ConnectReturnCode::NotAuthorized,
    )
    .await;
    let accepted = with_will("barefoot/v1/clinic-7/up/presence")
        .incoming()
        .await
        .unwrap();
    assert!(matches!(accepted, Packet::ConnAck(_)));
    hub.stop().await;
}

#[tokio::test]
async fn a_flight_beyond_the_receive_maximum_is_cut() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut stream = raw(&region, "clinic-7", hub.port()).await;
    stream.write_all(&connect_packet(30)).await.unwrap();
    // Unacknowledged messages arrive faster than commits can be made.
    let mut flood = Vec::new();
    for id in 1..=4000u16 {
        let body = [
            b"\x00\x1ebarefoot/v1/clinic-7/up/result".as_slice(),
            &id.to_be_bytes(),
            b"\x00",
        ]
        .concat();
        flood.extend_from_slice(&[0x32, body.len() as u8]);
        flood.extend_from_slice(&body);
    }
    let _ = stream.write_all(&flood).await;
    let said = read_all(&mut stream).await;
    assert!(
        ends_with_disconnect(&said, 0x93),
        "{:x?}",
        said.iter().rev().take(8).collect::<Vec<_>>()
    );
    is_served(&region, &hub).await;
    hub.stop().await;
}
