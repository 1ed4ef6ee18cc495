//! One entry of the log as it lies on disk. Pure: bytes in, bytes out.
//!
//! ```text
//! magic 4 | head CRC-32 4 | body CRC-32 4 | body bytes 4 | number 8 | position in its group 4 | head bytes 2 | kind 1 | lane 1
//! head: what the kind says
//! body: a record's payload, or a list of sequences
//! ```
//!
//! Numbers are little-endian. Both checksums begin with the segment's number, so that bytes in a wrong file are no entry.
//! The head has a checksum of its own: a damaged payload still tells whose it is, and where the next entry begins.

use crate::Lane;
use crate::damage::Flaw;

pub(crate) const MAGIC: [u8; 4] = [0xB5, b'F', b'Q', 0xF2];
pub(crate) const FIXED_BYTES: usize = 32;
pub(crate) const MAX_ID: usize = 128;
/// A longer reason is cut.
pub(crate) const MAX_REASON: usize = 512;
const MAX_HEAD: usize = 1024;

/// Sequences in one entry; more make several.
pub(crate) const MAX_SEQUENCES: usize = 4096;

/// Where an entry stands in the whole of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Counts every entry ever written, from 1.
    pub(crate) number: u64,
    /// How many entries of the same group, one sync for all, come before it.
    pub(crate) position: u32,
}

impl Stamp {
    /// The number of its group's first entry.
    pub(crate) fn group_start(self) -> u64 {
        self.number.saturating_sub(u64::from(self.position))
    }
}

/// What became of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    /// A record and its state: new, or moved here from an older segment.
    Record(StoredRecord<'a>),
    /// These records are receipted or dropped.
    Gone(Vec<u64>),
    Refused {
        sequence: u64,
        refusals: u16,
        at_ms: u64,
    },
    SetAside {
        sequence: u64,
        aside: Aside,
    },
    /// Set aside once, waits again.
    Back {
        sequence: u64,
    },
    /// Entries of these numbers were lost, and that was reported.
    Lost {
        first: u64,
        last: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredRecord<'a> {
    pub(crate) sequence: u64,
    pub(crate) lane: Lane,
    pub(crate) id: &'a str,
    pub(crate) queued_at_ms: u64,
    pub(crate) refusals: u16,
    pub(crate) aside: Option<Aside>,
    pub(crate) payload: &'a [u8],
}

/// Why a record is out of its lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Aside {
    pub(crate) reason: Box<str>,
    pub(crate) refused_at_ms: Option<u64>,
}

impl Aside {
    pub(crate) fn new(reason: &str, refused_at_ms: Option<u64>) -> Self {
        Self {
            reason: reason.split_at(reason.floor_char_boundary(MAX_REASON)).0.into(),
            refused_at_ms,
        }
    }
}

/// An entry, or what can still be said of one whose body is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    Sound(Entry<'a>),
    /// A record whose head is sound.
    BadRecord {
        sequence: u64,
        id: &'a str,
        flaw: Flaw,
    },
    /// Some other entry, of no use any more.
    Bad,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decoded<'a> {
    pub(crate) stamp: Stamp,
    pub(crate) bytes: usize,
    /// Its body ends where the bytes end, or before.
    pub(crate) is_whole: bool,
    pub(crate) content: Content<'a>,
}

const RECORD: u8 = 1;
const RECORD_ASIDE: u8 = 2;
const GONE: u8 = 3;
const REFUSED: u8 = 4;
const SET_ASIDE: u8 = 5;
const BACK: u8 = 6;
const LOST: u8 = 7;

