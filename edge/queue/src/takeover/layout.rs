//! Keys and values of the store before the log. Pure: bytes in, bytes out.
//!
//! ```text
//! m                                        meta: commits, next sequence, records in lanes, records set aside
//! i <id>                                   index, of no use here
//! r <place u8> <sequence u64> <part u16>   one part of a record, numbers big-endian
//! ```
//!
//! The place is the lane (0 to 4) or 255 when it was set aside. Every value is `format u8, CRC-32 u32, body`, and the CRC
//! covers key and body. Part 0 begins with the record's head; the payload runs on through the parts.

use crate::damage::Flaw;
use crate::log::frame::Reader;
use crate::{Lane, Record};

pub(crate) const FORMAT: u8 = 1;

const META: u8 = b'm';
const RECORD: u8 = b'r';
const ASIDE: u8 = 255;

#[cfg(test)]
const ENVELOPE: usize = 5;

/// Where a record lies: in its lane, or aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Lane(Lane),
    Aside,
}

impl Place {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Lane::ALL.into_iter().map(Self::Lane).chain([Self::Aside])
    }

    fn number(self) -> u8 {
        match self {
            Self::Lane(lane) => lane.number(),
            Self::Aside => ASIDE,
        }
    }
}

/// What every commit says about the whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) commit: u64,
    pub(crate) next_sequence: u64,
    pub(crate) pending: u64,
    pub(crate) aside: u64,
}

/// A record with its reason; the reason is empty while it is in a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) record: Record,
    pub(crate) is_aside: bool,
    pub(crate) reason: String,
}

pub(crate) type KeyValue = (Vec<u8>, Vec<u8>);

pub(crate) fn meta_key() -> Vec<u8> {
    vec![META]
}

/// What the keys of a place's records begin with.
pub(crate) fn place_prefix(place: Place) -> [u8; 2] {
    [RECORD, place.number()]
}

pub(crate) fn part_key(place: Place, sequence: u64, part: u16) -> Vec<u8> {
    let mut key = Vec::with_capacity(12);
    key.extend([RECORD, place.number()]);
    key.extend(sequence.to_be_bytes());
    key.extend(part.to_be_bytes());
    key
}

pub(crate) fn sequence_of(key: &[u8]) -> Option<u64> {
    let (_, rest) = key.split_first_chunk::<2>()?;
    Some(u64::from_be_bytes(*rest.first_chunk::<8>()?))
}

#[cfg(test)]
pub(crate) fn encode_meta(meta: Meta) -> Vec<u8> {
    let mut body = Vec::with_capacity(32);
    body.extend(meta.commit.to_le_bytes());
    body.extend(meta.next_sequence.to_le_bytes());
    body.extend(meta.pending.to_le_bytes());
    body.extend(meta.aside.to_le_bytes());
    seal(&meta_key(), &body)
}

pub(crate) fn decode_meta(value: &[u8]) -> Option<Meta> {
    let mut body = Reader(unseal(&meta_key(), value)?);
    Some(Meta {
        commit: body.u64()?,
        next_sequence: body.u64()?,
        pending: body.u64()?,
        aside: body.u64()?,
    })
}

/// The format a value says it has, whatever follows.
pub(crate) fn format_of(value: &[u8]) -> Option<u8> {
    value.first().copied()
}

/// How the store before the log cut a record into parts of at most 4 KiB.
#[cfg(test)]
pub(crate) fn encode_record(place: Place, record: &Record, reason: &str) -> Vec<KeyValue> {
    let mut body = vec![record.lane.number()];
    body.extend(record.queued_at_ms.to_le_bytes());
    body.extend((record.payload.len() as u32).to_le_bytes());
    body.extend((record.id.len() as u16).to_le_bytes());
    body.extend((reason.len() as u16).to_le_bytes());
    body.extend_from_slice(record.id.as_bytes());
    body.extend_from_slice(reason.as_bytes());
    body.extend_from_slice(&record.payload);
    let parts = body.chunks(4096 - ENVELOPE).zip(0..);
    parts
        .map(|(chunk, part)| {
            let key = part_key(place, record.sequence, part);
            let value = seal(&key, chunk);
            (key, value)
        })
        .collect()
}

/// Puts a record together again from its parts in order; takes nothing on trust.
pub(crate) fn assemble(place: Place, sequence: u64, parts: &[KeyValue]) -> Result<Whole, Flaw> {
    let mut body = Vec::new();
    for ((key, value), part) in parts.iter().zip(0..=u16::MAX) {
        if *key != part_key(place, sequence, part) {
            return Err(Flaw::MissingPart);
        }
        body.extend_from_slice(unseal(key, value).ok_or(Flaw::Checksum)?);
    }
    if parts.is_empty() {
        return Err(Flaw::MissingPart);
    }
    read_whole(place, sequence, &body)
}

fn read_whole(place: Place, sequence: u64, body: &[u8]) -> Result<Whole, Flaw> {
    let mut reader = Reader(body);
    let head = (|| {
        let lane = Lane::from_number(reader.u8()?)?;
        let queued_at_ms = reader.u64()?;
        let payload_bytes = reader.u32()?;
        let id_bytes = reader.u16()?;
        let reason_bytes = reader.u16()?;
        let id = reader.text(usize::from(id_bytes))?.to_owned();
        let reason = reader.text(usize::from(reason_bytes))?.to_owned();
        Some((lane, queued_at_ms, payload_bytes, id, reason))
    })();
    let (lane, queued_at_ms, payload_bytes, id, reason) = head.ok_or(Flaw::Malformed)?;
    if place != Place::Aside && place != Place::Lane(lane) {
        return Err(Flaw::Malformed);
    }
    let payload = reader.0;
    match payload.len().cmp(&(payload_bytes as usize)) {
        std::cmp::Ordering::Less => Err(Flaw::MissingPart),
        std::cmp::Ordering::Greater => Err(Flaw::Malformed),
        std::cmp::Ordering::Equal => Ok(Whole {
            record: Record {
                sequence,
                lane,
                id,
                queued_at_ms,
                payload: payload.to_vec(),
            },
            is_aside: place == Place::Aside,
            reason,
        }),
    }
}

#[cfg(test)]
fn seal(key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(ENVELOPE + body.len());
    value.push(FORMAT);
    value.extend(checksum(key, body).to_le_bytes());
    value.extend_from_slice(body);
    value
}

fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, body) = value.strip_prefix(&[FORMAT])?.split_first_chunk::<4>()?;
    (checksum(key, body) == u32::from_le_bytes(*sum)).then_some(body)
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}
