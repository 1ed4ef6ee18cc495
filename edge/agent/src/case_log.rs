//! The log beside a study's images: one line an event, `<crc32 in hex> <json>`, appended and synced.
//!
//! Together with the image files it is the truth about a study; every index is made from it. `checked_lines` says what
//! becomes of torn and damaged lines.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::checked_lines;
use crate::labels::{ConsentFor, Giver, LabelSource};

/// Entries of this daemon. A field is only ever added, with a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(
    clippy::large_enum_variant,
    reason = "a study has a handful of them, and they are read one study at a time"
)]
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
        /// Which pictures could be made: `preview`, `heat_map`, `presented`.
        pictures: Vec<String>,
    },
    /// The hub has committed the result.
    Receipted {
        at_ms: i64,
        envelope_id: String,
        hub_time_ms: i64,
    },
    /// The hub went on from a backup, in which it may not have these: they are sent once more.
    OwedAgain { at_ms: i64, envelope_ids: Vec<String> },
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
        /// Who in the clinic said it, where somebody was signed in.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        by: String,
    },
    /// The hub said something of the case. `body` is the hex of the envelope's body, `kind` the wire's number of its kind;
    /// a report's signatures were checked before.
    FromHub {
        at_ms: i64,
        envelope_id: String,
        kind: i32,
        body: String,
    },
    /// Somebody in the clinic said something that goes to the hub under `envelope_id`; `body` and `kind` as above.
    ToHub {
        at_ms: i64,
        envelope_id: String,
        kind: i32,
        body: String,
        /// Who, where somebody was signed in. Stays in the clinic.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        by: String,
    },
    /// Somebody in the clinic saw what the expert had written until then.
    MessagesSeen {
        at_ms: i64,
        until_ms: i64,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        by: String,
    },
    /// The box was done with the images; the result stays.
    ImagesRemoved { at_ms: i64, images: usize },
    /// The patient's word on whether the box may learn from the study, as earlier daemons wrote it.
    Learning {
        at_ms: i64,
        allowed: bool,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        by: String,
    },
    /// The patient's word, or a guardian's, on what may be done with the study.
    Consent {
        at_ms: i64,
        #[serde(rename = "for")]
        for_what: ConsentFor,
        allowed: bool,
        giver: Giver,
        /// Who in the clinic wrote it down, where somebody was signed in.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        by: String,
    },
}

impl Entry {
    /// The version it makes or assesses; 0 for what people and the hub say, which makes none.
    pub(crate) fn version(&self) -> u32 {
        match self {
            Self::Settled { version, .. } | Self::Assessed { version, .. } => *version,
            Self::Receipted { .. }
            | Self::OwedAgain { .. }
            | Self::Refused { .. }
            | Self::Label { .. }
            | Self::Learning { .. }
            | Self::Consent { .. }
            | Self::FromHub { .. }
            | Self::ToHub { .. }
            | Self::MessagesSeen { .. }
            | Self::ImagesRemoved { .. } => 0,
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
    /// The name in other scripts, as the image has it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub other_names: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub accession: String,
    /// As the image tells it, `045Y`.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub age: Box<str>,
    /// The day of the study as the images say, YYYYMMDD.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub study_date: String,
}

impl std::fmt::Debug for PatientText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PatientText(redacted)")
    }
}

/// What was read from a log.
pub(crate) type Replay = checked_lines::Replay<Entry>;

/// Appends entries in one write and syncs: after `Ok` they survive a power cut.
///
/// # Errors
/// When writing or syncing fails; the entries may then be there or not.
pub(crate) fn append(path: &Path, entries: &[Entry]) -> io::Result<()> {
    checked_lines::append(path, entries)
}

/// # Errors
/// When the file is there but cannot be read. A missing file is an empty log.
pub(crate) fn replay(path: &Path) -> io::Result<Replay> {
    checked_lines::replay(path)
}
