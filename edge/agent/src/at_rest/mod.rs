//! Everything with pixels or identity that the box writes is sealed; here is how it is written, and read again.
//!
//! A path says whose it is: what lies below an unlocked state directory is sealed with that box's keys, below a study's
//! folder with that study's. Whoever writes needs to know no more. Elsewhere, a stick or another system's folder, files
//! stay as they are. What an older program wrote plainly is read, and sealed when it is next written.
//!
//! ```text
//! identity/box.key or a systemd credential      the box's key
//! keys/<id>.key                                 seals what belongs to no study: queue, orders, users, logs
//! studies/<key>/keys/<id>.key                   seals the study's log, results and pictures
//! studies/<key>/keys/<id>.images                seals its images as received; goes when they are removed
//! studies/<key>/keys/<id>.retired               the same, from the moment that they are to go
//! ```

mod arriving;
mod box_key;
mod files;
mod key_folder;
mod maintenance;
mod queue_cover;
mod text;
mod vault;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use barefoot_trust::at_rest::{Cipher, Scope};
use serde::Deserialize;

pub(crate) use arriving::{Arriving, seal_received};
pub(crate) use barefoot_trust::at_rest::{MAGIC_BYTES, Purpose, is_sealed_file as is_sealed};
pub use files::{Opened, open};
pub(crate) use files::{create, is_plain, length, read, replace, stored, whole, write};
pub use maintenance::{erase, rotate};
pub(crate) use text::{open_line, seal_line};
pub(crate) use vault::ImagesKey;
pub use vault::Vault;

/// How what the box keeps is sealed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `aes-256-gcm` or `sm4-gcm`, for what is written from now on. Default `aes-256-gcm`.
    #[serde(default)]
    pub cipher: Cipher,
    /// Where the box's key is. Default: the systemd credential `barefoot-box-key` where there is one, else
    /// `identity/box.key` in the state directory, made at the first start.
    #[serde(default)]
    pub box_key: Option<PathBuf>,
}

/// Why what is kept cannot be opened. Never holds a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path} cannot be used")]
    Disk { path: String, source: io::Error },
    #[error("{path} is no box's key")]
    NoKey {
        path: String,
        source: barefoot_trust::at_rest::Error,
    },
    #[error(
        "the box's key {path} is missing, and what is kept here was sealed with it: bring it back from its backup. Nothing was changed"
    )]
    Missing { path: String },
    #[error(
        "the box's key {path} is another than the one that sealed what is kept here: bring that one back. Nothing was changed"
    )]
    Another { path: String },
    #[error("keys cannot be made or changed")]
    Keys {
        #[from]
        source: barefoot_trust::at_rest::Error,
    },
    #[error("the daemon runs here: stop it first")]
    Running,
    #[error("the box's key comes from {path}, which only its owner may change: name a file for the new one")]
    ForeignKey { path: String },
}

impl Error {
    fn disk(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        |source| Self::Disk { path, source }
    }
}

/// Whether a file was changed or cut, or its key is not here: reading it again will not help.
pub(crate) fn is_not_ours(error: &io::Error) -> bool {
    let sealed = error.get_ref().and_then(|source| source.downcast_ref());
    matches!(
        sealed,
        Some(
            barefoot_trust::at_rest::Error::Forged
                | barefoot_trust::at_rest::Error::Form
                | barefoot_trust::at_rest::Error::UnknownKey(_)
        )
    )
}

/// By state directory. One process mostly has one; whatever is below none of them is not sealed.
static UNLOCKED: RwLock<BTreeMap<PathBuf, Arc<Vault>>> = RwLock::new(BTreeMap::new());

/// Makes what is below the state directory readable to this process; on a first start makes its keys.
///
/// # Errors
/// When the box's key is missing or another one: nothing was changed then.
pub fn unlock(state: &Path, config: &Config) -> Result<Arc<Vault>, Error> {
    let vault = Arc::new(Vault::open(state, config)?);
    let mut unlocked = UNLOCKED.write().unwrap_or_else(PoisonError::into_inner);
    unlocked.insert(state.to_owned(), Arc::clone(&vault));
    Ok(vault)
}

/// The keys for a path, and whose of them.
pub(crate) fn of(path: &Path) -> Option<(Arc<Vault>, Scope)> {
    let unlocked = UNLOCKED.read().unwrap_or_else(PoisonError::into_inner);
    let vault = path.ancestors().find_map(|above| unlocked.get(above))?;
    let scope = vault.scope_of(path);
    Some((Arc::clone(vault), scope))
}

#[cfg(test)]
mod tests;
