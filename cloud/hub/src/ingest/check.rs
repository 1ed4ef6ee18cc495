use barefoot_domain::{Author, ClinicId};
use barefoot_wire::topics::{Direction, Topic};
use barefoot_wire::{
    Receipt, decode_batch, decode_envelope, decode_health, decode_message, decode_opinion, decode_presence,
    decode_receipt, decode_report_read, decode_result, v1,
};

use super::detection::{Times, detected};
use crate::archive::{Arrival, ClinicWord};

/// The topics' last parts: results one by one, receipts for what the hub sent, several envelopes at once, and who is there.
const RESULT: &str = "result";
const RECEIPT: &str = "receipt";
const BATCH: &str = "batch";
const PRESENCE: &str = "presence";

/// What a clinic sends in one envelope.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    Result(Box<Arrival>),
    Receipt(Receipt),
    Presence {
        envelope_id: String,
        presence: v1::Presence,
    },
    Health {
        envelope_id: String,
        health: Box<v1::BoxHealth>,
    },
    /// What the clinic says of a case, beside its result.
    Word {
        envelope_id: String,
        word: Box<ClinicWord>,
    },
}

/// What a clinic sends in one MQTT message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Checked {
    One(Result<Message, Refusal>),
    Batch(Vec<Result<Message, Refusal>>),
    /// Not even the envelopes of the batch could be told apart.
    Frame(v1::FrameRefusal, String),
}

/// A message that will never be accepted as it is. The reason names fields and rules, never content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What a receipt can name; `None` when not even the id is readable.
    pub(crate) envelope_id: Option<String>,
    pub(crate) reason: String,
}

/// When and how it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Came {
    /// By the hub's clock.
    pub(crate) at_ms: i64,
    /// At once, not by a stick.
    pub(crate) by_line: bool,
}

/// Topic, envelopes and bodies must be well formed and agree on the clinic and the kind.
///
/// The topic is trusted: the endpoint has compared it with the certificate, or the broker's rules have, or a signature.
pub(crate) fn check(topic: &Topic, payload: &[u8], came: Came) -> Checked {
    if topic.kind != BATCH {
        return Checked::One(check_one(topic, payload, came));
    }
    match decode_batch(payload) {
        Ok(envelopes) => Checked::Batch(
            envelopes
                .iter()
                .map(|envelope| check_one(topic, envelope, came))
                .collect(),
        ),
        Err(error) => Checked::Frame(error.refusal(), error.to_string()),
    }
}

fn check_one(topic: &Topic, payload: &[u8], came: Came) -> Result<Message, Refusal> {
    let envelope = decode_envelope(payload).map_err(|error| Refusal {
        envelope_id: readable_id(payload),
        reason: error.to_string(),
    })?;
    let refuse = |reason: &str| Refusal {
        envelope_id: Some(envelope.id.clone()),
        reason: reason.to_owned(),
    };
    if topic.direction != Direction::Up {
        return Err(refuse("the topic runs from hub to clinic"));
    }
    if ClinicId::new(&envelope.clinic).as_ref() != Ok(&topic.clinic) {
        return Err(refuse("the envelope names another clinic than its topic"));
    }
    let unreadable = |error: barefoot_wire::DecodeError| refuse(&error.to_string());
    match (topic.kind.as_str(), envelope.kind()) {
        (RESULT | BATCH, v1::Kind::Result) => {
            let result = decode_result(&envelope.body).map_err(unreadable)?;
            let times = Times {
                assessed_at_ms: result.assessed_at_ms,
                offset_at_assessment_ms: result.clock_offset_ms,
                sent_at_ms: envelope.sent_at_ms,
                offset_at_sending_ms: envelope.clock_offset_ms,
                received_at_ms: came.at_ms,
                by_line: came.by_line,
            };
            Ok(Message::Result(Box::new(Arrival {
                clinic: topic.clinic.clone(),
                envelope_id: envelope.id,
                sequence: envelope.sequence,
                sent_at_ms: envelope.sent_at_ms,
                clock_offset_ms: envelope.clock_offset_ms,
                detected: detected(&times),
                result,
            })))
        }
        (BATCH, v1::Kind::Health) => Ok(Message::Health {
            health: Box::new(decode_health(&envelope.body).map_err(unreadable)?),
            envelope_id: envelope.id,
        }),
        (BATCH, v1::Kind::Message) => {
            let message = decode_message(&envelope.body).map_err(unreadable)?;
            if message.author != Author::Clinic {
                return Err(refuse("a clinic's message has the clinic as its author"));
            }
            Ok(word(envelope.id, ClinicWord::Message(message)))
        }
        (BATCH, v1::Kind::Opinion) => {
            let opinion = decode_opinion(&envelope.body).map_err(unreadable)?;
            Ok(word(envelope.id, ClinicWord::Opinion(opinion)))
        }
        (BATCH, v1::Kind::ReportRead) => {
            let read = decode_report_read(&envelope.body).map_err(unreadable)?;
            Ok(word(envelope.id, ClinicWord::ReportRead(read)))
        }
        (PRESENCE, v1::Kind::Presence) => Ok(Message::Presence {
            presence: decode_presence(&envelope.body).map_err(unreadable)?,
            envelope_id: envelope.id,
        }),
        (RECEIPT, v1::Kind::Receipt) => decode_receipt(&envelope.body)
            .map(Message::Receipt)
            .map_err(unreadable),
        _ => Err(refuse(
            "this hub does not take this kind of envelope on this topic: both must say the same",
        )),
    }
}

fn word(envelope_id: String, word: ClinicWord) -> Message {
    Message::Word {
        envelope_id,
        word: Box::new(word),
    }
}

/// The id of an envelope that was refused as a whole, of another schema for instance, so that its sender hears of it.
fn readable_id(payload: &[u8]) -> Option<String> {
    let id = <v1::Envelope as prost::Message>::decode(payload).ok()?.id;
    let is_ulid = id.len() == 26 && id.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    is_ulid.then_some(id)
}
