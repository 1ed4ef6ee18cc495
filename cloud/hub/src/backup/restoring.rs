//! A hub from a backup, in an empty state directory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::making::asked_since;
use super::manifest::{self, Manifest};
use super::tree::unless_gone;
use super::{Error, FILE_SYSTEMS_OWN, KEY, Progress, STATE, Telling, copying, to_check};
use crate::archive::{Archive, database_of_backup, known_version};
use crate::at_rest::{KeyPlace, Vault, place};
use crate::audit::{Action, Actor, Entry, Object};
use crate::clock::now_ms;
use crate::config::Config;
use crate::state::{StateDirectory, Unready, database_of};
use crate::web::iso_time;

/// A hub that can be started.
#[derive(Debug)]
pub struct Restored {
    pub progress: Progress,
    /// What people must look at before clinics rely on it again, line by line.
    pub to_check: Vec<String>,
}

/// Fills the state directory of the settings, which must be empty, from the backup in `from`. Blocking: a command of its own.
///
/// # Errors
/// When the backup is not whole or not what it was, or does not fit: the directory is empty again then.
pub async fn restore(
    config: &Config,
    from: &Path,
    key: Option<&Path>,
    say: &mut (dyn FnMut(Progress) + Send),
) -> Result<Restored, Error> {
    let read = Manifest::read(from)?;
    let known = known_version();
    if known < read.manifest.schema {
        return Err(Error::Newer {
            found: read.manifest.schema,
            known,
        });
    }
    let state = &config.directory;
    must_be_empty(state)?;
    let key = key_to_place(config, key, read.manifest.with_key)?;
    let _held = StateDirectory::open(state)?;
    let unready = Unready::mark(state)?;
    let done = fill(config, from, &read, key.as_deref(), say).await;
    let restored = match done {
        Ok(restored) => restored,
        Err(error) => {
            // Nothing was here before: all of it is this restore's. What cannot be removed keeps its mark, and no hub starts.
            let removed = empty(state);
            if removed.is_ok() {
                unready.ends()?;
            }
            return Err(error);
        }
    };
    copying::sync_folders(state).map_err(Error::disk(state))?;
    unready.ends()?;
    Ok(restored)
}

async fn fill(
    config: &Config,
    from: &Path,
    read: &manifest::Read,
    key: Option<&Path>,
    say: &mut (dyn FnMut(Progress) + Send),
) -> Result<Restored, Error> {
    let (state, manifest) = (&config.directory, &read.manifest);
    let mut telling = Telling::new(say);
    for (path, file) in &manifest.files {
        take(&from.join(STATE).join(path), path, file, &state.join(path))?;
        telling.done(file.bytes, false);
    }
    for (path, target) in &manifest.links {
        let link = state.join(path);
        make_parent(&link)?;
        std::os::unix::fs::symlink(target, &link).map_err(Error::disk(&link))?;
    }
    if let Some(key) = key {
        let to = state.join(KEY);
        let mut file = File::open(key).map_err(Error::disk(key))?;
        copying::copy(&mut file, &to).map_err(Error::disk(&to))?;
    }
    let vault = Arc::new(Vault::open(state, &config.at_rest)?);
    if !vault.has_vouched(&read.sum, &read.word) {
        return Err(Error::Forged);
    }
    let database = database_of(state);
    check(&database, manifest).await?;
    let archive = Archive::open(&database, vault).await?;
    let since_ms = asked_since(manifest.state_at_ms);
    let entry = Entry::new(Actor::Console, Action::Restored, Object::none()).details(&format!(
        "from a backup of {}; boxes are asked for what was receipted since {}",
        iso_time(manifest.state_at_ms),
        iso_time(since_ms)
    ));
    archive.close_what_was_open().await?;
    archive.ask_again(since_ms, &entry, now_ms()).await?;
    let to_check = to_check::lines(&archive, manifest.state_at_ms).await?;
    archive.close().await;
    Ok(Restored {
        progress: telling.progress,
        to_check,
    })
}

/// One file, as the manifest says it is.
fn take(from: &Path, path: &str, file: &manifest::File, to: &Path) -> Result<(), Error> {
    let named = || path.to_owned();
    let Some(data) = unless_gone(fs::symlink_metadata(from)).map_err(Error::disk(from))? else {
        return Err(Error::Missing { file: named() });
    };
    if !data.is_file() {
        return Err(Error::Changed {
            file: named(),
            what: "it is no file",
        });
    }
    let mut content = File::open(from).map_err(Error::disk(from))?;
    let copied = copying::copy(&mut content, to).map_err(Error::disk(to))?;
    file.is(copied.bytes, &copied.sha256)
        .map_err(|what| Error::Changed { file: named(), what })?;
    copying::set_modified(to, file.modified_ns).map_err(Error::disk(to))
}

async fn check(database: &Path, manifest: &Manifest) -> Result<(), Error> {
    let copy = database_of_backup(database).await?;
    let (version, faults) = (copy.version().await, copy.faults().await);
    copy.close().await;
    if let Some(fault) = faults?.into_iter().next() {
        return Err(Error::Damaged { fault });
    }
    if version? != manifest.schema {
        return Err(Error::Damaged {
            fault: "it has another version than the backup says".to_owned(),
        });
    }
    Ok(())
}

/// The file that becomes the hub's key here; `None` where it comes with the backup or is in its place.
fn key_to_place(config: &Config, given: Option<&Path>, is_in_backup: bool) -> Result<Option<PathBuf>, Error> {
    match (place(&config.directory, &config.at_rest), given) {
        (KeyPlace::Beside(_), Some(given)) if !is_in_backup => Ok(Some(given.to_owned())),
        (KeyPlace::Beside(_), _) if is_in_backup => Ok(None),
        (KeyPlace::Beside(path), _) => Err(Error::NoKey {
            path: path.display().to_string(),
        }),
        (KeyPlace::Named(path) | KeyPlace::Credential(path), Some(_)) => Err(Error::KeyIsElsewhere {
            path: path.display().to_string(),
        }),
        (KeyPlace::Named(path) | KeyPlace::Credential(path), None) if path.is_file() => Ok(None),
        (KeyPlace::Named(path) | KeyPlace::Credential(path), None) => Err(Error::NoKey {
            path: path.display().to_string(),
        }),
    }
}

fn must_be_empty(state: &Path) -> Result<(), Error> {
    let Some(entries) = unless_gone(fs::read_dir(state)).map_err(Error::disk(state))? else {
        return Ok(());
    };
    for entry in entries {
        let name = entry.map_err(Error::disk(state))?.file_name();
        if name != FILE_SYSTEMS_OWN {
            return Err(Error::NotEmpty {
                path: state.display().to_string(),
                what: name.to_string_lossy().into_owned(),
            });
        }
    }
    Ok(())
}

/// Removes all but what marks the directory.
fn empty(state: &Path) -> io::Result<()> {
    let mut found: BTreeMap<PathBuf, bool> = BTreeMap::new();
    for entry in fs::read_dir(state)? {
        let entry = entry?;
        found.insert(entry.path(), entry.file_type()?.is_dir());
    }
    for (path, is_folder) in found {
        if Unready::is_mark(&path) || path.ends_with(FILE_SYSTEMS_OWN) {
            continue;
        }
        if is_folder {
            fs::remove_dir_all(path)?;
        } else {
            fs::remove_file(path)?;
        }
    }
    copying::sync_file(state)
}

fn make_parent(path: &Path) -> Result<(), Error> {
    match path.parent() {
        Some(folder) => copying::make_folder(folder).map_err(Error::disk(folder)),
        None => Ok(()),
    }
}
