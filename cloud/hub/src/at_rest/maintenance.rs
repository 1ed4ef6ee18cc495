use std::path::Path;

use barefoot_trust::at_rest::{KeyPlace, Scope, key_file, list_keys, load_key, replace_key, save_key};

use super::vault::{ENDING, folder_of};
use super::{Config, Error, Vault};
use crate::state::{self, BackupLock, StateDirectory};

/// Gives the hub a new key and seals every other key with it; what those seal stays as it is. After a power cut in the middle it
/// is done again from the start. A key that systemd gave is read only: `into` names a file for the new one, which then must
/// take its place.
///
/// # Errors
/// When the daemon runs, or the disk fails: then old and new generation both still count.
pub fn rotate(state: &Path, config: &Config, into: Option<&Path>) -> Result<usize, Error> {
    let _held = StateDirectory::open(state).map_err(|error| match error {
        state::Error::InUse { .. } => Error::Running,
        other => Error::disk(state)(std::io::Error::other(other)),
    })?;
    // A backup with some keys sealed by the one and some by the other could be opened by neither.
    let _alone = BackupLock::take(state).map_err(|error| Error::disk(state)(std::io::Error::other(error)))?;
    let vault = Vault::open(state, config)?;
    let target = match (vault.place(), into) {
        (_, Some(into)) => into,
        (KeyPlace::Credential(path), None) => {
            return Err(Error::ForeignKey {
                path: path.display().to_string(),
            });
        }
        (place, None) => place.path(),
    };
    let keys = vault.hub_keys().clone().with_next()?;
    replace_key(target, &keys).map_err(Error::disk(target))?;
    let folder = folder_of(state);
    let there = list_keys(&folder, &[ENDING]).map_err(Error::disk(&folder))?;
    for (id, _) in &there {
        let path = key_file(&folder, *id, ENDING);
        let key = load_key(&path, *id, &keys, Scope::default()).map_err(Error::disk(&path))?;
        let with = (vault.cipher(), &keys, Scope::default());
        save_key(&folder, &key, ENDING, with, true).map_err(Error::disk(&path))?;
    }
    replace_key(target, &keys.newest_only()).map_err(Error::disk(target))?;
    Ok(there.len())
}
