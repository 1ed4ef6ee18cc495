//! One MQTT session after the other, each with a client of its own.

use std::time::Duration;

use barefoot_wire::topics;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, Packet, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, timeout};

use super::uplink::Uplink;
use super::{Link, downlink};
use crate::backoff;
use crate::handoff::FromHub;

/// Events from the client not yet looked at. When full the client stops reading, and the hub with it.
const EVENTS: usize = 64;
/// Beyond an envelope's limit, with room for the MQTT headers.
const MAX_PACKET_BYTES: u32 = 128 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How often overdue receipts are looked for.
const TICK: Duration = Duration::from_secs(1);

/// Why a session ended; nothing is lost by it.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the connection failed")]
    Connection { source: Box<ConnectionError> },
    #[error("the hub refused the session: {reason}")]
    Refused { reason: String },
    #[error("the hub refused the subscription")]
    Subscription,
    #[error("no session within {} s", CONNECT_TIMEOUT.as_secs())]
    Slow,
    #[error("no receipt within {seconds} s")]
    NoReceipt { seconds: u64 },
    #[error("the client stopped")]
    ClientStopped,
    #[error("the queue cannot be read")]
    Queue { source: barefoot_queue::Error },
}

pub(super) async fn keep(link: &Link) {
    let mut failures = 0;
    loop {
        let mut receipts = 0;
        let Err(ended) = run_one(link, &mut receipts).await;
        link.status.set_connected(false);
        if let Ended::Queue { source } = &ended {
            tracing::error!(error = %source, "The queue failed; the daemon ends and must be started again.");
            return;
        }
        // A session that brought receipts was a good one: start over with short pauses.
        failures = if 0 < receipts { 1 } else { failures + 1 };
        let pause = backoff::pause(failures, link.config.max_backoff_s);
        let cause = std::error::Error::source(&ended)
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::warn!(
            clinic = %link.clinic,
            reason = %ended,
            cause,
            pause_ms = pause.as_millis(),
            "The line to the hub is down; results wait in the queue."
        );
        tokio::time::sleep(pause).await;
    }
}

async fn run_one(link: &Link, receipts: &mut u64) -> Result<std::convert::Infallible, Ended> {
    let (client, event_loop) = AsyncClient::new(options(link), usize::from(link.config.in_flight) + 8);
    let (events, mut received) = mpsc::channel(EVENTS);
    // The client's loop runs on its own: dropping its future in the middle of a read could lose bytes.
    let poller = tokio::spawn(poll(event_loop, events));
    let _stop = AbortOnDrop(poller);

    timeout(CONNECT_TIMEOUT, open(link, &client, &mut received))
        .await
        .map_err(|_| Ended::Slow)??;
    link.status.set_connected(true);
    tracing::info!(clinic = %link.clinic, "The line to the hub is up.");

    let mut uplink = Uplink::new(link);
    let mut tick = interval(TICK);
    let mut queue_changed = link.queue.changed();
    let mut acknowledgements = link.acknowledgements.lock().await;
    uplink
        .fill(&client, Instant::now())
        .map_err(|source| Ended::Queue { source })?;
    loop {
        tokio::select! {
            event = received.recv() => match event.ok_or(Ended::ClientStopped)? {
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    if let Some(word) = downlink::read(link, &publish.payload) {
                        if let FromHub::Receipt(receipt) = &word {
                            *receipts += 1;
                            uplink.on_receipt(&receipt.envelope_id);
                        }
                        if link.from_hub.send(word).await.is_err() {
                            return Err(Ended::ClientStopped);
                        }
                    }
                }
                Ok(_) => {}
                Err(source) => return Err(Ended::Connection { source: Box::new(source) }),
            },
            acknowledgement = acknowledgements.recv() => {
                let acknowledgement = acknowledgement.ok_or(Ended::ClientStopped)?;
                let payload = downlink::receipt_for(link, &acknowledgement);
                // Where the client's buffer is full the hub sends its message again, and this comes again.
                let _ = client.try_publish(topics::up_receipt(&link.clinic), QoS::AtLeastOnce, false, payload);
            }
            changed = queue_changed.changed() => changed.map_err(|_| Ended::ClientStopped)?,
            _ = tick.tick() => {}
        }
        uplink
            .fill(&client, Instant::now())
            .map_err(|source| Ended::Queue { source })?;
        if uplink.is_overdue(Instant::now()) {
            return Err(Ended::NoReceipt {
                seconds: link.config.receipt_timeout_s,
            });
        }
    }
}

fn options(link: &Link) -> MqttOptions {
    let mut options = MqttOptions::new(link.clinic.as_str(), link.host.as_str(), link.port);
    options
        .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
            link.tls.clone(),
        )))
        .set_keep_alive(KEEP_ALIVE)
        // Nothing rests on the broker's memory of us.
        .set_clean_start(true)
        .set_connection_timeout(CONNECT_TIMEOUT.as_secs())
        .set_max_packet_size(Some(MAX_PACKET_BYTES))
        .set_receive_maximum(Some(link.config.in_flight))
        .set_outgoing_inflight_upper_limit(link.config.in_flight);
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

/// Waits for the hub's CONNACK and for its consent to our subscription.
async fn open(
    link: &Link,
    client: &AsyncClient,
    received: &mut mpsc::Receiver<Result<Event, ConnectionError>>,
) -> Result<(), Ended> {
    loop {
        match received.recv().await.ok_or(Ended::ClientStopped)? {
            Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                if ack.code != ConnectReturnCode::Success {
                    return Err(Ended::Refused {
                        reason: format!("{:?}", ack.code),
                    });
                }
                client
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

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
