//! Files of one line an entry, `<crc32 in hex> <json>`, appended and synced. Below an unlocked state directory the JSON is
//! sealed, and the check is that of what stands there (`at_rest`).
//!
//! A torn last line (power cut or full disk in the middle of an append) is what the check finds and drops, and the next
//! append cuts off; a damaged line in the middle
//! is skipped and counted, the rest still holds.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::at_rest;

/// What was read.
#[derive(Debug)]
pub(crate) struct Replay<T> {
    pub entries: Vec<T>,
    /// Lines that failed their check and are not the torn tail.
    pub damaged: usize,
}

impl<T> Default for Replay<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            damaged: 0,
        }
    }
}

/// Appends entries in one write and syncs: after `Ok` they survive a power cut. What an earlier append left torn goes.
///
/// # Errors
/// When writing or syncing fails; the entries may then be there or not.
pub(crate) fn append<T: Serialize>(path: &Path, entries: &[T]) -> io::Result<()> {
    write(path, entries)?.sync_data()?;
    // Every time: an attempt that failed here may have left a file whose name is not safe yet.
    path.parent().map_or(Ok(()), crate::study_folder::sync_directory)
}

/// As [`append`] for what can be made again: it may be gone, or torn, after a power cut.
///
/// # Errors
/// When writing fails.
pub(crate) fn append_unsynced<T: Serialize>(path: &Path, entries: &[T]) -> io::Result<()> {
    write(path, entries).map(drop)
}

fn write<T: Serialize>(path: &Path, entries: &[T]) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .open(path)?;
    // What another thread has half written is no torn tail.
    file.lock()?;
    let mut text = String::new();
    if !ends_with_newline(&file)? {
        text.push_str(mend_tail(&mut file)?);
    }
    for entry in entries {
        let json = serde_json::to_string(entry).map_err(io::Error::other)?;
        let line = at_rest::seal_line(path, json)?;
        text.push_str(&format!("{:08x} {line}\n", crc32fast::hash(line.as_bytes())));
    }
    file.write_all(text.as_bytes())?;
    Ok(file)
}

fn ends_with_newline(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if let Some(at) = length.checked_sub(1) {
        file.read_exact_at(&mut last, at)?;
    }
    Ok(last == *b"\n")
}

/// Cuts off a tail that is torn; gives what must follow one that lacks its line's end only.
fn mend_tail(file: &mut File) -> io::Result<&'static str> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    if bytes.get(whole..).and_then(checked).is_some() {
        return Ok("\n");
    }
    file.set_len(u64::try_from(whole).map_err(io::Error::other)?)?;
    file.sync_all()?;
    Ok("")
}

/// # Errors
/// When the file is there but cannot be read. A missing file has no entries.
pub(crate) fn replay<T: DeserializeOwned>(path: &Path) -> io::Result<Replay<T>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Replay::default()),
        Err(error) => return Err(error),
    };
    Ok(parse(path, &bytes))
}

/// The next entries of a file that grows, at most so many, and where to go on. What is damaged is passed over; a line without
/// its end is not read yet.
///
/// # Errors
/// When the file is there but cannot be read.
pub(crate) fn read_on<T: DeserializeOwned>(path: &Path, from: u64, most: usize) -> io::Result<(Vec<T>, u64)> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), from)),
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(from))?;
    let (mut lines, mut line) = (BufReader::new(file), Vec::new());
    let (mut entries, mut next) = (Vec::new(), from);
    while entries.len() < most {
        line.clear();
        lines.read_until(b'\n', &mut line)?;
        let Some(whole) = line.strip_suffix(b"\n") else {
            break;
        };
        next += u64::try_from(line.len()).map_err(io::Error::other)?;
        entries.extend(parse_line::<T>(path, whole));
    }
    Ok((entries, next))
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Replay<T> {
    let mut replay = Replay::default();
    let torn_tail = !bytes.ends_with(b"\n");
    let lines: Vec<&[u8]> = bytes
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .collect();
    let last = lines.len().saturating_sub(1);
    for (number, line) in lines.into_iter().enumerate() {
        match parse_line(path, line) {
            Some(entry) => replay.entries.push(entry),
            None if torn_tail && number == last => {}
            None => replay.damaged += 1,
        }
    }
    replay
}

fn parse_line<T: DeserializeOwned>(path: &Path, line: &[u8]) -> Option<T> {
    serde_json::from_str(&at_rest::open_line(path, checked(line)?)?).ok()
}

/// The line's JSON, or what it was sealed to, where its check holds.
fn checked(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    let (crc, said) = line.split_once(' ')?;
    let crc = u32::from_str_radix(crc, 16).ok()?;
    (crc == crc32fast::hash(said.as_bytes())).then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(path: &Path) -> Replay<u32> {
        replay(path).unwrap()
    }

    #[test]
    fn what_was_appended_is_replayed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("case.log");
        assert!(read(&path).entries.is_empty());
        append(&path, &[1, 2]).unwrap();
        append(&path, &[3]).unwrap();
        let replay = read(&path);
        assert_eq!(replay.entries, [1, 2, 3]);
        assert_eq!(replay.damaged, 0);
    }

    #[test]
    fn a_file_that_grows_is_read_on_where_the_last_reading_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("case.log");
        assert_eq!(read_on::<u32>(&path, 0, 10).unwrap(), (Vec::new(), 0));
        append(&path, &[1, 2, 3]).unwrap();
        let (first, at) = read_on::<u32>(&path, 0, 2).unwrap();
        assert_eq!(first, [1, 2]);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [whole.as_slice(), b"12ab"].concat()).unwrap();
        let (second, at) = read_on::<u32>(&path, at, 10).unwrap();
        assert_eq!(
            (second, at),
            (vec![3], whole.len() as u64),
            "a line without its end waits"
        );
        append(&path, &[4]).unwrap();
        assert_eq!(read_on::<u32>(&path, at, 10).unwrap().0, [4]);
    }

    #[test]
    fn a_torn_tail_is_dropped_and_does_not_swallow_the_next_entry() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("case.log");
        append(&path, &[1, 22_222_222]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 7]).unwrap();
        assert_eq!(read(&path).entries, [1]);
        append(&path, &[3]).unwrap();
        let replay = read(&path);
        assert_eq!((replay.entries, replay.damaged), (vec![1, 3], 0));
    }

    #[test]
    fn an_entry_that_lacks_only_its_lines_end_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("case.log");
        append(&path, &[1, 2]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(read(&path).entries, [1, 2]);
        append(&path, &[3]).unwrap();
        let replay = read(&path);
        assert_eq!((replay.entries, replay.damaged), (vec![1, 2, 3], 0));
    }

    #[test]
    fn what_many_write_at_once_is_all_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("case.log");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    for number in 0..20 {
                        append(path, &[writer * 100 + number]).unwrap();
                    }
                });
            }
        });
        let replay = read(&path);
        assert_eq!((replay.entries.len(), replay.damaged), (80, 0));
    }

    #[test]
    fn a_flipped_bit_costs_one_entry_and_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("case.log");
        append(&path, &[1, 2, 3]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let replay = read(&path);
        assert_eq!(replay.entries, [1, 3]);
        assert_eq!(replay.damaged, 1);
    }

    proptest! {
        #[test]
        fn any_bytes_replay_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = parse::<serde_json::Value>(Path::new("any.log"), &bytes);
        }
    }
}
