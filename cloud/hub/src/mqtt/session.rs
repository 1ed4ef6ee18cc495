use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU16;
use std::time::Duration;

use bytestring::ByteString;
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use rmqtt_codec::MqttPacket;
use rmqtt_codec::error::DecodeError;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::{DisconnectReasonCode, Packet, PublishAck, PublishAckReason, ToReasonCode};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::greeting::Line;
use super::outgoing::{Outgoing, Stuck};
use super::reply::{OwnCertificate, Reply, reply};
use super::rules::{Caller, Grant, Subscriptions, check_publish, own_up_topic};
use super::window::{Down, Overflow, Window};
use super::{IN_FLIGHT, stamped};
use crate::Shutdown;
use crate::dispatch::{self, Dispatch, RESEND};
use crate::ingest::{Answer, Ingest, NotTaken, Pending};
use crate::presence;

/// On shutdown: time for the running commits to be answered.
const FAREWELL: Duration = Duration::from_secs(5);

/// How a session ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client said DISCONNECT.
    Goodbye,
    /// The line broke, or the client does not read.
    Lost,
    /// The hub is stopping.
    Stopping,
    /// The hub ends it and says why.
    Cut(DisconnectReasonCode),
}

impl From<DisconnectReasonCode> for End {
    fn from(reason: DisconnectReasonCode) -> Self {
        Self::Cut(reason)
    }
}

impl From<Stuck> for End {
    fn from(_: Stuck) -> Self {
        Self::Lost
    }
}

impl From<Overflow> for End {
    fn from(_: Overflow) -> Self {
        Self::Cut(DisconnectReasonCode::QuotaExceeded)
    }
}

/// Nothing was acknowledged: the clinic reconnects and sends again.
impl From<NotTaken> for End {
    fn from(_: NotTaken) -> Self {
        Self::Cut(DisconnectReasonCode::ImplementationSpecificError)
    }
}

/// One clinic's connection after CONNACK.
pub(super) struct ClinicSession {
    session: presence::Session,
    grant: Grant,
    ingest: Ingest,
    outgoing: Outgoing,
    subscriptions: Subscriptions,
    window: Window,
    dispatch: Dispatch,
    /// The hub's own, which it shows with its hello.
    certificate: OwnCertificate,
    /// What the dispatch gave, by envelope id, and when it was sent.
    told: HashMap<String, Instant>,
    /// Messages with the committer, in the order they came: it answers in the same order. A message of QoS 0 has no
    /// packet id. At most `IN_FLIGHT`, more cut the session.
    pending: VecDeque<(Option<NonZeroU16>, Pending)>,
}

impl ClinicSession {
    /// Runs the session to its end.
    pub(super) async fn run(
        line: Line,
        session: presence::Session,
        grant: Grant,
        (ingest, dispatch, certificate): (Ingest, Dispatch, OwnCertificate),
        shutdown: &Shutdown,
    ) -> End {
        let (sink, mut stream) = line.split();
        let mut this = Self {
            subscriptions: Subscriptions::new(Caller::Clinic(session.clinic().clone())),
            window: Window::new(grant.in_flight),
            told: HashMap::new(),
            dispatch,
            certificate,
            outgoing: Outgoing::spawn(sink),
            pending: VecDeque::new(),
            session,
            grant,
            ingest,
        };
        let mut end = match this.serve(&mut stream, shutdown).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        if end == End::Stopping {
            end = this.answer_the_rest().await;
        }
        this.outgoing.say_why(&end);
        this.outgoing.finish().await;
        end
    }

