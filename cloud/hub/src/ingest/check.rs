use barefoot_domain::ClinicId;
use barefoot_wire::topics::{Direction, Topic};
use barefoot_wire::{Receipt, decode_envelope, decode_receipt, decode_result, v1};

use crate::archive::Arrival;

/// The topic's last part that carries results, and the one that carries receipts for what the hub sent.
const RESULT: &str = "result";
const RECEIPT: &str = "receipt";

/// What a clinic sends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    Result(Box<Arrival>),
    Receipt(Receipt),
}

/// A message that will never be accepted as it is. The reason names fields and rules, never content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What a receipt can name; `None` when not even the id is readable.
    pub(crate) envelope_id: Option<String>,
    pub(crate) reason: String,
}

/// Topic, envelope and body must be well formed and agree on the clinic and the kind.
///
/// The topic is trusted: the endpoint has compared it with the certificate, or the broker's rules have.
pub(crate) fn check(topic: &Topic, payload: &[u8]) -> Result<Message, Refusal> {
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
    match (topic.kind.as_str(), envelope.kind()) {
        (RESULT, v1::Kind::Result) => {
            let result = decode_result(&envelope.body).map_err(|error| refuse(&error.to_string()))?;
            Ok(Message::Result(Box::new(Arrival {
                clinic: topic.clinic.clone(),
                envelope_id: envelope.id,
                sequence: envelope.sequence,
                sent_at_ms: envelope.sent_at_ms,
                result,
            })))
        }
        (RECEIPT, v1::Kind::Receipt) => decode_receipt(&envelope.body)
            .map(Message::Receipt)
            .map_err(|error| refuse(&error.to_string())),
        _ => Err(refuse(
            "this hub takes results and receipts only: topic and envelope must say the same",
        )),
    }
}

/// The id of an envelope that was refused as a whole, of another schema for instance, so that its sender hears of it.
fn readable_id(payload: &[u8]) -> Option<String> {
    let id = <v1::Envelope as prost::Message>::decode(payload).ok()?.id;
    let is_ulid = id.len() == 26 && id.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    is_ulid.then_some(id)
}
