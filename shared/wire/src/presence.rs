//! Who is there, what the other end understands, how a box is.

use barefoot_domain::ClinicId;
use prost::Message;

use crate::batch::{BATCH_VERSION, DICTIONARY, MAX_BATCH_BYTES, MAX_BATCH_ENVELOPES};
use crate::convert::{envelope, is_ulid};
use crate::{DecodeError, SCHEMA, v1};

/// Names in a health record are short; longer ones are none of ours.
const MAX_NAME: usize = 200;
const MAX_LANES: usize = 16;
/// A certificate of the region has about 600 bytes.
const MAX_CERTIFICATE: usize = 8 * 1024;
/// Of what names a start of a box's daemon.
pub const START_BYTES: usize = 16;
/// Starts that the hub may have heard of and did not answer.
pub const MAX_FOLLOWS: usize = 32;
/// A SHA-256.
const MAX_MACHINE: usize = 32;
/// Of what names a restoration of the hub.
pub const RESTORATION_BYTES: usize = 16;
/// Those that a box is told of.
pub const MAX_RESTORATIONS: usize = 16;

#[must_use]
pub fn presence_envelope(id: String, clinic: &ClinicId, presence: &v1::Presence) -> v1::Envelope {
    envelope(id, clinic, v1::Kind::Presence, presence.encode_to_vec())
}

/// # Errors
/// When the body is no presence.
pub fn decode_presence(body: &[u8]) -> Result<v1::Presence, DecodeError> {
    let presence: v1::Presence = decode(body, "Presence")?;
    if presence.state() == v1::PresenceState::Unspecified {
        return Err(DecodeError::Field { field: "state" });
    }
    name(&presence.client_version, "client_version")?;
    let is_start = |start: &Vec<u8>| start.len() == START_BYTES;
    if !presence.start.is_empty() && !is_start(&presence.start) {
        return Err(DecodeError::Field { field: "start" });
    }
    if MAX_FOLLOWS < presence.follows.len() || !presence.follows.iter().all(is_start) {
        return Err(DecodeError::Field { field: "follows" });
    }
    if MAX_MACHINE < presence.machine.len() {
        return Err(DecodeError::Field { field: "machine" });
    }
    Ok(presence)
}

/// What this program understands, for the answer to a presence.
#[must_use]
pub fn hello(presence_id: String, received_at_ms: i64, answered_at_ms: i64, certificate: &[u8]) -> v1::Hello {
    v1::Hello {
        presence_id,
        received_at_ms,
        answered_at_ms,
        schema: vec![SCHEMA],
        batch_version: BATCH_VERSION,
        dictionary: vec![DICTIONARY],
        max_batch_envelopes: u32::try_from(MAX_BATCH_ENVELOPES).unwrap_or(u32::MAX),
        max_batch_bytes: u32::try_from(MAX_BATCH_BYTES).unwrap_or(u32::MAX),
        certificate: certificate.to_vec(),
        takes: [v1::Kind::Message, v1::Kind::Opinion, v1::Kind::ReportRead]
            .map(i32::from)
            .to_vec(),
        restoration: Vec::new(),
    }
}

#[must_use]
pub fn hello_envelope(id: String, clinic: &ClinicId, hello: &v1::Hello) -> v1::Envelope {
    envelope(id, clinic, v1::Kind::Hello, hello.encode_to_vec())
}

/// # Errors
/// When the body is no hello, or a field is outside its range.
pub fn decode_hello(body: &[u8]) -> Result<v1::Hello, DecodeError> {
    let hello: v1::Hello = decode(body, "Hello")?;
    if !is_ulid(&hello.presence_id) {
        return Err(DecodeError::Field { field: "presence_id" });
    }
    if hello.received_at_ms <= 0 || hello.answered_at_ms < hello.received_at_ms {
        return Err(DecodeError::Field {
            field: "received_at_ms, answered_at_ms",
        });
    }
    if MAX_CERTIFICATE < hello.certificate.len() {
        return Err(DecodeError::Field { field: "certificate" });
    }
    check_restorations(&hello.restoration)?;
    Ok(hello)
}

pub(crate) fn check_restorations(restorations: &[v1::Restoration]) -> Result<(), DecodeError> {
    let is_named = |one: &v1::Restoration| one.id.len() == RESTORATION_BYTES;
    if MAX_RESTORATIONS < restorations.len() || !restorations.iter().all(is_named) {
        return Err(DecodeError::Field { field: "restoration" });
    }
    Ok(())
}

#[must_use]
pub fn health_envelope(id: String, clinic: &ClinicId, health: &v1::BoxHealth) -> v1::Envelope {
    envelope(id, clinic, v1::Kind::Health, health.encode_to_vec())
}

/// # Errors
/// When the body is no health record, or a field is outside its range.
pub fn decode_health(body: &[u8]) -> Result<v1::BoxHealth, DecodeError> {
    let health: v1::BoxHealth = decode(body, "Health")?;
    name(&health.client_version, "client_version")?;
    name(&health.model, "model")?;
    if MAX_LANES < health.lane.len() {
        return Err(DecodeError::Field { field: "lane" });
    }
    for lane in &health.lane {
        name(&lane.lane, "lane")?;
    }
    Ok(health)
}

fn decode<M: Message + Default>(body: &[u8], message: &'static str) -> Result<M, DecodeError> {
    M::decode(body).map_err(|source| DecodeError::Protobuf { message, source })
}

/// It will stand on pages and in metrics: printable, short.
fn name(text: &str, field: &'static str) -> Result<(), DecodeError> {
    let plain = text.len() <= MAX_NAME && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if plain {
        Ok(())
    } else {
        Err(DecodeError::Field { field })
    }
}
