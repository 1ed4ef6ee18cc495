//! What the index says about a segment, and its table of contents, as bytes. Pure.

use std::collections::BTreeMap;

use super::Stored;
use crate::Lane;
use crate::ledger::{Kept, Ledger, Place, Segment, Summary};
use crate::log::Log;
use crate::log::frame::{Aside, Reader};

const FORMAT: u8 = 1;

/// Up to where the index goes, and which version of each summary belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The log is read from here on.
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) next_entry: u64,
    pub(crate) next_sequence: u64,
    pub(crate) segments: BTreeMap<u64, Covered>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Covered {
    pub(crate) bytes: u64,
    pub(crate) first_entry: u64,
    pub(crate) summary: Summary,
}

impl Contents {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        for number in [self.segment, self.offset, self.next_entry, self.next_sequence] {
            bytes.extend(number.to_le_bytes());
        }
        for (segment, covered) in &self.segments {
            for number in [*segment, covered.bytes, covered.first_entry] {
                bytes.extend(number.to_le_bytes());
            }
            bytes.extend(covered.summary.bytes.to_le_bytes());
            bytes.extend(covered.summary.checksum.to_le_bytes());
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
            return None;
        }
        let mut reader = Reader(body.strip_prefix(&[FORMAT])?);
        let mut contents = Self {
            segment: reader.u64()?,
            offset: reader.u64()?,
            next_entry: reader.u64()?,
            next_sequence: reader.u64()?,
            segments: BTreeMap::new(),
        };
        while !reader.0.is_empty() {
            let segment = reader.u64()?;
            let covered = Covered {
                bytes: reader.u64()?,
                first_entry: reader.u64()?,
                summary: Summary {
                    bytes: reader.u32()?,
                    checksum: reader.u32()?,
                },
            };
            contents.segments.insert(segment, covered);
        }
        Some(contents)
    }
}

/// The present state; the ledger notes that the index has it.
pub(super) fn take(ledger: &mut Ledger, log: &Log, next_sequence: u64) -> (Contents, Vec<(u64, Vec<u8>)>) {
    let changed: Vec<_> = ledger
        .segments
        .iter()
        .filter(|(_, segment)| segment.summary.is_none())
        .map(|(number, segment)| (*number, encode(ledger, segment)))
        .collect();
    for (number, bytes) in &changed {
        if let Some(segment) = ledger.segments.get_mut(number) {
            segment.summary = Some(summary_of(bytes));
        }
    }
    let segments = ledger.segments.iter();
    let contents = Contents {
        segment: log.active(),
        offset: log.end(),
        next_entry: log.next_entry(),
        next_sequence,
        segments: segments
            .filter_map(|(number, segment)| {
                let covered = Covered {
                    bytes: segment.bytes,
                    first_entry: segment.first_entry,
                    summary: segment.summary?,
                };
                Some((*number, covered))
            })
            .collect(),
    };
    (contents, changed)
}

/// The ledger that the index holds; none unless all of it is sound.
pub(crate) fn restore(stored: &Stored) -> Option<(Contents, Ledger)> {
    let contents = Contents::decode(&stored.contents)?;
    let mut ledger = Ledger::default();
    let nothing = Vec::new();
    for (number, covered) in &contents.segments {
        // An empty summary is stored as nothing.
        let bytes = stored.summaries.get(number).unwrap_or(&nothing);
        if summary_of(bytes) != covered.summary {
            return None;
        }
        let mut reader = Reader(bytes);
        while !reader.0.is_empty() {
            let (sequence, kept) = decode(&mut reader, *number)?;
            ledger.put(sequence, kept);
        }
        let segment = ledger.segments.entry(*number).or_default();
        segment.bytes = covered.bytes;
        segment.first_entry = covered.first_entry;
        segment.summary = Some(covered.summary);
    }
    Some((contents, ledger))
}

fn summary_of(bytes: &[u8]) -> Summary {
    Summary {
        // A segment's summary is smaller than the segment.
        bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        checksum: crc32fast::hash(bytes),
    }
}

fn encode(ledger: &Ledger, segment: &Segment) -> Vec<u8> {
    let mut bytes = Vec::new();
    let live = segment.live.iter();
    for (sequence, kept) in live.filter_map(|sequence| Some((sequence, ledger.get(*sequence)?))) {
        bytes.extend(sequence.to_le_bytes());
        bytes.push(kept.lane.number());
        bytes.extend(kept.queued_at_ms.to_le_bytes());
        bytes.extend(kept.payload_bytes.to_le_bytes());
        bytes.extend(kept.place.offset.to_le_bytes());
        bytes.extend(kept.place.bytes.to_le_bytes());
        bytes.extend(kept.refusals.to_le_bytes());
        // The limit on ids keeps the length within its field.
        bytes.push(u8::try_from(kept.id.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(kept.id.as_bytes());
        let Some(aside) = &kept.aside else {
            bytes.push(0);
            continue;
        };
        bytes.push(if aside.refused_at_ms.is_some() { 2 } else { 1 });
        bytes.extend(aside.refused_at_ms.unwrap_or_default().to_le_bytes());
        bytes.extend(
            u16::try_from(aside.reason.len())
                .unwrap_or(u16::MAX)
                .to_le_bytes(),
        );
        bytes.extend_from_slice(aside.reason.as_bytes());
    }
    bytes
}

fn decode(reader: &mut Reader<'_>, segment: u64) -> Option<(u64, Kept)> {
    let sequence = reader.u64()?;
    let lane = Lane::from_number(reader.u8()?)?;
    let queued_at_ms = reader.u64()?;
    let payload_bytes = reader.u32()?;
    let offset = reader.u32()?;
    let bytes = reader.u32()?;
    let refusals = reader.u16()?;
    let id_bytes = usize::from(reader.u8()?);
    let id = reader.text(id_bytes)?.into();
    let aside = match reader.u8()? {
        0 => None,
        how => {
            let at_ms = reader.u64()?;
            let reason_bytes = usize::from(reader.u16()?);
            let reason = reader.text(reason_bytes)?;
            Some(Box::new(Aside::new(reason, (how == 2).then_some(at_ms))))
        }
    };
    let kept = Kept {
        id,
        lane,
        queued_at_ms,
        payload_bytes,
        place: Place {
            segment,
            offset,
            bytes,
        },
        refusals,
        aside,
    };
    Some((sequence, kept))
}
