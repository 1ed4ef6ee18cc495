//! What the clinic page asks of the import and is told: neither knows the other.

use std::fmt;
use std::io;

use serde::Serialize;

/// Why an import does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStarted {
    #[error("an import is under way: wait for its end, or cancel it")]
    UnderWay,
    #[error("there is no such folder: plug the medium in and look again")]
    NoSuchFolder,
    #[error("the folder cannot be read")]
    Read { source: io::Error },
}

/// One import at a time.
pub(crate) trait ImportDesk: fmt::Debug + Send + Sync {
    /// The folders that can be chosen now, sorted.
    ///
    /// # Errors
    /// When the configured folder cannot be read.
    fn folders(&self) -> Result<Vec<String>, NotStarted>;

    fn progress(&self) -> Progress;

    /// Starts to import `folder`, one of [`Self::folders`]; `None`: all that lies below the configured folder.
    ///
    /// # Errors
    /// When an import runs already, or the folder is none of these.
    fn start(&self, folder: Option<&str>) -> Result<(), NotStarted>;

    /// Ends an import under way after the files at hand; what was kept stays.
    fn cancel(&self);
}

/// The most refusals that are named; the rest is counted.
const MAX_NAMED: usize = 200;

/// One import from its start to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Progress {
    pub stage: Stage,
    /// The chosen folder's name; people know it.
    pub folder: String,
    /// Files found on the medium.
    pub found: usize,
    /// Of these looked at so far.
    pub seen: usize,
    /// New in the archive.
    pub kept: usize,
    /// Here already, with the same content.
    pub duplicates: usize,
    /// Here already with other content: kept beside it, a person must look.
    pub conflicts: usize,
    /// No DICOM at all: viewers, read-me files.
    pub others: usize,
    /// DICOM, and not taken.
    pub refused: usize,
    /// Named on the medium's directory, but not there.
    pub missing: usize,
    /// The medium holds more than may be looked at.
    pub cut: bool,
    /// The first of what was refused. File names may be people's names: for the clinic page only, never for logs.
    pub refusals: Vec<Refusal>,
    /// Why it ended early.
    pub trouble: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Nothing was imported since the start.
    #[default]
    None,
    Listing,
    Running,
    Done,
    Cancelled,
    Failed,
}

impl Stage {
    pub(crate) fn is_under_way(self) -> bool {
        matches!(self, Self::Listing | Self::Running)
    }
}

#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Refusal {
    pub file: String,
    pub reason: String,
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refusal({})", self.reason)
    }
}

impl Progress {
    pub(super) fn refuse(&mut self, file: &str, reason: String) {
        self.refused += 1;
        if self.refusals.len() < MAX_NAMED {
            let file = file.chars().take(200).collect();
            self.refusals.push(Refusal { file, reason });
        }
    }
}
