//! One client of the library, for one session: how it is set up, and what its events mean.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use barefoot_wire::topics;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, Packet, PubAck, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{Outgoing, TlsConfiguration, Transport};
use tokio::sync::mpsc;

use super::session::Ended;
use super::{Link, birth};

/// Events from the client not yet looked at. When full the client stops reading, and the hub with it.
const EVENTS: usize = 64;
/// Beyond an envelope's limit, with room for the MQTT headers.
const MAX_PACKET_BYTES: u32 = 128 * 1024;
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Births and receipts for what came down, beside the records.
const BESIDE: u16 = 8;

/// The client with its loop running, until it is dropped.
pub(super) struct Client {
    pub(super) publish: AsyncClient,
    pub(super) events: mpsc::Receiver<Result<Event, ConnectionError>>,
    _stop: AbortOnDrop,
}

impl Client {
    pub(super) fn start(link: &Link, session: u64) -> Self {
        let options = options(link, session);
        let (publish, event_loop) = AsyncClient::new(options, usize::from(link.config.in_flight + BESIDE));
        let (sender, events) = mpsc::channel(EVENTS);
        // The client's loop runs on its own: dropping its future in the middle of a read could lose bytes.
        let poller = tokio::spawn(poll(event_loop, sender));
        Self {
            publish,
            events,
            _stop: AbortOnDrop(poller),
        }
    }

    /// Waits for the hub's CONNACK and for its consent to our subscription.
    pub(super) async fn open(&mut self, link: &Link) -> Result<(), Ended> {
        loop {
            match self.events.recv().await.ok_or(Ended::ClientStopped)? {
                Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                    if ack.code != ConnectReturnCode::Success {
                        return Err(Ended::Refused {
                            reason: format!("{:?}", ack.code),
                        });
                    }
                    self.publish
                        .try_subscribe(topics::down_filter(&link.clinic), QoS::AtLeastOnce)
                        .map_err(|_| Ended::ClientStopped)?;
                }
                Ok(Event::Incoming(Packet::SubAck(ack))) => {
                    let granted = ack
                        .return_codes
                        .iter()
                        .all(|code| matches!(code, SubscribeReasonCode::Success(_)));
                    return if granted { Ok(()) } else { Err(Ended::Subscription) };
                }
                Ok(_) => {}
                Err(ConnectionError::ConnectionRefused(code)) => {
                    return Err(Ended::Refused {
                        reason: format!("{code:?}"),
                    });
                }
                Err(source) => {
                    return Err(Ended::Connection {
                        source: Box::new(source),
                    });
                }
            }
        }
    }
}

fn options(link: &Link, session: u64) -> MqttOptions {
    let mut options = MqttOptions::new(link.clinic.as_str(), link.host.as_str(), link.port);
    options
        .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
            link.tls.clone(),
        )))
        .set_keep_alive(link.config.keep_alive())
        // Nothing rests on the broker's memory of us.
        .set_clean_start(true)
        .set_connection_timeout(CONNECT_TIMEOUT.as_secs())
        .set_max_packet_size(Some(MAX_PACKET_BYTES))
        .set_receive_maximum(Some(link.config.in_flight))
        // More than the records that are sent at once: the library must never be what holds back a critical one.
        .set_outgoing_inflight_upper_limit(link.config.in_flight + BESIDE)
        .set_last_will(birth::last_will(link, session));
    // Small messages that somebody waits for.
    let mut network = options.network_options();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    options
}

async fn poll(mut event_loop: EventLoop, events: mpsc::Sender<Result<Event, ConnectionError>>) {
    loop {
        let event = event_loop.poll().await;
        let last = event.is_err();
        if events.send(event).await.is_err() || last {
            return;
        }
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Which packet carries which of our messages: the library tells packet ids in the order in which messages were given to it.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    /// Given to the library, not yet on the line; `None` for what is no record.
    given: VecDeque<Option<u32>>,
    packets: HashMap<u16, Option<u32>>,
}

/// What the other end of the line says of a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// It cannot be read; the number of the message, where it held records.
    Unreadable(Option<u32>),
    /// Not now, or not from us.
    No(PubAckReason),
}

impl Acknowledged {
    pub(super) fn given(&mut self, number: Option<u32>) {
        self.given.push_back(number);
    }

    /// # Errors
    /// When the library waits for an acknowledgement that stands in the way of everything else: it has been seen to wait
    /// for ever, and to lose what waited. A new client knows nothing of it.
    pub(super) fn on_outgoing(&mut self, outgoing: &Outgoing) -> Result<(), Ended> {
        match outgoing {
            Outgoing::Publish(packet) => {
                let number = self.given.pop_front().flatten();
                self.packets.insert(*packet, number);
                Ok(())
            }
            Outgoing::AwaitAck(_) => Err(Ended::Collision),
            _ => Ok(()),
        }
    }

    pub(super) fn on_ack(&mut self, ack: &PubAck) -> Taken {
        let number = self.packets.remove(&ack.pkid).flatten();
        match ack.reason {
            // Nobody listens at the broker now: the hub's receipt will not come, and that is looked for elsewhere.
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Taken::Yes,
            PubAckReason::PayloadFormatInvalid => Taken::Unreadable(number),
            reason => Taken::No(reason),
        }
    }
}
