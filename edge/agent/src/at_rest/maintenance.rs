//! What is done to the keys while the daemon stands still.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use barefoot_queue::Queue;
use barefoot_trust::at_rest::{KeyPlace, Scope};

use super::box_key;
use super::key_folder;
use super::vault::scope;
use super::{Config, Error, Vault, is_not_ours};
use crate::durable;
use crate::study_folder::{StateDirectory, StudyKey};

/// Gives the box a new key and seals every other key with it; what those seal stays as it is. After a power cut in the middle
/// it is done again from the start. A key that systemd gave is read only: `into` names a file for the new one, which then
/// must take its place.
///
/// # Errors
/// When the daemon runs, or the disk fails: then old and new generation both still count.
pub fn rotate(state: &Path, config: &Config, into: Option<&Path>) -> Result<usize, Error> {
    let _still = standing_still(state)?;
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
    let keys = vault.box_keys().clone().with_next()?;
    box_key::write(target, &keys)?;
    let mut sealed = Vec::new();
    for (folder, scope) in key_folders(state)? {
        for (id, kind) in key_folder::list(&folder).map_err(Error::disk(&folder))? {
            let path = key_folder::file(&folder, id, kind);
            let part = path.with_extension(format!("{}.part", kind.ending()));
            match key_folder::load(&folder, id, kind, &keys, scope) {
                Ok(key) => {
                    let bytes = key.wrap(vault.cipher(), &keys, scope)?;
                    fs::write(&part, bytes).map_err(Error::disk(&part))?;
                    sealed.push((part, path));
                }
                // It opened before neither.
                Err(error) if is_not_ours(&error) => {}
                Err(error) => return Err(Error::disk(&path)(error)),
            }
        }
    }
    // One sync for all; only then do the old ones go.
    sync(state)?;
    for (part, path) in &sealed {
        fs::rename(part, path).map_err(Error::disk(path))?;
    }
    sync(state)?;
    box_key::write(target, &keys.newest_only())?;
    Ok(sealed.len())
}

/// Destroys the box's key and with it everything that it sealed, then removes what is in the state directory.
///
/// # Errors
/// When the daemon runs, or the disk fails.
pub fn erase(state: &Path, config: &Config) -> Result<(), Error> {
    let still = standing_still(state)?;
    match box_key::place(state, config) {
        KeyPlace::Credential(_) => {}
        place => durable::destroy(place.path()).map_err(Error::disk(place.path()))?,
    }
    for (folder, _) in key_folders(state)? {
        for (id, kind) in key_folder::list(&folder).map_err(Error::disk(&folder))? {
            key_folder::destroy(&folder, id, kind).map_err(Error::disk(&folder))?;
        }
    }
    drop(still);
    for entry in fs::read_dir(state).map_err(Error::disk(state))? {
        let path = entry.map_err(Error::disk(state))?.path();
        let removed = match path.is_dir() {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        removed.map_err(Error::disk(&path))?;
    }
    sync(state)
}

/// Held as long as nobody else may work here. A queue that is damaged is nobody's.
fn standing_still(state: &Path) -> Result<Option<Queue>, Error> {
    let queue = StateDirectory::open(state).map_err(Error::disk(state))?.queue();
    match Queue::open(&queue, barefoot_queue::Config::default()) {
        Err(barefoot_queue::Error::InUse { .. }) => Err(Error::Running),
        opened => Ok(opened.ok()),
    }
}

fn key_folders(state: &Path) -> Result<Vec<(PathBuf, Scope)>, Error> {
    let mut folders = vec![(state.join("keys"), Scope::default())];
    let studies = state.join("studies");
    for entry in fs::read_dir(&studies).map_err(Error::disk(&studies))? {
        let name = entry.map_err(Error::disk(&studies))?.file_name();
        let study = name.to_str().and_then(StudyKey::parse);
        folders.extend(study.map(|study| (studies.join(&name).join("keys"), scope(&study))));
    }
    Ok(folders)
}

fn sync(state: &Path) -> Result<(), Error> {
    let folder = File::open(state).map_err(Error::disk(state))?;
    rustix::fs::syncfs(folder).map_err(|error| Error::disk(state)(error.into()))
}
