use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::Lane;

/// What went wrong with the queue, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[expect(
    clippy::error_impl_error,
    reason = "the house names a part's error Error and writes queue::Error"
)]
pub enum Error {
    #[error("the queue's setting {setting} {rule}")]
    Config {
        setting: &'static str,
        rule: &'static str,
    },
    #[error("the queue's directory {} cannot be prepared: check its owner, its disk and the free space", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("the queue in {} is open in another process: stop that one first", path.display())]
    InUse { path: PathBuf },
    #[error("the queue in {} cannot be opened: check its owner, its disk and the free space", path.display())]
    Open { path: PathBuf, source: StoreError },
    #[error("the queue in {} is damaged: set it aside and fill a fresh one from the studies", path.display())]
    Damaged { path: PathBuf, source: StoreError },
    #[error("the damaged queue in {} cannot be moved to {}: move it by hand", from.display(), to.display())]
    MoveAway {
        from: PathBuf,
        to: PathBuf,
        source: io::Error,
    },
    #[error("cannot start the queue's committer thread")]
    Thread { source: io::Error },
    #[error(
        "a payload of {bytes} bytes is more than the queue's limit of {limit}: split it, or raise the limit"
    )]
    TooLarge { bytes: usize, limit: usize },
    #[error("a payload cannot be covered before it is stored")]
    Cover { source: io::Error },
    #[error("a record's id must have 1 to {limit} bytes, this one has {bytes}")]
    Id { bytes: usize, limit: usize },
    #[error(
        "the queue holds as many {what} as lane {lane:?} may fill ({limit}): queue it again when there is room"
    )]
    Full {
        lane: Lane,
        what: &'static str,
        limit: u64,
    },
    #[error("the queue cannot be read: open it again")]
    Read { source: StoreError },
    #[error("the queue could not write this and goes on without it: see to the disk's free space and repeat")]
    NotStored { source: Arc<StoreError> },
    #[error(
        "the queue could not make this durable and has stopped: see to the disk, open the queue again and repeat"
    )]
    Commit { source: Arc<StoreError> },
    #[error("the queue has stopped after an earlier failure: see to the disk and open the queue again")]
    Stopped,
}

/// What the disk or the embedded store under the queue reported.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("an input or output operation failed")]
    Io(#[source] io::Error),
    #[error("the embedded store failed")]
    Engine(#[source] sled::Error),
    #[error("the embedded store broke off")]
    EngineBrokeOff,
    #[error("a segment that is written to was removed or replaced")]
    SegmentGone,
    #[error("the queue was written in format {found}, this version reads {known}")]
    Format { found: u8, known: u8 },
    #[error("the old store's meta record is damaged")]
    Meta,
}

impl StoreError {
    /// Whether the disk cannot read a place any more; other places may be sound.
    pub(crate) fn is_bad_sector(&self) -> bool {
        matches!(self, Self::Io(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()))
    }

    /// Whether what lies on disk is to blame, so that setting it aside helps. A full disk, missing rights and a newer
    /// format are not damage.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Io(error) => io_is_damage(error),
            Self::Engine(sled::Error::Io(error)) => io_is_damage(error),
            Self::Engine(_) | Self::EngineBrokeOff | Self::SegmentGone | Self::Meta => true,
            Self::Format { .. } => false,
        }
    }
}

fn io_is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
    )
}
