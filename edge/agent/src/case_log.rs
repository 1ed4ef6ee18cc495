//! The log beside a study's images: one line an event, `<crc32 in hex> <json>`, appended and synced.
//!
//! Together with the image files it is the truth about a study; every index is made from it. A torn last line (power
//! cut in the middle of an append) is what the check finds and drops; a damaged line in the middle is skipped and
//! counted, the rest still holds.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::labels::LabelSource;

/// Entries of this daemon. A field is only ever added, with a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Entry {
    /// The study stopped growing; these files are version `version`.
    Settled {
        version: u32,
        at_ms: i64,
        received_at_ms: i64,
        study_uid: String,
        /// File names below `instances/`.
        instances: Vec<String>,
        modality: String,
        patient: PatientText,
        /// Copies with other content under the same identifier.
        #[serde(default)]
        conflicts: usize,
        /// Images of another patient than the first one's.
        #[serde(default)]
        strangers: usize,
    },
    /// The version was assessed. `result` is the hex of the protobuf `StudyResult` that goes to the hub under
    /// `envelope_id`.
    Assessed {
        version: u32,
        at_ms: i64,
        envelope_id: String,
        result: String,
        /// Which pictures could be made: `preview`, `heat_map`.
        pictures: Vec<String>,
    },
    /// The hub has committed the result.
    Receipted {
        at_ms: i64,
        envelope_id: String,
        hub_time_ms: i64,
    },
    /// The hub will not take the result; a person must look.
    Refused {
        at_ms: i64,
        envelope_id: String,
        reason: String,
    },
    /// Somebody said whether a finding is there.
    Label {
        at_ms: i64,
        correction_id: String,
        source: LabelSource,
        /// The version looked at.
        labelled_version: u32,
        finding: String,
        present: bool,
    },
    /// The patient's word on whether the box may learn from the study.
    Learning { at_ms: i64, allowed: bool },
}

impl Entry {
    /// The version it makes or assesses; 0 for what people and the hub say, which makes none.
    pub(crate) fn version(&self) -> u32 {
        match self {
            Self::Settled { version, .. } | Self::Assessed { version, .. } => *version,
            Self::Receipted { .. } | Self::Refused { .. } | Self::Label { .. } | Self::Learning { .. } => 0,
        }
    }
}

/// Who the study is about, as the clinic page shows it. Redacted in Debug.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PatientText {
    pub name: String,
    pub id: String,
    pub sex: String,
    pub birth_date: String,
    /// The text's character set was missing or wrong and had to be guessed.
    pub guessed: bool,
}

impl std::fmt::Debug for PatientText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PatientText(redacted)")
    }
}

/// What was read from a log.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub entries: Vec<Entry>,
    /// Lines that failed their check and are not the torn tail.
    pub damaged: usize,
}

/// Appends entries in one write and syncs: after `Ok` they survive a power cut.
///
/// # Errors
/// When writing or syncing fails; the entries may then be there or not.
pub(crate) fn append(path: &Path, entries: &[Entry]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .open(path)?;
    let mut text = String::new();
    if !ends_with_newline(&file)? {
        // A torn tail must not swallow the entry that follows it.
        text.push('\n');
    }
    for entry in entries {
        let json = serde_json::to_string(entry).map_err(io::Error::other)?;
        text.push_str(&format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())));
    }
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    // Every time: an attempt that failed here may have left a file whose name is not safe yet.
    path.parent().map_or(Ok(()), crate::study_folder::sync_directory)
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

/// # Errors
/// When the file is there but cannot be read. A missing file is an empty log.
pub(crate) fn replay(path: &Path) -> io::Result<Replay> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Replay::default()),
        Err(error) => return Err(error),
    };
    Ok(parse(&bytes))
}

fn parse(bytes: &[u8]) -> Replay {
    let mut replay = Replay::default();
    let torn_tail = !bytes.ends_with(b"\n");
    let lines: Vec<&[u8]> = bytes
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .collect();
    let last = lines.len().saturating_sub(1);
    for (number, line) in lines.into_iter().enumerate() {
        match parse_line(line) {
            Some(entry) => replay.entries.push(entry),
            None if torn_tail && number == last => {}
            None => replay.damaged += 1,
        }
    }
    replay
}

fn parse_line(line: &[u8]) -> Option<Entry> {
    let line = std::str::from_utf8(line).ok()?;
    let (crc, json) = line.split_once(' ')?;
    let crc = u32::from_str_radix(crc, 16).ok()?;
    (crc == crc32fast::hash(json.as_bytes())).then(|| serde_json::from_str(json).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn receipted(at_ms: i64) -> Entry {
        Entry::Receipted {
            at_ms,
            envelope_id: "E".into(),
            hub_time_ms: 6,
        }
    }

    #[test]
    fn what_was_appended_is_replayed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("case.log");
        assert!(replay(&path).unwrap().entries.is_empty());
        append(&path, &[receipted(1), receipted(2)]).unwrap();
        append(&path, &[receipted(3)]).unwrap();
        let replay = replay(&path).unwrap();
        assert_eq!(replay.entries, [receipted(1), receipted(2), receipted(3)]);
        assert_eq!(replay.damaged, 0);
    }

    #[test]
    fn a_torn_tail_is_dropped_and_does_not_swallow_the_next_entry() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("case.log");
        append(&path, &[receipted(1), receipted(2)]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 7]).unwrap();
        assert_eq!(replay(&path).unwrap().entries, [receipted(1)]);
        append(&path, &[receipted(3)]).unwrap();
        assert_eq!(replay(&path).unwrap().entries, [receipted(1), receipted(3)]);
    }

    #[test]
    fn a_flipped_bit_costs_one_entry_and_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("case.log");
        append(&path, &[receipted(1), receipted(2), receipted(3)]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let replay = replay(&path).unwrap();
        assert_eq!(replay.entries, [receipted(1), receipted(3)]);
        assert_eq!(replay.damaged, 1);
    }

    proptest! {
        #[test]
        fn any_bytes_replay_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = parse(&bytes);
        }
    }
}
