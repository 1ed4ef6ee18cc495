//! The log as it is read for an audit record repository: on from where the last reading ended.

use std::io;
use std::path::{Path, PathBuf};

use barefoot_audit::{Logged, Mark};
use barefoot_trust::audit::{Kept, read_line};
use serde_json::Value;

use super::Store;
use crate::checked_lines;

impl Store {
    /// The newest entry's number, 0 where there is none.
    pub(in crate::audit) fn newest(&mut self) -> io::Result<u64> {
        let _alone = self.alone()?;
        self.look()?;
        Ok(self.known.number)
    }

    /// A repository was told of everything up to this entry; only that may be removed from now on.
    pub(in crate::audit) fn told_until(&mut self, number: u64) {
        self.told = Some(number);
    }

    /// Whether this entry is as it was; one that was removed by policy is taken to be.
    pub(in crate::audit) fn holds(&mut self, mark: Mark) -> io::Result<bool> {
        let found = self.behind(mark.number.saturating_sub(1), 1)?;
        Ok(match found.first() {
            Some(found) if found.entry.number == mark.number => found.hash == mark.hash,
            Some(found) => mark.number < found.entry.number,
            None => mark.number == 0,
        })
    }

    /// The entries behind `number` in their order, at most so many; all of them are on the disk for good.
    pub(in crate::audit) fn behind(&mut self, number: u64, most: usize) -> io::Result<Vec<Logged>> {
        let _alone = self.alone()?;
        self.look()?;
        let mut found = Vec::new();
        if self.known.number <= number {
            return Ok(found);
        }
        let parts = self.parts()?;
        let (mut part, mut offset) = match self.reading.take() {
            Some((part, offset, read)) if read == number && parts.contains(&part) => (part, offset),
            _ => {
                let begins_before = |part: &&PathBuf| first_of(part).is_some_and(|first| first <= number + 1);
                let begin = parts.iter().rev().find(begins_before).or(parts.first());
                (begin.cloned().unwrap_or_else(|| self.part(1)), 0)
            }
        };
        while found.len() < most {
            let (lines, next) = checked_lines::read_on::<Value>(&part, offset, most - found.len())?;
            offset = next;
            for line in &lines {
                if let Some(Kept::Entry { entry, hash }) = read_line(&line.to_string())
                    && number < entry.number
                {
                    found.push(Logged { entry, hash });
                }
            }
            if lines.is_empty() {
                let Some(later) = parts.iter().find(|later| part < **later) else {
                    break;
                };
                (part, offset) = (later.clone(), 0);
            }
        }
        if let Some(last) = found.last() {
            self.reading = Some((part, offset, last.entry.number));
        }
        Ok(found)
    }
}

/// The number of a part's first entry.
fn first_of(part: &Path) -> Option<u64> {
    part.file_stem()?.to_str()?.parse().ok()
}
