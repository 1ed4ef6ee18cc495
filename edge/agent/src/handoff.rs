//! What one stage hands to the next. Stages know these types, never each other; `pipeline` joins them.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use barefoot_domain::{Assessment, Correction, QualityVerdict, StudyUid};
use barefoot_imaging::header::Header;
use barefoot_wire::{RESTORATION_BYTES, Receipt, ReceiptOutcome, v1};

use crate::open_pictures::OpenPicture;
use crate::study_folder::StudyKey;

/// One association's number, unique while the daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AssociationId(pub u64);

/// What was said of an instance before the first byte of its data set came.
pub(crate) struct Incoming {
    /// `None` for what no scanner sends: an import.
    pub association: Option<AssociationId>,
    /// The scanner's AE title, or what stands for it.
    pub source_ae: String,
    pub sop_class_uid: String,
    pub sop_instance_uid: String,
    pub transfer_syntax: String,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("association", &self.association)
            .finish_non_exhaustive()
    }
}

/// An instance being written. Dropped unfinished, it leaves nothing behind.
pub(crate) trait Receiving: Send {
    /// Takes the next bytes of the data set. What goes wrong is said at the end, as DIMSE wants it.
    fn write(&mut self, bytes: &[u8]);

    /// The data set is complete: the verdict comes once it would survive a power cut.
    fn finish(self: Box<Self>) -> Verdict;
}

pub(crate) type Verdict = Pin<Box<dyn Future<Output = Result<InPlace, NotKept>> + Send>>;

/// Starts to keep an instance.
pub(crate) type Keeper = Arc<dyn Fn(Incoming) -> Box<dyn Receiving> + Send + Sync>;

/// An instance is kept, and of which study it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InPlace {
    pub kept: Kept,
    pub study: StudyUid,
}

/// How an instance was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    New,
    /// The same bytes were here already.
    Duplicate,
    /// Other bytes under the same SOP Instance UID: kept beside the first, flagged, nothing overwritten.
    Conflict,
}

/// Why an instance is not in the archive. The scanner is told by a DIMSE status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKept {
    #[error("the disk has too little space left")]
    OutOfSpace,
    #[error("the data set's {what} is not the one that was announced")]
    Mismatch { what: &'static str },
    #[error("the data set cannot be understood and was put in quarantine")]
    Quarantined,
    #[error("the instance could not be written")]
    Disk { source: std::io::Error },
}

/// An instance that lies safely in its study's folder.
#[derive(Debug, Clone)]
pub(crate) struct StoredInstance {
    pub study: StudyKey,
    pub association: Option<AssociationId>,
    /// As the instance says; empty where it does not.
    pub modality: String,
    /// Whether there are quality rules for the picture by itself.
    pub is_judged_alone: bool,
    /// Its file below `instances/`.
    pub file: String,
    pub kept: Kept,
}

/// What the study stage hears.
#[derive(Debug)]
pub(crate) enum StudyInput {
    Stored(StoredInstance),
    /// A procedure step ended and says which files below `instances/` are its images.
    Announced {
        study: StudyKey,
        files: BTreeSet<String>,
    },
    /// The association was released or broke; nothing more comes from it.
    AssociationEnded(AssociationId),
}

/// A version of a study that is ready to be assessed.
#[derive(Debug, Clone)]
pub(crate) struct SettledStudy {
    pub study: StudyKey,
    pub version: u32,
    pub study_uid: StudyUid,
    pub received_at_ms: i64,
    /// Images of different patients, or different images under one identifier.
    pub identity_conflict: bool,
    /// Every image of this version, oldest first.
    pub instances: Vec<PathBuf>,
}

/// Says how usable pictures are.
pub(crate) trait Grading: fmt::Debug + Send + Sync {
    /// The picture at `path` for who reads it: it is decoded once, here or there.
    fn open(&self, path: &Path) -> Arc<OpenPicture>;

    /// The picture at `path`. Blocking and busy where nobody has judged it yet.
    fn picture(&self, path: &Path, header: &Header) -> QualityVerdict;

    /// A picture that nobody reads: only where there are rules for its kind is it decoded. Blocking and busy.
    fn unread(&self, path: &Path, header: &Header) -> QualityVerdict;

    /// What only all the slices of a study show.
    fn series(&self, headers: &mut dyn Iterator<Item = &Header>) -> QualityVerdict;
}

/// What came out of assessing a version.
#[derive(Debug)]
pub(crate) struct AssessedStudy {
    pub(crate) assessment: Assessment,
    /// The pictures that could be made: `preview`, `heat_map`, `presented`.
    pub(crate) pictures: Vec<String>,
}

/// The hub's receipt as the link understood it.
#[derive(Debug, Clone)]
pub(crate) struct HubReceipt {
    pub envelope_id: String,
    pub refused: Option<String>,
    pub hub_time_ms: i64,
}

impl From<Receipt> for HubReceipt {
    fn from(receipt: Receipt) -> Self {
        Self {
            envelope_id: receipt.envelope_id,
            refused: match receipt.outcome {
                ReceiptOutcome::Stored => None,
                ReceiptOutcome::Refused { reason } => Some(reason),
            },
            hub_time_ms: receipt.hub_time_ms,
        }
    }
}

/// What comes down the line.
#[derive(Debug, Clone)]
pub(crate) enum FromHub {
    Receipts(Vec<HubReceipt>),
    /// The hub went on from backups, lately or long ago.
    Restored(Vec<Restoration>),
    Correction(HubCorrection),
    Case(HubWord),
}

/// The hub went on from a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Restoration {
    pub id: [u8; RESTORATION_BYTES],
    /// What it receipted at this time or later, by its clock, it may have lost.
    pub since_ms: i64,
}

impl Restoration {
    pub(crate) fn all(told: &[v1::Restoration]) -> Vec<Self> {
        let read = |one: &v1::Restoration| {
            Some(Self {
                id: one.id.as_slice().try_into().ok()?,
                since_ms: one.since_ms,
            })
        };
        told.iter().filter_map(read).collect()
    }
}

/// What the hub says of a case: where it stands, a message, a report. Nothing in it was checked.
#[derive(Clone)]
pub(crate) struct HubWord {
    pub envelope_id: String,
    pub kind: v1::Kind,
    pub body: Vec<u8>,
}

impl fmt::Debug for HubWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubWord")
            .field("envelope_id", &self.envelope_id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// An expert's word, in the envelope it came in.
#[derive(Debug, Clone)]
pub(crate) struct HubCorrection {
    pub envelope_id: String,
    pub correction: Correction,
}

/// Our word to the hub on something it sent, once it is written down.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledgement {
    pub envelope_id: String,
    /// Why the clinic will not take it, ever.
    pub refused: Option<String>,
}
