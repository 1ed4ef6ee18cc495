//! From the queue to the hub: a bounded number of messages under way, each until its receipts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use barefoot_queue::{Lane, Queue, Record, Refused};
use barefoot_wire::{Packing, Receipts, encode_batch, topics, v1};
use prost::Message as _;
use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;

use super::Link;
use super::plan::{self, Class, Limits, UnderWay, Waiting};
use crate::clock::now_ms;
use crate::handoff::HubReceipt;

/// Of records that are not critical, before they are compressed: a hundred results.
const BATCH_BYTES: usize = 32 * 1024;
/// Before a record that the hub could not read is sent again; longer each time.
const AFTER_REFUSAL: Duration = if cfg!(test) {
    Duration::from_millis(20)
} else {
    Duration::from_secs(2)
};
/// Looked at in each lane for one round of sending.
const LOOK_AHEAD: usize = 512;

/// Kinds that only a hub that says so takes; all others every hub does.
pub(super) const TALK: [v1::Kind; 3] = [v1::Kind::Message, v1::Kind::Opinion, v1::Kind::ReportRead];

/// What the hub understands, as far as it has said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hub {
    /// It has not answered yet: what is critical goes alone, the rest waits a moment.
    Unknown,
    /// One envelope a message.
    Single,
    Batches {
        packing: Packing,
        envelopes: usize,
        bytes: usize,
    },
}

/// A message under way.
#[derive(Debug)]
struct Message {
    class: Class,
    sent_at: Instant,
    /// On the line.
    bytes: usize,
    /// `None` for an envelope alone.
    packing: Option<Packing>,
    /// By their places in the message; `None` once the hub's word on it is there.
    records: Vec<Option<(u64, String)>>,
}

/// What the hub's word on a message means for its records.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// To be written down and taken out of the queue.
    pub(super) receipts: Vec<HubReceipt>,
    /// When the answered message was sent: the hub's time lies between then and now.
    pub(super) sent_at: Option<Instant>,
}

pub(super) struct Uplink<'a> {
    link: &'a Link,
    queue: &'a Queue,
    hub: Hub,
    next: u32,
    under_way: BTreeMap<u32, Message>,
    /// Envelopes under way, each with its message.
    messages: HashMap<String, u32>,
    /// Sequences that are not to be sent now: under way, or receipted and not yet deleted.
    held: HashMap<u64, String>,
    /// Sequences that were refused, until they are tried again.
    later: HashMap<u64, Instant>,
    /// Kinds beside the usual ones that the hub takes.
    taken: Vec<i32>,
    /// Sequences of kinds the hub does not take: they wait until one does.
    untaken: HashSet<u64>,
}

impl<'a> Uplink<'a> {
    pub(super) fn new(link: &'a Link) -> Self {
        Self {
            link,
            queue: &link.queue,
            hub: Hub::Unknown,
            // An answer to a message of an earlier session must not fit one of this.
            next: rand::random(),
            under_way: BTreeMap::new(),
            messages: HashMap::new(),
            held: HashMap::new(),
            later: HashMap::new(),
            taken: Vec::new(),
            untaken: HashSet::new(),
        }
    }

    /// The hub has said which kinds it takes beside the usual ones.
    pub(super) fn set_taken(&mut self, kinds: &[i32]) {
        self.taken = kinds.to_vec();
        self.untaken.clear();
    }

    pub(super) fn hub(&self) -> Hub {
        self.hub
    }

    pub(super) fn set_hub(&mut self, hub: Hub) {
        self.hub = hub;
    }

