//! The log's files: lines as `barefoot_trust::audit` writes and checks them, each with the checksum of `checked_lines`, in
//! parts that are named by their first entry's number. A part but the first begins with the signed head over what stands
//! before it, so that parts can be removed when they are old enough.

mod reading;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use barefoot_domain::ClinicId;
use barefoot_trust::TlsIdentity;
use barefoot_trust::audit::{
    AuditEntry, Hash, Head, Kept, MAX_LINE_BYTES, NOTHING, entry_line, head_line, read_line, since_line,
    until_line,
};
use serde_json::Value;

use super::{Action, Actor, Entry, Error};
use crate::checked_lines;
use crate::study_folder::sync_directory;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// A part is ended after this long, or when it is so large.
const PART_MS: i64 = 30 * DAY_MS;
const PART_BYTES: u64 = 8 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    clinic: ClinicId,
    /// What the newest part held when it was looked at last; another program may have added to it.
    known: Known,
    /// Where the last reading ended: a part, how far into it, and the last entry's number.
    reading: Option<(PathBuf, u64, u64)>,
    /// What is newer is not removed: a repository was not told yet.
    told: Option<u64>,
}

#[derive(Debug, Default)]
struct Known {
    part: PathBuf,
    length: u64,
    number: u64,
    hash: Hash,
    at_ms: i64,
    /// A daemon has begun and not ended.
    runs: bool,
    /// When the part's first line was written.
    begun_ms: Option<i64>,
    head: Option<Head>,
}

impl Store {
    pub(super) fn open(folder: PathBuf, clinic: ClinicId) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        folder.parent().map_or(Ok(()), sync_directory)?;
        let mut store = Self {
            folder,
            clinic,
            known: Known::default(),
            reading: None,
            told: None,
        };
        let _alone = store.alone()?;
        store.look()?;
        Ok(store)
    }

    /// No daemon was killed.
    pub(super) fn ended_well(&self) -> bool {
        !self.known.runs
    }

    /// After `Ok` they are on the disk.
    pub(super) fn append(&mut self, entries: &[Entry], now_ms: i64) -> io::Result<()> {
        let _alone = self.alone()?;
        self.look()?;
        let mut lines = Vec::new();
        let (mut number, mut hash, mut at_ms) = (self.known.number, self.known.hash, self.known.at_ms);
        for entry in entries {
            let (kind, id, name) = entry.actor.words();
            number += 1;
            let told = AuditEntry {
                number,
                at_ms: now_ms,
                clock_went_back: now_ms < at_ms,
                actor_kind: kind.to_owned(),
                actor: id.to_owned(),
                actor_name: name.to_owned(),
                action: entry.action.word().to_owned(),
                clinic: self.clinic.as_str().to_owned(),
                case: entry.case.as_ref().map_or_else(String::new, ToString::to_string),
                subject: entry.subject.clone(),
                details: entry.details.clone(),
            };
            let previous = hash;
            hash = told.hash(&previous);
            at_ms = now_ms;
            lines.push(entry_line(&told, &previous, &hash));
        }
        self.write(&lines)
    }

    /// The signature over the newest entry; `None` where nothing came since the last, unless `again`.
    pub(super) fn sign(
        &mut self,
        identity: &TlsIdentity,
        now_ms: i64,
        again: bool,
    ) -> Result<Option<Head>, Error> {
        let _alone = self.alone()?;
        self.look()?;
        self.sign_alone(identity, now_ms, again)
    }

    fn sign_alone(
        &mut self,
        identity: &TlsIdentity,
        now_ms: i64,
        again: bool,
    ) -> Result<Option<Head>, Error> {
        let known = &self.known;
        let signed = known.head.as_ref().map_or(0, |head| head.number);
        if signed == known.number && !again {
            return Ok(None);
        }
        let previous = known.head.as_ref().map_or(NOTHING, Head::name);
        let head = identity
            .sign_head(known.number, known.hash, now_ms, previous)
            .map_err(|source| Error::Sign { source })?;
        self.write(&[head_line(&head)])?;
        Ok(Some(head))
    }

    /// Begins another part where this one is long or old enough; its end must be signed.
    pub(super) fn turn_over(&mut self, now_ms: i64) -> io::Result<()> {
        let _alone = self.alone()?;
        self.look()?;
        let is_old = self.known.begun_ms.is_some_and(|begun| begun + PART_MS < now_ms);
        if !is_old && self.known.length < PART_BYTES {
            return Ok(());
        }
        let Some(head) = self
            .known
            .head
            .clone()
            .filter(|head| head.number == self.known.number)
        else {
            return Ok(());
        };
        let next = self.part(self.known.number + 1);
        if next == self.known.part {
            return Ok(());
        }
        self.known.part = next;
        self.known.begun_ms = Some(now_ms);
        self.write(&[since_line(&head)])
    }

    /// Removes parts whose last entry is older, and says so in the log.
    pub(super) fn remove_older(&mut self, than_ms: i64, now_ms: i64) -> io::Result<()> {
        let alone = self.alone()?;
        let parts = self.parts()?;
        let mut until = None;
        for (part, next) in parts.iter().zip(parts.iter().skip(1)) {
            let Some(Kept::Since(head)) = lines(next)?.first().and_then(|line| read_line(line)) else {
                break;
            };
            if than_ms <= head.at_ms || self.told.is_some_and(|told| told < head.number) {
                break;
            }
            fs::remove_file(part)?;
            until = Some(head.number);
        }
        sync_directory(&self.folder)?;
        drop(alone);
        let Some(number) = until else {
            return Ok(());
        };
        let entry = Entry::new(Actor::Daemon("audit"), Action::EntriesRemoved);
        self.append(&[entry.details(&format!("up to entry {number}"))], now_ms)
    }

    /// The whole log as `barefootctl audit verify` reads it; a last head is signed for it.
    pub(super) fn export(
        &mut self,
        identity: &TlsIdentity,
        now_ms: i64,
        to: &mut dyn Write,
    ) -> Result<(), Error> {
        let _alone = self.alone()?;
        self.look()?;
        let Some(head) = self.sign_alone(identity, now_ms, true)? else {
            return Ok(());
        };
        writeln!(to, "{}", until_line(&head))?;
        for (at, part) in self.parts()?.iter().enumerate() {
            for line in lines(part)? {
                if at == 0 || !matches!(read_line(&line), Some(Kept::Since(_))) {
                    writeln!(to, "{line}")?;
                }
            }
        }
        to.flush()?;
        Ok(())
    }

    /// Subject and details of the newest entry on one of these acts that names a subject: what was refused names none.
    pub(super) fn last(&self, of: &[Action]) -> io::Result<Option<(String, String)>> {
        let _alone = self.alone()?;
        for part in self.parts()?.iter().rev() {
            let found = lines(part)?.iter().rev().find_map(|line| match read_line(line) {
                Some(Kept::Entry { entry, .. })
                    if !entry.subject.is_empty() && of.iter().any(|act| act.word() == entry.action) =>
                {
                    Some((entry.subject, entry.details))
                }
                _ => None,
            });
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Commands beside the daemon write too; each waits for its turn.
    fn alone(&self) -> io::Result<File> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.folder.join("lock"))?;
        file.lock()?;
        Ok(file)
    }

    fn part(&self, first: u64) -> PathBuf {
        self.folder.join(format!("{first:012}.log"))
    }

    /// By their first entries.
    fn parts(&self) -> io::Result<Vec<PathBuf>> {
        let mut parts = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "log") {
                parts.push(path);
            }
        }
        parts.sort();
        Ok(parts)
    }

    /// Reads the newest part where it is not as it was left.
    fn look(&mut self) -> io::Result<()> {
        let mut parts = self.parts()?;
        // A power cut while a part was begun: it holds nothing yet, and the one before it goes on.
        while 1 < parts.len()
            && let Some(newest) = parts.pop_if(|newest| is_empty(newest))
        {
            fs::remove_file(newest)?;
        }
        let newest = parts.pop().unwrap_or_else(|| self.part(1));
        let length = match fs::metadata(&newest) {
            Ok(there) => there.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        if newest == self.known.part && length == self.known.length {
            return Ok(());
        }
        let mut known = Known {
            part: newest,
            length,
            ..Known::default()
        };
        for line in lines(&known.part)? {
            known.take(&line);
        }
        self.known = known;
        Ok(())
    }

    fn write(&mut self, new: &[String]) -> io::Result<()> {
        let values = new
            .iter()
            .map(|line| serde_json::from_str(line))
            .collect::<Result<Vec<Value>, _>>()?;
        // Read anew after a failure: it may be there or not.
        let part = std::mem::take(&mut self.known.part);
        checked_lines::append(&part, &values)?;
        for line in new {
            self.known.take(line);
        }
        self.known.length = fs::metadata(&part)?.len();
        self.known.part = part;
        Ok(())
    }
}

