//! Who may use the clinic's page: a few people, each with a PIN. One small file in the state directory is the truth; the
//! command line may change it while the daemon runs.

mod lockout;
mod pin;
mod sessions;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::durable;
use lockout::Lockout;
use pin::HashedPin;
pub(crate) use sessions::Sessions;

const FILE: &str = "page_users.json";
/// A township clinic has a handful.
const MOST_USERS: usize = 100;
const LONGEST_NAME: usize = 40;

/// What somebody may do. Everybody signed in sees the list and the images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// Confirms findings, asks experts, reads and prints reports.
    #[serde(default)]
    pub doctor: bool,
    /// Orders examinations, lets scanners in, imports.
    #[serde(default)]
    pub technician: bool,
    /// Keeps this list.
    #[serde(default)]
    pub manager: bool,
}

impl Roles {
    fn is_none(self) -> bool {
        self == Self::default()
    }

    pub(crate) fn words(self) -> Vec<&'static str> {
        [
            (self.doctor, "doctor"),
            (self.technician, "technician"),
            (self.manager, "manager"),
        ]
        .into_iter()
        .filter_map(|(is, word)| is.then_some(word))
        .collect()
    }
}

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub id: String,
    pub name: String,
    pub roles: Roles,
    /// When the PIN is taken again, after too many wrong ones.
    pub locked_until_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    id: String,
    name: String,
    roles: Roles,
    pin: HashedPin,
    #[serde(default)]
    lockout: Lockout,
}

impl Entry {
    fn user(&self) -> User {
        User {
            id: self.id.clone(),
            name: self.name.clone(),
            roles: self.roles,
            locked_until_ms: self.lockout.until_ms(),
        }
    }
}

/// Why the list was not changed; says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a name is 1 to {LONGEST_NAME} characters that can be seen")]
    Name,
    #[error("somebody has this name already")]
    NameTaken,
    #[error("a PIN is 4 to 12 digits, not all the same and not simply counted up or down")]
    Pin,
    #[error("choose at least one role")]
    NoRole,
    #[error("at least one manager must stay")]
    LastManager,
    #[error("there are {MOST_USERS} users already")]
    TooMany,
    #[error("there is no such user")]
    Unknown,
    #[error("the list of users {path} is damaged: restore it from the backup, or remove it and begin anew")]
    Damaged { path: String },
    #[error("the list of users cannot be read or written")]
    Disk { source: io::Error },
    #[error("the PIN cannot be hashed")]
    Hash,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotSignedIn {
    /// The name or the PIN; which of them is not said.
    Wrong,
    Locked {
        until_ms: i64,
    },
    /// The list cannot be used.
    Trouble,
}

/// Cheap to clone; all clones see the same people.
#[derive(Debug, Clone)]
pub struct Users {
    path: Arc<PathBuf>,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    entries: Vec<Entry>,
    /// Of the file these were read from.
    stamp: Option<(u64, i64)>,
}

impl Users {
    /// The list in this state directory. One that is damaged lets nobody in and keeps no image out.
    #[must_use]
    pub(crate) fn at(state: &Path) -> Self {
        Self {
            path: Arc::new(state.join(FILE)),
            known: Arc::default(),
        }
    }

    /// # Errors
    /// When the list is there and cannot be read.
    pub fn open(state: &Path) -> Result<Self, Error> {
        let users = Self::at(state);
        drop(users.fresh()?);
        Ok(users)
    }

