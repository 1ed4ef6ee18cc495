use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::log::frame::Reader;

const MAGIC: [u8; 4] = *b"BFQ2";
/// Of the store before the log: its second number counted something else.
const OLD_MAGIC: [u8; 4] = *b"BFQ1";
const SLOT_BYTES: usize = 32;
const OLD_SLOT_BYTES: usize = 24;
/// The slots lie in different sectors, so that one torn write leaves the other.
const SLOT_DISTANCE: u64 = 4096;

/// Sequences are reserved so many at a time: one sync for all of them.
const RESERVE: u64 = 4096;

/// What must outlive the log itself: how far sequences were given out, and the first and the last entry that must be there.
///
/// The ceiling is synced before a sequence under it is used. The entry's number is written after the log's own sync and not
/// synced: it is never ahead of what was durable, so a log that comes back with fewer entries has lost some. The first
/// entry's number is synced before older ones are removed, so a log that begins later has lost some, too.
#[derive(Debug)]
pub(crate) struct Mark {
    file: File,
    state: State,
    slot: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    ceiling: u64,
    entry: u64,
    first: u64,
}

impl Mark {
    /// Opens or makes the file. Slots that do not check count for nothing.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let mut state = State::default();
        for slot in 0..2 {
            if let Some(found) = read_slot(&file, slot)? {
                state.ceiling = state.ceiling.max(found.ceiling);
                state.entry = state.entry.max(found.entry);
                state.first = state.first.max(found.first);
            }
        }
        Ok(Self { file, state, slot: 0 })
    }

    pub(crate) fn ceiling(&self) -> u64 {
        self.state.ceiling
    }

    pub(crate) fn entry(&self) -> u64 {
        self.state.entry
    }

    /// The first entry that must be there; 0 when that is not known.
    pub(crate) fn first(&self) -> u64 {
        self.state.first
    }

    /// Starts over with a known state, in both slots, durable. Makes the file its full size, so that later writes need
    /// no space.
    pub(crate) fn reset(&mut self, ceiling: u64, entry: u64, first: u64) -> io::Result<()> {
        self.state = State {
            ceiling,
            entry,
            first,
        };
        self.write()?;
        self.write()?;
        self.file.sync_all()
    }

    /// Returns when the sequences below `next` are on disk as used.
    pub(crate) fn reserve(&mut self, next: u64) -> io::Result<()> {
        if next <= self.state.ceiling {
            return Ok(());
        }
        self.state.ceiling = next.saturating_add(RESERVE);
        self.write_durably()
    }

    /// Returns when it is on disk that entries before `first` may be gone.
    pub(crate) fn note_first(&mut self, first: u64) -> io::Result<()> {
        self.state.first = first;
        self.write_durably()
    }

    pub(crate) fn note_entry(&mut self, entry: u64) -> io::Result<()> {
        self.state.entry = entry;
        self.write()
    }

    /// Both slots, so that no later torn write can uncover an older state.
    fn write_durably(&mut self) -> io::Result<()> {
        self.write()?;
        self.write()?;
        self.file.sync_data()
    }

    fn write(&mut self) -> io::Result<()> {
        self.file
            .write_all_at(&encode(self.state), self.slot * SLOT_DISTANCE)?;
        self.slot = 1 - self.slot;
        Ok(())
    }
}

fn encode(state: State) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    let bytes = MAGIC
        .into_iter()
        .chain(state.ceiling.to_le_bytes())
        .chain(state.entry.to_le_bytes())
        .chain(state.first.to_le_bytes());
    for (place, byte) in slot.iter_mut().zip(bytes) {
        *place = byte;
    }
    if let Some((body, sum)) = slot.split_last_chunk_mut::<4>() {
        *sum = crc32fast::hash(body).to_le_bytes();
    }
    slot
}

fn decode(slot: &[u8; SLOT_BYTES]) -> Option<State> {
    let sealed = |bytes: usize| {
        let (body, sum) = slot.get(..bytes)?.split_last_chunk::<4>()?;
        (crc32fast::hash(body) == u32::from_le_bytes(*sum)).then_some(body)
    };
    if slot.starts_with(&OLD_MAGIC) {
        let mut body = Reader(sealed(OLD_SLOT_BYTES)?.strip_prefix(&OLD_MAGIC)?);
        return Some(State {
            ceiling: body.u64()?,
            ..State::default()
        });
    }
    let mut body = Reader(sealed(SLOT_BYTES)?.strip_prefix(&MAGIC)?);
    Some(State {
        ceiling: body.u64()?,
        entry: body.u64()?,
        first: body.u64()?,
    })
}

fn read_slot(file: &File, slot: u64) -> io::Result<Option<State>> {
    let mut bytes = [0; SLOT_BYTES];
    let mut filled = 0;
    // The last slot of an old file is shorter.
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, slot * SLOT_DISTANCE + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(decode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        let mut mark = Mark::open(&path).unwrap();
        assert_eq!((mark.ceiling(), mark.entry()), (0, 0));
        mark.reset(10, 3, 1).unwrap();
        mark.reserve(10).unwrap();
        assert_eq!(mark.ceiling(), 10);
        mark.reserve(11).unwrap();
        mark.note_entry(4).unwrap();
        mark.note_first(2).unwrap();
        let again = Mark::open(&path).unwrap();
        assert_eq!(again.state, mark.state);
        assert!(again.ceiling() >= 11);
        assert_eq!(again.entry(), 4);
    }

    #[test]
    fn an_old_mark_still_says_how_far_sequences_were_given_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        let mut slot = Vec::from(OLD_MAGIC);
        slot.extend(70u64.to_le_bytes());
        slot.extend(5u64.to_le_bytes());
        slot.extend(crc32fast::hash(&slot).to_le_bytes());
        let file = File::create(&path).unwrap();
        file.write_all_at(&slot, SLOT_DISTANCE).unwrap();
        let mark = Mark::open(&path).unwrap();
        assert_eq!((mark.ceiling(), mark.entry(), mark.first()), (70, 0, 0));
    }

    #[test]
    fn one_torn_slot_costs_at_most_one_step() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        for torn in 0..2 {
            let mut mark = Mark::open(&path).unwrap();
            mark.reset(100, 7, 2).unwrap();
            mark.note_entry(8).unwrap();
            mark.file.write_all_at(b"torn", torn * SLOT_DISTANCE).unwrap();
            let again = Mark::open(&path).unwrap();
            assert_eq!(again.ceiling(), 100);
            assert!((7..=8).contains(&again.entry()));
        }
    }
}
