//! Cases that a person reads. Each change is one immediate transaction: the life is read, the event applied, and what follows
//! from it (the event's line, what the clinic is told) written with it, or nothing is.

mod act;
mod desk;
mod list;
mod reports;
mod row;
mod triage;
mod words;
mod workitems;

use std::fmt;

use barefoot_domain::{CaseId, ClinicId};

use super::Error;
use crate::worklist::life::{Effect, Life, Refused};

pub(crate) use act::{Acted, By};
pub(crate) use desk::{Absence, Group, Shift};
pub(crate) use list::{Filter, HistoryLine, Load, MOST_COUNTED, Scope};
pub(crate) use reports::{NewReport, ReaderOpinion, Saved, StatementRow, StoredReport};
pub(in crate::archive) use row::tier;
pub(crate) use words::{ClinicWord, Said, StoredMessage};
pub(crate) use workitems::{CaseWorkitem, Program, WorkitemStep};

/// A case as the list and its page show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    /// Rising in the order of arrival; what people call it.
    pub(crate) number: i64,
    pub(crate) clinic: ClinicId,
    pub(crate) case: CaseId,
    pub(crate) modality: String,
    /// `A`, `B` or `C`.
    pub(crate) quality: String,
    /// Words of [`barefoot_domain::Reason`].
    pub(crate) reasons: Vec<String>,
    pub(crate) asked: bool,
    /// Messages of the clinic that no reader has seen.
    pub(crate) unseen: u32,
    pub(crate) teaching: bool,
    pub(crate) detected_at_ms: i64,
    pub(crate) opened_at_ms: i64,
    pub(crate) signed_at_ms: Option<i64>,
    pub(crate) life: Life,
}

/// Which case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CaseKey {
    pub(crate) clinic: ClinicId,
    pub(crate) case: CaseId,
}

impl fmt::Display for CaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.clinic, self.case)
    }
}

/// Why a case was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotActed {
    #[error("there is no such case")]
    Unknown,
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("a newer draft was saved from another page: load it again before you go on")]
    StaleDraft,
    #[error("the database did not do it")]
    Archive(#[from] Error),
}

impl From<sqlx::Error> for NotActed {
    fn from(source: sqlx::Error) -> Self {
        Self::Archive(Error::Commit { source })
    }
}

/// An effect with the case it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) case: Case,
    pub(crate) effects: Vec<Effect>,
}

#[cfg(test)]
mod swapped_tests;
#[cfg(test)]
mod tests;
