//! How clinics reach the hub: MQTT 5 over mutual TLS, nothing else.
//!
//! `endpoint` is the hub's own MQTT 5 endpoint, for two kinds of clients, known by their certificates: a clinic's box
//! (`session`), which publishes under its own `up` and listens to its own `down`; and, where the settings ask for it, an
//! expert's listener (`alarm_session`), which hears of critical cases that were not read in time and says nothing. It is no
//! general broker: nothing a clinic sends is ever routed to another one. `broker` is the other way: the hub is a client of an external MQTT 5 broker, whose
//! rules then bind clinics to their topics.
//!
//! Both acknowledge a message only after its database commit, then send a receipt to `down/receipt`, or for a batch to
//! `down/receipts`. Receipts are not kept for later: whoever misses one sends its message again and gets another. Whoever
//! tells on `up/presence` that it is there is told on `down/hello` what this hub understands and what time it is. What the
//! hub itself has to tell a clinic comes from `dispatch`, which keeps it until the clinic's receipt on `up/receipt`.

mod alarm_session;
mod broker;
mod endpoint;
mod greeting;
mod listeners;
mod outgoing;
mod reply;
mod rules;
mod session;
mod window;

pub(crate) use broker::Broker;
pub(crate) use endpoint::Endpoint;
pub(crate) use reply::OwnCertificate;

use barefoot_wire::{MAX_ENVELOPE_BYTES, v1};
use bytes::Bytes;
use prost::Message;

use crate::clock::now_ms;

/// Most messages a clinic may have unacknowledged (Receive Maximum), and most the hub has with it.
const IN_FLIGHT: u16 = 256;

/// The largest MQTT packet accepted: the largest envelope with its topic and properties.
const MAX_PACKET_BYTES: u32 = MAX_ENVELOPE_BYTES as u32 + 1024;

/// Why the line could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen for clinics on {address}")]
    Listen {
        address: std::net::SocketAddr,
        source: std::io::Error,
    },
}

/// A kept message as it is published; `None` when the kept bytes are no envelope.
fn stamped(envelope: &[u8]) -> Option<Bytes> {
    let mut envelope = v1::Envelope::decode(envelope).ok()?;
    envelope.sent_at_ms = now_ms();
    Some(envelope.encode_to_vec().into())
}