/// Appends the entry to `out`; returns its bytes.
pub(crate) fn encode(out: &mut Vec<u8>, segment: u64, stamp: Stamp, entry: &Entry<'_>) -> usize {
    let mut head = Vec::with_capacity(64);
    let mut listed = Vec::new();
    let (mut lane, mut body): (u8, &[u8]) = (0, &[]);
    let kind = match entry {
        Entry::Record(record) => {
            lane = record.lane.number();
            body = record.payload;
            head.extend(record.sequence.to_le_bytes());
            head.extend(record.queued_at_ms.to_le_bytes());
            head.extend(record.refusals.to_le_bytes());
            // The limit on ids keeps the length within its field.
            head.push(u8::try_from(record.id.len()).unwrap_or(u8::MAX));
            head.extend_from_slice(record.id.as_bytes());
            match &record.aside {
                Some(aside) => {
                    put_aside(&mut head, aside);
                    RECORD_ASIDE
                }
                None => RECORD,
            }
        }
        Entry::Gone(sequences) => {
            listed.extend(sequences.iter().flat_map(|sequence| sequence.to_le_bytes()));
            body = &listed;
            GONE
        }
        Entry::Refused {
            sequence,
            refusals,
            at_ms,
        } => {
            head.extend(sequence.to_le_bytes());
            head.extend(refusals.to_le_bytes());
            head.extend(at_ms.to_le_bytes());
            REFUSED
        }
        Entry::SetAside { sequence, aside } => {
            head.extend(sequence.to_le_bytes());
            put_aside(&mut head, aside);
            SET_ASIDE
        }
        Entry::Back { sequence } => {
            head.extend(sequence.to_le_bytes());
            BACK
        }
        Entry::Lost { first, last } => {
            head.extend(first.to_le_bytes());
            head.extend(last.to_le_bytes());
            LOST
        }
    };
    // The limits on ids, reasons and payloads keep each length within its field.
    let body_bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let head_bytes = u16::try_from(head.len()).unwrap_or(u16::MAX);
    let mut sealed = Vec::with_capacity(FIXED_BYTES - 8 + head.len());
    sealed.extend(checksum(segment, body).to_le_bytes());
    sealed.extend(body_bytes.to_le_bytes());
    sealed.extend(stamp.number.to_le_bytes());
    sealed.extend(stamp.position.to_le_bytes());
    sealed.extend(head_bytes.to_le_bytes());
    sealed.extend([kind, lane]);
    sealed.extend(head);
    let before = out.len();
    out.extend(MAGIC);
    out.extend(checksum(segment, &sealed).to_le_bytes());
    out.extend(sealed);
    out.extend_from_slice(body);
    out.len() - before
}

fn put_aside(head: &mut Vec<u8>, aside: &Aside) {
    head.push(u8::from(aside.refused_at_ms.is_some()));
    head.extend(aside.refused_at_ms.unwrap_or_default().to_le_bytes());
    head.extend_from_slice(aside.reason.as_bytes());
}

/// The entry at the beginning of `bytes`; none when there is no sound head. Takes nothing on trust.
pub(crate) fn decode(bytes: &[u8], segment: u64) -> Option<Decoded<'_>> {
    let (fixed, rest) = bytes.split_first_chunk::<FIXED_BYTES>()?;
    let mut reader = Reader(fixed);
    if reader.take::<4>()? != MAGIC {
        return None;
    }
    let head_sum = reader.u32()?;
    let body_sum = reader.u32()?;
    let body_bytes = usize::try_from(reader.u32()?).ok()?;
    let stamp = Stamp {
        number: reader.u64()?,
        position: reader.u32()?,
    };
    let head_bytes = usize::from(reader.u16()?);
    let (kind, lane) = (reader.u8()?, reader.u8()?);
    let (head, rest) = rest
        .split_at_checked(head_bytes)
        .filter(|_| head_bytes <= MAX_HEAD)?;
    if checksum(segment, bytes.get(8..FIXED_BYTES + head_bytes)?) != head_sum {
        return None;
    }
    let body = rest.get(..body_bytes).ok_or(Flaw::MissingPart);
    let body = body.and_then(|body| match checksum(segment, body) == body_sum {
        true => Ok(body),
        false => Err(Flaw::Checksum),
    });
    Some(Decoded {
        stamp,
        bytes: FIXED_BYTES + head_bytes + body_bytes.min(rest.len()),
        is_whole: body_bytes <= rest.len(),
        content: content(kind, lane, head, body).unwrap_or(Content::Bad),
    })
}

