//! The external broker: the hub as its client.
//!
//! The broker's PUBACK to a clinic only says that the broker has the message. The hub acknowledges to the broker after
//! its commit and publishes a receipt; a clinic that gets none sends again, whatever the broker kept or lost.

mod alarms;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use barefoot_wire::topics::{self, Topic};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use self::alarms::AlarmPublisher;
use super::reply::{OwnCertificate, reply};
use super::{IN_FLIGHT, MAX_PACKET_BYTES, stamped};
use crate::Shutdown;
use crate::dispatch::{self, Dispatch, RESEND};
use crate::ingest::{Ingest, Pending};
use crate::presence::Presence;
use crate::revocation::Revocations;
use crate::seldom::Seldom;
use crate::worklist::alarms::AlarmFeed;

/// One session at the broker, whichever connection carries it.
const CLIENT_ID: &str = "_hub";

/// How long the broker keeps what arrives while the hub is away: it saves clinics a repetition, no promise rests on it.
const SESSION_EXPIRY_S: u32 = 60 * 60;

const KEEP_ALIVE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A connection that held this long was a good one: the next pause is the first again.
const GOOD_AFTER: Duration = Duration::from_secs(60);

/// On shutdown: time to acknowledge what is being committed.
const FAREWELL: Duration = Duration::from_secs(5);

/// Requests between the answering task and the connection. When full, the answering task waits; it never holds up the
/// connection, which is what empties it.
const REQUESTS: usize = 64;

/// Messages between the connection and the answering task. Half of the places are for those that the broker holds back
/// until they are acknowledged, at most `IN_FLIGHT`: they always find one. Of the others what finds none is dropped.
const TAKEN: usize = 2 * IN_FLIGHT as usize;

/// The hub's line to an external MQTT 5 broker.
pub(crate) struct Broker {
    options: MqttOptions,
    shown: String,
    ingest: Ingest,
    dispatch: Dispatch,
    presence: Presence,
    /// The broker lets revoked boxes in as long as nobody tells it: what they say is not taken.
    revocations: Revocations,
    certificate: OwnCertificate,
    /// Messages on topics outside the scheme.
    foreign: Seldom,
    /// Messages of clinics whose certificates are revoked.
    revoked: Seldom,
    /// Messages without acknowledgement that found no place.
    dropped: Seldom,
    /// Absent: nobody is told of alarms.
    alarms: Option<AlarmPublisher>,
    shutdown: Shutdown,
}

/// A message to be acknowledged.
enum Taken {
    /// With the committer: with its answer.
    Submitted {
        topic: Topic,
        publish: Publish,
        pending: Pending,
    },
    /// On a topic outside the scheme: as soon as there is room, and that is all.
    Foreign(Publish),
}

/// Why a connection to the broker was given up.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the connection failed")]
    Connection { source: Box<ConnectionError> },
    #[error("the broker sends more unacknowledged messages than the hub takes")]
    Overrun,
    #[error("a message was not taken")]
    NotTaken,
    #[error("the subscription was refused: check the broker's rules for the user _hub")]
    Subscription,
}

impl Broker {
    pub(crate) fn new(
        (host, port): (&str, u16),
        (tls, certificate): (Arc<ClientConfig>, OwnCertificate),
        ingest: Ingest,
        dispatch: Dispatch,
        (presence, revocations): (Presence, Revocations),
        alarms: Option<AlarmFeed>,
        shutdown: Shutdown,
    ) -> Self {
        let mut options = options(CLIENT_ID, (host, port), &tls);
        options
            .set_clean_start(false)
            .set_session_expiry_interval(Some(SESSION_EXPIRY_S))
            .set_manual_acks(true)
            .set_receive_maximum(Some(IN_FLIGHT))
            .set_max_packet_size(Some(MAX_PACKET_BYTES))
            .set_outgoing_inflight_upper_limit(IN_FLIGHT);
        Self {
            options,
            shown: format!("{host}:{port}"),
            ingest,
            dispatch,
            presence,
            revocations,
            certificate,
            foreign: Seldom::default(),
            revoked: Seldom::default(),
            dropped: Seldom::default(),
            alarms: alarms.map(|feed| AlarmPublisher {
                options: self::options(alarms::CLIENT_ID, (host, port), &tls),
                feed,
            }),
            shutdown,
        }
    }