    async fn serve(
        &mut self,
        stream: &mut SplitStream<Line>,
        shutdown: &Shutdown,
    ) -> Result<std::convert::Infallible, End> {
        let mut silent_at = Instant::now() + self.grant.silence;
        let mut news = self.dispatch.changed();
        let mut tell_at = Instant::now() + RESEND;
        loop {
            tokio::select! {
                biased;
                () = shutdown.triggered() => return Err(End::Stopping),
                () = self.session.taken_over() => return Err(DisconnectReasonCode::SessionTakenOver.into()),
                () = self.outgoing.broken() => return Err(End::Lost),
                (id, answer) = next_answer(&mut self.pending) => self.answer(id, answer?)?,
                () = changed(&mut news) => self.tell().await?,
                () = sleep_until(tell_at) => {
                    tell_at = Instant::now() + RESEND;
                    self.tell().await?;
                }
                read = timeout_at(silent_at, stream.next()) => {
                    let packet = read_packet(read)?;
                    silent_at = Instant::now() + self.grant.silence;
                    self.session.heard();
                    self.take(packet).await?;
                }
            }
        }
    }

    async fn take(&mut self, packet: Packet) -> Result<(), End> {
        match packet {
            Packet::Publish(publish) => self.take_message(*publish).await,
            Packet::PublishAck(ack) => match self.window.acknowledged(ack.packet_id) {
                Some((id, message)) => self.send_down(Some(id), message),
                None => Ok(()),
            },
            Packet::PingRequest => Ok(self.outgoing.send(Packet::PingResponse)?),
            Packet::Subscribe(subscribe) => {
                let ack = self.subscriptions.subscribe(&subscribe)?;
                if ack.status.iter().any(|status| 0x80 <= u8::from(*status)) {
                    tracing::warn!(clinic = %self.session.clinic(), "A clinic may not subscribe to all it asked for.");
                }
                self.outgoing.send(ack)?;
                self.tell().await
            }
            Packet::Unsubscribe(unsubscribe) => Ok(self
                .outgoing
                .send(self.subscriptions.unsubscribe(&unsubscribe)?)?),
            Packet::Disconnect(_) => Err(End::Goodbye),
            Packet::Connect(_)
            | Packet::ConnectAck(_)
            | Packet::PublishReceived(_)
            | Packet::PublishRelease(_)
            | Packet::PublishComplete(_)
            | Packet::SubscribeAck(_)
            | Packet::UnsubscribeAck(_)
            | Packet::PingResponse
            | Packet::Auth(_) => Err(DisconnectReasonCode::ProtocolError.into()),
        }
    }

    async fn take_message(&mut self, publish: Publish) -> Result<(), End> {
        check_publish(&publish)?;
        if usize::from(IN_FLIGHT) <= self.pending.len() {
            return Err(DisconnectReasonCode::ReceiveMaximumExceeded.into());
        }
        let Some(topic) = own_up_topic(&publish.topic, self.session.clinic()) else {
            tracing::warn!(clinic = %self.session.clinic(), "A clinic may not publish on this topic.");
            return self.acknowledge(publish.packet_id, PublishAckReason::NotAuthorized);
        };
        let correlation = publish
            .properties
            .as_ref()
            .and_then(|properties| properties.correlation_data.as_deref());
        let pending = self.ingest.submit(&topic, &publish.payload, correlation).await?;
        self.pending.push_back((publish.packet_id, pending));
        Ok(())
    }

    /// The message is committed, or refused for good: only now is it acknowledged.
    fn answer(&mut self, id: Option<NonZeroU16>, answer: Answer) -> Result<(), End> {
        let reason = if answer.is_unreadable() {
            PublishAckReason::PayloadFormatInvalid
        } else {
            PublishAckReason::Success
        };
        self.acknowledge(id, reason)?;
        match reply(self.session.clinic(), &answer, &self.certificate) {
            Some(Reply { topic, payload }) => self.queue_down(Down {
                topic: topic.into(),
                payload,
            }),
            None => Ok(()),
        }
    }

    fn acknowledge(&self, id: Option<NonZeroU16>, reason_code: PublishAckReason) -> Result<(), End> {
        let Some(packet_id) = id else {
            return Ok(());
        };
        Ok(self.outgoing.send(PublishAck {
            packet_id,
            reason_code,
            ..PublishAck::default()
        })?)
    }