    /// What the file says now.
    fn fresh(&self) -> Result<MutexGuard<'_, Known>, Error> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let disk = |source| Error::Disk { source };
        let stamp = match fs::metadata(&*self.path) {
            Ok(metadata) => Some((metadata.ino(), metadata.mtime_nsec())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(disk(error)),
        };
        if stamp != known.stamp || stamp.is_none() {
            known.entries = match durable::read(&self.path).map_err(disk)? {
                Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| self.damaged())?,
                None if stamp.is_some() => return Err(self.damaged()),
                None => Vec::new(),
            };
            known.stamp = stamp;
        }
        Ok(known)
    }

    fn damaged(&self) -> Error {
        Error::Damaged {
            path: self.path.display().to_string(),
        }
    }

    fn write(&self, known: &mut Known, entries: Vec<Entry>) -> Result<(), Error> {
        let disk = |source| Error::Disk { source };
        let bytes = serde_json::to_vec_pretty(&entries).map_err(|error| disk(io::Error::other(error)))?;
        // The command line may be there before the daemon's first start.
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory).map_err(disk)?;
        }
        durable::replace(&self.path, &bytes).map_err(disk)?;
        let metadata = fs::metadata(&*self.path).map_err(disk)?;
        known.stamp = Some((metadata.ino(), metadata.mtime_nsec()));
        known.entries = entries;
        Ok(())
    }

    /// By name.
    pub(crate) fn all(&self) -> Result<Vec<User>, Error> {
        let mut all: Vec<User> = self.fresh()?.entries.iter().map(Entry::user).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    pub(crate) fn get(&self, id: &str) -> Option<User> {
        let known = self.fresh().ok()?;
        known.entries.iter().find(|entry| entry.id == id).map(Entry::user)
    }

    /// # Errors
    /// When the name, the PIN or the roles cannot be, or the disk fails.
    pub fn add(&self, name: &str, roles: Roles, pin: &str) -> Result<String, Error> {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        if name.is_empty() || LONGEST_NAME < name.chars().count() || name.chars().any(char::is_control) {
            return Err(Error::Name);
        }
        if roles.is_none() {
            return Err(Error::NoRole);
        }
        let pin = HashedPin::of(pin)?;
        let mut known = self.fresh()?;
        if known.entries.iter().any(|entry| entry.name == name) {
            return Err(Error::NameTaken);
        }
        if MOST_USERS <= known.entries.len() {
            return Err(Error::TooMany);
        }
        let id = Ulid::generate().to_string();
        let mut entries = known.entries.clone();
        entries.push(Entry {
            id: id.clone(),
            name,
            roles,
            pin,
            lockout: Lockout::default(),
        });
        self.write(&mut known, entries)?;
        Ok(id)
    }

    /// The first user, a manager; only while there is none.
    ///
    /// # Errors
    /// As [`Users::add`], and when there is somebody already.
    pub(crate) fn add_first(&self, name: &str, pin: &str) -> Result<String, Error> {
        if !self.all()?.is_empty() {
            return Err(Error::NameTaken);
        }
        let everything = Roles {
            doctor: true,
            technician: true,
            manager: true,
        };
        self.add(name, everything, pin)
    }

    /// A new PIN also lets somebody in again who was locked out.
    ///
    /// # Errors
    /// When the PIN cannot be, there is no such user, or the disk fails.
    pub fn set_pin(&self, id: &str, pin: &str) -> Result<(), Error> {
        let pin = HashedPin::of(pin)?;
        self.change(id, |entry| {
            entry.pin = pin;
            entry.lockout = Lockout::default();
        })
    }

    /// # Errors
    /// When nobody would manage the list any more, there is no such user, or the disk fails.
    pub(crate) fn set_roles(&self, id: &str, roles: Roles) -> Result<(), Error> {
        if roles.is_none() {
            return Err(Error::NoRole);
        }
        self.change(id, |entry| entry.roles = roles)
    }

    /// # Errors
    /// As [`Users::set_roles`].
    pub(crate) fn remove(&self, id: &str) -> Result<(), Error> {
        let mut known = self.fresh()?;
        let mut entries = known.entries.clone();
        entries.retain(|entry| entry.id != id);
        if entries.len() == known.entries.len() {
            return Err(Error::Unknown);
        }
        if !entries.iter().any(|entry| entry.roles.manager) {
            return Err(Error::LastManager);
        }
        self.write(&mut known, entries)
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Entry)) -> Result<(), Error> {
        let mut known = self.fresh()?;
        let mut entries = known.entries.clone();
        let had_manager = entries.iter().any(|entry| entry.roles.manager);
        let entry = entries.iter_mut().find(|entry| entry.id == id);
        change(entry.ok_or(Error::Unknown)?);
        if had_manager && !entries.iter().any(|entry| entry.roles.manager) {
            return Err(Error::LastManager);
        }
        self.write(&mut known, entries)
    }

    /// Who has this name.
    pub fn id_of(&self, name: &str) -> Option<String> {
        let known = self.fresh().ok()?;
        let entry = known.entries.iter().find(|entry| entry.name == name)?;
        Some(entry.id.clone())
    }

    /// Checks a PIN; takes a moment and some memory, one at a time. A wrong one is counted on the disk before it is answered.
    pub(crate) fn sign_in(&self, id: &str, pin: &str, now_ms: i64) -> Result<User, NotSignedIn> {
        let trouble = |error: Error| {
            tracing::error!(
                error = crate::error_chain::chain(&error),
                "Nobody can sign in to the clinic page."
            );
            NotSignedIn::Trouble
        };
        let mut known = self.fresh().map_err(trouble)?;
        let mut entries = known.entries.clone();
        let Some(entry) = entries.iter_mut().find(|entry| entry.id == id) else {
            return Err(NotSignedIn::Wrong);
        };
        if let Some(until_ms) = entry.lockout.locked(now_ms) {
            return Err(NotSignedIn::Locked { until_ms });
        }
        if entry.pin.is(pin) {
            let user = entry.user();
            if entry.lockout != Lockout::default() {
                entry.lockout = Lockout::default();
                self.write(&mut known, entries).map_err(trouble)?;
            }
            return Ok(user);
        }
        entry.lockout.wrong(now_ms);
        let locked = entry.lockout.locked(now_ms);
        tracing::warn!(
            user = id,
            locked = locked.is_some(),
            "A wrong PIN on the clinic page."
        );
        self.write(&mut known, entries).map_err(trouble)?;
        Err(match locked {
            Some(until_ms) => NotSignedIn::Locked { until_ms },
            None => NotSignedIn::Wrong,
        })
    }
}

#[cfg(test)]
mod tests;
