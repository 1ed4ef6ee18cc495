//! What lies on the disk, read: by the index and the log behind it, or by the whole log.

use crate::StoreError;
use crate::disk::{Disk, read_whole};
use crate::index::{Stored, summary};
use crate::ledger::Ledger;
use crate::log::segment::{self, FORMAT, HEADER_BYTES, Header, Piece, pieces, sound_end, used_bytes};
use crate::mark::Mark;
use crate::replay::{Replay, Replayed};

#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) replayed: Replayed,
    pub(crate) last: Option<Last>,
    /// The index was believed.
    pub(crate) by_index: bool,
}

/// The segment that was written to last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Last {
    pub(crate) segment: u64,
    pub(crate) end: u64,
    /// Something but zeros lies behind.
    pub(crate) is_torn: bool,
}

impl Last {
    fn new(segment: u64, bytes: &[u8], end: usize) -> Self {
        Self {
            segment,
            end: end as u64,
            is_torn: bytes.get(end..).is_none_or(|rest| used_bytes(rest) != 0),
        }
    }
}

pub(crate) fn recover(disk: &dyn Disk, mark: &Mark, stored: Option<Stored>) -> Result<Recovered, StoreError> {
    let segments = begun(disk)?;
    if let Some((contents, ledger)) = stored.as_ref().and_then(summary::restore)
        && let Some(recovered) = catch_up(disk, &segments, &contents, ledger, mark.entry())?
    {
        return Ok(recovered);
    }
    let first = Some(mark.first()).filter(|first| *first != 0);
    let mut replay = Replay::beginning(first);
    let mut last = None;
    for number in &segments {
        let is_last = segments.last() == Some(number);
        last = Some(read(disk, *number, is_last, &mut replay, mark.entry())?);
    }
    Ok(Recovered {
        replayed: replay.finish(mark.entry()),
        last,
        by_index: false,
    })
}

/// The segments, without a last one that was being begun when the power went.
fn begun(disk: &dyn Disk) -> Result<Vec<u64>, StoreError> {
    let mut segments = disk.segments()?;
    if let Some(last) = segments.last().copied() {
        let bytes = read_whole(&*disk.open(last)?)?;
        check_format(&bytes)?;
        let holds_any = pieces(last, &bytes, HEADER_BYTES).any(|piece| matches!(piece, Piece::Entry { .. }));
        if Header::decode(&bytes, last).is_none() && !holds_any {
            disk.remove(last)?;
            disk.sync_names()?;
            segments.pop();
        }
    }
    Ok(segments)
}

/// A segment from its beginning.
fn read(
    disk: &dyn Disk,
    number: u64,
    is_last: bool,
    replay: &mut Replay,
    durable: u64,
) -> Result<Last, StoreError> {
    let bytes = read_whole(&*disk.open(number)?)?;
    check_format(&bytes)?;
    replay.begin(number, Header::decode(&bytes, number));
    let end = match is_last {
        true => sound_end(number, &bytes, HEADER_BYTES, replay.expected(), durable),
        false => bytes.len(),
    };
    replay.read(number, bytes.get(..end).unwrap_or(&bytes), HEADER_BYTES);
    Ok(Last::new(number, &bytes, end))
}

/// Only what was written after the index. None when the two do not fit, or when anything is missing: then the whole log
/// says what exactly.
fn catch_up(
    disk: &dyn Disk,
    segments: &[u64],
    contents: &summary::Contents,
    ledger: Ledger,
    durable: u64,
) -> Result<Option<Recovered>, StoreError> {
    let covered = segments.iter().filter(|number| **number < contents.segment);
    for number in covered {
        let Some(known) = contents.segments.get(number) else {
            return Ok(None);
        };
        if disk.open(*number)?.bytes()? < known.bytes {
            return Ok(None);
        }
    }
    if !segments.contains(&contents.segment) {
        return Ok(None);
    }
    let bytes = read_whole(&*disk.open(contents.segment)?)?;
    let Some(from) = usize::try_from(contents.offset)
        .ok()
        .filter(|from| *from <= bytes.len())
    else {
        return Ok(None);
    };
    let mut replay = Replay::from(ledger, contents.next_entry, contents.next_sequence);
    let is_last = segments.last() == Some(&contents.segment);
    let end = match is_last {
        true => sound_end(contents.segment, &bytes, from, replay.expected(), durable),
        false => bytes.len(),
    };
    replay.read(contents.segment, bytes.get(..end).unwrap_or(&bytes), from);
    let mut last = Last::new(contents.segment, &bytes, end);
    for number in segments.iter().filter(|number| contents.segment < **number) {
        let is_last = segments.last() == Some(number);
        last = read(disk, *number, is_last, &mut replay, durable)?;
    }
    let mut replayed = replay.finish(durable);
    let removed = |number: &u64| !segments.contains(number);
    let known = &mut replayed.ledger.segments;
    let needed = known
        .iter()
        .any(|(number, segment)| removed(number) && !segment.live.is_empty());
    if needed || replayed.misplaced || !replayed.lost.is_empty() || !replayed.damaged.is_empty() {
        return Ok(None);
    }
    known.retain(|number, _| !removed(number));
    Ok(Some(Recovered {
        replayed,
        last: Some(last),
        by_index: true,
    }))
}

fn check_format(bytes: &[u8]) -> Result<(), StoreError> {
    match segment::format_of(bytes) {
        Some(found) if found != FORMAT => Err(StoreError::Format { found, known: FORMAT }),
        _ => Ok(()),
    }
}
