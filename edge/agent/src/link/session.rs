//! One MQTT session after the other, each with a client of its own.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use barefoot_wire::{BATCH_VERSION, DICTIONARY, Packing, ReceiptOutcome, Receipts, topics, v1};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason};
use rumqttc::v5::{ConnectionError, Event};
use tokio::task::block_in_place;
use tokio::time::{interval, timeout};

use super::Link;
use super::birth::{self, Birth};
use super::client::{Acknowledged, CONNECT_TIMEOUT, Client, Taken};
use super::downlink::{self, Word};
use super::health::{self, Schedule};
use super::rest::rest;
use super::uplink::{Hub, TALK, Uplink};
use crate::backoff;
use crate::error_chain::chain;
use crate::handoff::{Acknowledgement, FromHub, Restoration};
use crate::hub_certificate;
use crate::hub_clock::Exchange;

/// How often overdue receipts, silence and what else depends on time is looked for.
const TICK: Duration = Duration::from_secs(1);

/// A hub that has not said by then what it understands gets one envelope a message.
const HELLO_WAIT: Duration = Duration::from_secs(5);

/// How often the hub is told again that the session stands, and asked for its time.
const BIRTH_PERIOD: Duration = Duration::from_secs(10 * 60);

/// Why a session ended; nothing is lost by it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
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
    #[error("nothing was heard for {seconds} s: the line is half open, or the client hangs")]
    Silent { seconds: u64 },
    #[error("the client waits for an acknowledgement that is in its way")]
    Collision,
    #[error("the hub or its broker does not take messages: {reason:?}")]
    NotTaken { reason: PubAckReason },
    #[error("the client stopped")]
    ClientStopped,
    #[error("the queue cannot be used")]
    Queue { source: barefoot_queue::Error },
}

pub(super) async fn keep(link: &Link) {
    let mut failures = 0;
    loop {
        let mut receipts = 0;
        let number = block_in_place(|| link.numbers.next(&link.state));
        let Err(ended) = run_one(link, number, &mut receipts).await;
        link.status.set_connected(false);
        link.status.set_hub_talks(None);
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
        // A line may be down for days: it is said less and less often.
        if failures.is_power_of_two() {
            tracing::warn!(
                clinic = %link.clinic,
                attempts = failures,
                reason = %ended,
                cause,
                pause_ms = pause.as_millis(),
                "The line to the hub is down; results wait in the queue."
            );
        }
        rest(&link.queue, pause).await;
    }
}

async fn run_one(link: &Link, number: u64, receipts: &mut u64) -> Result<Infallible, Ended> {
    let mut client = Client::start(link, number);
    timeout(CONNECT_TIMEOUT, client.open(link))
        .await
        .map_err(|_| Ended::Slow)??;
    link.status.set_connected(true);
    tracing::info!(clinic = %link.clinic, session = number, "The line to the hub is up.");
    Session::new(link, number, client, receipts).serve().await
}

struct Session<'a> {
    link: &'a Link,
    number: u64,
    client: Client,
    uplink: Uplink<'a>,
    acknowledged: Acknowledged,
    birth: Option<Birth>,
    /// The hub has answered a birth: its word on messages comes as receipts, whatever acknowledgements say.
    greeted: bool,
    health: Schedule,
    heard_at: Instant,
    /// Counted for whoever judges the session.
    receipts: &'a mut u64,
}

impl<'a> Session<'a> {
    fn new(link: &'a Link, number: u64, client: Client, receipts: &'a mut u64) -> Self {
        let now = Instant::now();
        Self {
            link,
            number,
            client,
            uplink: Uplink::new(link),
            acknowledged: Acknowledged::default(),
            birth: None,
            greeted: false,
            health: Schedule::new(link, now),
            heard_at: now,
            receipts,
        }
    }

    async fn serve(mut self) -> Result<Infallible, Ended> {
        let mut tick = interval(TICK);
        let mut queue_changed = self.link.queue.changed();
        let mut acknowledgements = self.link.acknowledgements.lock().await;
        loop {
            self.look_around(Instant::now())?;
            tokio::select! {
                event = self.client.events.recv() => match event.ok_or(Ended::ClientStopped)? {
                    Ok(event) => self.on_event(event).await?,
                    Err(source) => return Err(Ended::Connection { source: Box::new(source) }),
                },
                acknowledgement = acknowledgements.recv() => {
                    self.acknowledge(&acknowledgement.ok_or(Ended::ClientStopped)?);
                }
                changed = queue_changed.changed() => changed.map_err(|_| Ended::ClientStopped)?,
                _ = tick.tick() => {}
            }
        }
    }

