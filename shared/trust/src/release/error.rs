use std::io;

use time::OffsetDateTime;

use super::RoleName;

/// Why a repository, a release or a file of it is not believed. Each sentence says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    #[error("{file} of the release repository cannot be read: check the line or the stick and try again")]
    Read {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("{file} is missing in the release repository: copy or publish the repository again, whole")]
    Missing { file: String },
    #[error("{file} is longer than {limit} bytes, as no such file of ours is: do not use this source")]
    TooLarge { file: String, limit: u64 },
    #[error("the {role} metadata is not what it must be ({what}): publish the repository again")]
    Malformed { role: RoleName, what: &'static str },
    #[error("where the {wanted} metadata should be stands other metadata: do not use this source")]
    WrongType { wanted: RoleName },
    #[error(
        "the {role} metadata follows another version of The Update Framework than 1: update the software first"
    )]
    SpecVersion { role: RoleName },
    #[error("the {role} metadata carries no valid signature of its keys: do not use this source")]
    Unsigned { role: RoleName },
    #[error(
        "the {role} metadata is signed by {have} of its keys, {need} must sign: have the missing signatures added"
    )]
    Threshold { role: RoleName, have: usize, need: u64 },
    #[error(
        "the {role} metadata is version {offered}, older than version {trusted} seen before: do not use this source, it replays old releases"
    )]
    Rollback {
        role: RoleName,
        trusted: u64,
        offered: u64,
    },
    #[error(
        "the {role} metadata says version {found} where version {wanted} must follow: do not use this source"
    )]
    WrongVersion { role: RoleName, wanted: u64, found: u64 },
    #[error(
        "the {role} metadata was valid until {at}: have the maintainer refresh the repository, and check this machine's clock"
    )]
    Expired { role: RoleName, at: OffsetDateTime },
    #[error(
        "the {role} metadata is not the one the signed list names ({what} differs): do not use this source, it mixes states of the repository"
    )]
    MixAndMatch { role: RoleName, what: &'static str },
    #[error("{file} has not the content that was signed: fetch it again, from another source if it repeats")]
    WrongTarget { file: String },
    #[error(
        "{file} is {} than the {signed} bytes that were signed: fetch it again",
        longer_or_shorter(.longer)
    )]
    WrongLength { file: String, signed: u64, longer: bool },
    #[error("no signed release {model} {version} is listed: publish it first")]
    NotListed { model: String, version: String },
    #[error("the release {model} {version} was withdrawn by its maintainers: use another")]
    Withdrawn { model: String, version: String },
    #[error(
        "the release {model} {version} has sequence {offered}, the installed one {installed}: an older model is never installed as new"
    )]
    Downgrade {
        model: String,
        version: String,
        installed: u64,
        offered: u64,
    },
    #[error("this machine's clock says {now}, but it was {known} before: set the clock")]
    ClockWentBack {
        now: OffsetDateTime,
        known: OffsetDateTime,
    },
    #[error("cannot keep {file} of the trusted state: check the disk")]
    State {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot write {file}: check the disk")]
    Write {
        file: String,
        #[source]
        source: io::Error,
    },
}

fn longer_or_shorter(longer: &bool) -> &'static str {
    if *longer { "longer" } else { "shorter" }
}

impl ReleaseError {
    /// Stable, for reports and counters.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "unreadable",
            Self::Missing { .. } => "missing",
            Self::TooLarge { .. } => "too_large",
            Self::Malformed { .. } => "malformed",
            Self::WrongType { .. } => "wrong_type",
            Self::SpecVersion { .. } => "spec_version",
            Self::Unsigned { .. } => "unsigned",
            Self::Threshold { .. } => "threshold",
            Self::Rollback { .. } => "rollback",
            Self::WrongVersion { .. } => "wrong_version",
            // Withholding news shows first in the metadata that lives shortest.
            Self::Expired {
                role: RoleName::Timestamp,
                ..
            } => "freeze",
            Self::Expired { .. } => "expired",
            Self::MixAndMatch { .. } => "mix_and_match",
            Self::WrongTarget { .. } => "wrong_target",
            Self::WrongLength { .. } => "wrong_length",
            Self::NotListed { .. } => "not_listed",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Downgrade { .. } => "downgrade",
            Self::ClockWentBack { .. } => "clock",
            Self::State { .. } => "state",
            Self::Write { .. } => "write",
        }
    }
}