impl Known {
    fn take(&mut self, line: &str) {
        match read_line(line) {
            Some(Kept::Entry { entry, hash }) => {
                self.number = entry.number;
                self.hash = hash;
                self.at_ms = entry.at_ms;
                self.begun_ms.get_or_insert(entry.at_ms);
                if entry.action == Action::Start.word() {
                    self.runs = true;
                } else if entry.action == Action::Stop.word() {
                    self.runs = false;
                }
            }
            Some(Kept::Since(head)) => {
                self.number = head.number;
                self.hash = head.hash;
                self.at_ms = head.at_ms;
                self.begun_ms.get_or_insert(head.at_ms);
                // Only a daemon begins a part.
                self.runs = true;
                self.head = Some(head);
            }
            Some(Kept::Head(head)) => self.head = Some(head),
            None => {}
        }
    }
}

/// No line of it was ever whole.
fn is_empty(part: &Path) -> bool {
    // What is longer than any first line has one.
    let is_short = fs::metadata(part).is_ok_and(|there| there.len() <= MAX_LINE_BYTES as u64);
    is_short
        && checked_lines::replay::<Value>(part)
            .is_ok_and(|replay| replay.entries.is_empty() && replay.damaged == 0)
}

/// A damaged line is left out: whoever checks the log finds the gap.
fn lines(part: &Path) -> io::Result<Vec<String>> {
    let replay = checked_lines::replay::<Value>(part)?;
    if 0 < replay.damaged {
        tracing::error!(
            part = %part.display(),
            lines = replay.damaged,
            "The audit log has damaged lines; they are left out, and its check will say so."
        );
    }
    Ok(replay.entries.iter().map(Value::to_string).collect())
}
