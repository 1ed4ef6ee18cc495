//! Critical cases that were not read in time are told by MQTT, by the hub's own endpoint and by a broker alike.

use barefoot_trust::Role;
use barefoot_wire::topics;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode, Packet, SubscribeReasonCode};
use rumqttc::v5::{ConnectionError, StateError};
use serde_json::Value;

use crate::broker::{hub_settings, mosquitto};
use crate::support::{ClinicBox, Hub, Region, envelope, result};

const EMBEDDED: &str = "endpoint = \"embedded\"\nlisten = \"127.0.0.1:0\"";

async fn hub(region: &Region, mqtt: &str, worklist: &str) -> Hub {
    let text = format!("{}[people]\n[worklist]\n{worklist}", region.config_text(mqtt));
    region.start_as(&text).await
}

/// Somebody at a duty room with a listener's certificate, who acknowledges nothing by itself.
fn listener(region: &Region, role: Role, name: &str, port: u16) -> ClinicBox {
    let mut this = ClinicBox::new(&region.person(role, name), name, port);
    this.events.options.set_manual_acks(true);
    this
}

/// The next alarm, acknowledged if wanted.
async fn alarm(listener: &mut ClinicBox, take: bool) -> Value {
    loop {
        let Packet::Publish(publish) = listener.incoming().await.unwrap() else {
            continue;
        };
        assert_eq!(publish.topic, topics::region_alarm().as_bytes());
        assert_eq!(publish.qos, QoS::AtLeastOnce);
        let text = std::str::from_utf8(&publish.payload).unwrap();
        assert!(
            !text.contains("2.25."),
            "a case is called by its number there: {text}"
        );
        if take {
            listener.client.ack(&publish).await.unwrap();
        }
        return serde_json::from_str(text).unwrap();
    }
}

/// The hub ends the session and says why.
async fn is_told(listener: &mut ClinicBox, why: DisconnectReasonCode) {
    loop {
        match listener.incoming().await {
            Ok(_) => {}
            Err(ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. })) => {
                assert_eq!(reason_code, why);
                return;
            }
            Err(error) => panic!("it was not told why: {error}"),
        }
    }
}

/// Reaches the other end before what comes next.
async fn subscribed(listener: &mut ClinicBox, filter: &str) -> bool {
    let codes = listener.subscribe(filter).await.unwrap();
    codes == [SubscribeReasonCode::Success(QoS::AtLeastOnce)]
}

#[tokio::test]
async fn an_alarm_waits_until_a_listener_has_taken_it() {
    let region = Region::new();
    let hub = hub(&region, EMBEDDED, "alarm_by_mqtt = true\n").await;
    let port = hub.mqtt.unwrap();
    let mut edge = ClinicBox::connect(&region, "clinic-7", port).await;
    // Of a day long ago: its ten minutes were over before it came.
    edge.send_result(&envelope(&edge.clinic.clone(), 1, &result(1)))
        .await;

    let topic = topics::region_alarm();
    let mut first = listener(&region, Role::Listener, "duty-room", port);
    assert!(subscribed(&mut first, &topic).await);
    let told = alarm(&mut first, false).await;
    assert_eq!(
        (&told["event"], &told["clinic"], &told["tier"]),
        (&"critical_case_late".into(), &"clinic-7".into(), &"city".into())
    );
    // It goes before it has acknowledged, and is told again.
    drop(first);
    let mut again = listener(&region, Role::Listener, "duty-room", port);
    assert!(subscribed(&mut again, &topic).await);
    assert_eq!(alarm(&mut again, true).await, told);

    // Whoever listens hears what comes, each of them.
    let mut other = listener(&region, Role::Listener, "night-desk", port);
    assert!(subscribed(&mut other, &topic).await);
    assert_eq!(alarm(&mut other, true).await, told, "what is not an hour old");
    edge.send_result(&envelope(&edge.clinic.clone(), 2, &result(2)))
        .await;
    let second = alarm(&mut again, true).await;
    assert_eq!(second, alarm(&mut other, true).await);
    assert_ne!(second["alarm"], told["alarm"]);

    // A second session of the same certificate takes the first one's place.
    let mut newer = listener(&region, Role::Listener, "duty-room", port);
    assert!(subscribed(&mut newer, &topic).await);
    is_told(&mut again, DisconnectReasonCode::SessionTakenOver).await;
    hub.stop().await;
}

#[tokio::test]
async fn a_listener_hears_alarms_only_and_says_nothing() {
    let region = Region::new();
    let hub = hub(&region, EMBEDDED, "alarm_by_mqtt = true\n").await;
    let port = hub.mqtt.unwrap();
    let mut listening = listener(&region, Role::Listener, "duty-room", port);
    for foreign in [
        "#",
        "barefoot/v1/_region/#",
        "barefoot/v1/clinic-7/down/#",
        "barefoot/v1/duty-room/down/#",
    ] {
        let codes = listening.subscribe(foreign).await.unwrap();
        assert_eq!(codes, [SubscribeReasonCode::NotAuthorized], "{foreign}");
    }
    // A person's certificate is no box's, whatever its name.
    listening
        .client
        .publish("barefoot/v1/duty-room/up/result", QoS::AtLeastOnce, false, "x")
        .await
        .unwrap();
    is_told(&mut listening, DisconnectReasonCode::NotAuthorized).await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", port).await;
    let codes = edge.subscribe(&topics::region_alarm()).await.unwrap();
    assert_eq!(codes, [SubscribeReasonCode::NotAuthorized], "nor does a clinic");
    let mut maintainer = listener(&region, Role::Maintainer, "keeper", port);
    assert!(maintainer.subscribe(&topics::region_alarm()).await.is_err());
    hub.stop().await;
}

#[tokio::test]
async fn nobody_listens_where_the_settings_do_not_say_so() {
    let region = Region::new();
    let hub = hub(&region, EMBEDDED, "").await;
    let mut refused = listener(&region, Role::Listener, "duty-room", hub.mqtt.unwrap());
    assert!(refused.subscribe(&topics::region_alarm()).await.is_err());
    hub.stop().await;
}

#[tokio::test]
async fn a_broker_is_told_until_somebody_listens_there() {
    let region = Region::new();
    let Some(broker) = mosquitto(&region).await else {
        return;
    };
    let hub = hub(
        &region,
        &format!("{}\n", hub_settings(&broker)),
        "alarm_by_mqtt = true\n",
    )
    .await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", broker.port).await;
    crate::broker::receipted(&mut edge, 1).await;
    // The alarm may have been handed over meanwhile: nobody was there to hear it.
    let mut listening = listener(&region, Role::Listener, "duty-room", broker.port);
    assert!(subscribed(&mut listening, &topics::region_alarm()).await);
    let told = alarm(&mut listening, true).await;
    assert_eq!(told["event"], "critical_case_late");
    crate::broker::receipted(&mut edge, 2).await;
    let next = alarm(&mut listening, true).await;
    assert_ne!(next["alarm"], told["alarm"], "what was taken is not told again");
    hub.stop().await;
}
