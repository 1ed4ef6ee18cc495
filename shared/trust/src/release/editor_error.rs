use std::io;
use std::path::Path;

use super::{ReleaseError, RoleName};

/// Why a repository cannot be made, changed or signed.
#[derive(Debug, thiserror::Error)]
pub enum EditorError {
    #[error("cannot read {path}")]
    Read {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot write {path}")]
    Write {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{path} holds no ed25519 release key: make one with `barefootctl repository key`")]
    Key { path: String },
    #[error("{path} does not hold a repository's lifetimes in days: restore it from the backup")]
    Settings { path: String },
    #[error("there is a repository in {path} already: it is never overwritten")]
    Exists { path: String },
    #[error(
        "{threshold} keys must sign for {role}, but {keys} are named: name more keys or lower the threshold"
    )]
    CannotMeet {
        role: RoleName,
        keys: usize,
        threshold: u64,
    },
    #[error(
        "the version {version} of {model} was used before: a version always means the same bytes, take another"
    )]
    VersionUsed { model: String, version: String },
    #[error("model and version are 1 to 64 of letters, digits, '.', '_', '-', and do not begin with '.'")]
    Name,
    #[error("{path} is no model bundle: it has no manifest.toml")]
    NoBundle { path: String },
    #[error(
        "{path} cannot be part of a release: only plain files and folders with plain names, at most four deep"
    )]
    NotInBundle { path: String },
    #[error("nothing was published yet: sign the first root and list")]
    NotPublished,
    #[error("nothing is staged: add, withdraw, refresh or rotate first")]
    NothingStaged,
    #[error("none of these keys has anything left to sign here")]
    NothingToSign,
    #[error("the signature is for other metadata than what is staged now: sign the staged file again")]
    OtherMetadata,
    #[error("the signature is not valid, or its key may not sign this")]
    BadSignature,
    #[error("this is not metadata of a release repository")]
    NoMetadata,
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error(transparent)]
    Trust(#[from] crate::Error),
}

impl EditorError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.display().to_string(),
            source,
        }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.display().to_string(),
            source,
        }
    }
}
