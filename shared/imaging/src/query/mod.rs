//! What is asked of an archive or a worklist, and what is answered (PS3.4 sections C.2.2.2, C.4 and K.4).
//!
//! Pure: a request's data set in, a decision or an answer's data set out. What is searched are [`Record`]s, decoded once,
//! so that a name asked in GB18030 finds the same name in a file of ISO_IR 192.

mod answer;
mod find;
mod key;
mod levels;
mod moment;
mod name;
mod pattern;
mod record;
mod records;
mod retrieve;
mod worklist;

use crate::tags::Tag;

pub use find::{Find, Options};
pub use levels::{Attribute, Level, Model, Role, attributes};
pub use record::{Record, Value};
pub use records::{Records, records};
pub use retrieve::Retrieve;
pub use worklist::{WorklistAttribute, WorklistFind, worklist_attributes};

/// Why a request's identifier is not answered. Names the element, never its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("Query/Retrieve Level is missing or unknown here")]
    Level,
    #[error("{tag} must hold one value at this level")]
    Unique { tag: Tag },
    #[error("{tag} is no value or range that can be searched for")]
    Value { tag: Tag },
    #[error("{tag} is longer than can be searched for")]
    TooLong { tag: Tag },
}

impl Error {
    /// Offending Element (0000,0901).
    #[must_use]
    pub fn offending(self) -> Tag {
        match self {
            Self::Level => crate::tags::QUERY_LEVEL,
            Self::Unique { tag } | Self::Value { tag } | Self::TooLong { tag } => tag,
        }
    }

    /// Status (0000,0900): the identifier does not match the SOP class (PS3.4 table C.4-1).
    #[must_use]
    pub fn status(self) -> u16 {
        0xA900
    }
}

/// Whether `text` is a date as DICOM writes it: `YYYYMMDD`.
#[must_use]
pub fn is_date(text: &str) -> bool {
    text.len() == 8 && moment::date(text).is_some()
}

#[cfg(test)]
mod tests;
