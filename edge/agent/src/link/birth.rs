//! A session's beginning and end, as the hub is told.

use std::time::Instant;

use barefoot_wire::{presence_envelope, topics, v1};
use prost::Message;
use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, LastWillProperties, PublishProperties};
use tokio::task::block_in_place;
use ulid::Ulid;

use super::Link;
use super::starts::Named;
use crate::clock::now_ms;
use crate::hub_clock::Exchange;

/// A word on a session that ended longer ago is worth nothing.
const EXPIRY_S: u32 = 60 * 60;

fn presence(link: &Link, session: u64, state: v1::PresenceState, named: Option<Named>) -> v1::Envelope {
    let named = named.map(|named| (named.start.to_vec(), named.follows, named.machine));
    let (start, follows, machine) = named.unwrap_or_default();
    let presence = v1::Presence {
        state: state.into(),
        session,
        client_version: env!("CARGO_PKG_VERSION").to_owned(),
        start,
        follows: follows.into_iter().map(Vec::from).collect(),
        machine,
    };
    let mut envelope = presence_envelope(Ulid::generate().to_string(), &link.clinic, &presence);
    envelope.sent_at_ms = now_ms();
    envelope
}

/// What a broker says for us when we are gone.
pub(super) fn last_will(link: &Link, session: u64) -> LastWill {
    let payload = presence(link, session, v1::PresenceState::Down, None).encode_to_vec();
    let properties = LastWillProperties {
        delay_interval: None,
        payload_format_indicator: None,
        message_expiry_interval: Some(EXPIRY_S),
        content_type: None,
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    LastWill::new(
        topics::up_presence(&link.clinic),
        payload,
        QoS::AtLeastOnce,
        false,
        Some(properties),
    )
}

/// A birth on its way, until it is answered.
#[derive(Debug)]
pub(super) struct Birth {
    pub(super) envelope_id: String,
    sent_at: Instant,
}

/// Tells that the session stands, and so asks what the hub understands and what time it is. `None` when the client's buffer
/// is full: then it is told a little later.
pub(super) fn tell(link: &Link, client: &AsyncClient, session: u64) -> Option<Birth> {
    let named = block_in_place(|| link.starts.name(&link.state, link.clinic.as_str()));
    let envelope = presence(link, session, v1::PresenceState::Up, named);
    let properties = PublishProperties {
        message_expiry_interval: Some(EXPIRY_S),
        ..PublishProperties::default()
    };
    let sent_at = Instant::now();
    client
        .try_publish_with_properties(
            topics::up_presence(&link.clinic),
            QoS::AtLeastOnce,
            false,
            envelope.encode_to_vec(),
            properties,
        )
        .ok()?;
    Some(Birth {
        envelope_id: envelope.id,
        sent_at,
    })
}

impl Birth {
    /// What the hub's answer says of its time.
    pub(super) fn exchange(&self, link: &Link, hello: &v1::Hello, now: Instant) -> Exchange {
        Exchange {
            asked: link.hub_clock.moment(self.sent_at),
            answered: link.hub_clock.moment(now),
            hub_received_ms: hello.received_at_ms,
            hub_answered_ms: hello.answered_at_ms,
        }
    }

    pub(super) fn sent_at(&self) -> Instant {
        self.sent_at
    }
}
