//! Packets of MQTT 5 as they must not be, and good ones with bytes changed.

use barefoot_domain::ClinicId;
use barefoot_wire::topics;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use super::hall::{Hall, Visitor};
use super::ledger::{Attack, Ledger};
use super::mqtt_line::{CONNACK, Line, PUBACK, connect, packet, publish, reason, string, subscribe};
use super::other_clinics::made_up_result;

const MUTATIONS: u64 = 160;

/// What comes where a CONNECT should be.
fn first_words() -> Vec<(&'static str, Vec<u8>)> {
    let with = |rest: &[u8]| packet(0x10, rest);
    vec![
        ("nothing", Vec::new()),
        ("half a CONNECT", connect("x")[..7].to_vec()),
        ("a CONNECT with flags", [&[0x1f][..], &connect("x")[1..]].concat()),
        (
            "a reserved flag in CONNECT",
            with(b"\x00\x04MQTT\x05\x03\x00\x1e\x00\x00\x01x"),
        ),
        ("MQTT 3.1", with(b"\x00\x06MQIsdp\x03\x02\x00\x1e\x00\x01x")),
        ("MQTT 3.1.1", with(b"\x00\x04MQTT\x04\x02\x00\x1e\x00\x01x")),
        ("MQTT 9", with(b"\x00\x04MQTT\x09\x02\x00\x1e\x00\x00\x01x")),
        (
            "another protocol's name",
            with(b"\x00\x04mqtt\x05\x02\x00\x1e\x00\x00\x01x"),
        ),
        ("a name longer than the packet", with(b"\xff\xffMQTT\x05")),
        (
            "a client of bytes that are no text",
            with(b"\x00\x04MQTT\x05\x02\x00\x1e\x00\x00\x02\xff\xfe"),
        ),
        (
            "a client with a zero in its name",
            with(b"\x00\x04MQTT\x05\x02\x00\x1e\x00\x00\x01\x00"),
        ),
        (
            "properties longer than the packet",
            with(b"\x00\x04MQTT\x05\x02\x00\x1e\x7f\x00\x01x"),
        ),
        (
            "a property of no kind",
            with(b"\x00\x04MQTT\x05\x02\x00\x1e\x02\x7e\x00\x00\x01x"),
        ),
        (
            "a property twice",
            with(b"\x00\x04MQTT\x05\x02\x00\x1e\x0a\x11\x00\x00\x00\x01\x11\x00\x00\x00\x01\x00\x01x"),
        ),
        (
            "a receive maximum of 0",
            with(b"\x00\x04MQTT\x05\x02\x00\x1e\x03\x21\x00\x00\x00\x01x"),
        ),
        (
            "a will of QoS 3",
            with(b"\x00\x04MQTT\x05\x1e\x00\x1e\x00\x00\x01x\x00\x00\x01a\x00\x01b"),
        ),
        (
            "a will flag without a will",
            with(b"\x00\x04MQTT\x05\x06\x00\x1e\x00\x00\x01x"),
        ),
        (
            "a password that is too short for its length",
            with(b"\x00\x04MQTT\x05\x42\x00\x1e\x00\x00\x01x\x00\x09p"),
        ),
        ("a length of five bytes", b"\x10\xff\xff\xff\xff\x01".to_vec()),
        (
            "a PUBLISH first",
            publish("barefoot/v1/clinic-7/up/result", 1, b"x"),
        ),
        ("a PINGREQ first", b"\xC0\x00".to_vec()),
        ("a packet of type 0", b"\x00\x00".to_vec()),
        ("HTTP", b"GET / HTTP/1.1\r\nhost: hub\r\n\r\n".to_vec()),
        (
            "a WebSocket",
            b"GET /mqtt HTTP/1.1\r\nupgrade: websocket\r\n\r\n".to_vec(),
        ),
        ("zeros", vec![0; 4096]),
        ("ones", vec![0xFF; 4096]),
    ]
}

