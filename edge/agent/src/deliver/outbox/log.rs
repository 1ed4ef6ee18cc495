//! The outbox's log: what was decided about each file, and how an outbox is read back from it.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use super::{Item, Outbox, Part};
use crate::checked_lines;
use crate::node_status::Aside;
use crate::study_folder::{StudyKey, sync_directory};

/// A log with this many lines is written anew at the start, without studies that are gone.
const MANY_LINES: usize = 10_000;

/// Lines of the log. A later one about the same file counts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Entry {
    /// The node was configured; older files are not owed.
    Begun { at_ms: i64 },
    /// The node has it; `status` is what it answered.
    Sent { at_ms: i64, status: u16, file: Name },
    /// It will not go by itself.
    SetAside { at_ms: i64, reason: String, file: Name },
    /// The node is not to get it.
    Passed { at_ms: i64, files: Vec<Name> },
    /// Somebody wants what was set aside tried again.
    Again { at_ms: i64, files: Vec<Name> },
}

impl Entry {
    fn at_ms(&self) -> i64 {
        match self {
            Self::Begun { at_ms }
            | Self::Sent { at_ms, .. }
            | Self::SetAside { at_ms, .. }
            | Self::Passed { at_ms, .. }
            | Self::Again { at_ms, .. } => *at_ms,
        }
    }
}

/// An item as the log writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Name {
    study: String,
    part: Part,
    file: String,
}

impl From<&Item> for Name {
    fn from(item: &Item) -> Self {
        Self {
            study: item.study.as_str().to_owned(),
            part: item.part,
            file: item.file.clone(),
        }
    }
}

impl Name {
    fn item(self) -> Option<Item> {
        Some(Item {
            study: StudyKey::parse(&self.study)?,
            part: self.part,
            file: self.file,
        })
    }
}

impl Outbox {
    pub(super) fn replay(&mut self, now_ms: i64) -> io::Result<()> {
        let checked_lines::Replay { entries, damaged } = checked_lines::replay::<Entry>(&self.log)?;
        if 0 < damaged {
            tracing::warn!(
                node = self.node.name,
                lines = damaged,
                "The log of what was sent has damaged lines; what they named is sent again."
            );
        }
        let lines = entries.len();
        let begun = entries.iter().map(Entry::at_ms).min();
        for entry in entries {
            self.remember(entry);
        }
        match begun {
            Some(at_ms) => self.begun_ms = at_ms,
            None => checked_lines::append(&self.log, &[Entry::Begun { at_ms: now_ms }])?,
        }
        if MANY_LINES < lines {
            self.compact()?;
        }
        Ok(())
    }

    pub(super) fn remember(&mut self, entry: Entry) {
        match entry {
            Entry::Begun { .. } => {}
            Entry::Sent { file, .. } => {
                if let Some(item) = file.item() {
                    self.sent += 1;
                    self.aside.remove(&item);
                    self.mark_done(item);
                }
            }
            Entry::SetAside { at_ms, reason, file } => {
                if let Some(item) = file.item() {
                    let study = item.study.clone();
                    self.aside.insert(item.clone(), Aside { study, at_ms, reason });
                    self.mark_done(item);
                }
            }
            Entry::Passed { files, .. } => {
                files
                    .into_iter()
                    .filter_map(Name::item)
                    .for_each(|item| self.mark_done(item));
            }
            Entry::Again { files, .. } => {
                for item in files.into_iter().filter_map(Name::item) {
                    self.aside.remove(&item);
                    if let Some(done) = self.done.get_mut(&item.study) {
                        done.remove(&(item.part, item.file));
                    }
                }
            }
        }
    }

    pub(super) fn mark_done(&mut self, item: Item) {
        self.done
            .entry(item.study)
            .or_default()
            .insert((item.part, item.file));
    }

    /// Writes the log anew with what is still there.
    pub(super) fn compact(&mut self) -> io::Result<()> {
        let written = self.log.with_extension("new");
        match fs::remove_file(&written) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.done.retain(|study, _| self.state.study(study).exists());
        self.aside.retain(|item, _| item.path(&self.state).exists());
        let at_ms = self.begun_ms;
        let mut entries = vec![Entry::Begun { at_ms }];
        for (study, files) in &self.done {
            let (aside, sent): (Vec<Item>, Vec<Item>) = files
                .iter()
                .map(|(part, file)| Item {
                    study: study.clone(),
                    part: *part,
                    file: file.clone(),
                })
                .partition(|item| self.aside.contains_key(item));
            entries.push(Entry::Passed {
                at_ms,
                files: sent.iter().map(Name::from).collect(),
            });
            entries.extend(aside.iter().filter_map(|item| {
                let Aside { at_ms, reason, .. } = self.aside.get(item)?;
                Some(Entry::SetAside {
                    at_ms: *at_ms,
                    reason: reason.clone(),
                    file: Name::from(item),
                })
            }));
        }
        checked_lines::append(&written, &entries)?;
        fs::rename(&written, &self.log)?;
        self.log.parent().map_or(Ok(()), sync_directory)
    }
}
