//! From the queue to the hub: a bounded number of envelopes under way, each until its receipt.

use std::collections::HashMap;

use barefoot_queue::{Queue, Record};
use barefoot_wire::{topics, v1};
use prost::Message;
use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use tokio::time::{Duration, Instant};

use super::Link;
use crate::clock::now_ms;

#[derive(Debug)]
struct UnderWay {
    envelope_id: String,
    sent_at: Instant,
}

pub(super) struct Uplink<'a> {
    queue: &'a Queue,
    topic: String,
    limit: usize,
    receipt_timeout: Duration,
    /// By queue sequence. A receipted record stays here until the queue has deleted it, so that it is not sent again.
    under_way: HashMap<u64, UnderWay>,
    receipted: HashMap<String, u64>,
}

impl<'a> Uplink<'a> {
    pub(super) fn new(link: &'a Link) -> Self {
        Self {
            queue: &link.queue,
            topic: topics::up_result(&link.clinic),
            limit: usize::from(link.config.in_flight),
            receipt_timeout: link.config.receipt_timeout(),
            under_way: HashMap::new(),
            receipted: HashMap::new(),
        }
    }

    /// Sends what the queue holds, most urgent lane first, as far as the limit and the client's buffer allow.
    pub(super) fn fill(&mut self, client: &AsyncClient, now: Instant) -> Result<(), barefoot_queue::Error> {
        self.forget_deleted();
        let room = self.limit.saturating_sub(self.under_way.len());
        if room == 0 {
            return Ok(());
        }
        let known = |sequence| {
            self.under_way.contains_key(&sequence) || self.receipted.values().any(|s| *s == sequence)
        };
        for record in self.queue.pending(room, known)? {
            let Some(payload) = stamped(&record) else {
                let reason = "the queued bytes are no envelope";
                tracing::error!(
                    sequence = record.sequence,
                    "A queued record is no envelope; it was set aside."
                );
                self.queue.set_aside(&record.id, reason)?;
                continue;
            };
            // A full client buffer is no failure: the rest is sent when receipts make room.
            if client
                .try_publish(self.topic.as_str(), QoS::AtLeastOnce, false, payload)
                .is_err()
            {
                break;
            }
            self.under_way.insert(
                record.sequence,
                UnderWay {
                    envelope_id: record.id,
                    sent_at: now,
                },
            );
        }
        Ok(())
    }

    pub(super) fn on_receipt(&mut self, envelope_id: &str) {
        let sequence = self
            .under_way
            .iter()
            .find(|(_, r)| r.envelope_id == envelope_id)
            .map(|(s, _)| *s);
        if let Some(sequence) = sequence {
            self.under_way.remove(&sequence);
            self.receipted.insert(envelope_id.to_owned(), sequence);
        }
    }

    /// Receipted records whose deletion has been written down need no memory here.
    fn forget_deleted(&mut self) {
        let queue = self.queue;
        self.receipted
            .retain(|envelope_id, _| queue.contains(envelope_id).unwrap_or(true));
    }

    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.under_way
            .values()
            .any(|record| record.sent_at + self.receipt_timeout < now)
    }
}

/// The envelope with its sequence and the time of sending.
fn stamped(record: &Record) -> Option<Vec<u8>> {
    let mut envelope = v1::Envelope::decode(record.payload.as_slice()).ok()?;
    envelope.sequence = record.sequence;
    envelope.sent_at_ms = now_ms();
    Some(envelope.encode_to_vec())
}