    /// Sends what the clinic has not receipted and was not sent lately.
    async fn tell(&mut self) -> Result<(), End> {
        let clinic = self.session.clinic().clone();
        let unsettled = match self.dispatch.unsettled(&clinic).await {
            Ok(unsettled) => unsettled,
            Err(error) => {
                tracing::error!(%clinic, %error, "What waits for a clinic cannot be read; it is tried again.");
                return Ok(());
            }
        };
        let now = Instant::now();
        self.told.retain(|_, sent_at| now < *sent_at + RESEND);
        for waiting in unsettled {
            if self.told.contains_key(&waiting.envelope_id) {
                continue;
            }
            let Some(payload) = stamped(&waiting.envelope) else {
                tracing::error!(%clinic, envelope = waiting.envelope_id, "A stored message is no envelope; a person must look.");
                continue;
            };
            let topic = ByteString::from(dispatch::topic(&clinic, waiting.kind));
            if self.subscriptions.quality(&topic).is_none() {
                continue;
            }
            self.told.insert(waiting.envelope_id, now);
            self.queue_down(Down { topic, payload })?;
        }
        Ok(())
    }

    fn queue_down(&mut self, message: Down) -> Result<(), End> {
        match self.subscriptions.quality(&message.topic) {
            None => Ok(()),
            Some(QoS::AtMostOnce) => self.send_down(None, message),
            Some(_) => match self.window.push(message)? {
                Some((id, message)) => self.send_down(Some(id), message),
                None => Ok(()),
            },
        }
    }

    fn send_down(&self, packet_id: Option<NonZeroU16>, message: Down) -> Result<(), End> {
        let publish = Publish {
            dup: false,
            retain: false,
            qos: match packet_id {
                Some(_) => QoS::AtLeastOnce,
                None => QoS::AtMostOnce,
            },
            topic: message.topic,
            packet_id,
            payload: message.payload,
            properties: None,
        };
        Ok(self.outgoing.send(publish)?)
    }

    /// What was submitted before the shutdown is still committed; say so where there is time.
    async fn answer_the_rest(&mut self) -> End {
        let answers = async {
            while !self.pending.is_empty() {
                let (id, answer) = next_answer(&mut self.pending).await;
                self.answer(id, answer?)?;
            }
            Ok(())
        };
        match timeout(FAREWELL, answers).await {
            Ok(Err(end)) => end,
            Ok(Ok(())) | Err(_) => End::Stopping,
        }
    }
}

/// The oldest message's answer; never, when none is pending. Safe to cancel: the message stays in the queue.
async fn next_answer(
    pending: &mut VecDeque<(Option<NonZeroU16>, Pending)>,
) -> (Option<NonZeroU16>, Result<Answer, NotTaken>) {
    let Some((id, oldest)) = pending.front_mut() else {
        return std::future::pending().await;
    };
    let id = *id;
    let answer = oldest.await.map_err(|_| NotTaken);
    pending.pop_front();
    (id, answer)
}

/// Never returns once the other end is gone: the session ends for another reason then.
pub(super) async fn changed(news: &mut watch::Receiver<u64>) {
    if news.changed().await.is_err() {
        std::future::pending().await
    }
}

pub(super) type Read = Option<Result<(MqttPacket, u32), DecodeError>>;

pub(super) fn read_packet(read: Result<Read, tokio::time::error::Elapsed>) -> Result<Packet, End> {
    match read {
        Err(_) => Err(DisconnectReasonCode::KeepAliveTimeout.into()),
        Ok(None | Some(Err(DecodeError::Io(_)))) => Err(End::Lost),
        Ok(Some(Err(error))) => Err(error.to_reason_code().into()),
        Ok(Some(Ok((MqttPacket::V5(packet), _)))) => Ok(packet),
        Ok(Some(Ok(_))) => Err(DisconnectReasonCode::ProtocolError.into()),
    }
}