/// What comes after a CONNECT.
fn later_words(topic: &str) -> Vec<(&'static str, Vec<u8>)> {
    let publish_as = |first: u8, rest: &[u8]| packet(first, &[string(topic), rest.to_vec()].concat());
    vec![
        ("a second CONNECT", connect("x")),
        ("a CONNACK", b"\x20\x03\x00\x00\x00".to_vec()),
        ("a SUBACK", b"\x90\x04\x00\x01\x00\x00".to_vec()),
        ("a PINGRESP", b"\xD0\x00".to_vec()),
        ("an AUTH", b"\xF0\x00".to_vec()),
        ("a packet of type 0", b"\x00\x00".to_vec()),
        ("QoS 0", publish_as(0x30, b"\x00x")),
        ("QoS 2", publish_as(0x34, b"\x00\x01\x00x")),
        ("QoS 3", publish_as(0x36, b"\x00\x01\x00x")),
        ("retain", publish_as(0x33, b"\x00\x01\x00x")),
        ("packet number 0", publish_as(0x32, b"\x00\x00\x00x")),
        ("no packet number", publish_as(0x32, b"")),
        ("a topic alias", publish_as(0x32, b"\x00\x01\x03\x23\x00\x01x")),
        (
            "a topic alias of 0",
            publish_as(0x32, b"\x00\x01\x03\x23\x00\x00x"),
        ),
        (
            "a subscription identifier",
            publish_as(0x32, b"\x00\x01\x02\x0b\x01x"),
        ),
        (
            "properties longer than the packet",
            publish_as(0x32, b"\x00\x01\x7fx"),
        ),
        (
            "a property of CONNECT",
            publish_as(0x32, b"\x00\x01\x05\x11\x00\x00\x00\x01x"),
        ),
        ("no topic", packet(0x32, b"\x00\x00\x00\x01\x00x")),
        (
            "a topic with a wildcard",
            publish("barefoot/v1/+/up/result", 1, b"x"),
        ),
        (
            "a topic with a zero",
            publish("barefoot/v1/clinic-7\0/up/result", 1, b"x"),
        ),
        (
            "a topic that is no text",
            packet(0x32, b"\x00\x02\xff\xfe\x00\x01\x00x"),
        ),
        ("a topic longer than the packet", b"\x32\x04\x00\x7fab".to_vec()),
        (
            "SUBSCRIBE without its flags",
            packet(0x80, b"\x00\x01\x00\x00\x01a\x01"),
        ),
        ("SUBSCRIBE to nothing", packet(0x82, b"\x00\x01\x00")),
        ("SUBSCRIBE number 0", subscribe("a", 0)),
        (
            "SUBSCRIBE with reserved options",
            packet(0x82, b"\x00\x01\x00\x00\x01a\xff"),
        ),
        ("SUBSCRIBE to QoS 3", packet(0x82, b"\x00\x01\x00\x00\x01a\x03")),
        ("SUBSCRIBE to a filter that is none", subscribe("a/#/b", 1)),
        ("UNSUBSCRIBE from nothing", packet(0xA2, b"\x00\x01\x00")),
        ("an acknowledgement of nothing", packet(0x40, b"\xff\xff\x00\x00")),
        ("PUBREL of nothing", packet(0x62, b"\x00\x01\x00\x00")),
        ("DISCONNECT with a reason that is none", packet(0xE0, b"\x77\x00")),
        ("a length of five bytes", b"\x32\xff\xff\xff\xff\x01".to_vec()),
        ("half a PUBLISH", publish(topic, 1, b"xxxxxxxxxxxx")[..9].to_vec()),
        ("garbage", (0..=255).collect()),
    ]
}

/// How many results and envelopes the hub has taken.
async fn taken(hall: &Hall, monitor: &Visitor) -> (u64, u64) {
    let answer = monitor.asks("GET", "/api/status").send(hall.page()).await;
    let status: Value = serde_json::from_slice(&answer.body).unwrap();
    (
        status["results"].as_u64().unwrap(),
        status["envelopes"].as_u64().unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn no_malformed_packet_is_taken() {
    let mut ledger = Ledger::default();
    let mut hall = Hall::open().await;
    let monitor = Visitor::program(&hall.token("monitor", "monitor"));
    let clinic = ClinicId::new("clinic-7").unwrap();
    let topic = topics::up_result(&clinic);
    let before = taken(&hall, &monitor).await;
    for (what, words) in first_words() {
        let said = Line::of(&hall, "clinic-7")
            .await
            .heard_until_the_end(&words)
            .await;
        ledger.tried(Attack::MalformedMqtt, what, reason(&said, CONNACK) == Some(0));
    }
    for (what, words) in later_words(&topic) {
        let said = Line::of(&hall, "clinic-7")
            .await
            .heard_until_the_end(&[connect("x"), words].concat())
            .await;
        ledger.tried(Attack::MalformedMqtt, what, reason(&said, PUBACK) == Some(0));
    }
    assert_eq!(
        taken(&hall, &monitor).await,
        before,
        "nothing of it is in the archive"
    );

    // A good message with bytes changed in its frame, not in its payload: that would be another message.
    let good = publish(&topic, 7, b"");
    let mut random = StdRng::seed_from_u64(20_261_123);
    for number in 0..MUTATIONS {
        let mut bytes = good.clone();
        for _ in 0..=number % 4 {
            let place = random.random_range(0..bytes.len());
            match random.random_range(0..4) {
                0 => bytes[place] ^= 1 << random.random_range(0..8),
                1 => bytes[place] = random.random(),
                2 => bytes.insert(place, random.random()),
                _ => {
                    bytes.remove(place);
                }
            }
        }
        let said = Line::of(&hall, "clinic-7")
            .await
            .heard_until_the_end(&[connect("x"), bytes.clone()].concat())
            .await;
        ledger.tried(
            Attack::MalformedMqtt,
            &format!("{bytes:x?}"),
            reason(&said, PUBACK) == Some(0),
        );
    }
    assert_eq!(
        taken(&hall, &monitor).await,
        before,
        "nothing of the mutations either"
    );
    hall.hub.check().unwrap();

    let mut line = Line::of(&hall, "clinic-7").await;
    let accepted = line.answer(&connect("clinic-7"), CONNACK).await;
    ledger.control(Attack::MalformedMqtt, "CONNECT", accepted == Some(0));
    let payload = made_up_result(&clinic, 1);
    let stored = line.answer(&publish(&topic, 1, &payload), PUBACK).await;
    ledger.control(
        Attack::MalformedMqtt,
        &format!("a result: {stored:?}"),
        stored == Some(0),
    );
    assert_eq!(taken(&hall, &monitor).await.0, before.0 + 1);
    ledger.settle();
}