    /// What is due is done, what is overdue ends the session, and what may go is sent.
    fn look_around(&mut self, now: Instant) -> Result<(), Ended> {
        let config = &self.link.config;
        if config.silence() < now.saturating_duration_since(self.heard_at) {
            return Err(Ended::Silent {
                seconds: config.silence().as_secs(),
            });
        }
        if self.uplink.is_overdue(now, config.receipt_timeout()) {
            return Err(Ended::NoReceipt {
                seconds: config.receipt_timeout_s,
            });
        }
        let told = self.birth.as_ref().map(Birth::sent_at);
        if told.is_none_or(|at| at + BIRTH_PERIOD < now) {
            if let Some(birth) = birth::tell(self.link, &self.client.publish, self.number) {
                self.acknowledged.given(None);
                self.birth = Some(birth);
            }
        } else if self.uplink.hub() == Hub::Unknown && told.is_some_and(|at| at + HELLO_WAIT < now) {
            self.uplink.set_hub(Hub::Single);
        }
        let wants_health = matches!(self.uplink.hub(), Hub::Batches { .. });
        if wants_health && self.health.is_due(self.link, now) {
            goes_on(block_in_place(|| health::queue(self.link, self.number)))?;
        }
        let acknowledged = &mut self.acknowledged;
        goes_on(self.uplink.fill(&self.client.publish, now, |number| {
            acknowledged.given(Some(number));
        }))
    }

    async fn on_event(&mut self, event: Event) -> Result<(), Ended> {
        let packet = match event {
            Event::Outgoing(outgoing) => return self.acknowledged.on_outgoing(&outgoing),
            Event::Incoming(packet) => packet,
        };
        self.heard_at = Instant::now();
        match packet {
            Packet::Publish(publish) => match downlink::read(self.link, &publish.payload) {
                Some(Word::Receipts(receipts)) => self.on_receipts(receipts).await,
                Some(Word::Hello(hello)) => {
                    self.on_hello(&hello);
                    self.on_restorations(&hello).await
                }
                Some(Word::Correction(correction)) => self.hand_on(FromHub::Correction(correction)).await,
                Some(Word::Case(word)) => self.hand_on(FromHub::Case(word)).await,
                None => Ok(()),
            },
            Packet::PubAck(ack) => match self.acknowledged.on_ack(&ack) {
                Taken::Yes => Ok(()),
                Taken::Unreadable(number) if !self.greeted => self.on_unreadable(number).await,
                Taken::Unreadable(_) => Ok(()),
                Taken::No(reason) => {
                    self.link.status.count_refusals(1);
                    Err(Ended::NotTaken { reason })
                }
            },
            _ => Ok(()),
        }
    }

    async fn on_receipts(&mut self, mut said: Receipts) -> Result<(), Ended> {
        // A hub that knows no presence refuses it: it knows no batches either.
        let birth = self.birth.as_ref().map(|birth| birth.envelope_id.clone());
        let before = said.receipts.len();
        said.receipts
            .retain(|receipt| Some(&receipt.envelope_id) != birth.as_ref());
        if said.receipts.len() < before && !self.greeted {
            self.uplink.set_hub(Hub::Single);
        }
        let now = Instant::now();
        let (hub_time_ms, refused) = (said.hub_time_ms, refused_in(&said));
        let answered = self
            .uplink
            .on_receipts(said, now)
            .map_err(|source| Ended::Queue { source })?;
        if let Some(sent_at) = answered.sent_at.filter(|_| 0 < hub_time_ms) {
            self.link.hub_clock.take(&Exchange {
                asked: self.link.hub_clock.moment(sent_at),
                answered: self.link.hub_clock.moment(now),
                hub_received_ms: hub_time_ms,
                hub_answered_ms: hub_time_ms,
            });
        }
        let count = answered.receipts.len() as u64;
        *self.receipts += count;
        self.link.status.count_receipts(count);
        self.link.status.count_refusals(refused);
        if answered.receipts.is_empty() {
            return Ok(());
        }
        self.hand_on(FromHub::Receipts(answered.receipts)).await
    }

