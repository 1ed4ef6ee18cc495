//! A whole segment as it lies on disk: its header, its entries, and what lies between them when it is damaged. Pure.
//!
//! ```text
//! header: "BFQSEG" 6 | format 1 | 0 | number 8 | first entry 8 | next sequence 8 | CRC-32 4
//! entries, one after the other; zeros up to the preallocated length while it is written to
//! ```

use super::frame::{self, Content, Decoded, MAGIC, Reader};

pub(crate) const FORMAT: u8 = 1;
pub(crate) const HEADER_BYTES: usize = 36;
const NAME: [u8; 6] = *b"BFQSEG";

/// What is known when a segment is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The number of the first entry written to it.
    pub(crate) first_entry: u64,
    /// Sequences below it were given out.
    pub(crate) next_sequence: u64,
}

impl Header {
    pub(crate) fn encode(self, segment: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend(NAME);
        bytes.extend([FORMAT, 0]);
        bytes.extend(segment.to_le_bytes());
        bytes.extend(self.first_entry.to_le_bytes());
        bytes.extend(self.next_sequence.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// None when it is damaged, or another segment's.
    pub(crate) fn decode(bytes: &[u8], segment: u64) -> Option<Self> {
        let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let (body, sum) = header.split_last_chunk::<4>()?;
        let mut reader = Reader(body.strip_prefix(&NAME)?);
        reader.take::<2>()?;
        let number = reader.u64()?;
        let header = Self {
            first_entry: reader.u64()?,
            next_sequence: reader.u64()?,
        };
        (crc32fast::hash(body) == u32::from_le_bytes(*sum) && number == segment).then_some(header)
    }
}

/// The format a sound header says it has, known or not.
pub(crate) fn format_of(bytes: &[u8]) -> Option<u8> {
    let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let (body, sum) = header.split_last_chunk::<4>()?;
    let sound = crc32fast::hash(body) == u32::from_le_bytes(*sum);
    body.strip_prefix(&NAME)?.first().filter(|_| sound).copied()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Entry {
        at: usize,
        decoded: Decoded<'a>,
    },
    /// No entry begins here; the next one that does begins behind it.
    Unreadable,
}

/// The pieces of a segment from `from` on. Zeros to the end are none.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    segment: u64,
    bytes: &'a [u8],
    at: usize,
}

pub(crate) fn pieces(segment: u64, bytes: &[u8], from: usize) -> Pieces<'_> {
    Pieces {
        segment,
        bytes,
        at: from,
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let at = self.at;
        let rest = self.bytes.get(at..)?;
        if let Some(decoded) = frame::decode(rest, self.segment) {
            self.at += decoded.bytes;
            return Some(Piece::Entry { at, decoded });
        }
        self.at = self.bytes.len();
        let used = rest.get(..used_bytes(rest)).filter(|used| !used.is_empty())?;
        let begins = |from: &usize| {
            rest.get(*from..)
                .is_some_and(|rest| frame::decode(rest, self.segment).is_some())
        };
        let candidates = used.windows(MAGIC.len()).enumerate().skip(1);
        let next = candidates
            .filter(|(_, window)| *window == MAGIC)
            .map(|(from, _)| from)
            .find(begins);
        if let Some(from) = next {
            self.at = at + from;
        }
        Some(Piece::Unreadable)
    }
}

/// Without the zeros at the end, roughly: a block that holds anything counts.
pub(crate) fn used_bytes(bytes: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    let blocks = bytes.chunks(ZEROS.len());
    let empty = blocks.rev().take_while(|block| ZEROS.starts_with(block));
    bytes.len() - empty.map(<[u8]>::len).sum::<usize>()
}

