//! Received instances on disk.
//!
//! ```text
//! receiving   data set → header read, sealed, intake/<ulid>.part
//! committer   one syncfs for all that wait: now it would survive a power cut
//! placing     renamed to its place; now the scanner hears success
//! recovery    at start: what is sealed is placed, what is not goes
//! ```
//!
//! The rename comes after the sync and needs none of its own: until the next sync a power cut may take it back, and
//! then the sealed file is found in the intake. So nothing half-written is ever under a final name. Memory is bounded
//! whatever the instance's size.

mod buffers;
mod committer;
mod head;
mod placing;
mod receiving;
mod recovery;
mod seal;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::mpsc;

use crate::handoff::{Incoming, Keeper, NotKept, StudyInput};
use crate::status::{Space, Status};
use crate::study_folder::StateDirectory;
use buffers::Buffers;
use committer::Committer;
use receiving::Arriving;
pub(crate) use recovery::Recovered;
pub(crate) use seal::whole;

const MIB: u64 = 1024 * 1024;

/// Where instances are kept and when the disk counts as full.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The state directory: images, case logs, queue, keys. All of it on one file system that can rename without
    /// replacing (ext4, xfs, btrfs). Required.
    pub directory: PathBuf,
    /// Instances are refused with 0xA700 when less than this many MiB are free. Default 1024.
    #[serde(default = "default_min_free_mib")]
    pub min_free_mib: u64,
    /// The clinic page warns when less than this many MiB are free. Default 10240.
    #[serde(default = "default_warn_free_mib")]
    pub warn_free_mib: u64,
}

fn default_min_free_mib() -> u64 {
    1024
}

fn default_warn_free_mib() -> u64 {
    10_240
}

/// Cheap to clone; one for all associations.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    state: StateDirectory,
    committer: Committer,
    buffers: Buffers,
    min_free_bytes: u64,
    warn_free_bytes: u64,
    stored: mpsc::Sender<StudyInput>,
    status: Status,
}

impl Spool {
    /// Brings what an earlier run left in the intake in order and counts the quarantine.
    ///
    /// # Errors
    /// When the state directory cannot be read or put in order.
    pub(crate) fn open(
        config: &Config,
        state: StateDirectory,
        stored: mpsc::Sender<StudyInput>,
        status: Status,
    ) -> io::Result<(Self, Recovered)> {
        let spool = Self {
            committer: Committer::new(state.root())?,
            buffers: Buffers::default(),
            state,
            min_free_bytes: config.min_free_mib.saturating_mul(MIB),
            warn_free_bytes: config.warn_free_mib.saturating_mul(MIB),
            stored,
            status,
        };
        let recovered = spool.recover()?;
        let quarantined = fs::read_dir(spool.state.quarantine())?.count();
        spool
            .status
            .count_quarantined((quarantined as u64).saturating_sub(spool.status.quarantined()));
        spool.space();
        Ok((spool, recovered))
    }

    /// What others hand their instances to.
    #[must_use]
    pub(crate) fn keeper(&self) -> Keeper {
        let spool = self.clone();
        Arc::new(move |incoming: Incoming| Box::new(Arriving::begin(spool.clone(), incoming)))
    }

    fn has_space(&self) -> bool {
        self.space() != Space::Full
    }

    /// Looks at the disk; the clinic is told when the answer changes.
    pub(crate) fn space(&self) -> Space {
        let free = match rustix::fs::statvfs(self.state.root()) {
            Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
            Err(error) => {
                tracing::warn!(%error, "The free disk space could not be asked; going on.");
                return Space::Enough;
            }
        };
        let space = if free < self.min_free_bytes {
            Space::Full
        } else if free < self.warn_free_bytes {
            Space::Low
        } else {
            Space::Enough
        };
        if self.status.set_space(space) {
            let free_mib = free / MIB;
            match space {
                Space::Enough => tracing::info!(free_mib, "There is enough disk space."),
                Space::Low => tracing::warn!(free_mib, "The disk is filling; make room."),
                Space::Full => tracing::error!(
                    free_mib,
                    "The disk is full: scanners are refused until there is room."
                ),
            }
        }
        space
    }
}

fn disk(source: io::Error) -> NotKept {
    if matches!(
        source.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    ) {
        return NotKept::OutOfSpace;
    }
    NotKept::Disk { source }
}

#[cfg(test)]
mod tests;
