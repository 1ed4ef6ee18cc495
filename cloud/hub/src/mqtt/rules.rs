//! What a clinic may ask of the endpoint. Pure.

use std::num::NonZeroU16;
use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_wire::topics::{self, Direction, Topic};
use bytestring::ByteString;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::{
    Connect, ConnectAck, ConnectAckReason, DisconnectReasonCode, LastWill, Subscribe, SubscribeAck,
    SubscribeAckReason,
};

use super::{IN_FLIGHT, MAX_PACKET_BYTES};

/// The hub's own packets are smaller, receipts for the largest batch among them; a client that takes less cannot be served.
const MIN_CLIENT_PACKET_BYTES: u32 = 64 * 1024;

/// Most filters in one SUBSCRIBE or UNSUBSCRIBE; a box needs one.
pub(super) const MAX_FILTERS: usize = 16;

/// What was agreed in CONNECT and CONNACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    /// Silence after which the session is cut: 1.5 times the keep-alive (MQTT 5 section 3.1.2.10).
    pub(super) silence: Duration,
    /// The most messages to it in flight.
    pub(super) in_flight: u16,
}

/// The answer to a CONNECT of `clinic`, with what was granted when it is a success.
pub(super) fn answer_connect(
    connect: &Connect,
    clinic: &ClinicId,
    keep_alive_max_s: u16,
) -> (ConnectAck, Option<Grant>) {
    if let Err(reason) = check_connect(connect, clinic) {
        return (refuse_connect(reason), None);
    }
    let keep_alive_s = match connect.keep_alive {
        0 => keep_alive_max_s,
        asked => asked.min(keep_alive_max_s),
    };
    let ack = ConnectAck {
        receive_max: NonZeroU16::new(IN_FLIGHT).unwrap_or(NonZeroU16::MIN),
        max_qos: QoS::AtLeastOnce,
        max_packet_size: Some(MAX_PACKET_BYTES),
        topic_alias_max: 0,
        retain_available: false,
        wildcard_subscription_available: true,
        subscription_identifiers_available: false,
        shared_subscription_available: false,
        server_keepalive_sec: (keep_alive_s != connect.keep_alive).then_some(keep_alive_s),
        // No session outlives its connection.
        session_expiry_interval_secs: (connect.session_expiry_interval_secs != 0).then_some(0),
        assigned_client_id: connect.client_id.is_empty().then(|| clinic.as_str().into()),
        ..ConnectAck::default()
    };
    let grant = Grant {
        silence: Duration::from_secs(u64::from(keep_alive_s)) * 3 / 2,
        in_flight: connect
            .receive_max
            .map_or(IN_FLIGHT, |most| most.get().min(IN_FLIGHT)),
    };
    (ack, Some(grant))
}

pub(super) fn refuse_connect(reason: ConnectAckReason) -> ConnectAck {
    ConnectAck {
        reason_code: reason,
        ..ConnectAck::default()
    }
}

fn check_connect(connect: &Connect, clinic: &ClinicId) -> Result<(), ConnectAckReason> {
    if connect.auth_method.is_some() {
        return Err(ConnectAckReason::BadAuthenticationMethod);
    }
    if connect
        .max_packet_size
        .is_some_and(|most| most.get() < MIN_CLIENT_PACKET_BYTES)
    {
        return Err(ConnectAckReason::PacketTooLarge);
    }
    connect
        .last_will
        .as_ref()
        .map_or(Ok(()), |will| check_will(will, clinic))
}

/// A Will is taken but never published: the end of the session is itself the news. It must still be one that the
/// clinic could have published.
fn check_will(will: &LastWill, clinic: &ClinicId) -> Result<(), ConnectAckReason> {
    if will.retain {
        return Err(ConnectAckReason::RetainNotSupported);
    }
    if will.qos == QoS::ExactlyOnce {
        return Err(ConnectAckReason::QosNotSupported);
    }
    own_up_topic(&will.topic, clinic)
        .map(|_| ())
        .ok_or(ConnectAckReason::NotAuthorized)
}