    /// Sends what the queue holds, most urgent lane first, as far as the limits and the client's buffer allow. The
    /// message's number is told for each that went.
    pub(super) fn fill(
        &mut self,
        client: &AsyncClient,
        now: Instant,
        mut sent: impl FnMut(u32),
    ) -> Result<(), barefoot_queue::Error> {
        self.forget_done(now);
        let limits = self.limits();
        if limits.messages <= self.under_way.len() {
            return Ok(());
        }
        let mut waiting = self.waiting()?;
        loop {
            let seen: Vec<Waiting> = waiting.iter().map(seen).collect();
            let Some(places) = plan::next(&seen, &self.open(), &limits) else {
                return Ok(());
            };
            let mut chosen = Vec::with_capacity(places.len());
            for place in places.iter().rev() {
                chosen.push(waiting.remove(*place));
            }
            chosen.reverse();
            match self.send(client, chosen, now)? {
                Sending::Sent(number) => sent(number),
                Sending::NothingLeft => {}
                // No failure: the rest is sent when receipts make room.
                Sending::BufferFull => return Ok(()),
            }
        }
    }

    /// In the order of sending, without what must not go now.
    fn waiting(&mut self) -> Result<Vec<Record>, barefoot_queue::Error> {
        let mut waiting = self.waiting_in(&[Lane::Critical])?;
        if self.hub == Hub::Unknown {
            return Ok(waiting);
        }
        waiting.extend(self.waiting_in(&[Lane::Reports, Lane::Results])?);
        if matches!(self.hub, Hub::Batches { .. }) {
            waiting.extend(self.waiting_in(&[Lane::Telemetry])?);
        }
        Ok(waiting)
    }

    /// What the hub does not take is passed over, and does not take the places of what it does.
    fn waiting_in(&mut self, lanes: &[Lane]) -> Result<Vec<Record>, barefoot_queue::Error> {
        loop {
            let (held, later, untaken) = (&self.held, &self.later, &self.untaken);
            let passed_over = |sequence| {
                held.contains_key(&sequence) || later.contains_key(&sequence) || untaken.contains(&sequence)
            };
            let mut waiting = self.queue.pending_of(lanes, LOOK_AHEAD, passed_over)?;
            let looked_at = waiting.len();
            let (taken, mut untaken) = (&self.taken, HashSet::new());
            waiting.retain(|record| {
                let takes = is_taken(record, taken);
                if !takes {
                    untaken.insert(record.sequence);
                }
                takes
            });
            let is_clear = untaken.is_empty();
            self.untaken.extend(untaken);
            if is_clear || !waiting.is_empty() || looked_at < LOOK_AHEAD {
                return Ok(waiting);
            }
        }
    }

    fn limits(&self) -> Limits {
        let config = &self.link.config;
        let (batch, batch_bytes) = match self.hub {
            Hub::Unknown | Hub::Single => (1, usize::MAX),
            Hub::Batches { envelopes, bytes, .. } => (envelopes, bytes.min(BATCH_BYTES)),
        };
        Limits {
            messages: usize::from(config.in_flight),
            other_bytes: config.routine_in_flight_kib.saturating_mul(1024),
            batch,
            batch_bytes,
        }
    }

    fn open(&self) -> UnderWay {
        let mut open = UnderWay {
            messages: self.under_way.len(),
            ..UnderWay::default()
        };
        for message in self.under_way.values().filter(|one| one.class != Class::Critical) {
            open.others += 1;
            open.other_bytes += message.bytes;
        }
        open
    }

