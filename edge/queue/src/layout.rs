//! Keys and values as they lie on disk. Pure: bytes in, bytes out.

use std::ops::Range;

use crate::survey::Flaw;
use crate::{Lane, Record};

pub(crate) const FORMAT: u8 = 1;

/// Larger values were not seen to survive a power cut.
pub(crate) const MAX_VALUE: usize = 4096;
pub(crate) const MAX_ID: usize = 128;
/// A longer reason is cut.
pub(crate) const MAX_REASON: usize = 512;

const META: u8 = b'm';
const INDEX: u8 = b'i';
const RECORD: u8 = b'r';
const ASIDE: u8 = 255;

const ENVELOPE: usize = 5;
const RECORD_KEY: usize = 12;

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

    fn from_number(number: u8) -> Option<Self> {
        match number {
            ASIDE => Some(Self::Aside),
            lane => Lane::from_number(lane).map(Self::Lane),
        }
    }
}

/// What the index says about an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) sequence: u64,
    pub(crate) parts: u16,
    pub(crate) payload_bytes: u32,
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
    pub(crate) reason: String,
}

pub(crate) type KeyValue = (Vec<u8>, Vec<u8>);

pub(crate) fn meta_key() -> Vec<u8> {
    vec![META]
}

pub(crate) fn index_key(id: &str) -> Vec<u8> {
    let mut key = vec![INDEX];
    key.extend_from_slice(id.as_bytes());
    key
}

/// All index keys.
pub(crate) fn index_range() -> Range<Vec<u8>> {
    vec![INDEX]..vec![INDEX + 1]
}

pub(crate) fn id_of_index_key(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.strip_prefix(&[INDEX])?).ok()
}

pub(crate) fn part_key(place: Place, sequence: u64, part: u16) -> Vec<u8> {
    let mut key = Vec::with_capacity(RECORD_KEY);
    key.extend([RECORD, place.number()]);
    key.extend(sequence.to_be_bytes());
    key.extend(part.to_be_bytes());
    key
}

/// The parts of all records of a place, from a sequence on.
pub(crate) fn place_range(place: Place, from_sequence: u64) -> Range<Vec<u8>> {
    let below = match place.number().checked_add(1) {
        Some(next) => vec![RECORD, next],
        None => vec![RECORD + 1],
    };
    part_key(place, from_sequence, 0)..below
}

/// The parts of one record.
pub(crate) fn record_range(place: Place, sequence: u64) -> Range<Vec<u8>> {
    let mut range = place_range(place, sequence);
    if let Some(next) = sequence.checked_add(1) {
        range.end = part_key(place, next, 0);
    }
    range
}

pub(crate) fn sequence_of(key: &[u8]) -> Option<u64> {
    let (_, rest) = key.split_first_chunk::<2>()?;
    Some(u64::from_be_bytes(*rest.first_chunk::<8>()?))
}

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

pub(crate) fn encode_entry(id: &str, entry: Entry) -> KeyValue {
    let key = index_key(id);
    let mut body = vec![entry.place.number()];
    body.extend(entry.sequence.to_le_bytes());
    body.extend(entry.parts.to_le_bytes());
    body.extend(entry.payload_bytes.to_le_bytes());
    let value = seal(&key, &body);
    (key, value)
}

pub(crate) fn decode_entry(key: &[u8], value: &[u8]) -> Option<Entry> {
    let mut body = Reader(unseal(key, value)?);
    Some(Entry {
        place: Place::from_number(body.u8()?)?,
        sequence: body.u64()?,
        parts: body.u16()?,
        payload_bytes: body.u32()?,
    })
}

/// Cuts a record into the parts that are stored, and says what the index must hold.
pub(crate) fn encode_record(place: Place, record: &Record, reason: &str) -> (Entry, Vec<KeyValue>) {
    let sequence = record.sequence;
    let reason = shortened(reason);
    // The limits on ids, reasons and payloads keep each length within its field.
    let payload_bytes = u32::try_from(record.payload.len()).unwrap_or(u32::MAX);
    let mut body = vec![record.lane.number()];
    body.extend(record.queued_at_ms.to_le_bytes());
    body.extend(payload_bytes.to_le_bytes());
    body.extend(u16::try_from(record.id.len()).unwrap_or(u16::MAX).to_le_bytes());
    body.extend(u16::try_from(reason.len()).unwrap_or(u16::MAX).to_le_bytes());
    body.extend_from_slice(record.id.as_bytes());
    body.extend_from_slice(reason.as_bytes());
    body.extend_from_slice(&record.payload);

    let parts: Vec<KeyValue> = body
        .chunks(MAX_VALUE - ENVELOPE)
        .zip(0..)
        .map(|(chunk, part)| {
            let key = part_key(place, sequence, part);
            let value = seal(&key, chunk);
            (key, value)
        })
        .collect();
    let entry = Entry {
        place,
        sequence,
        parts: u16::try_from(parts.len()).unwrap_or(u16::MAX),
        payload_bytes,
    };
    (entry, parts)
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
        let id = reader.text(id_bytes)?;
        let reason = reader.text(reason_bytes)?;
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
            reason,
        }),
    }
}