/// `topic` taken apart, when it is one `clinic` may publish on.
pub(super) fn own_up_topic(topic: &str, clinic: &ClinicId) -> Option<Topic> {
    topics::parse(topic).filter(|topic| topic.direction == Direction::Up && topic.clinic == *clinic)
}

/// What no client may send whatever its topic: CONNACK has said so.
pub(super) fn check_publish(publish: &Publish) -> Result<(), DisconnectReasonCode> {
    if publish.qos == QoS::ExactlyOnce {
        return Err(DisconnectReasonCode::QosNotSupported);
    }
    if publish.retain {
        return Err(DisconnectReasonCode::RetainNotSupported);
    }
    if publish
        .properties
        .as_ref()
        .is_some_and(|properties| properties.topic_alias.is_some())
    {
        return Err(DisconnectReasonCode::TopicAliasInvalid);
    }
    Ok(())
}

/// The filters a session holds: at most everything under its clinic's `down`.
#[derive(Debug)]
pub(super) struct Subscriptions {
    clinic: ClinicId,
    held: Vec<(ByteString, QoS)>,
}

impl Subscriptions {
    pub(super) fn new(clinic: ClinicId) -> Self {
        Self {
            clinic,
            held: Vec::new(),
        }
    }

    pub(super) fn subscribe(&mut self, subscribe: &Subscribe) -> Result<SubscribeAck, DisconnectReasonCode> {
        if subscribe.id.is_some() {
            return Err(DisconnectReasonCode::SubscriptionIdentifiersNotSupported);
        }
        if MAX_FILTERS < subscribe.topic_filters.len() {
            return Err(DisconnectReasonCode::QuotaExceeded);
        }
        let status = subscribe
            .topic_filters
            .iter()
            .map(|(filter, options)| self.add(filter, options.qos))
            .collect();
        Ok(SubscribeAck {
            packet_id: subscribe.packet_id,
            properties: Vec::new(),
            reason_string: None,
            status,
        })
    }

    fn add(&mut self, filter: &ByteString, asked: QoS) -> SubscribeAckReason {
        let exact = topics::parse(filter)
            .is_some_and(|topic| topic.direction == Direction::Down && topic.clinic == self.clinic);
        if !exact && **filter != *topics::down_filter(&self.clinic) {
            return SubscribeAckReason::NotAuthorized;
        }
        self.remove(filter);
        if MAX_FILTERS <= self.held.len() {
            return SubscribeAckReason::QuotaExceeded;
        }
        let qos = asked.min(QoS::AtLeastOnce);
        self.held.push((filter.clone(), qos));
        match qos {
            QoS::AtMostOnce => SubscribeAckReason::GrantedQos0,
            _ => SubscribeAckReason::GrantedQos1,
        }
    }

    /// Whether there was such a subscription.
    pub(super) fn remove(&mut self, filter: &ByteString) -> bool {
        let before = self.held.len();
        self.held.retain(|(held, _)| held != filter);
        self.held.len() < before
    }

