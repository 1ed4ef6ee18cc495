use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: [u8; 4] = *b"BFQ1";
const SLOT_BYTES: usize = 24;
/// The slots lie in different sectors, so that one torn write leaves the other.
const SLOT_DISTANCE: u64 = 4096;

/// Sequences are reserved so many at a time: one sync for all of them.
const RESERVE: u64 = 4096;

/// What must outlive the store itself: how far sequences were given out, and how many commits were made.
///
/// The ceiling is synced before a sequence under it is used. The commit number is written after the store's own sync
/// and not synced: it is never ahead of what was durable, so a store that comes back with fewer commits has lost some.
#[derive(Debug)]
pub(crate) struct Mark {
    file: File,
    state: State,
    slot: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    ceiling: u64,
    commit: u64,
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
                state.commit = state.commit.max(found.commit);
            }
        }
        Ok(Self { file, state, slot: 0 })
    }

    pub(crate) fn ceiling(&self) -> u64 {
        self.state.ceiling
    }

    pub(crate) fn commit(&self) -> u64 {
        self.state.commit
    }

    /// Starts over with a known state, in both slots, durable. Makes the file its full size, so that later writes need
    /// no space.
    pub(crate) fn reset(&mut self, ceiling: u64, commit: u64) -> io::Result<()> {
        self.state = State { ceiling, commit };
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
        // Both slots, so that no later torn write can uncover an older ceiling.
        self.write()?;
        self.write()?;
        self.file.sync_data()
    }

    pub(crate) fn note_commit(&mut self, commit: u64) -> io::Result<()> {
        self.state.commit = commit;
        self.write()
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
        .chain(state.commit.to_le_bytes());
    for (place, byte) in slot.iter_mut().zip(bytes) {
        *place = byte;
    }
    if let Some((body, sum)) = slot.split_last_chunk_mut::<4>() {
        *sum = crc32fast::hash(body).to_le_bytes();
    }
    slot
}

fn decode(slot: &[u8; SLOT_BYTES]) -> Option<State> {
    let (body, sum) = slot.split_last_chunk::<4>()?;
    let rest = body.strip_prefix(&MAGIC)?;
    let (ceiling, rest) = rest.split_first_chunk::<8>()?;
    let (commit, _) = rest.split_first_chunk::<8>()?;
    (crc32fast::hash(body) == u32::from_le_bytes(*sum)).then_some(State {
        ceiling: u64::from_le_bytes(*ceiling),
        commit: u64::from_le_bytes(*commit),
    })
}

fn read_slot(file: &File, slot: u64) -> io::Result<Option<State>> {
    let mut bytes = [0; SLOT_BYTES];
    match file.read_exact_at(&mut bytes, slot * SLOT_DISTANCE) {
        Ok(()) => Ok(decode(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        let mut mark = Mark::open(&path).unwrap();
        assert_eq!((mark.ceiling(), mark.commit()), (0, 0));
        mark.reset(10, 3).unwrap();
        mark.reserve(10).unwrap();
        assert_eq!(mark.ceiling(), 10);
        mark.reserve(11).unwrap();
        mark.note_commit(4).unwrap();
        let again = Mark::open(&path).unwrap();
        assert_eq!(again.state, mark.state);
        assert!(again.ceiling() >= 11);
        assert_eq!(again.commit(), 4);
    }

    #[test]
    fn one_torn_slot_costs_at_most_one_step() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        for torn in 0..2 {
            let mut mark = Mark::open(&path).unwrap();
            mark.reset(100, 7).unwrap();
            mark.note_commit(8).unwrap();
            mark.file.write_all_at(b"torn", torn * SLOT_DISTANCE).unwrap();
            let again = Mark::open(&path).unwrap();
            assert_eq!(again.ceiling(), 100);
            assert!((7..=8).contains(&again.commit()));
        }
    }
}