fn shortened(reason: &str) -> &str {
    reason.split_at(reason.floor_char_boundary(MAX_REASON)).0
}

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

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn text(&mut self, bytes: u16) -> Option<String> {
        let (text, rest) = self.0.split_at_checked(usize::from(bytes))?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places() -> impl Strategy<Value = Place> {
        prop::sample::select(Place::all().collect::<Vec<_>>())
    }

    prop_compose! {
        fn stored()(
            place in places(),
            lane in prop::sample::select(Lane::ALL.to_vec()),
            sequence in any::<u64>(),
            queued_at_ms in any::<u64>(),
            id in "[a-z0-9]{1,40}",
            reason in "\\PC{0,20}",
            payload in prop::collection::vec(any::<u8>(), 0..20_000),
        ) -> (Place, Whole) {
            let (lane, reason) = match place {
                Place::Lane(lane) => (lane, String::new()),
                Place::Aside => (lane, reason),
            };
            (place, Whole { record: Record { sequence, lane, id, queued_at_ms, payload }, reason })
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn records_round_trip_in_small_values((place, whole) in stored()) {
            let (entry, parts) = encode_record(place, &whole.record, &whole.reason);
            prop_assert_eq!(usize::from(entry.parts), parts.len());
            let range = record_range(place, whole.record.sequence);
            for (key, value) in &parts {
                prop_assert!(value.len() <= MAX_VALUE);
                prop_assert!(range.contains(key));
                prop_assert!(place_range(place, 0).contains(key));
                prop_assert_eq!(sequence_of(key), Some(whole.record.sequence));
            }
            prop_assert_eq!(assemble(place, whole.record.sequence, &parts), Ok(whole));
        }

        #[test]
        fn a_changed_byte_or_a_lost_part_is_noticed(
            (place, whole) in stored(), at in any::<prop::sample::Index>(), bit in 0u8..8, lose in any::<bool>(),
        ) {
            let sequence = whole.record.sequence;
            let (_, mut parts) = encode_record(place, &whole.record, &whole.reason);
            let part = at.index(parts.len());
            if lose {
                parts.remove(part);
            } else {
                let byte = at.index(parts[part].1.len());
                parts[part].1[byte] ^= 1 << bit;
            }
            prop_assert!(assemble(place, sequence, &parts).is_err());
        }

        #[test]
        fn any_bytes_are_survived(
            place in places(),
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
            sealed in any::<bool>(),
        ) {
            let parts: Vec<KeyValue> = bodies.into_iter().zip(0..).map(|(body, part)| {
                let key = part_key(place, 1, part);
                let value = if sealed { seal(&key, &body) } else { body };
                (key, value)
            }).collect();
            if let Ok(whole) = assemble(place, 1, &parts) {
                prop_assert_eq!(encode_record(place, &whole.record, &whole.reason).1.concat_values(), parts.concat_values());
            }
        }

        #[test]
        fn index_and_meta_round_trip(
            place in places(), sequence in any::<u64>(), parts in any::<u16>(), payload_bytes in any::<u32>(),
            commit in any::<u64>(),
        ) {
            let entry = Entry { place, sequence, parts, payload_bytes };
            let (key, value) = encode_entry("01abc", entry);
            prop_assert_eq!(decode_entry(&key, &value), Some(entry));
            prop_assert_eq!(decode_entry(&index_key("01abd"), &value), None, "the key is part of the checksum");
            prop_assert_eq!(id_of_index_key(&key), Some("01abc"));
            prop_assert!(index_range().contains(&key));
            let meta = Meta { commit, next_sequence: sequence, pending: 1, aside: 2 };
            prop_assert_eq!(decode_meta(&encode_meta(meta)), Some(meta));
        }

        #[test]
        fn keys_sort_by_lane_then_sequence_then_part(
            a in (0usize..5, any::<u64>(), any::<u16>()), b in (0usize..5, any::<u64>(), any::<u16>()),
        ) {
            let key = |(lane, sequence, part): (usize, u64, u16)| part_key(Place::Lane(Lane::ALL[lane]), sequence, part);
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
        }
    }

    trait ConcatValues {
        fn concat_values(&self) -> Vec<u8>;
    }

    impl ConcatValues for Vec<KeyValue> {
        /// Bodies only: the same record may be cut differently.
        fn concat_values(&self) -> Vec<u8> {
            self.iter()
                .flat_map(|(_, value)| value.iter().skip(ENVELOPE))
                .copied()
                .collect()
        }
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let long = "原".repeat(MAX_REASON);
        assert!(shortened(&long).len() <= MAX_REASON);
        assert!(long.starts_with(shortened(&long)));
    }
}
