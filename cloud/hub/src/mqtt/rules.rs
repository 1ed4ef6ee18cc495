//! What a clinic, or a listener to alarms, may ask of the endpoint. Pure.

use std::num::NonZeroU16;
use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_trust::{Peer, Person, Role};
use barefoot_wire::topics::{self, Direction, Topic};
use bytestring::ByteString;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::{
    Connect, ConnectAck, ConnectAckReason, DisconnectReasonCode, LastWill, Subscribe, SubscribeAck,
    SubscribeAckReason, Unsubscribe, UnsubscribeAck, UnsubscribeAckReason,
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

/// Who calls, as the certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// A clinic's box.
    Clinic(ClinicId),
    /// Hears of alarms and says nothing.
    Listener(String),
}

impl Caller {
    /// People have nothing to hear here.
    pub(super) fn of(peer: Peer) -> Option<Self> {
        match peer {
            Peer::Clinic(clinic) => Some(Self::Clinic(clinic)),
            Peer::Person(Person {
                role: Role::Listener,
                name,
            }) => Some(Self::Listener(name)),
            Peer::Person(_) => None,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Clinic(clinic) => clinic.as_str(),
            Self::Listener(name) => name,
        }
    }

    /// The one filter that stands for several topics, where there is one.
    fn wide_filter(&self) -> Option<String> {
        match self {
            Self::Clinic(clinic) => Some(topics::down_filter(clinic)),
            Self::Listener(_) => None,
        }
    }

    fn may_hear(&self, topic: &str) -> bool {
        match self {
            Self::Clinic(clinic) => topics::parse(topic)
                .is_some_and(|topic| topic.direction == Direction::Down && topic.clinic == *clinic),
            Self::Listener(_) => topic == topics::region_alarm(),
        }
    }
}

