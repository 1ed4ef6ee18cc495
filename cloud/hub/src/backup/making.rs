//! A backup of a hub, running or not.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barefoot_domain::ClinicId;
use barefoot_wire::images::ObjectId;
use data_encoding::HEXLOWER;

use super::manifest::{self, Manifest};
use super::tree::{self, unless_gone};
use super::{Error, KEY, MARGIN, Progress, STATE, Telling, UNFINISHED, copying};
use crate::archive::{self, Archive, database_of_backup, known_version};
use crate::at_rest::{KeyPlace, Vault, place};
use crate::audit::{Action, Actor, Entry, Object};
use crate::clock::now_ms;
use crate::config::Config;
use crate::state::{BackupLock, StateDirectory, database_of};
use crate::web::iso_time;

const DATABASE: &str = "barefoot.db";

/// Copies of the database until one is found that everything it names lies beside.
const ATTEMPTS: usize = 3;

/// A backup that is whole and on the disk.
#[derive(Debug)]
pub struct Made {
    pub path: PathBuf,
    pub progress: Progress,
    pub with_key: bool,
    /// Images that the hub itself has lost.
    pub missing: Vec<String>,
}

/// Backs the hub up into a new folder below `folder`; it may run meanwhile. Blocking: a command of its own.
///
/// # Errors
/// When something cannot be read or written: there is no backup then.
pub async fn make(
    config: &Config,
    folder: &Path,
    with_key: bool,
    say: &mut (dyn FnMut(Progress) + Send),
) -> Result<Made, Error> {
    let state = &config.directory;
    let database = database_of(state);
    if !database.is_file() {
        return Err(Error::NoHub {
            path: state.display().to_string(),
        });
    }
    StateDirectory::make(state)?;
    copying::make_folder(folder).map_err(Error::disk(folder))?;
    let lies_within = fs::canonicalize(folder)
        .and_then(|folder| Ok(folder.starts_with(fs::canonicalize(state)?)))
        .map_err(Error::disk(folder))?;
    if lies_within {
        return Err(Error::Within {
            path: state.display().to_string(),
        });
    }
    let _alone = BackupLock::take(state)?;
    if with_key && let KeyPlace::Credential(path) | KeyPlace::Named(path) = place(state, &config.at_rest) {
        return Err(Error::KeyElsewhere {
            path: path.display().to_string(),
        });
    }
    let (known, found) = (known_version(), version_of(&database).await?);
    if found != known {
        return Err(Error::OtherVersion { found, known });
    }
    let vault = Arc::new(Vault::open(state, &config.at_rest)?);
    let archive = Archive::open(&database, Arc::clone(&vault)).await?;
    let made = Making {
        state,
        unfinished: folder.join(UNFINISHED),
        before: manifest::newest(folder),
        manifest: Manifest::new(known, now_ms(), with_key),
        telling: Telling::new(say),
    };
    let done = made.all(folder, &archive, &vault).await;
    archive.close().await;
    done
}

/// From now on boxes send again what was receipted since then: for a hub that goes on from a copy of its disk that was none of
/// these backups.
///
/// # Errors
/// When the archive cannot be used.
pub async fn ask_again(config: &Config, since_ms: i64) -> Result<(), Error> {
    StateDirectory::make(&config.directory)?;
    let vault = Arc::new(Vault::open(&config.directory, &config.at_rest)?);
    let archive = Archive::open(&database_of(&config.directory), vault).await?;
    let entry = Entry::new(Actor::Console, Action::ResultsAskedAgain, Object::none())
        .details(&format!("since {}", iso_time(since_ms)));
    archive.ask_again(since_ms, &entry, now_ms()).await?;
    archive.close().await;
    Ok(())
}

/// Since when a hub that goes on from this moment's state asks for results.
pub(super) fn asked_since(state_at_ms: i64) -> i64 {
    let margin = i64::try_from(MARGIN.as_millis()).unwrap_or(i64::MAX);
    state_at_ms.saturating_sub(margin)
}

async fn version_of(database: &Path) -> Result<i64, archive::Error> {
    let copy = database_of_backup(database).await?;
    let version = copy.version().await;
    copy.close().await;
    version
}

struct Making<'a> {
    state: &'a Path,
    unfinished: PathBuf,
    before: Option<(PathBuf, Manifest)>,
    manifest: Manifest,
    telling: Telling<'a>,
}