    fn send(
        &mut self,
        client: &AsyncClient,
        records: Vec<Record>,
        now: Instant,
    ) -> Result<Sending, barefoot_queue::Error> {
        let Some(class) = records.first().map(class) else {
            return Ok(Sending::NothingLeft);
        };
        let (mut kept, mut envelopes) = (
            Vec::with_capacity(records.len()),
            Vec::with_capacity(records.len()),
        );
        for record in records {
            let Some(envelope) = self.stamped(&record) else {
                tracing::error!(
                    sequence = record.sequence,
                    "A queued record is no envelope; it was set aside."
                );
                self.queue
                    .set_aside(&record.id, "the queued bytes are no envelope")?;
                continue;
            };
            kept.push((record.sequence, record.id));
            envelopes.push(envelope);
        }
        let (topic, payload, packing) = match self.hub {
            Hub::Batches { packing, .. } if !envelopes.is_empty() => (
                topics::up_batch(&self.link.clinic),
                encode_batch(envelopes, packing),
                Some(packing),
            ),
            _ => match envelopes.pop() {
                Some(envelope) => (topics::up_result(&self.link.clinic), envelope, None),
                None => return Ok(Sending::NothingLeft),
            },
        };
        let (number, bytes) = (self.next, payload.len());
        let properties = PublishProperties {
            correlation_data: Some(number.to_be_bytes().to_vec().into()),
            // Results never expire; how a box was an hour ago nobody asks.
            message_expiry_interval: (class == Class::Telemetry).then(|| self.link.config.health_expiry_s()),
            ..PublishProperties::default()
        };
        if client
            .try_publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties)
            .is_err()
        {
            return Ok(Sending::BufferFull);
        }
        self.next = self.next.wrapping_add(1);
        for (sequence, id) in &kept {
            self.messages.insert(id.clone(), number);
            self.held.insert(*sequence, id.clone());
        }
        let message = Message {
            class,
            sent_at: now,
            bytes,
            packing,
            records: kept.into_iter().map(Some).collect(),
        };
        self.under_way.insert(number, message);
        Ok(Sending::Sent(number))
    }

    /// The envelope with its sequence, the time of sending, and what that lacks to the hub's time.
    fn stamped(&self, record: &Record) -> Option<Vec<u8>> {
        let mut envelope = v1::Envelope::decode(record.payload.as_slice()).ok()?;
        envelope.sequence = record.sequence;
        envelope.sent_at_ms = now_ms();
        envelope.clock_offset_ms = self.link.hub_clock.offset_ms(envelope.sent_at_ms);
        Some(envelope.encode_to_vec())
    }

    /// The hub's word, on one envelope or many. What it names and we did not send in this session counts all the same: a
    /// session before this one has sent it.
    pub(super) fn on_receipts(
        &mut self,
        said: Receipts,
        now: Instant,
    ) -> Result<Answered, barefoot_queue::Error> {
        let mut answered = Answered::default();
        for receipt in said.receipts {
            let receipt = HubReceipt::from(receipt);
            let message = self.messages.remove(&receipt.envelope_id);
            let class = message.and_then(|number| {
                let message = self.under_way.get_mut(&number)?;
                answered.sent_at = Some(message.sent_at);
                message.done(&receipt.envelope_id);
                Some(message.class)
            });
            answered.receipts.push(match class {
                // A health record that is not wanted is no reason to call a person.
                Some(Class::Telemetry) => HubReceipt {
                    refused: None,
                    ..receipt
                },
                _ => receipt,
            });
        }
        let number = <[u8; 4]>::try_from(said.correlation.as_slice()).map(u32::from_be_bytes);
        if let Ok(number) = number {
            for (place, reason) in said.unreadable {
                let place = usize::try_from(place).unwrap_or(usize::MAX);
                answered.receipts.extend(self.on_unreadable(
                    number,
                    place,
                    &reason,
                    said.hub_time_ms,
                    now,
                )?);
            }
            if let Some((refusal, reason)) = said.refused {
                self.on_refused_frame(number, refusal, &reason);
            }
        }
        self.under_way
            .retain(|_, message| message.records.iter().any(Option::is_some));
        Ok(answered)
    }

    /// The hub could not read a record. It is tried again some times, in case the hub or the line was at fault, then given
    /// up: a refusal for good. The queue counts.
    fn on_unreadable(
        &mut self,
        number: u32,
        place: usize,
        reason: &str,
        hub_time_ms: i64,
        now: Instant,
    ) -> Result<Option<HubReceipt>, barefoot_queue::Error> {
        let Some(message) = self.under_way.get_mut(&number) else {
            return Ok(None);
        };
        let class = message.class;
        let Some((sequence, envelope_id)) = message.records.get_mut(place).and_then(Option::take) else {
            return Ok(None);
        };
        self.messages.remove(&envelope_id);
        self.link.status.count_refusals(1);
        if class == Class::Telemetry {
            // No reason to call a person, nor to try again.
            return Ok(Some(HubReceipt {
                envelope_id,
                refused: None,
                hub_time_ms,
            }));
        }
        let reason = format!("the hub cannot read it: {reason}");
        let at_ms = u64::try_from(now_ms()).unwrap_or_default();
        let refusals = match self.queue.refused(&envelope_id, &reason, at_ms) {
            Ok(Refused::Waits { refusals }) => refusals,
            // Not counted: it is tried again a little more often.
            Err(barefoot_queue::Error::NotStored { .. }) => 1,
            Ok(Refused::SetAside) => {
                return Ok(Some(HubReceipt {
                    envelope_id,
                    refused: Some(reason),
                    hub_time_ms,
                }));
            }
            Ok(Refused::Unknown) => return Ok(None),
            Err(error) => return Err(error),
        };
        tracing::warn!(
            envelope = envelope_id,
            reason,
            "The hub cannot read a record; it is sent again."
        );
        self.held.remove(&sequence);
        self.later
            .insert(sequence, now + AFTER_REFUSAL * u32::from(refusals));
        Ok(None)
    }

    /// The hub could not even take the message apart: it goes again in a form the hub knows.
    fn on_refused_frame(&mut self, number: u32, refusal: v1::FrameRefusal, reason: &str) {
        let Some(message) = self.under_way.remove(&number) else {
            return;
        };
        self.link.status.count_refusals(1);
        for (sequence, id) in message.records.into_iter().flatten() {
            self.messages.remove(&id);
            self.held.remove(&sequence);
        }
        self.hub = match (self.hub, message.packing, refusal) {
            (
                Hub::Batches { envelopes, bytes, .. },
                Some(Packing::Dictionary),
                v1::FrameRefusal::Dictionary,
            ) => Hub::Batches {
                packing: Packing::Zstd,
                envelopes,
                bytes,
            },
            // Refused although it went without: nothing but single envelopes is safe.
            _ => Hub::Single,
        };
        tracing::warn!(reason, now = ?self.hub, "The hub refused a batch; its records go again in another form.");
    }

    /// A hub that knows no correlation data refused a message by its acknowledgement.
    pub(super) fn on_unreadable_message(
        &mut self,
        number: u32,
        now: Instant,
    ) -> Result<Option<HubReceipt>, barefoot_queue::Error> {
        let receipt = self.on_unreadable(number, 0, "it said so in its acknowledgement", 0, now)?;
        self.under_way
            .retain(|_, message| message.records.iter().any(Option::is_some));
        Ok(receipt)
    }

    /// Receipted records whose deletion has been written down need no memory here, nor what may be tried again.
    fn forget_done(&mut self, now: Instant) {
        let (queue, messages) = (self.queue, &self.messages);
        self.held
            .retain(|_, id| messages.contains_key(id) || queue.contains(id).unwrap_or(true));
        self.later.retain(|_, until| now < *until);
    }

    /// Whether the hub owes a receipt for longer than `timeout`.
    pub(super) fn is_overdue(&self, now: Instant, timeout: Duration) -> bool {
        self.under_way
            .values()
            .any(|message| message.sent_at + timeout < now)
    }
}

enum Sending {
    Sent(u32),
    NothingLeft,
    BufferFull,
}

impl Message {
    fn done(&mut self, envelope_id: &str) {
        for record in &mut self.records {
            if record.as_ref().is_some_and(|(_, id)| id == envelope_id) {
                *record = None;
            }
        }
    }
}

/// Whether a hub that takes these kinds beside the usual ones takes the record. What is no envelope is set aside later.
fn is_taken(record: &Record, taken: &[i32]) -> bool {
    let Ok(envelope) = v1::Envelope::decode(record.payload.as_slice()) else {
        return true;
    };
    !TALK.contains(&envelope.kind()) || taken.contains(&envelope.kind)
}

fn class(record: &Record) -> Class {
    match record.lane {
        Lane::Critical => Class::Critical,
        Lane::Telemetry => Class::Telemetry,
        Lane::Reports | Lane::Results | Lane::Images => Class::Routine,
    }
}

fn seen(record: &Record) -> Waiting {
    Waiting {
        class: class(record),
        // The time and the offset are stamped on.
        bytes: record.payload.len() + 16,
    }
}
