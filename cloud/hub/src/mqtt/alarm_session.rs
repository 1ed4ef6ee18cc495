use std::collections::HashMap;
use std::num::NonZeroU16;
use std::time::Duration;

use barefoot_wire::topics;
use bytestring::ByteString;
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::{DisconnectReasonCode, Packet, PublishAck, PublishAckReason};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::greeting::Line;
use super::listeners::Listening;
use super::outgoing::Outgoing;
use super::rules::{Caller, Grant, Subscriptions};
use super::session::{End, changed, read_packet};
use crate::Shutdown;
use crate::clock::now_ms;
use crate::worklist::alarms::Published;

/// Without news, in case another hub wrote an alarm.
const LOOK: Duration = Duration::from_secs(30);

/// Sent at once to who wants no acknowledgement.
const UNACKNOWLEDGED: usize = 64;

/// The connection of one who listens to alarms, after CONNACK. It is sent them and says nothing itself.
pub(super) struct AlarmSession {
    listening: Listening,
    grant: Grant,
    outgoing: Outgoing,
    subscriptions: Subscriptions,
    topic: ByteString,
    began_ms: i64,
    /// The newest alarm it was sent.
    heard: i64,
    last_id: u16,
    /// Alarms it has not acknowledged; at most as many as it takes.
    in_flight: HashMap<NonZeroU16, i64>,
}

impl AlarmSession {
    /// Runs the session to its end.
    pub(super) async fn run(line: Line, listening: Listening, grant: Grant, shutdown: &Shutdown) -> End {
        let (sink, mut stream) = line.split();
        let mut this = Self {
            subscriptions: Subscriptions::new(Caller::Listener(listening.name().to_owned())),
            outgoing: Outgoing::spawn(sink),
            topic: topics::region_alarm().into(),
            began_ms: now_ms(),
            heard: 0,
            last_id: 0,
            in_flight: HashMap::new(),
            listening,
            grant,
        };
        let end = match this.serve(&mut stream, shutdown).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
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
        let mut news = self.listening.feed().changed();
        let mut look_at = Instant::now() + LOOK;
        loop {
            tokio::select! {
                biased;
                () = shutdown.triggered() => return Err(End::Stopping),
                () = self.listening.taken_over() => return Err(DisconnectReasonCode::SessionTakenOver.into()),
                () = self.outgoing.broken() => return Err(End::Lost),
                () = changed(&mut news) => self.tell().await?,
                () = sleep_until(look_at) => {
                    look_at = Instant::now() + LOOK;
                    self.tell().await?;
                }
                read = timeout_at(silent_at, stream.next()) => {
                    let packet = read_packet(read)?;
                    silent_at = Instant::now() + self.grant.silence;
                    self.take(packet).await?;
                }
            }
        }
    }

    async fn take(&mut self, packet: Packet) -> Result<(), End> {
        match packet {
            Packet::PublishAck(ack) => {
                self.acknowledged(&ack).await;
                self.tell().await
            }
            Packet::PingRequest => Ok(self.outgoing.send(Packet::PingResponse)?),
            Packet::Subscribe(subscribe) => {
                let ack = self.subscriptions.subscribe(&subscribe)?;
                if ack.status.iter().any(|status| 0x80 <= u8::from(*status)) {
                    tracing::warn!(
                        listener = self.listening.name(),
                        "A listener may subscribe to the region's alarms only."
                    );
                }
                self.outgoing.send(ack)?;
                self.tell().await
            }
            Packet::Unsubscribe(unsubscribe) => Ok(self
                .outgoing
                .send(self.subscriptions.unsubscribe(&unsubscribe)?)?),
            Packet::Disconnect(_) => Err(End::Goodbye),
            Packet::Publish(_) => Err(DisconnectReasonCode::NotAuthorized.into()),
            _ => Err(DisconnectReasonCode::ProtocolError.into()),
        }
    }

    async fn acknowledged(&mut self, ack: &PublishAck) {
        let Some(number) = self.in_flight.remove(&ack.packet_id) else {
            return;
        };
        if !matches!(
            ack.reason_code,
            PublishAckReason::Success | PublishAckReason::NoMatchingSubscribers
        ) {
            tracing::warn!(listener = self.listening.name(), reason = ?ack.reason_code, "A listener did not take an alarm.");
            return;
        }
        if let Err(error) = self.listening.feed().taken(number).await {
            tracing::error!(%error, "That an alarm was taken could not be written; it will be told again.");
        }
    }

    /// Sends what it has not heard, as much as it takes.
    async fn tell(&mut self) -> Result<(), End> {
        let Some(quality) = self.subscriptions.quality(&self.topic) else {
            return Ok(());
        };
        loop {
            let room = match quality {
                QoS::AtMostOnce => UNACKNOWLEDGED,
                _ => usize::from(self.grant.in_flight).saturating_sub(self.in_flight.len()),
            };
            if room == 0 {
                return Ok(());
            }
            let alarms = match self.listening.feed().after(self.heard, self.began_ms, room).await {
                Ok(alarms) => alarms,
                Err(error) => {
                    tracing::error!(%error, "Alarms cannot be read; it is tried again.");
                    return Ok(());
                }
            };
            if alarms.is_empty() {
                return Ok(());
            }
            for alarm in alarms {
                self.send(alarm, quality)?;
            }
        }
    }

    fn send(&mut self, alarm: Published, quality: QoS) -> Result<(), End> {
        let packet_id = (quality != QoS::AtMostOnce).then(|| self.take_id(alarm.number));
        self.outgoing.send(Publish {
            dup: false,
            retain: false,
            qos: quality,
            topic: self.topic.clone(),
            packet_id,
            payload: alarm.payload,
            properties: None,
        })?;
        self.heard = alarm.number;
        Ok(())
    }

    /// Ends: far fewer than 65,535 are in flight.
    fn take_id(&mut self, number: i64) -> NonZeroU16 {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if let Some(id) = NonZeroU16::new(self.last_id)
                && !self.in_flight.contains_key(&id)
            {
                self.in_flight.insert(id, number);
                return id;
            }
        }
    }
}