fn content<'a>(kind: u8, lane: u8, head: &'a [u8], body: Result<&'a [u8], Flaw>) -> Option<Content<'a>> {
    let mut reader = Reader(head);
    let entry = match kind {
        RECORD | RECORD_ASIDE => {
            let sequence = reader.u64()?;
            let queued_at_ms = reader.u64()?;
            let refusals = reader.u16()?;
            let id_bytes = reader.u8()?;
            let id = reader.text(usize::from(id_bytes))?;
            let aside = match kind {
                RECORD_ASIDE => Some(reader.aside()?),
                _ => None,
            };
            let lane = Lane::from_number(lane)?;
            match body {
                Ok(payload) => Entry::Record(StoredRecord {
                    sequence,
                    lane,
                    id,
                    queued_at_ms,
                    refusals,
                    aside,
                    payload,
                }),
                Err(flaw) => return Some(Content::BadRecord { sequence, id, flaw }),
            }
        }
        GONE => {
            let (sequences, rest) = body.ok()?.as_chunks::<8>();
            if !rest.is_empty() {
                return None;
            }
            Entry::Gone(sequences.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
        }
        REFUSED => Entry::Refused {
            sequence: reader.u64()?,
            refusals: reader.u16()?,
            at_ms: reader.u64()?,
        },
        SET_ASIDE => Entry::SetAside {
            sequence: reader.u64()?,
            aside: reader.aside()?,
        },
        BACK => Entry::Back {
            sequence: reader.u64()?,
        },
        LOST => Entry::Lost {
            first: reader.u64()?,
            last: reader.u64()?,
        },
        _ => return None,
    };
    reader.0.is_empty().then_some(Content::Sound(entry))
}

fn checksum(segment: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&segment.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// Bounded reading of numbers and texts.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    pub(crate) fn text(&mut self, bytes: usize) -> Option<&'a str> {
        let (text, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn aside(&mut self) -> Option<Aside> {
        let refused = self.u8()?;
        let at_ms = self.u64()?;
        let reason = self.text(self.0.len())?;
        Some(Aside {
            reason: reason.into(),
            refused_at_ms: (refused != 0).then_some(at_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lanes() -> impl Strategy<Value = Lane> {
        prop::sample::select(Lane::ALL.to_vec())
    }

    prop_compose! {
        fn aside()(reason in "\\PC{0,20}", refused_at_ms in any::<Option<u64>>()) -> Aside {
            Aside::new(&reason, refused_at_ms)
        }
    }

    /// One of each kind; the record borrows its id and payload.
    fn entries<'a>(id: &'a str, payload: &'a [u8], lane: Lane, aside: Aside, number: u64) -> Vec<Entry<'a>> {
        let record = StoredRecord {
            sequence: number,
            lane,
            id,
            queued_at_ms: number / 2,
            refusals: 3,
            aside: None,
            payload,
        };
        vec![
            Entry::Record(record.clone()),
            Entry::Record(StoredRecord {
                aside: Some(aside.clone()),
                ..record
            }),
            Entry::Gone(vec![number, 1, u64::MAX]),
            Entry::Gone(Vec::new()),
            Entry::Refused {
                sequence: number,
                refusals: 9,
                at_ms: 7,
            },
            Entry::SetAside {
                sequence: number,
                aside,
            },
            Entry::Back { sequence: number },
            Entry::Lost {
                first: 1,
                last: number,
            },
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn entries_round_trip_and_no_changed_bit_goes_unnoticed(
            id in "[a-z0-9]{1,128}", payload in prop::collection::vec(any::<u8>(), 0..3000), lane in lanes(),
            aside in aside(), number in any::<u64>(), position in any::<u32>(), segment in any::<u64>(),
            at in any::<prop::sample::Index>(), bit in 0u8..8,
        ) {
            let stamp = Stamp { number, position };
            for entry in entries(&id, &payload, lane, aside, number) {
                let mut bytes = Vec::new();
                prop_assert_eq!(encode(&mut bytes, segment, stamp, &entry), bytes.len());
                let decoded = decode(&bytes, segment).unwrap();
                let content = Content::Sound(entry.clone());
                prop_assert_eq!(&decoded, &Decoded { stamp, bytes: bytes.len(), is_whole: true, content });
                prop_assert!(decode(&bytes, segment ^ 1).is_none(), "bytes in a wrong file are no entry");

                let place = at.index(bytes.len());
                bytes[place] ^= 1 << bit;
                match decode(&bytes, segment).map(|decoded| decoded.content) {
                    None | Some(Content::Bad) => {}
                    Some(Content::BadRecord { sequence, id: found, flaw }) => {
                        prop_assert_eq!((sequence, found, flaw), (number, id.as_str(), Flaw::Checksum));
                    }
                    Some(Content::Sound(_)) => prop_assert!(false, "a changed bit went unnoticed"),
                }
                bytes[place] ^= 1 << bit;
                bytes.truncate(at.index(bytes.len()));
                let cut = decode(&bytes, segment);
                let is_sound = matches!(cut.map(|cut| cut.content), Some(Content::Sound(_)));
                prop_assert!(!is_sound);
            }
        }

        #[test]
        fn any_bytes_are_survived(mut bytes in prop::collection::vec(any::<u8>(), 0..200), magic in any::<bool>()) {
            if magic && 4 <= bytes.len() {
                bytes[..4].copy_from_slice(&MAGIC);
            }
            decode(&bytes, 1);
        }
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let long = "原".repeat(MAX_REASON);
        let cut = Aside::new(&long, None).reason;
        assert!(cut.len() <= MAX_REASON && long.starts_with(&*cut));
    }
}
