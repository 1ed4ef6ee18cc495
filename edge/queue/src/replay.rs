//! The log read from its beginning, or from where the index ends: what the queue holds, and what is missing. Pure.

use std::collections::BTreeMap;

use crate::damage::DamagedRecord;
use crate::ledger::{Ledger, Place};
use crate::log::frame::{Content, Decoded, Entry};
use crate::log::segment::{HEADER_BYTES, Header, Piece, pieces};

/// Numbers of entries, both included.
pub(crate) type Numbers = (u64, u64);

#[derive(Debug, Default)]
pub(crate) struct Replay {
    ledger: Ledger,
    /// The number that the next entry must have; unknown before the first.
    next: Option<u64>,
    next_sequence: u64,
    missing: Vec<Numbers>,
    reported: Vec<Numbers>,
    damaged: BTreeMap<u64, DamagedRecord>,
    /// An entry came before its turn.
    misplaced: bool,
}

/// What a replay found.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) ledger: Ledger,
    pub(crate) next_entry: u64,
    pub(crate) next_sequence: u64,
    /// Lost and not yet reported.
    pub(crate) lost: Vec<Numbers>,
    pub(crate) damaged: Vec<DamagedRecord>,
    pub(crate) misplaced: bool,
}

impl Replay {
    /// From the beginning; `first` is the entry that must be there, when that is known.
    pub(crate) fn beginning(first: Option<u64>) -> Self {
        Self {
            next: first,
            ..Self::default()
        }
    }

    /// Goes on from a ledger that holds everything below `next_entry`.
    pub(crate) fn from(ledger: Ledger, next_entry: u64, next_sequence: u64) -> Self {
        Self {
            ledger,
            next: Some(next_entry),
            next_sequence,
            ..Self::default()
        }
    }

    /// The number that the next entry must have, as far as it is known.
    pub(crate) fn expected(&self) -> Option<u64> {
        self.next
    }

    /// A segment that is read from its beginning. A header that is damaged only says less.
    pub(crate) fn begin(&mut self, segment: u64, header: Option<Header>) {
        if let Some(header) = header {
            self.expect(header.first_entry);
            self.next_sequence = self.next_sequence.max(header.next_sequence);
        }
        let known = self.ledger.segments.entry(segment).or_default();
        known.bytes = HEADER_BYTES as u64;
        known.first_entry = header.map_or(0, |header| header.first_entry);
    }

    /// The entries of a segment from an offset on.
    pub(crate) fn read(&mut self, segment: u64, bytes: &[u8], from: usize) {
        for piece in pieces(segment, bytes, from) {
            if let Piece::Entry { at, decoded } = piece {
                self.take(segment, at, &decoded);
            }
        }
        let known = self.ledger.segments.entry(segment).or_default();
        known.bytes = known.bytes.max(bytes.len() as u64);
    }

    fn take(&mut self, segment: u64, at: usize, decoded: &Decoded<'_>) {
        let number = decoded.stamp.number;
        if self.next.is_some_and(|next| number < next) {
            // Bytes inside of something damaged, or a segment that was removed once and is back.
            self.misplaced = true;
            return;
        }
        self.expect(number);
        self.next = Some(number.saturating_add(1));
        match &decoded.content {
            Content::Sound(entry) => self.apply(segment, at, decoded.bytes, entry),
            Content::BadRecord { sequence, id, flaw } => {
                self.next_sequence = self.next_sequence.max(sequence.saturating_add(1));
                let damaged = DamagedRecord {
                    sequence: *sequence,
                    id: Some((*id).to_owned()),
                    flaw: *flaw,
                };
                self.damaged.insert(*sequence, damaged);
            }
            Content::Bad => self.missing.push((number, number)),
        }
    }

    fn apply(&mut self, segment: u64, at: usize, bytes: usize, entry: &Entry<'_>) {
        match entry {
            Entry::Record(record) => {
                self.next_sequence = self.next_sequence.max(record.sequence.saturating_add(1));
            }
            Entry::Gone(sequences) => {
                for sequence in sequences {
                    self.damaged.remove(sequence);
                }
            }
            Entry::Lost { first, last } => self.reported.push((*first, *last)),
            Entry::Refused { .. } | Entry::SetAside { .. } | Entry::Back { .. } => {}
        }
        let (Ok(offset), Ok(bytes)) = (u32::try_from(at), u32::try_from(bytes)) else {
            return;
        };
        self.ledger.apply(
            entry,
            Place {
                segment,
                offset,
                bytes,
            },
        );
    }

    fn expect(&mut self, number: u64) {
        if let Some(next) = self.next
            && next < number
        {
            self.missing.push((next, number - 1));
        }
        self.next = Some(self.next.unwrap_or(number).max(number));
    }

    /// `durable` is the last entry known to have been durable.
    pub(crate) fn finish(mut self, durable: u64) -> Replayed {
        self.expect(durable.saturating_add(1));
        let ledger = self.ledger;
        let lost = self
            .missing
            .iter()
            .flat_map(|range| without(*range, &self.reported));
        Replayed {
            next_entry: self.next.unwrap_or(1),
            next_sequence: self.next_sequence.max(1),
            lost: lost.collect(),
            misplaced: self.misplaced,
            // A sound copy elsewhere is as good.
            damaged: self
                .damaged
                .into_values()
                .filter(|damaged| ledger.get(damaged.sequence).is_none())
                .collect(),
            ledger,
        }
    }
}

/// What of a range lies in none of the others.
fn without((first, last): Numbers, others: &[Numbers]) -> Vec<Numbers> {
    let mut others: Vec<_> = others
        .iter()
        .filter(|(from, to)| *from <= last && first <= *to)
        .collect();
    others.sort_unstable();
    let mut left = Vec::new();
    let mut next = first;
    for (from, to) in others {
        if next < *from {
            left.push((next, from - 1));
        }
        next = next.max(to.saturating_add(1));
    }
    if next <= last {
        left.push((next, last));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_reported_is_taken_out() {
        assert_eq!(without((5, 9), &[]), [(5, 9)]);
        assert_eq!(without((5, 9), &[(1, 4), (10, 12)]), [(5, 9)]);
        assert_eq!(without((5, 9), &[(7, 7), (1, 5)]), [(6, 6), (8, 9)]);
        assert_eq!(without((5, 9), &[(1, 20)]), []);
        assert_eq!(without((5, 9), &[(5, 6), (6, 9)]), []);
    }
}
