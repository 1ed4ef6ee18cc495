//! Everything the hub keeps. The only module that knows there is a database.
//!
//! SQLite with WAL and `synchronous = FULL`: a commit that returned survives a power cut. Each part
//! of the hub has its table names and calls in a submodule of its own, so that another database is a second set of
//! these. A write that decides is one immediate transaction; short ones wait for each other.
//!
//! Columns with what people wrote, or what says something of a patient, are sealed, each value for its own row.

mod alarms;
mod audit;
mod backups;
mod bound_rows;
mod box_starts;
mod cases;
mod commit;
mod corrections;
mod dicom_index;
mod dicom_search;
mod enrolments;
mod federation;
mod figures;
mod identities;
mod images;
mod lines;
mod models;
mod people;
mod pictures;
mod programs;
mod read;
mod revocations;
mod rollouts;
mod schema;
mod secrets;
mod sessions;
mod step;
mod workitems;

pub(crate) use alarms::Alarm;
pub(crate) use audit::AuditFilter;
pub(crate) use backups::{Restoration, database_of_backup, known_version};
pub(crate) use bound_rows::bind_rows;
pub(crate) use cases::{
    Absence, Acted, By, Case, CaseKey, CaseWorkitem, ClinicWord, Filter, Group, HistoryLine, Load,
    MOST_COUNTED, NewReport, NotActed, Program, ReaderOpinion, Said, Saved, Scope, Shift, StatementRow,
    StoredMessage, StoredReport, WorkitemStep,
};
pub(crate) use corrections::{NewCorrection, Waiting};
pub(crate) use dicom_index::{Indexed, IndexedInstance, IndexedSeries, IndexedStudy, Located, Pending};
pub(crate) use dicom_search::{ImageLevel, ImageSearch, Matching};
pub(crate) use enrolments::{BoxRow, CertificateRow, CodeState, Hash, NewCode, SiteRow};
pub(crate) use federation::{
    AttemptKey, AttemptRow, GlobalRow, MemberCounts, Next, RefusalRow, ReplyRow, RunEnd, RunRow, RunState,
    Transition, Uploaded,
};
pub(crate) use figures::{Agreement, Days, Device, End, Turnaround, WentUp};
pub(crate) use identities::{AtProvider, IdentityRow, Linked};
pub(crate) use images::{ImagesHere, NewImageSet, VersionKey};
pub(crate) use lines::LineRow;
pub(crate) use models::{ModelRow, PlanRow, ReportRow, TestSetRow};
pub(crate) use people::{NewPerson, PersonRow};
pub(crate) use pictures::CaseImage;
pub(crate) use programs::{NewProgram, ProgramRow};
pub(crate) use revocations::RevocationRow;
pub(crate) use rollouts::RolloutRow;
pub(crate) use secrets::{AtWhat, Credentials, NewKey, NewSecrets, SigningRow};
pub(crate) use sessions::{NewSession, SessionRow};
pub(crate) use workitems::{SubscriptionRow, WorkitemChange, WorkitemRow};

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_wire::StudyResult;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::at_rest::Vault;

/// One writer and some readers.
const CONNECTIONS: u32 = 5;

/// What went wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "cannot open the database {path}: if the file is damaged, stop the hub, move it and its -wal and -shm files \
         aside and restore the newest backup; if it is not, check the rights and the free space of its directory"
    )]
    Open { path: String, source: sqlx::Error },
    #[error("cannot bring the database {path} to version {to}")]
    Migrate {
        path: String,
        to: i64,
        source: sqlx::Error,
    },
    #[error(
        "the database {path} has version {found}, this program knows {known}: it was written by a newer hub, install that one"
    )]
    Newer { path: String, found: i64, known: i64 },
    #[error("the database did not commit")]
    Commit { source: sqlx::Error },
    #[error("the database did not answer")]
    Query { source: sqlx::Error },
    #[error("a stored {what} cannot be read back")]
    Stored { what: &'static str },
    #[error("something sealed in the database does not open")]
    Sealed { source: barefoot_trust::at_rest::Error },
}

/// A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    pool: SqlitePool,
    /// Seals what people wrote and what says something of a patient; see [`crate::at_rest::Column`].
    vault: Arc<Vault>,
}

/// An accepted message on its way into the database.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arrival {
    pub(crate) clinic: ClinicId,
    pub(crate) envelope_id: String,
    pub(crate) sequence: u64,
    pub(crate) sent_at_ms: i64,
    /// Hub's clock minus the box's at `sent_at_ms`; `None` where the box did not know.
    pub(crate) clock_offset_ms: Option<i64>,
    pub(crate) detected: Detected,
    pub(crate) result: StudyResult,
}

/// When an assessment was made, by the hub's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Detected {
    pub(crate) at_ms: i64,
    pub(crate) by: DetectedBy,
}

/// What that rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DetectedBy {
    /// The box knew the hub's time when it assessed.
    Assessment,
    /// It knew it when it sent.
    Sending,
    /// It never did, but its clock says how old the assessment was when it was sent.
    Age,
    /// Nothing but the box's clock.
    Box,
}

impl DetectedBy {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Assessment => "assessment",
            Self::Sending => "sending",
            Self::Age => "age",
            Self::Box => "box",
        }
    }
}

/// What became of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A new row.
    Stored,
    /// There already, with the same content.
    Duplicate,
    /// The envelope's id was used before for something else.
    IdReused,
    /// This version of the case is there with another content.
    VersionTaken,
}

/// A result as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredResult {
    pub(crate) clinic: ClinicId,
    pub(crate) envelope_id: String,
    pub(crate) committed_at_ms: i64,
    /// By the hub's clock.
    pub(crate) detected_at_ms: i64,
    /// The highest version of the same case.
    pub(crate) newest_version: u32,
    pub(crate) result: StudyResult,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) results: u64,
    pub(crate) envelopes: u64,
    pub(crate) duplicates: u64,
    pub(crate) refused: u64,
}

impl Archive {
    /// Opens or makes the database and brings it to this program's version.
    pub(crate) async fn open(path: &Path, vault: Arc<Vault>) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let shown = path.display().to_string();
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_with(options)
            .await
            .map_err(|source| Error::Open {
                path: shown.clone(),
                source,
            })?;
        schema::migrate(&pool, &shown).await?;
        Ok(Self { pool, vault })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// For tests of other parts: a hub's database with its keys beside it.
    #[cfg(test)]
    pub(crate) async fn open_with_keys(path: &Path) -> Result<Self, Error> {
        let state = path.parent().unwrap();
        Self::open(path, Vault::for_tests(state)).await
    }

    /// For tests of other parts: what happened to the database behind the hub's back.
    #[cfg(test)]
    pub(crate) async fn run_sql(&self, text: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned()))
            .execute(&self.pool)
            .await
            .unwrap();
    }
}

#[cfg(test)]
mod tests;
