//! What a segment file holds, for whoever looks into a damaged queue.

use crate::log::frame::{Content, Entry};
use crate::log::segment::{HEADER_BYTES, Header, Piece, pieces};

/// How many of each there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inspection {
    pub has_header: bool,
    pub records: usize,
    /// Receipts, refusals and the like.
    pub other_entries: usize,
    /// Entries whose head is sound and whose body is not.
    pub damaged_entries: usize,
    /// Stretches in which no entry begins.
    pub unreadable: usize,
    /// Payloads of the sound records.
    pub payload_bytes: u64,
}

/// Reads a segment's bytes. Takes nothing on trust.
#[must_use]
pub fn inspect(segment: u64, bytes: &[u8]) -> Inspection {
    let mut inspection = Inspection {
        has_header: Header::decode(bytes, segment).is_some(),
        ..Inspection::default()
    };
    for piece in pieces(segment, bytes, HEADER_BYTES) {
        match piece {
            Piece::Unreadable => inspection.unreadable += 1,
            Piece::Entry { decoded, .. } => match decoded.content {
                Content::Sound(Entry::Record(record)) => {
                    inspection.records += 1;
                    inspection.payload_bytes += record.payload.len() as u64;
                }
                Content::Sound(_) => inspection.other_entries += 1,
                Content::BadRecord { .. } | Content::Bad => inspection.damaged_entries += 1,
            },
        }
    }
    inspection
}