    /// The quality of service for `topic`; `None` when the session did not ask for it.
    pub(super) fn quality(&self, topic: &str) -> Option<QoS> {
        let all = topics::down_filter(&self.clinic);
        self.held
            .iter()
            .filter(|(filter, _)| **filter == *topic || **filter == *all)
            .map(|(_, qos)| *qos)
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmqtt_codec::v5::SubscriptionOptions;

    fn clinic() -> ClinicId {
        ClinicId::new("clinic-7").unwrap()
    }

    fn will(topic: &str) -> LastWill {
        LastWill {
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: topic.into(),
            message: bytes::Bytes::new(),
            will_delay_interval_sec: None,
            correlation_data: None,
            message_expiry_interval: None,
            content_type: None,
            user_properties: Vec::new(),
            is_utf8_payload: None,
            response_topic: None,
        }
    }

    #[test]
    fn connect_is_answered_with_what_the_endpoint_offers() {
        let connect = Connect {
            keep_alive: 0,
            session_expiry_interval_secs: 60,
            receive_max: NonZeroU16::new(9),
            ..Connect::default()
        };
        let (ack, grant) = answer_connect(&connect, &clinic(), 300);
        assert_eq!(ack.reason_code, ConnectAckReason::Success);
        assert_eq!(
            ack.server_keepalive_sec,
            Some(300),
            "no line is open without a limit"
        );
        assert_eq!(ack.session_expiry_interval_secs, Some(0));
        assert_eq!(ack.max_qos, QoS::AtLeastOnce);
        assert!(!ack.retain_available && !ack.shared_subscription_available);
        let expected = Grant {
            silence: Duration::from_secs(450),
            in_flight: 9,
        };
        assert_eq!(grant, Some(expected));
    }

    #[test]
    fn connect_is_refused_by_name() {
        let check = |connect: Connect, expected| {
            let (ack, grant) = answer_connect(&connect, &clinic(), 300);
            assert_eq!((ack.reason_code, grant), (expected, None));
        };
        let with_will = |will| Connect {
            last_will: Some(will),
            ..Connect::default()
        };
        check(
            with_will(will("barefoot/v1/clinic-8/up/result")),
            ConnectAckReason::NotAuthorized,
        );
        check(
            with_will(will("barefoot/v1/clinic-7/down/receipt")),
            ConnectAckReason::NotAuthorized,
        );
        let retained = LastWill {
            retain: true,
            ..will("barefoot/v1/clinic-7/up/presence")
        };
        check(with_will(retained), ConnectAckReason::RetainNotSupported);
        let tiny = Connect {
            max_packet_size: 7.try_into().ok(),
            ..Connect::default()
        };
        check(tiny, ConnectAckReason::PacketTooLarge);
        let own = answer_connect(
            &with_will(will("barefoot/v1/clinic-7/up/presence")),
            &clinic(),
            300,
        );
        assert!(own.1.is_some());
    }

    #[test]
    fn a_clinic_hears_only_its_own_down() {
        let mut subscriptions = Subscriptions::new(clinic());
        let mut status = |filters: &[&str]| {
            let subscribe = Subscribe {
                packet_id: NonZeroU16::MIN,
                id: None,
                user_properties: Vec::new(),
                topic_filters: filters
                    .iter()
                    .map(|filter| {
                        let options = SubscriptionOptions {
                            qos: QoS::ExactlyOnce,
                            ..SubscriptionOptions::default()
                        };
                        (ByteString::from(*filter), options)
                    })
                    .collect(),
            };
            subscriptions.subscribe(&subscribe).map(|ack| ack.status)
        };
        let foreign = [
            "#",
            "+/#",
            "$share/g/barefoot/v1/clinic-7/down/#",
            "barefoot/v1/+/down/#",
            "barefoot/v1/clinic-8/down/#",
            "barefoot/v1/clinic-7/#",
            "barefoot/v1/clinic-7/down/+",
            "barefoot/v1/clinic-7/up/result",
            "",
        ];
        assert_eq!(status(&foreign).unwrap(), [SubscribeAckReason::NotAuthorized; 9]);
        assert_eq!(
            status(&["barefoot/v1/clinic-7/down/report"]).unwrap(),
            [SubscribeAckReason::GrantedQos1]
        );
        assert_eq!(
            status(&["#"; MAX_FILTERS + 1]),
            Err(DisconnectReasonCode::QuotaExceeded)
        );
        assert_eq!(subscriptions.quality(&topics::down_receipt(&clinic())), None);
        let all = ByteString::from("barefoot/v1/clinic-7/down/#");
        subscriptions.add(&all, QoS::AtMostOnce);
        assert_eq!(
            subscriptions.quality(&topics::down_receipt(&clinic())),
            Some(QoS::AtMostOnce)
        );
        assert!(subscriptions.remove(&all) && !subscriptions.remove(&all));
        assert_eq!(subscriptions.quality(&topics::down_receipt(&clinic())), None);
    }
}