    async fn on_unreadable(&mut self, number: Option<u32>) -> Result<(), Ended> {
        let Some(number) = number else {
            return Ok(());
        };
        let given_up = self
            .uplink
            .on_unreadable_message(number, Instant::now())
            .map_err(|source| Ended::Queue { source })?;
        match given_up {
            Some(receipt) => self.hand_on(FromHub::Receipts(vec![receipt])).await,
            None => Ok(()),
        }
    }

    fn on_hello(&mut self, hello: &v1::Hello) {
        let now = Instant::now();
        // The answer to an older birth says nothing of the time.
        if let Some(birth) = self
            .birth
            .as_ref()
            .filter(|birth| birth.envelope_id == hello.presence_id)
        {
            self.link.hub_clock.take(&birth.exchange(self.link, hello, now));
            block_in_place(|| self.link.starts.answered(&self.link.state));
        }
        if !hello.certificate.is_empty() {
            let link = self.link;
            let remembered =
                block_in_place(|| hub_certificate::remember(&link.state, &link.identity, &hello.certificate));
            match remembered {
                Ok(true) => tracing::info!("The hub's certificate is known now."),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "What was shown as the hub's certificate is not the hub's.")
                }
            }
        }
        // What was learnt in this session (a dictionary that the hub lacks) is not unlearnt by a second hello.
        self.uplink.set_taken(&hello.takes);
        let talks = TALK.iter().all(|kind| hello.takes.contains(&i32::from(*kind)));
        self.link.status.set_hub_talks(Some(talks));
        if !self.greeted {
            self.uplink.set_hub(understood(hello));
            self.greeted = true;
        }
    }

    /// Each time the hub tells of them: what was heeded before is nothing new.
    async fn on_restorations(&self, hello: &v1::Hello) -> Result<(), Ended> {
        let told = Restoration::all(&hello.restoration);
        if told.is_empty() {
            return Ok(());
        }
        self.hand_on(FromHub::Restored(told)).await
    }

    fn acknowledge(&mut self, acknowledgement: &Acknowledgement) {
        let payload = downlink::receipt_for(self.link, acknowledgement);
        let topic = topics::up_receipt(&self.link.clinic);
        // Where the client's buffer is full the hub sends its message again, and this comes again.
        let sent = self
            .client
            .publish
            .try_publish(topic, QoS::AtLeastOnce, false, payload);
        if sent.is_ok() {
            self.acknowledged.given(None);
        }
    }

    async fn hand_on(&self, word: FromHub) -> Result<(), Ended> {
        let sent = self.link.from_hub.send(word).await;
        sent.map_err(|_| Ended::ClientStopped)
    }
}

/// A disk without room stops nothing that needs none, and what cannot be read now may be later: what waits is sent on.
fn goes_on(done: Result<(), barefoot_queue::Error>) -> Result<(), Ended> {
    use barefoot_queue::Error::{NotStored, Read};
    match done {
        Err(error @ (NotStored { .. } | Read { .. })) => {
            tracing::warn!(
                error = chain(&error),
                "The disk must be seen to; the line goes on."
            );
            Ok(())
        }
        done => done.map_err(|source| Ended::Queue { source }),
    }
}

fn refused_in(said: &Receipts) -> u64 {
    let refused = said.receipts.iter();
    refused
        .filter(|receipt| receipt.outcome != ReceiptOutcome::Stored)
        .count() as u64
}

/// What may be sent to a hub that says this of itself.
fn understood(hello: &v1::Hello) -> Hub {
    let (envelopes, bytes) = (
        usize::try_from(hello.max_batch_envelopes).unwrap_or(usize::MAX),
        usize::try_from(hello.max_batch_bytes).unwrap_or(usize::MAX),
    );
    if hello.batch_version < BATCH_VERSION || envelopes == 0 || bytes == 0 {
        return Hub::Single;
    }
    Hub::Batches {
        packing: if hello.dictionary.contains(&DICTIONARY) {
            Packing::Dictionary
        } else {
            Packing::Zstd
        },
        envelopes: envelopes.min(barefoot_wire::MAX_BATCH_ENVELOPES),
        bytes,
    }
}