/// The answer to a CONNECT of `caller`, with what was granted when it is a success.
pub(super) fn answer_connect(
    connect: &Connect,
    caller: &Caller,
    keep_alive_max_s: u16,
) -> (ConnectAck, Option<Grant>) {
    if let Err(reason) = check_connect(connect, caller) {
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
        assigned_client_id: connect.client_id.is_empty().then(|| caller.name().into()),
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

fn check_connect(connect: &Connect, caller: &Caller) -> Result<(), ConnectAckReason> {
    // MQTT 5, 1.5.4: no string holds a zero. The decoder lets it pass.
    if connect.client_id.contains('\0') {
        return Err(ConnectAckReason::ClientIdentifierNotValid);
    }
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
        .map_or(Ok(()), |will| check_will(will, caller))
}

/// A Will is taken but never published: the end of the session is itself the news. It must still be one that the
/// caller could have published.
fn check_will(will: &LastWill, caller: &Caller) -> Result<(), ConnectAckReason> {
    if will.retain {
        return Err(ConnectAckReason::RetainNotSupported);
    }
    if will.qos == QoS::ExactlyOnce {
        return Err(ConnectAckReason::QosNotSupported);
    }
    match caller {
        Caller::Clinic(clinic) if own_up_topic(&will.topic, clinic).is_some() => Ok(()),
        _ => Err(ConnectAckReason::NotAuthorized),
    }
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

/// The filters a session holds: at most everything under its clinic's `down`, or the region's alarms.
#[derive(Debug)]
pub(super) struct Subscriptions {
    caller: Caller,
    held: Vec<(ByteString, QoS)>,
}

impl Subscriptions {
    pub(super) fn new(caller: Caller) -> Self {
        Self {
            caller,
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
        let wide = self.caller.wide_filter();
        if !self.caller.may_hear(filter) && wide.as_deref() != Some(&**filter) {
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

    pub(super) fn unsubscribe(
        &mut self,
        unsubscribe: &Unsubscribe,
    ) -> Result<UnsubscribeAck, DisconnectReasonCode> {
        if MAX_FILTERS < unsubscribe.topic_filters.len() {
            return Err(DisconnectReasonCode::QuotaExceeded);
        }
        let status = unsubscribe
            .topic_filters
            .iter()
            .map(|filter| {
                if self.remove(filter) {
                    UnsubscribeAckReason::Success
                } else {
                    UnsubscribeAckReason::NoSubscriptionExisted
                }
            })
            .collect();
        Ok(UnsubscribeAck {
            packet_id: unsubscribe.packet_id,
            properties: Vec::new(),
            reason_string: None,
            status,
        })
    }

    /// Whether there was such a subscription.
    fn remove(&mut self, filter: &ByteString) -> bool {
        let before = self.held.len();
        self.held.retain(|(held, _)| held != filter);
        self.held.len() < before
    }

    /// The quality of service for `topic`; `None` when the session did not ask for it.
    pub(super) fn quality(&self, topic: &str) -> Option<QoS> {
        let wide = self.caller.wide_filter();
        self.held
            .iter()
            .filter(|(filter, _)| **filter == *topic || wide.as_deref() == Some(&**filter))
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

    fn box_of_clinic() -> Caller {
        Caller::Clinic(clinic())
    }

    fn listener() -> Caller {
        Caller::Listener("duty.room".into())
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
        let (ack, grant) = answer_connect(&connect, &box_of_clinic(), 300);
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
            let (ack, grant) = answer_connect(&connect, &box_of_clinic(), 300);
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
            &box_of_clinic(),
            300,
        );
        assert!(own.1.is_some());
        // Who listens says nothing, not even at the end.
        for topic in [
            "barefoot/v1/clinic-7/up/presence",
            &topics::region_alarm(),
            "barefoot/v1/duty.room/up/presence",
        ] {
            let (ack, grant) = answer_connect(&with_will(will(topic)), &listener(), 300);
            assert_eq!((ack.reason_code, grant), (ConnectAckReason::NotAuthorized, None));
        }
        let (ack, grant) = answer_connect(&Connect::default(), &listener(), 300);
        assert!(grant.is_some());
        assert_eq!(ack.assigned_client_id.as_deref(), Some("duty.room"));
    }

    #[test]
    fn who_may_come_in_is_a_clinic_or_a_listener() {
        let person = |role| Peer::Person(Person::new(role, "duty.room").unwrap());
        assert_eq!(Caller::of(person(Role::Listener)), Some(listener()));
        for role in [Role::Maintainer, Role::Expert, Role::Operator] {
            assert_eq!(Caller::of(person(role)), None);
        }
        assert_eq!(Caller::of(Peer::Clinic(clinic())), Some(box_of_clinic()));
    }

    fn asked(
        subscriptions: &mut Subscriptions,
        filters: &[&str],
    ) -> Result<Vec<SubscribeAckReason>, DisconnectReasonCode> {
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
    }

    #[test]
    fn a_listener_hears_of_alarms_and_of_nothing_else() {
        let mut subscriptions = Subscriptions::new(listener());
        let foreign = [
            "#",
            "barefoot/v1/#",
            "barefoot/v1/+/alarm",
            "barefoot/v1/_region/#",
            "barefoot/v1/_region/+",
            "$share/g/barefoot/v1/_region/alarm",
            "barefoot/v1/clinic-7/down/#",
            "barefoot/v1/clinic-7/down/case",
            "barefoot/v1/duty.room/down/#",
        ];
        assert_eq!(
            asked(&mut subscriptions, &foreign).unwrap(),
            [SubscribeAckReason::NotAuthorized; 9]
        );
        assert_eq!(subscriptions.quality(&topics::region_alarm()), None);
        assert_eq!(
            asked(&mut subscriptions, &["barefoot/v1/_region/alarm"]).unwrap(),
            [SubscribeAckReason::GrantedQos1]
        );
        assert_eq!(
            subscriptions.quality(&topics::region_alarm()),
            Some(QoS::AtLeastOnce)
        );
        assert_eq!(subscriptions.quality(&topics::down_case(&clinic())), None);
    }

    #[test]
    fn a_clinic_hears_only_its_own_down() {
        let mut subscriptions = Subscriptions::new(box_of_clinic());
        let mut status = |filters: &[&str]| asked(&mut subscriptions, filters);
        let foreign = [
            "#",
            "+/#",
            "$share/g/barefoot/v1/clinic-7/down/#",
            "barefoot/v1/+/down/#",
            "barefoot/v1/clinic-8/down/#",
            "barefoot/v1/clinic-7/#",
            "barefoot/v1/clinic-7/down/+",
            "barefoot/v1/clinic-7/up/result",
            "barefoot/v1/_region/alarm",
            "",
        ];
        assert_eq!(status(&foreign).unwrap(), [SubscribeAckReason::NotAuthorized; 10]);
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
