//! Backups of the hub while it runs, and a hub from one.
//!
//! ```text
//! <folder>/2026-11-23T22-15-07Z/     one backup; the name is given when all of it is on the disk
//!     manifest.json                  every file with its length and SHA-256, the version of the database, when it was made
//!     manifest.seal                  the hub's keys vouch for the manifest
//!     state/                         as in the state directory
//! <folder>/.unfinished/              one that was being made
//! ```
//!
//! The database is copied as it is at one moment, together with everything that lay beside it before and after: what the copy
//! names is there. Files of images, chunks and releases never change, so those of the backup before are linked, not copied. A
//! link is never to a file of the hub's: it makes noise of files before it removes them.
//!
//! A hub that goes on from a backup has lost what came after. Boxes have it still: each is told since when, and sends again what
//! it has receipts for (`archive::backups`, `barefoot_edge::case_book`).

mod copying;
mod making;
mod manifest;
mod restoring;
mod to_check;
mod tree;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::archive;
use crate::at_rest;
use crate::state;

pub use making::{Made, ask_again, make};
pub use restoring::{Restored, restore};

/// Of a backup's folder.
const STATE: &str = "state";
const UNFINISHED: &str = ".unfinished";

/// The hub's own key, in a state directory.
const KEY: &str = "identity/hub.key";

/// Where the state directory is a file system of its own.
const FILE_SYSTEMS_OWN: &str = "lost+found";

/// Boxes send again what was receipted so long before the backup was made: clocks are set, and receipts name the moment before
/// the commit.
const MARGIN: Duration = Duration::from_secs(24 * 3600);

/// Between two words on how far it is.
const BETWEEN_WORDS: Duration = Duration::from_secs(2);

/// Why there is no backup, or no hub from one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path} cannot be used")]
    Disk { path: String, source: io::Error },
    #[error("the state directory is not usable")]
    State {
        #[from]
        source: state::Error,
    },
    #[error("what the hub keeps cannot be opened")]
    AtRest {
        #[from]
        source: at_rest::Error,
    },
    #[error("the archive is not usable")]
    Archive {
        #[from]
        source: archive::Error,
    },
    #[error("nothing is kept in {path} that could be backed up: is the configuration the hub's?")]
    NoHub { path: String },
    #[error("backups cannot lie within the state directory {path}")]
    Within { path: String },
    #[error(
        "the database has version {found}, this program knows {known}: make the backup with the program that the hub runs"
    )]
    OtherVersion { found: i64, known: i64 },
    #[error("the published releases changed while they were copied: try again")]
    Unsettled,
    #[error(
        "the hub's key comes from {path} and is in no backup: leave --with-key out, and keep a copy of the key elsewhere"
    )]
    KeyElsewhere { path: String },
    #[error("{path} is no whole backup: {what}")]
    NoBackup { path: String, what: String },
    #[error("the backup was made by a newer hub ({version}): install that one first")]
    NewerProgram { version: String },
    #[error(
        "the backup's database has version {found}, this program knows {known}: install the newer hub first"
    )]
    Newer { found: i64, known: i64 },
    #[error(
        "the state directory {path} is not empty: {what} lies there. A restore never writes over anything"
    )]
    NotEmpty { path: String, what: String },
    #[error(
        "the backup holds no key of the hub, and {path} is not there: name a copy of the key with --key FILE"
    )]
    NoKey { path: String },
    #[error("the settings say that the hub's key comes from {path}: put it there and leave --key out")]
    KeyIsElsewhere { path: String },
    #[error("{file} of the backup is missing")]
    Missing { file: String },
    #[error("{file} of the backup is not what it was: {what}")]
    Changed { file: String, what: &'static str },
    #[error("the list of the backup's files is not as the hub left it, or was made by a hub with other keys")]
    Forged,
    #[error("the backup's database is damaged: {fault}")]
    Damaged { fault: String },
}

impl Error {
    fn disk(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        |source| Self::Disk { path, source }
    }
}

/// How far it is, for whoever waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub files: u64,
    pub bytes: u64,
    /// Files that an earlier backup had.
    pub linked: u64,
}

/// Says now and then how far it is.
struct Telling<'a> {
    say: &'a mut (dyn FnMut(Progress) + Send),
    said: Instant,
    progress: Progress,
}

impl<'a> Telling<'a> {
    fn new(say: &'a mut (dyn FnMut(Progress) + Send)) -> Self {
        Self {
            say,
            said: Instant::now(),
            progress: Progress::default(),
        }
    }

    fn done(&mut self, bytes: u64, linked: bool) {
        self.progress.files += 1;
        self.progress.bytes += bytes;
        self.progress.linked += u64::from(linked);
        if BETWEEN_WORDS <= self.said.elapsed() {
            self.said = Instant::now();
            (self.say)(self.progress);
        }
    }
}

#[cfg(test)]
mod tests;