/// Where the segment that was written to last ends: behind it nobody was told of anything.
///
/// A group is written when the one before it is durable. So only the last group can be torn, and only when no answer to
/// it was given: `durable` is the last entry known to have been durable. Damage elsewhere stays and is reported.
pub(crate) fn sound_end(
    segment: u64,
    bytes: &[u8],
    from: usize,
    expected: Option<u64>,
    durable: u64,
) -> usize {
    let entries = || {
        pieces(segment, bytes, from).filter_map(|piece| match piece {
            // What follows one that is cut short would be taken for its body.
            Piece::Entry { at, decoded } => decoded.is_whole.then_some((at, decoded)),
            Piece::Unreadable => None,
        })
    };
    let Some((last_at, last)) = entries().last() else {
        return from;
    };
    let group = last.stamp.group_start();
    if group <= durable {
        return last_at + last.bytes;
    }
    let (mut next, mut end) = (expected, from);
    for (at, decoded) in entries() {
        let number = decoded.stamp.number;
        if group <= number {
            let whole = next.is_none_or(|next| number <= next.max(group));
            if !whole || !matches!(decoded.content, Content::Sound(_)) {
                return end;
            }
        }
        next = Some(number.saturating_add(1));
        end = at + decoded.bytes;
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::frame::{Entry, Stamp, encode};
    use super::*;

    const SEGMENT: u64 = 7;

    /// Groups of so many entries each; the end of each group.
    fn written(groups: &[usize]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Header {
            first_entry: 1,
            next_sequence: 1,
        }
        .encode(SEGMENT);
        let mut number = 1;
        let ends = groups
            .iter()
            .map(|size| {
                for position in 0..*size {
                    let stamp = Stamp {
                        number,
                        position: position as u32,
                    };
                    encode(&mut bytes, SEGMENT, stamp, &Entry::Gone(vec![number; 20]));
                    number += 1;
                }
                bytes.len()
            })
            .collect();
        (bytes, ends)
    }

    fn numbers(bytes: &[u8]) -> Vec<u64> {
        pieces(SEGMENT, bytes, HEADER_BYTES)
            .filter_map(|piece| match piece {
                Piece::Entry { decoded, .. } => decoded.is_whole.then_some(decoded.stamp.number),
                Piece::Unreadable => None,
            })
            .collect()
    }

    #[test]
    fn a_header_comes_back_only_where_it_belongs() {
        let header = Header {
            first_entry: 5,
            next_sequence: 9,
        };
        let mut bytes = header.encode(SEGMENT);
        assert_eq!(bytes.len(), HEADER_BYTES);
        assert_eq!(Header::decode(&bytes, SEGMENT), Some(header));
        assert_eq!(Header::decode(&bytes, SEGMENT + 1), None);
        assert_eq!(format_of(&bytes), Some(FORMAT));
        bytes[20] ^= 1;
        assert_eq!((Header::decode(&bytes, SEGMENT), format_of(&bytes)), (None, None));
    }

    #[test]
    fn what_is_unreadable_is_passed_over() {
        let (mut bytes, ends) = written(&[1, 1, 1]);
        bytes[ends[0] + 9] ^= 1;
        bytes.extend([0; 500]);
        assert_eq!(numbers(&bytes), [1, 3]);
        assert_eq!(pieces(SEGMENT, &bytes, HEADER_BYTES).count(), 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// The last group in any state: cut off, holes of zeros, other bytes.
        #[test]
        fn only_a_group_that_nobody_was_told_of_is_cut(
            groups in prop::collection::vec(1usize..5, 1..5), told in any::<bool>(),
            harms in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 1usize..80), 1..4),
        ) {
            let (mut bytes, ends) = written(&groups);
            let last_begins = ends.len().checked_sub(2).map_or(HEADER_BYTES, |at| ends[at]);
            let before = numbers(&bytes[..last_begins]);
            let all: u64 = groups.iter().sum::<usize>() as u64;
            for (at, value, length) in harms {
                let at = last_begins + at.index(bytes.len() - last_begins);
                for byte in bytes.iter_mut().skip(at).take(length) {
                    *byte = value;
                }
            }
            let durable = if told { all } else { before.len() as u64 };
            let end = sound_end(SEGMENT, &bytes, HEADER_BYTES, Some(1), durable);
            prop_assert!(last_begins <= end);
            let kept = numbers(&bytes[..end]);
            prop_assert!(kept.starts_with(&before));
            if told {
                prop_assert_eq!(kept, numbers(&bytes), "damage to what was told is kept, to be reported");
            } else {
                prop_assert!(kept.iter().copied().eq(1..=kept.len() as u64), "no hole is left behind");
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let found = pieces(SEGMENT, &bytes, 0).count();
            prop_assert!(found <= bytes.len());
            prop_assert!(sound_end(SEGMENT, &bytes, 0, None, 0) <= bytes.len());
        }
    }
}
