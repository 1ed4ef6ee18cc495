//! Images, results, reports and messages are sealed before the hub writes them; here is how they are written, and read again.
//!
//! ```text
//! identity/hub.key or a systemd credential   the hub's key; seals only other keys
//! keys/<id>.key                              seals columns of the database, and the keys of the files of images
//! keys/rows-are-bound                        each value of the database is sealed for its row, and no other one is read
//! ```
//!
//! Files that an older hub wrote plainly are read as they are. Values of its database are sealed for their rows at the first
//! start of this one (`archive/bound_rows.rs`). Several programs of one hub (the daemon,
//! an import, a command for accounts) may work at once: each finds the keys that another made.

mod columns;
mod files;
mod maintenance;
mod vault;
mod vouching;

use std::io;
use std::path::{Path, PathBuf};

use barefoot_trust::at_rest::Cipher;
pub(crate) use barefoot_trust::at_rest::KeyPlace;
use serde::Deserialize;

pub(crate) use columns::{Cell, Column, Home};
pub(crate) use files::{Kept, destroy, length_of, plain_bytes};
pub use maintenance::rotate;
pub(crate) use vault::{Vault, place};

/// How what the hub keeps is sealed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `aes-256-gcm` or `sm4-gcm`, for what is written from now on. Default `aes-256-gcm`.
    #[serde(default)]
    pub cipher: Cipher,
    /// Where the hub's key is. Default: the systemd credential `barefoot-hub-store-key` where there is one, else `identity/hub.key`
    /// in the state directory, made at the first start.
    #[serde(default)]
    pub hub_key: Option<PathBuf>,
}

/// Why what is kept cannot be opened. Never holds a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path} cannot be used")]
    Disk { path: String, source: io::Error },
    #[error("{path} is no hub's key")]
    NoKey {
        path: String,
        source: barefoot_trust::at_rest::Error,
    },
    #[error(
        "the hub's key {path} is missing, and what is kept here was sealed with it: bring it back from its backup. Nothing was changed"
    )]
    Missing { path: String },
    #[error(
        "the hub's key {path} is another than the one that sealed what is kept here: bring that one back. Nothing was changed"
    )]
    Another { path: String },
    #[error("keys cannot be made or changed")]
    Keys {
        #[from]
        source: barefoot_trust::at_rest::Error,
    },
    #[error("the hub's key comes from {path}, which only its owner may change: name a file for the new one")]
    ForeignKey { path: String },
    #[error("the daemon runs here: stop it first")]
    Running,
}

impl Error {
    fn disk(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        |source| Self::Disk { path, source }
    }
}

#[cfg(test)]
mod tests;
