//! What an earlier run left in the intake: what carries its seal was or may have been acknowledged and is placed; the
//! rest was cut off, no scanner was told that it is kept, and it goes.

use std::fs;
use std::io;
use std::path::Path;

use barefoot_imaging::header;

use super::Spool;
use super::seal::{Purpose, vouched};
use crate::at_rest;
use crate::study_folder::StudyKey;

/// What became of the files in the intake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
    pub placed: usize,
    pub cleared: usize,
}

impl Spool {
    pub(super) fn recover(&self) -> io::Result<Recovered> {
        let mut recovered = Recovered::default();
        for entry in fs::read_dir(self.state.intake())? {
            let path = entry?.path();
            match self.recover_file(&path)? {
                true => recovered.placed += 1,
                false => {
                    fs::remove_file(&path)?;
                    recovered.cleared += 1;
                }
            }
        }
        if recovered != Recovered::default() {
            tracing::info!(
                placed = recovered.placed,
                cleared = recovered.cleared,
                "The intake of the last run is in order again."
            );
        }
        Ok(recovered)
    }

    /// Whether the file was whole and has its place now.
    fn recover_file(&self, path: &Path) -> io::Result<bool> {
        let Some(purpose) = vouched(path)? else {
            return Ok(false);
        };
        match purpose {
            Purpose::Quarantine => self.quarantine(path)?,
            Purpose::Study => match header::read_header(&at_rest::stored(path)) {
                Ok(header) => {
                    self.give_place(path, &StudyKey::of(header.study_uid()), &header)?;
                }
                // It was understood when it was sealed: another program version, which must not lose it.
                Err(_) => self.quarantine(path)?,
            },
        }
        Ok(true)
    }
}
