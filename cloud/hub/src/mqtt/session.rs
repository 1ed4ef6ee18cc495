use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::time::Duration;

use barefoot_wire::Receipt;
use barefoot_wire::topics::down_receipt;
use bytes::Bytes;
use bytestring::ByteString;
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use rmqtt_codec::MqttPacket;
use rmqtt_codec::error::DecodeError;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::{
    Disconnect, DisconnectReasonCode, Packet, PublishAck, PublishAckReason, ToReasonCode, Unsubscribe,
    UnsubscribeAck, UnsubscribeAckReason,
};
use tokio::time::{Instant, timeout, timeout_at};

use super::greeting::Line;
use super::outgoing::{Outgoing, Stuck};
use super::receipts::{Overflow, ReceiptWindow};
use super::rules::{Grant, MAX_FILTERS, Subscriptions, check_publish, own_up_topic};
use super::{IN_FLIGHT, receipt_payload};
use crate::Shutdown;
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
    receipts: ReceiptWindow,
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
        ingest: Ingest,
        shutdown: &Shutdown,
    ) -> End {
        let (sink, mut stream) = line.split();
        let mut this = Self {
            subscriptions: Subscriptions::new(session.clinic().clone()),
            receipts: ReceiptWindow::new(grant.receipts),
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
        if let Some(reason) = match end {
            End::Cut(reason) => Some(reason),
            End::Stopping => Some(DisconnectReasonCode::ServerShuttingDown),
            End::Goodbye | End::Lost => None,
        } {
            // A full channel means that nobody reads: then there is nobody to tell.
            let _ = this.outgoing.send(Disconnect::new(reason));
        }
        this.outgoing.finish().await;
        end
    }

    async fn serve(
        &mut self,
        stream: &mut SplitStream<Line>,
        shutdown: &Shutdown,
    ) -> Result<std::convert::Infallible, End> {
        let mut silent_at = Instant::now() + self.grant.silence;
        loop {
            tokio::select! {
                biased;
                () = shutdown.triggered() => return Err(End::Stopping),
                () = self.session.taken_over() => return Err(DisconnectReasonCode::SessionTakenOver.into()),
                () = self.outgoing.broken() => return Err(End::Lost),
                (id, answer) = next_answer(&mut self.pending) => self.answer(id, answer?)?,
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
            Packet::PublishAck(ack) => {
                let next = self.receipts.acknowledged(ack.packet_id);
                if let Some((id, payload)) = next {
                    self.send_receipt(Some(id), payload)?;
                }
                Ok(())
            }
            Packet::PingRequest => Ok(self.outgoing.send(Packet::PingResponse)?),
            Packet::Subscribe(subscribe) => {
                let ack = self.subscriptions.subscribe(&subscribe)?;
                if ack.status.iter().any(|status| 0x80 <= u8::from(*status)) {
                    tracing::warn!(clinic = %self.session.clinic(), "A clinic may not subscribe to all it asked for.");
                }
                Ok(self.outgoing.send(ack)?)
            }
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(&unsubscribe),
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
        let pending = self.ingest.submit(&topic, &publish.payload).await?;
        self.pending.push_back((publish.packet_id, pending));
        Ok(())
    }

    /// The message is committed, or refused for good: only now is it acknowledged.
    fn answer(&mut self, id: Option<NonZeroU16>, answer: Answer) -> Result<(), End> {
        match answer {
            Answer::Receipt(receipt) => {
                self.acknowledge(id, PublishAckReason::Success)?;
                self.queue_receipt(&receipt)
            }
            Answer::Unreadable => self.acknowledge(id, PublishAckReason::PayloadFormatInvalid),
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

    fn queue_receipt(&mut self, receipt: &Receipt) -> Result<(), End> {
        let payload = receipt_payload(self.session.clinic(), receipt);
        match self.subscriptions.receipts() {
            None => Ok(()),
            Some(QoS::AtMostOnce) => self.send_receipt(None, payload),
            Some(_) => match self.receipts.push(payload)? {
                Some((id, payload)) => self.send_receipt(Some(id), payload),
                None => Ok(()),
            },
        }
    }

    fn send_receipt(&self, packet_id: Option<NonZeroU16>, payload: Bytes) -> Result<(), End> {
        let publish = Publish {
            dup: false,
            retain: false,
            qos: match packet_id {
                Some(_) => QoS::AtLeastOnce,
                None => QoS::AtMostOnce,
            },
            topic: ByteString::from(down_receipt(self.session.clinic())),
            packet_id,
            payload,
            properties: None,
        };
        Ok(self.outgoing.send(publish)?)
    }

    fn unsubscribe(&mut self, unsubscribe: &Unsubscribe) -> Result<(), End> {
        if MAX_FILTERS < unsubscribe.topic_filters.len() {
            return Err(DisconnectReasonCode::QuotaExceeded.into());
        }
        let status = unsubscribe
            .topic_filters
            .iter()
            .map(|filter| {
                if self.subscriptions.remove(filter) {
                    UnsubscribeAckReason::Success
                } else {
                    UnsubscribeAckReason::NoSubscriptionExisted
                }
            })
            .collect();
        Ok(self.outgoing.send(UnsubscribeAck {
            packet_id: unsubscribe.packet_id,
            properties: Vec::new(),
            reason_string: None,
            status,
        })?)
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

type Read = Option<Result<(MqttPacket, u32), DecodeError>>;

fn read_packet(read: Result<Read, tokio::time::error::Elapsed>) -> Result<Packet, End> {
    match read {
        Err(_) => Err(DisconnectReasonCode::KeepAliveTimeout.into()),
        Ok(None | Some(Err(DecodeError::Io(_)))) => Err(End::Lost),
        Ok(Some(Err(error))) => Err(error.to_reason_code().into()),
        Ok(Some(Ok((MqttPacket::V5(packet), _)))) => Ok(packet),
        Ok(Some(Ok(_))) => Err(DisconnectReasonCode::ProtocolError.into()),
    }
}