    pub(crate) async fn run(self) {
        let alarms = async {
            if let Some(alarms) = &self.alarms {
                alarms.run(&self.shutdown).await;
            }
        };
        tokio::join!(self.stay_connected(), alarms);
    }

    /// Reconnects until the shutdown. Every connection gets a new client: nothing of a broken one is carried over.
    async fn stay_connected(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let since = Instant::now();
            let Err(broken) = self.connection().await else {
                return;
            };
            let cause = std::error::Error::source(&broken).map(ToString::to_string);
            tracing::warn!(broker = self.shown, error = %broken, cause, "The broker is not connected.");
            if GOOD_AFTER < since.elapsed() {
                pause = FIRST_PAUSE;
            }
            tokio::select! {
                () = self.shutdown.triggered() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One connection; `Ok` on shutdown.
    async fn connection(&self) -> Result<(), Broken> {
        let (client, mut events) = AsyncClient::new(self.options.clone(), REQUESTS);
        // A broker that overruns it is disconnected.
        let (taken, answering) = mpsc::channel(TAKEN);
        let mut answers = tokio::spawn(answer(client.clone(), answering, self.certificate.clone()));
        let telling = tokio::spawn(tell(client.clone(), self.dispatch.clone()));
        let ended = self.exchange(&client, &mut events, &taken, &mut answers).await;
        drop(taken);
        telling.abort();
        if ended.is_ok() {
            // Acknowledgements leave through the event loop, so it runs until the last is written.
            let farewell = async {
                loop {
                    tokio::select! {
                        _ = &mut answers => break,
                        event = events.poll() => if event.is_err() { return },
                    }
                }
                let _ = client.disconnect().await;
                while events.poll().await.is_ok() {}
            };
            let _ = timeout(FAREWELL, farewell).await;
        } else {
            answers.abort();
        }
        ended
    }

    async fn exchange(
        &self,
        client: &AsyncClient,
        events: &mut EventLoop,
        taken: &mpsc::Sender<Taken>,
        answers: &mut JoinHandle<()>,
    ) -> Result<(), Broken> {
        loop {
            let event = tokio::select! {
                () = self.shutdown.triggered() => return Ok(()),
                // It ends before its channel only when a message was not taken.
                _ = &mut *answers => return Err(Broken::NotTaken),
                event = events.poll() => event.map_err(|source| Broken::Connection { source: Box::new(source) })?,
            };
            match event {
                Event::Incoming(Packet::ConnAck(_)) => {
                    tracing::info!(broker = self.shown, "The broker is connected.");
                    client
                        .try_subscribe(topics::up_filter_of_all(), QoS::AtLeastOnce)
                        .map_err(|_| Broken::Subscription)?;
                }
                Event::Incoming(Packet::SubAck(ack)) => {
                    use rumqttc::v5::mqttbytes::v5::SubscribeReasonCode::Success;
                    if !ack.return_codes.iter().all(|code| matches!(code, Success(_))) {
                        return Err(Broken::Subscription);
                    }
                }
                Event::Incoming(Packet::Publish(publish)) => self.take(publish, taken).await?,
                Event::Incoming(_) | Event::Outgoing(_) => {}
            }
        }
    }

    async fn take(&self, publish: Publish, taken: &mpsc::Sender<Taken>) -> Result<(), Broken> {
        let acknowledged = publish.qos != QoS::AtMostOnce;
        if !acknowledged && taken.capacity() <= usize::from(IN_FLIGHT) {
            if let Some(messages) = self.dropped.happened(Instant::now().into_std()) {
                tracing::warn!(
                    messages,
                    "Messages that want no acknowledgement were dropped, too many came at once: no box of ours sends such."
                );
            }
            return Ok(());
        }
        let place = taken.try_reserve().map_err(|_| Broken::Overrun)?;
        let topic = std::str::from_utf8(&publish.topic).ok().and_then(topics::parse);
        let Some(topic) = topic else {
            if let Some(messages) = self.foreign.happened(Instant::now().into_std()) {
                tracing::warn!(
                    messages,
                    "Messages on topics outside the scheme were dropped: check the broker's rules."
                );
            }
            if acknowledged {
                place.send(Taken::Foreign(publish));
            }
            return Ok(());
        };
        if self.revocations.shuts_out(&topic.clinic) {
            if let Some(messages) = self.revoked.happened(Instant::now().into_std()) {
                tracing::warn!(
                    messages,
                    clinic = %topic.clinic,
                    "Messages of clinics with revoked certificates were dropped: let the broker refuse them too."
                );
            }
            if acknowledged {
                place.send(Taken::Foreign(publish));
            }
            return Ok(());
        }
        self.presence.heard(&topic.clinic);
        let correlation = publish
            .properties
            .as_ref()
            .and_then(|properties| properties.correlation_data.as_deref());
        let pending = self
            .ingest
            .submit(&topic, &publish.payload, correlation)
            .await
            .map_err(|_| Broken::NotTaken)?;
        place.send(Taken::Submitted {
            topic,
            publish,
            pending,
        });
        Ok(())
    }
}

/// What every session at the broker begins with.
fn options(id: &str, (host, port): (&str, u16), tls: &Arc<ClientConfig>) -> MqttOptions {
    // Otherwise a receipt may wait for TCP to acknowledge the packet before it: 40 ms.
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    let tls = TlsConfiguration::Rustls(Arc::clone(tls));
    let mut options = MqttOptions::new(id, host, port);
    options
        .set_network_options(network)
        .set_transport(Transport::tls_with_config(tls))
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_start(true);
    options
}

/// Acknowledges in the order of arrival, which is the order of commit. Ends at the first message that was not taken.
async fn answer(client: AsyncClient, mut answering: mpsc::Receiver<Taken>, certificate: OwnCertificate) {
    while let Some(message) = answering.recv().await {
        let publish = match message {
            Taken::Foreign(publish) => publish,
            Taken::Submitted {
                topic,
                publish,
                pending,
            } => {
                let Ok(answer) = pending.await else {
                    return;
                };
                if let Some(reply) = reply(&topic.clinic, &answer, &certificate) {
                    let sent = client
                        .publish(reply.topic, QoS::AtLeastOnce, false, reply.payload)
                        .await;
                    if sent.is_err() {
                        return;
                    }
                }
                publish
            }
        };
        if client.ack(&publish).await.is_err() {
            return;
        }
    }
}

/// Sends what clinics have not receipted, at once and again every [`RESEND`]. Ends with the connection.
async fn tell(client: AsyncClient, dispatch: Dispatch) {
    let mut news = dispatch.changed();
    let mut told: HashMap<String, Instant> = HashMap::new();
    let mut tick = tokio::time::interval(RESEND);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            changed = news.changed() => if changed.is_err() { return },
        }
        let now = Instant::now();
        told.retain(|_, sent_at| now < *sent_at + RESEND);
        let clinics = match dispatch.clinics_to_tell().await {
            Ok(clinics) => clinics,
            Err(error) => {
                tracing::error!(%error, "What waits for clinics cannot be read; it is tried again.");
                continue;
            }
        };
        for clinic in clinics {
            for waiting in dispatch.unsettled(&clinic).await.unwrap_or_default() {
                if told.contains_key(&waiting.envelope_id) {
                    continue;
                }
                let Some(payload) = stamped(&waiting.envelope) else {
                    tracing::error!(%clinic, envelope = waiting.envelope_id, "A stored message is no envelope; a person must look.");
                    continue;
                };
                let sent = client
                    .publish(
                        dispatch::topic(&clinic, waiting.kind),
                        QoS::AtLeastOnce,
                        false,
                        payload,
                    )
                    .await;
                if sent.is_err() {
                    return;
                }
                told.insert(waiting.envelope_id, now);
            }
        }
    }
}

#[cfg(test)]
mod tests;