impl Making<'_> {
    async fn all(mut self, folder: &Path, archive: &Archive, vault: &Vault) -> Result<Made, Error> {
        let path = free_name(folder, &iso_time(now_ms()).replace(':', "-"));
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let key = if self.manifest.with_key { "with" } else { "without" };
        let entry =
            |said: String| Entry::new(Actor::Console, Action::Backup, Object::subject(&name)).details(&said);
        // What is given away stands in the log before it is.
        archive
            .append_audit(&entry(format!("begun, {key} the hub's key")), now_ms())
            .await?;
        match fs::remove_dir_all(&self.unfinished) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::disk(&self.unfinished)(error));
            }
            _ => copying::make_folder(&self.to("")).map_err(Error::disk(&self.unfinished))?,
        }
        self.copy_tree()?;
        let missing = self.copy_database(archive).await?;
        if self.manifest.with_key {
            self.copy_file(KEY, 0)?;
        }
        for (name, content) in self
            .manifest
            .written(|sum| vault.vouch(sum).map_err(|error| at_rest(error).into()))?
        {
            let path = self.unfinished.join(name);
            copying::write(&path, &content).map_err(Error::disk(&path))?;
        }
        copying::sync_folders(&self.unfinished).map_err(Error::disk(&self.unfinished))?;
        // From here on it is a backup.
        fs::rename(&self.unfinished, &path)
            .and_then(|()| copying::sync_file(folder))
            .map_err(Error::disk(&path))?;
        let progress = self.telling.progress;
        let said = format!("made: {} files, {} bytes", progress.files, progress.bytes);
        archive.append_audit(&entry(said), now_ms()).await?;
        Ok(Made {
            path,
            progress,
            with_key: self.manifest.with_key,
            missing,
        })
    }

    /// Brings the copy to hold what lies in the state directory now.
    fn copy_tree(&mut self) -> Result<(), Error> {
        let found = tree::look(self.state)?;
        for (path, (_, modified_ns)) in &found.files {
            let has =
                |copied: &manifest::File| found.files.get(path) == Some(&(copied.bytes, copied.modified_ns));
            if !self.manifest.files.get(path).is_some_and(has) {
                self.copy_file(path, *modified_ns)?;
            }
        }
        self.manifest.links = found.links;
        Ok(())
    }

    /// A file that is gone meanwhile is in no backup.
    fn copy_file(&mut self, path: &str, modified_ns: i64) -> Result<(), Error> {
        let (from, to) = (self.state.join(path), self.to(path));
        if self.manifest.files.remove(path).is_some() {
            fs::remove_file(&to).map_err(Error::disk(&to))?;
        }
        let Some(mut file) = unless_gone(File::open(&from)).map_err(Error::disk(&from))? else {
            return Ok(());
        };
        let bytes = file.metadata().map_err(Error::disk(&from))?.len();
        if let Some(known) = self.linked(path, bytes, modified_ns, &to)? {
            self.telling.done(known.bytes, true);
            self.manifest.files.insert(path.to_owned(), known);
            return Ok(());
        }
        let copied = copying::copy(&mut file, &to).map_err(Error::disk(&to))?;
        self.telling.done(copied.bytes, false);
        let file = manifest::File {
            bytes: copied.bytes,
            sha256: HEXLOWER.encode(&copied.sha256),
            modified_ns,
        };
        self.manifest.files.insert(path.to_owned(), file);
        Ok(())
    }

    /// The file of the backup before, where that one has it.
    fn linked(
        &self,
        path: &str,
        bytes: u64,
        modified_ns: i64,
        to: &Path,
    ) -> Result<Option<manifest::File>, Error> {
        let Some((before, manifest)) = self.before.as_ref().filter(|_| tree::is_for_ever(path)) else {
            return Ok(None);
        };
        let same = |known: &&manifest::File| known.bytes == bytes && known.modified_ns == modified_ns;
        let Some(known) = manifest.files.get(path).filter(same) else {
            return Ok(None);
        };
        let there = before.join(STATE).join(path);
        if fs::metadata(&there).map(|data| data.len()).ok() != Some(bytes) {
            return Ok(None);
        }
        if let Some(folder) = to.parent() {
            copying::make_folder(folder).map_err(Error::disk(folder))?;
        }
        // Where links cannot be made, or not so many, it is copied.
        Ok(fs::hard_link(&there, to).ok().map(|()| known.clone()))
    }

    /// The database at one moment, and beside it all that it names. What is lost at the hub itself is said.
    async fn copy_database(&mut self, archive: &Archive) -> Result<Vec<String>, Error> {
        let to = self.to(DATABASE);
        let mut missing = Vec::new();
        for _ in 0..ATTEMPTS {
            unless_gone(fs::remove_file(&to)).map_err(Error::disk(&to))?;
            // Into an empty file, which has its rights from us.
            copying::write(&to, &[]).map_err(Error::disk(&to))?;
            self.manifest.state_at_ms = now_ms();
            archive.copy_into(&to).await?;
            let copy = database_of_backup(&to).await?;
            let needed = copy.needed_objects().await;
            copy.close().await;
            // What came between the first look and the copy.
            self.copy_tree()?;
            missing = self.not_here(&needed?);
            if missing.is_empty() && self.manifest.links_lead_somewhere() {
                break;
            }
        }
        if !self.manifest.links_lead_somewhere() {
            return Err(Error::Unsettled);
        }
        for beside in ["barefoot.db-wal", "barefoot.db-shm"] {
            let path = self.to(beside);
            unless_gone(fs::remove_file(&path)).map_err(Error::disk(&path))?;
        }
        copying::sync_file(&to).map_err(Error::disk(&to))?;
        let copied = copying::sum(&to).map_err(Error::disk(&to))?;
        self.telling.done(copied.bytes, false);
        let file = manifest::File {
            bytes: copied.bytes,
            sha256: HEXLOWER.encode(&copied.sha256),
            modified_ns: 0,
        };
        self.manifest.files.insert(DATABASE.to_owned(), file);
        Ok(missing)
    }

    fn not_here(&self, needed: &BTreeSet<(ClinicId, ObjectId)>) -> Vec<String> {
        let path = |(clinic, id): &(ClinicId, ObjectId)| {
            let id = id.to_string();
            let part = id.get(..2).unwrap_or_default();
            format!("images/{clinic}/objects/{part}/{id}")
        };
        needed
            .iter()
            .map(path)
            .filter(|path| !self.manifest.files.contains_key(path))
            .collect()
    }

    fn to(&self, path: &str) -> PathBuf {
        self.unfinished.join(STATE).join(path)
    }
}

fn at_rest(source: barefoot_trust::at_rest::Error) -> crate::at_rest::Error {
    crate::at_rest::Error::Keys { source }
}

/// Two backups within a second have two names.
fn free_name(folder: &Path, name: &str) -> PathBuf {
    let mut path = folder.join(name);
    let mut number = 2;
    while path.exists() {
        path = folder.join(format!("{name}-{number}"));
        number += 1;
    }
    path
}
